//! Keeps keys and values for clients of Redis: `kv --listen ADDR [--threads N]`.
//!
//! It speaks the second version of their protocol, RESP2, so `redis-cli`, `redis-benchmark` and the
//! client libraries work with it. What it knows of strings, lists, sets, hashes and times to live
//! answers as Redis 7.0 does, errors included; nothing is written to disk. The modules below `kv`
//! hold the protocol, the store and the commands, and do no I/O; `session` joins them with it.

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use kv::store::{Store, time_of_day};
use sendio::prelude::*;
use server::ServerArgs;
use session::{Shared, session};

#[path = "kv/mod.rs"]
mod kv;
#[path = "server/mod.rs"]
mod server;
#[path = "kv/session.rs"]
mod session;

/// How often keys are looked for whose time is over.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// Keeps keys and values for clients of Redis.
#[derive(Parser)]
#[command(mut_arg("idle", |idle| idle.default_value("0")))]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// Removes keys whose time is over, a thousand at a time, until stop is requested.
fn sweep<'a>(
    io: IoScheduler<'a>,
    shared: &'a Shared,
) -> impl Sender<Value = (), Error = io::Error> + 'a {
    repeat_with(SWEEP_EVERY, move |pause| {
        io.schedule_after(pause).then(|()| {
            let many = shared.store().sweep();
            // Not at once: clients come first.
            let pause = if many { SWEEP_EVERY / 100 } else { SWEEP_EVERY };
            std::ops::ControlFlow::Continue(pause)
        })
    })
}

fn serve(args: &Args) -> io::Result<()> {
    let shared = Shared::new(Store::new(time_of_day), args.server.idle.is_zero());
    let end = StopSource::new();
    thread::scope(|threads| {
        let sweeper = thread::Builder::new().spawn_scoped(threads, || {
            let ctx = args.server.backend.context()?;
            let sweep = sweep(ctx.scheduler(), &shared);
            ctx.block_on(sweep.with_stop_token(end.token())).map(drop)
        })?;
        let served = server::serve(&args.server, || &shared, session);
        end.request_stop();
        let swept = sweeper.join();
        served.and(swept.unwrap_or_else(|_| Err(io::Error::other("the sweep panicked"))))
    })
}

fn main() -> ExitCode {
    server::run(serve)
}
