//! `file-randread`: 4 KiB reads at random blocks, `--qd` in flight.
//!
//! Variants: `fixed` registers the file and the buffers; `pread` leaves the ring out and reads one
//! block after the other.
//!
//! # Safety
//!
//! INV: the buffers are allocated before the ring is used and dropped after it; buffer `slot` is
//! the kernel's from the push of its read to the reaping of its completion.
#![expect(
    clippy::cast_possible_truncation,
    reason = "user data is a slot number below --qd"
)]
#![expect(unsafe_code, reason = "reads carry pointers to their buffers")]

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use io_uring::{opcode, squeue, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::file::{BLOCK, Block, BlockFile};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};
use sendio_bench::work::Random;

const BLOCK_LEN: u32 = 4096;
const WHOLE_BLOCK: i32 = 4096;
const _: () = assert!(BLOCK_LEN as usize == BLOCK);

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let source = BlockFile::open(args)?;
    let default_ops = if args.direct { 50_000 } else { 1_000_000 };
    let mut buffers = vec![Block::ZERO; args.qd as usize];
    let mut random = Random::new(7);
    let meter = Meter::new(args, Scope::Process)?;
    if args.variant == "pread" {
        return meter.measure(args, default_ops, |ops| {
            for _ in 0..ops {
                let offset = u64::from(random.below(source.blocks)) * BLOCK as u64;
                source.file.read_exact_at(&mut buffers[0].0, offset)?;
            }
            Ok(())
        });
    }
    let mut uring = ring::build(args.qd)?;
    let mut ring = Ring::new(&mut uring)?;
    let mut addresses: Vec<*mut u8> = buffers.iter_mut().map(|b| b.0.as_mut_ptr()).collect();
    let mut offset = || u64::from(random.below(source.blocks)) * BLOCK as u64;
    match args.variant.as_str() {
        "" => {
            let fd = types::Fd(source.file.as_raw_fd());
            meter.measure(args, default_ops, |ops| {
                reads(&mut ring, ops, &mut addresses, |_, address| {
                    opcode::Read::new(fd, address, BLOCK_LEN)
                        .offset(offset())
                        .build()
                })
            })
        }
        "fixed" => {
            register(&ring, &source, &addresses)?;
            meter.measure(args, default_ops, |ops| {
                reads(&mut ring, ops, &mut addresses, |slot, address| {
                    opcode::ReadFixed::new(types::Fixed(0), address, BLOCK_LEN, slot)
                        .offset(offset())
                        .build()
                })
            })
        }
        _ => Err(Failure::variant(args)),
    }
}

/// Keeps as many reads in flight as there are buffers, until `ops` have been reaped.
#[inline(always)]
fn reads(
    ring: &mut Ring<'_>,
    ops: u64,
    buffers: &mut [*mut u8],
    mut read: impl FnMut(u16, *mut u8) -> squeue::Entry,
) -> Result<(), Failure> {
    let (mut unstarted, mut unfinished) = (ops, ops);
    let first = ops.min(buffers.len() as u64);
    let mut start = |ring: &mut Ring<'_>, slot: u64| {
        let entry = read(slot as u16, buffers[slot as usize]).user_data(slot);
        // SAFETY: the buffer must stay valid and alone until the completion: it is allocated for
        // longer than the ring is used, and `slot` is started again only after it was reaped.
        unsafe { ring.push(&entry) };
    };
    for slot in 0..first {
        start(ring, slot);
    }
    unstarted -= first;
    while unfinished > 0 {
        ring.turn(1)?;
        while let Some((slot, result)) = ring.reap() {
            if result != WHOLE_BLOCK {
                return Err(wrong_length(result).into());
            }
            unfinished -= 1;
            if unstarted > 0 {
                unstarted -= 1;
                start(ring, slot);
            }
        }
    }
    Ok(())
}

#[cold]
fn wrong_length(result: i32) -> io::Error {
    if result < 0 {
        ring::failed(result)
    } else {
        io::ErrorKind::UnexpectedEof.into()
    }
}

fn register(ring: &Ring<'_>, source: &BlockFile, buffers: &[*mut u8]) -> io::Result<()> {
    let vector = |address: &*mut u8| libc::iovec {
        iov_base: address.cast(),
        iov_len: BLOCK,
    };
    let vectors: Vec<libc::iovec> = buffers.iter().map(vector).collect();
    ring.submitter()
        .register_files(&[source.file.as_raw_fd()])?;
    // SAFETY: the buffers must stay allocated while they are registered: they outlive the ring's
    // use, and the ring is closed without touching them.
    unsafe { ring.submitter().register_buffers(&vectors) }
}
