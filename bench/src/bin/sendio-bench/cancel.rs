//! `cancel`: starts a read of a socket that cannot complete, requests stop, and waits for its end.
//!
//! The plain one requests stop when the read has been started, before the loop turns. The variant
//! `two-enters` lets the kernel have the read first, as a program does that learns of the
//! cancellation later.

use std::io;
use std::os::unix::net::UnixStream;

use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let two_enters = match args.variant.as_str() {
        "" => false,
        "two-enters" => true,
        _ => return Err(Failure::variant(args)),
    };
    let meter = Meter::new(args, Scope::Process)?;
    let (socket, _silent_peer) = UnixStream::pair()?;
    let mut buffer = [0_u8; 64];
    let ctx = IoContext::new()?;
    let io = ctx.local();
    meter.measure(args, 300_000, |ops| {
        for _ in 0..ops {
            let source = StopSource::new();
            let read = io
                .read_some(&socket, &mut buffer[..])
                .with_stop_token(source.token());
            let ended = if two_enters {
                let stop = io.schedule().then(|()| source.request_stop());
                ctx.block_on_local(when_all((read, stop)))?
            } else {
                let stop = ready::<_, io::Error>(()).then(|()| source.request_stop());
                ctx.block_on_local(when_all((read, stop)))?
            };
            if ended.is_some() {
                return Err(io::Error::other("the read was not stopped").into());
            }
        }
        Ok(())
    })
}
