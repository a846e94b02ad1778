//! Drives a served workload of any contender, and prints the contender's result.
//!
//! ```text
//! load WORKLOAD [--name value]… -- SERVER [ARGUMENT]…
//! ```
//!
//! It starts `SERVER ARGUMENT… WORKLOAD` with the options that concern a server, loads it over
//! loopback as the contract says, and ends it. Every connection has one message in flight. A tenth
//! of the operations come first, unmeasured. Its own loop is pinned to `--pcpu`. It ends after four
//! minutes at the latest. Exit status: the server's if it does not come up, otherwise as a
//! contender's.
//!
//! | workload | load | result |
//! |---|---|---|
//! | `tcp-echo` | `--conns` connections | the server's line, with the client's `p50` and `p99` |
//! | `udp-echo` | `--conns` sockets | the same |
//! | `udp-sink` | as many datagrams as go | the server's line |
//! | `idle` | `--conns` connections that do nothing | `rss_conn`, `slab_conn`: bytes for each |
//!
//! With `BENCH_TRAFFIC_ONLY=1` in the environment nothing is measured, and the result is how many
//! exchanges there were: for valgrind, which counts a whole process, and does not let the server's
//! control thread run while its loop waits for the kernel. So traffic goes on until it has ended.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "answers its runner on stdout"
)]

mod exchange;
mod flood;
mod idle;
mod server;

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::ring::Ring;
use sendio_bench::{affinity, meter, open_files};

use crate::exchange::Exchange;
use crate::flood::Flood;
use crate::server::{Refused, Server};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNSUPPORTED: u8 = 3;

const DEFAULT_OPS: u64 = 500_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (options, command) = match words.iter().position(|word| word == "--") {
        Some(at) => (words[..at].to_vec(), &words[at + 1..]),
        None => (words, &[][..]),
    };
    let args = match Args::parse(options) {
        Ok(args) if !command.is_empty() => args,
        Ok(_) => {
            eprintln!("usage: load WORKLOAD [--name value]… -- SERVER [ARGUMENT]…");
            return ExitCode::from(USAGE);
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let started = Server::start(&args, command);
    match started.and_then(|server| Ok(drive(&args, server)?)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(Refused::Ended(status)) => ExitCode::from(status),
        Err(Refused::Failure(failure)) => {
            eprintln!("load: {}: {failure}", args.workload);
            ExitCode::from(match failure {
                Failure::Unsupported(_) => UNSUPPORTED,
                Failure::Io(_) => FAILED,
            })
        }
    }
}

/// Measures one workload, and answers the result line.
fn drive(args: &Args, mut server: Server) -> Result<String, Failure> {
    if open_files::raise()? < u64::from(args.conns) + 64 {
        let what = format!("no descriptors for {} connections", args.conns);
        return Err(Failure::Unsupported(what));
    }
    affinity::pin_or_free(args.pcpu)?;
    let line = match args.workload.as_str() {
        "tcp-echo" | "udp-echo" => exchanges(args, &mut server)?,
        "udp-sink" => floods(args, &mut server)?,
        "idle" => idle::measure(args, &mut server)?,
        other => return Err(Failure::Unsupported(format!("no load for {other}"))),
    };
    server.quit()?;
    Ok(line)
}

fn exchanges(args: &Args, server: &mut Server) -> Result<String, Failure> {
    let ops = args.ops_or(DEFAULT_OPS);
    let mut exchange = Exchange::connect(args, server.address())?;
    if std::env::var_os("BENCH_TRAFFIC_ONLY").is_some_and(|value| value == "1") {
        return Ok(traffic(exchange, server, ops + meter::warm_up_ops(ops))?);
    }
    let mut ring = exchange.ring()?;
    let mut ring = Ring::new(&mut ring)?;
    exchange.run(&mut ring, meter::warm_up_ops(ops))?;
    server.expect("start", "started")?;
    let mut latencies = exchange.run(&mut ring, ops)?;
    let mut line = server.ask(&format!("stop {ops}"))?;
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        if let (Some(nanos), Some('}')) = (latencies.percentile(percent), line.pop()) {
            line += &format!(",\"{name}\":{nanos}}}");
        }
    }
    Ok(line)
}

/// At least `ops` exchanges, and more until the server has ended; those of the last moment may be
/// counted or not.
fn traffic(mut exchange: Exchange, server: &mut Server, ops: u64) -> io::Result<String> {
    let total = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&total);
    let (enough, is_enough) = mpsc::channel();
    // Not joined: a datagram that the server did not answer any more would be waited for.
    thread::spawn(move || keep_going(&mut exchange, &counted, ops, &enough));
    let lost = |_| io::Error::other("the server does not answer any more");
    is_enough.recv().map_err(lost)?;
    server.quit()?;
    let total = total.load(Ordering::Relaxed);
    Ok(format!("{{\"ns_op\":0,\"ops\":{total}}}"))
}

/// Makes exchanges, and counts them, until one fails; tells when there were `ops`.
fn keep_going(
    exchange: &mut Exchange,
    counted: &AtomicU64,
    ops: u64,
    enough: &mpsc::Sender<()>,
) -> io::Result<Infallible> {
    let round = exchange.len() as u64;
    let mut ring = exchange.ring()?;
    let mut ring = Ring::new(&mut ring)?;
    loop {
        exchange.run(&mut ring, round)?;
        if counted.fetch_add(round, Ordering::Relaxed) + round >= ops {
            // Who waits for it may have heard it already.
            enough.send(()).unwrap_or_default();
        }
    }
}

/// How often a flood of which nothing arrived is repeated.
const FLOODS_MAX: u32 = 1_000;

fn floods(args: &Args, server: &mut Server) -> Result<String, Failure> {
    let ops = args.ops_or(DEFAULT_OPS);
    let mut flood = Flood::connect(args, server.address())?;
    let mut ring = Flood::ring()?;
    let mut ring = Ring::new(&mut ring)?;
    flood.run(&mut ring, meter::warm_up_ops(ops))?;
    let mut line = String::new();
    for _ in 0..FLOODS_MAX {
        server.expect("start", "started")?;
        server.expect("mark", "marked")?;
        flood.run(&mut ring, ops)?;
        line = server.ask("stop 0")?;
        // On a busy machine the server may not have had its turn yet: then nothing was measured.
        if !line.contains("\"ops\":0.0") {
            break;
        }
    }
    Ok(line)
}
