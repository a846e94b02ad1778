//! `nop-batch` and `nop-lat`: a NOP through submission and completion, many or one at a time.
//!
//! # Safety
//!
//! A NOP has no pointers.
#![expect(
    clippy::cast_possible_truncation,
    reason = "user data is a slot number below --depth"
)]
#![expect(unsafe_code, reason = "entries are pushed through the ring")]

use io_uring::opcode;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};

pub(crate) fn batch(args: &Args) -> Result<Report, Failure> {
    run(args, args.depth, 5_000_000)
}

pub(crate) fn latency(args: &Args) -> Result<Report, Failure> {
    run(args, 1, 500_000)
}

fn run(args: &Args, depth: u32, default_ops: u64) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let mut uring = ring::build(depth)?;
    let mut ring = Ring::new(&mut uring)?;
    // What a completion is delivered to: the slot that its user data names.
    let mut completions = vec![0_u64; depth as usize];
    meter.measure(args, default_ops, |ops| {
        nops(&mut ring, &mut completions, ops)
    })
}

fn nops(ring: &mut Ring<'_>, completions: &mut [u64], ops: u64) -> Result<(), Failure> {
    let (mut unstarted, mut unfinished) = (ops, ops);
    let first = ops.min(completions.len() as u64);
    for slot in 0..first {
        push(ring, slot);
    }
    unstarted -= first;
    while unfinished > 0 {
        ring.turn(1)?;
        while let Some((slot, result)) = ring.reap() {
            if result < 0 {
                return Err(ring::failed(result).into());
            }
            completions[slot as usize] += 1;
            unfinished -= 1;
            if unstarted > 0 {
                unstarted -= 1;
                push(ring, slot);
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn push(ring: &mut Ring<'_>, slot: u64) {
    // SAFETY: what the entry points to must stay valid: a NOP points to nothing.
    unsafe { ring.push(&opcode::Nop::new().build().user_data(slot)) };
}
