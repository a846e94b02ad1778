//! `cancel`: starts a receive that cannot complete, requests stop, and waits for its end.
//!
//! The plain one receives on a Unix socket, and requests stop when the receive has been started,
//! before the loop turns. The variant `two-enters` lets the kernel have the receive first, as a
//! program does that learns of the cancellation later; `tcp` receives on a connection, `accept`
//! waits for one.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;

use sendio::Backend;
use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::sockets::tcp_pair;

use crate::tasks::context;

/// Measures how one sender, made anew for each operation, is started and stopped. The expression may
/// borrow the buffer exclusively, which the result of a closure could not.
macro_rules! measure {
    ($args:expr, $meter:expr, $ctx:expr, $pending:expr, stop after $before:expr) => {
        $meter.measure($args, 300_000, |ops| {
            for _ in 0..ops {
                let source = StopSource::new();
                let pending = $pending.with_stop_token(source.token());
                let stop = $before.then(|()| source.request_stop());
                if $ctx.block_on_local(when_all((pending, stop)))?.is_some() {
                    return Err(io::Error::other("it was not stopped").into());
                }
            }
            Ok(())
        })
    };
}

pub(crate) fn run<B: Backend>(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let mut buffer = [0_u8; 64];
    let ctx = context::<B>()?;
    let io = ctx.local();
    match args.variant.as_str() {
        "" => {
            let (socket, _silent_peer) = UnixStream::pair()?;
            measure!(args, meter, ctx, io.recv(&socket, &mut buffer[..]), stop after now())
        }
        "two-enters" => {
            let (socket, _silent_peer) = UnixStream::pair()?;
            measure!(args, meter, ctx, io.recv(&socket, &mut buffer[..]), stop after io.schedule())
        }
        "tcp" => {
            let (socket, _silent_peer) = tcp_pair()?;
            measure!(args, meter, ctx, io.recv(&socket, &mut buffer[..]), stop after now())
        }
        "accept" => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            measure!(args, meter, ctx, io.accept(&listener), stop after now())
        }
        _ => Err(Failure::variant(args)),
    }
}

/// What has happened already.
fn now() -> impl LocalSender<Value = (), Error = io::Error> {
    ready(())
}
