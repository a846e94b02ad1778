//! `cancel`: starts a receive that cannot complete, requests stop, and waits for its end.
//!
//! The plain one receives on a Unix socket, and requests stop when the receive has been started,
//! before the loop turns. The variant `two-enters` lets the kernel have the receive first, as a
//! program does that learns of the cancellation later; `tcp` receives on a connection, `accept`
//! waits for one.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;

use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::sockets::tcp_pair;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let ctx = IoContext::new()?;
    let io = ctx.local();
    match args.variant.as_str() {
        "" | "two-enters" => {
            let (socket, _silent_peer) = UnixStream::pair()?;
            measure(args, meter, &ctx, || io.recv(&socket, [0; 64]))
        }
        "tcp" => {
            let (socket, _silent_peer) = tcp_pair()?;
            measure(args, meter, &ctx, || io.recv(&socket, [0; 64]))
        }
        "accept" => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            measure(args, meter, &ctx, || io.accept(&listener))
        }
        _ => Err(Failure::variant(args)),
    }
}

fn measure<S: LocalSender<Error = io::Error>>(
    args: &Args,
    meter: Meter,
    ctx: &IoContext,
    pending: impl Fn() -> S,
) -> Result<Report, Failure> {
    let two_enters = args.variant == "two-enters";
    let io = ctx.local();
    meter.measure(args, 300_000, |ops| {
        for _ in 0..ops {
            let source = StopSource::new();
            let pending = pending().with_stop_token(source.token());
            let ended = if two_enters {
                let stop = io.schedule().then(|()| source.request_stop());
                ctx.block_on_local(when_all((pending, stop)))?.is_none()
            } else {
                let stop = ready::<_, io::Error>(()).then(|()| source.request_stop());
                ctx.block_on_local(when_all((pending, stop)))?.is_none()
            };
            if !ended {
                return Err(io::Error::other("it was not stopped").into());
            }
        }
        Ok(())
    })
}
