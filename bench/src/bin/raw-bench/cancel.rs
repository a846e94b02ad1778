//! `cancel`: starts a receive that cannot complete, cancels it, and waits for both ends.
//!
//! The plain one stages the receive and its cancellation together: the kernel takes them in order,
//! one `io_uring_enter` for both. The variant `two-enters` hands the receive over first, as a
//! program does that learns of the cancellation later; `tcp` receives on a connection, `accept`
//! waits for one.
//!
//! # Safety
//!
//! INV: the receive buffer outlives the ring's use, and each receive is reaped before the next.
#![expect(unsafe_code, reason = "a receive carries a pointer to its buffer")]

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use io_uring::{opcode, squeue, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};
use sendio_bench::sockets::tcp_pair;

const PENDING: u64 = 1;
const CANCEL: u64 = 2;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let mut buffer = [0_u8; 64];
    let address = buffer.as_mut_ptr();
    let receive = |fd: RawFd| opcode::Recv::new(types::Fd(fd), address, 64).build();
    match args.variant.as_str() {
        "" | "two-enters" => {
            let (socket, _silent_peer) = UnixStream::pair()?;
            measure(args, meter, || receive(socket.as_raw_fd()))
        }
        "tcp" => {
            let (socket, _silent_peer) = tcp_pair()?;
            measure(args, meter, || receive(socket.as_raw_fd()))
        }
        "accept" => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let fd = types::Fd(listener.as_raw_fd());
            let (no_address, no_len) = (ptr::null_mut(), ptr::null_mut());
            measure(args, meter, || {
                opcode::Accept::new(fd, no_address, no_len).build()
            })
        }
        _ => Err(Failure::variant(args)),
    }
}

fn measure(
    args: &Args,
    meter: Meter,
    pending: impl Fn() -> squeue::Entry,
) -> Result<Report, Failure> {
    let two_enters = args.variant == "two-enters";
    let mut uring = ring::build(2)?;
    let mut ring = Ring::new(&mut uring)?;
    meter.measure(args, 300_000, |ops| {
        for _ in 0..ops {
            // SAFETY: the buffer must stay valid and alone until the completion: it lives in the
            // calling function, and `both_ends` waits for that completion.
            unsafe { ring.push(&pending().user_data(PENDING)) };
            if two_enters {
                ring.turn(0)?;
            }
            let cancel = opcode::AsyncCancel::new(PENDING).build().user_data(CANCEL);
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
            let expected = if which == PENDING {
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
