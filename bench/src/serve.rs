//! Runs a served workload the way the contract asks: control on stdin, by a thread of its own.
//!
//! # Flow
//!
//! ```text
//! Control::open ─> (runtime, bind) ─> Control::ready ─> the loop serves
//!      └ thread ───────────────────────────┴─> stdin: start, stop N, mark, rss, quit
//! ```
//!
//! The thread is made before the meter is opened, so the event counters leave it out; they are
//! switched by it all the same, for they belong to the loop's thread wherever they are used.
//!
//! # Threads
//!
//! The count of a sink has one writer, the loop. `quit`, or the end of stdin, ends the process: what
//! the loop has at the kernel goes with it.

use std::fs;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::args::Args;
use crate::meter::{Meter, Scope};
use crate::open_files;

static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// Counts `more` operations of a sink, whose load generator cannot know how many arrived. One
/// thread calls it.
#[inline(always)]
pub fn received(more: u64) {
    RECEIVED.store(
        RECEIVED.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}

/// The control thread of a server that is not ready yet, and the meter that it will switch.
#[derive(Debug)]
pub struct Control {
    hand_over: mpsc::Sender<Meter>,
    meter: Meter,
}

impl Control {
    /// Starts the control thread and opens the meter on this one, which will run the loop: the
    /// first thing that a server does.
    ///
    /// # Errors
    ///
    /// No thread could be made, or [`Meter::new`] failed.
    pub fn open(args: &Args) -> io::Result<Self> {
        open_files::raise()?;
        let (hand_over, meter) = mpsc::channel();
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                if let Ok(meter) = meter.recv() {
                    end(obey(io::stdin().lock(), meter));
                }
            })?;
        let meter = Meter::new(args, Scope::Process)?;
        Ok(Self { hand_over, meter })
    }

    /// Tells the runner where the server listens, and lets the control thread have the meter.
    ///
    /// # Errors
    ///
    /// The control thread has ended.
    pub fn ready(self, address: SocketAddr) -> io::Result<()> {
        let gone = |_| io::Error::other("the control thread has ended");
        self.hand_over.send(self.meter).map_err(gone)?;
        say(format_args!("READY {}", address.port()))
    }
}

/// Does what the lines of `commands` say until `quit`, or their end.
fn obey(mut commands: impl BufRead, mut meter: Meter) -> io::Result<()> {
    let mut line = String::with_capacity(64);
    let mut marked = 0;
    loop {
        line.clear();
        if commands.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "start" => {
                meter.start()?;
                say(format_args!("started"))?;
            }
            "mark" => {
                marked = RECEIVED.load(Ordering::Relaxed);
                say(format_args!("marked"))?;
            }
            "rss" => say(format_args!("{{\"rss_kb\":{}}}", resident_kb()?))?,
            "quit" => return Ok(()),
            other => {
                let ops = other
                    .strip_prefix("stop ")
                    .and_then(|ops| ops.trim().parse().ok())
                    .ok_or_else(|| io::Error::other(format!("unknown command {other:?}")))?;
                stop(&mut meter, ops, marked)?;
            }
        }
    }
}

/// Ends the measurement of `ops` operations; of those counted since the mark if it is 0.
fn stop(meter: &mut Meter, ops: u64, marked: u64) -> io::Result<()> {
    let counted = RECEIVED.load(Ordering::Relaxed).wrapping_sub(marked);
    let ops = if ops == 0 { counted } else { ops };
    let mut report = meter.stop(ops.max(1))?;
    report.ops = Some(ops as f64);
    say(format_args!("{report}"))
}

/// The resident memory of this process.
fn resident_kb() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}

fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Ends the process, with the status of the contract.
#[expect(
    clippy::exit,
    reason = "the loop of a contender need not know how to end"
)]
#[expect(clippy::print_stderr, reason = "a contender explains itself on stderr")]
fn end(result: io::Result<()>) {
    if let Err(error) = &result {
        eprintln!("control: {error}");
    }
    std::process::exit(i32::from(result.is_err()));
}

#[cfg(test)]
mod tests {
    use super::{obey, received, resident_kb};
    use crate::args::Args;
    use crate::meter::{Meter, Scope};

    #[test]
    fn obey_follows_the_commands_and_refuses_others() {
        let meter = || Meter::new(&Args::new("test"), Scope::Process).expect("meter");
        received(7);
        let commands = "start\nmark\nrss\nstop 10\nstart\nstop 0\nquit\nnonsense\n";
        obey(commands.as_bytes(), meter()).expect("known commands");
        obey("".as_bytes(), meter()).expect("the end is like quit");
        assert!(obey("nonsense\n".as_bytes(), meter()).is_err());
        assert!(obey("stop 1\n".as_bytes(), meter()).is_err(), "not started");
    }

    #[test]
    fn resident_memory_is_more_than_none() {
        assert!(resident_kb().expect("proc") > 100);
    }
}
