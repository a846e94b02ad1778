//! `cancel`: starts a receive that cannot complete, cancels it, and waits for both ends.
//!
//! The plain one stages the receive and its cancellation together: the kernel takes them in order,
//! one `io_uring_enter` for both. The variant `two-enters` hands the receive over first, as a
//! program does that learns of the cancellation later.
//!
//! # Safety
//!
//! INV: the receive buffer outlives the ring's use, and each receive is reaped before the next.
#![expect(unsafe_code, reason = "a receive carries a pointer to its buffer")]

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use io_uring::{opcode, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};

const RECEIVE: u64 = 1;
const CANCEL: u64 = 2;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let two_enters = match args.variant.as_str() {
        "" => false,
        "two-enters" => true,
        _ => return Err(Failure::variant(args)),
    };
    let meter = Meter::new(args, Scope::Process)?;
    let (socket, _silent_peer) = UnixStream::pair()?;
    let fd = types::Fd(socket.as_raw_fd());
    let mut buffer = [0_u8; 64];
    let address = buffer.as_mut_ptr();
    let mut uring = ring::build(2)?;
    let mut ring = Ring::new(&mut uring)?;
    meter.measure(args, 300_000, |ops| {
        for _ in 0..ops {
            let receive = opcode::Recv::new(fd, address, 64)
                .build()
                .user_data(RECEIVE);
            // SAFETY: the buffer must stay valid and alone until the completion: it lives in the
            // enclosing function, and `both_ends` waits for that completion.
            unsafe { ring.push(&receive) };
            if two_enters {
                ring.turn(0)?;
            }
            let cancel = opcode::AsyncCancel::new(RECEIVE).build().user_data(CANCEL);
            // SAFETY: what the entry points to must stay valid: a cancellation points to nothing.
            unsafe { ring.push(&cancel) };
            both_ends(&mut ring)?;
        }
        Ok(())
    })
}

/// Waits until the receive ended as cancelled and the cancellation as successful.
#[inline(always)]
fn both_ends(ring: &mut Ring<'_>) -> io::Result<()> {
    let mut outstanding = 2;
    while outstanding > 0 {
        ring.turn(outstanding)?;
        while let Some((which, result)) = ring.reap() {
            let expected = if which == RECEIVE {
                -libc::ECANCELED
            } else {
                0
            };
            if result != expected {
                return Err(io::Error::other(format!(
                    "operation {which} ended with {result}"
                )));
            }
            outstanding -= 1;
        }
    }
    Ok(())
}
