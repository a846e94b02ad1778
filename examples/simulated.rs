//! Finds a bug by seed: `simulated [--planted] [--seeds N] [--seed N]`.
//!
//! A server receives records over TCP, each with its length before it, and writes them into a file. It is
//! run in many simulated worlds, with bytes that come in any pieces, interruptions and delays. With
//! `--planted` it takes for granted that a length arrives in one piece, which it nearly always does.

use std::io;
use std::net::{Ipv4Addr, Shutdown};
use std::ops::ControlFlow::{Break, Continue};
use std::process::ExitCode;

use clap::Parser;
use sendio::backends::Sim;
use sendio::prelude::*;
use sendio::sim::{self, SimConfig};
use sendio::{TcpListener, TcpStream};

/// Finds a bug by seed.
#[derive(Parser)]
struct Args {
    /// Plant the bug
    #[arg(long)]
    planted: bool,
    /// How many worlds to try
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,
    /// Try this one only
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

type Io<'a> = IoScheduler<'a, Sim>;

/// The length of the next record; `None` at the end.
fn length<'a>(
    from: &'a TcpStream<Io<'a>>,
    planted: bool,
) -> impl Sender<Value = Option<usize>, Error = io::Error> + Send + 'a {
    let first = from.recv([0; 2]);
    first.let_value(move |(n, start)| match n {
        0 => Either::Left(ready(None)),
        // The second half of the length is still on its way, and this takes a zero for it.
        1 if !planted => {
            let rest = from.recv_exact([0; 1]);
            Either::Right(rest.then(move |rest| Some(number([start[0], rest[0]]))))
        }
        _ => Either::Left(ready(Some(number(start)))),
    })
}

fn number(bytes: [u8; 2]) -> usize {
    u16::from_le_bytes(bytes).into()
}

/// Writes the records that come into `file`, one after the other.
fn serve<'a>(
    from: &'a TcpStream<Io<'a>>,
    file: &'a FileHandle<Io<'a>>,
    planted: bool,
) -> impl Sender<Value = (), Error = io::Error> + Send + 'a {
    repeat_with(0, move |at: u64| {
        let next = length(from, planted).let_value(move |length| match length {
            None => Either::Left(ready(None)),
            Some(length) => {
                let record = from.recv_exact(vec![0; length]);
                let written = record.let_value(move |record| file.write_all_at(record, at));
                Either::Right(written.then(move |_| Some(length)))
            }
        });
        next.then(move |length| match length {
            None => Break(()),
            Some(length) => Continue(at + length as u64),
        })
    })
}

/// One run: what was sent is in the file in the end.
fn scenario(ctx: &IoContext<Sim>, planted: bool) -> io::Result<()> {
    let io = ctx.scheduler();
    let records: Vec<Vec<u8>> = (1..20).map(|n| vec![n; usize::from(n) * 20]).collect();
    let mut message = Vec::new();
    for record in &records {
        let length = u16::try_from(record.len()).map_err(io::Error::other)?;
        message.extend(length.to_le_bytes());
        message.extend(record);
    }

    let listener = TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0))?;
    let connect = TcpStream::connect(io, listener.local_endpoint()?);
    let options = OpenOptions::new().read(true).write(true).create(true);
    let all = ctx.block_on(when_all((
        connect,
        listener.accept(),
        io.open("/records", options),
    )))?;
    let Some((client, (server, _), file)) = all else {
        return Err(io::Error::other("nobody asks it to stop"));
    };
    let send = client
        .send_all(&message[..])
        .let_value(|_| client.shutdown(Shutdown::Write));
    ctx.block_on(when_all((send, serve(&server, &file, planted))))?;

    let expected = records.concat();
    let written = ctx.block_on(file.read_exact_at(vec![0; expected.len()], 0))?;
    if written.as_ref() != Some(&expected) {
        return Err(io::Error::other("the file is not what was sent"));
    }
    Ok(())
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]
fn main() -> ExitCode {
    let args = Args::parse();
    let seeds = match args.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..args.seeds,
    };
    // What the test says is in the failure.
    std::panic::set_hook(Box::new(|_| {}));
    let config = SimConfig::rough().short_transfers(0.02);
    let failure = sim::find(seeds.clone(), &config, |ctx| {
        if let Err(error) = scenario(ctx, args.planted) {
            panic!("{error}");
        }
    });
    if let Some(failure) = failure {
        println!("{failure}");
        eprintln!("simulated: seed {} fails", failure.seed());
        return ExitCode::FAILURE;
    }
    println!(
        "{} worlds, and every record arrived",
        seeds.end - seeds.start
    );
    ExitCode::SUCCESS
}
