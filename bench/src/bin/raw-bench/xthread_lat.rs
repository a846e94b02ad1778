//! `xthread-lat`: another thread schedules one item on the loop and spins until it ran.
//!
//! The variant `sleep` lets the loop wait in the kernel at once instead of spinning first.
//!
//! # Safety
//!
//! INV: the item lives in the producer's frame, which waits for each run before it goes on.
#![expect(unsafe_code, reason = "an intrusive item is pushed by its address")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::{Gate, spin_while};
use sendio_bench::latency::Latencies;
use sendio_bench::meter::warm_up_ops;
use sendio_bench::report::Report;

use crate::inbox::{Inbox, Item};
use crate::xthread::consume;

const DEFAULT_OPS: u64 = 300_000;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let spin = match args.variant.as_str() {
        "" => true,
        "sleep" => false,
        _ => return Err(Failure::variant(args)),
    };
    let ops = args.ops_or(DEFAULT_OPS);
    let (inbox, gate) = (Inbox::new()?, Gate::default());
    thread::scope(|scope| {
        // The producer inherits the pinning; a processor that does not exist is found out here.
        affinity::pin_or_free(args.pcpu)?;
        let producer = scope.spawn(|| produce(ops, &inbox, &gate));
        let consumed = consume(args, DEFAULT_OPS, &inbox, spin, &gate);
        let produced = producer
            .join()
            .map_err(|_| io::Error::other("the producer panicked"))?;
        let (mut report, mut latencies) = (consumed?, produced?);
        report.p50 = latencies.percentile(50).map(|nanos| nanos as f64);
        report.p99 = latencies.percentile(99).map(|nanos| nanos as f64);
        Ok(report)
    })
}

fn produce(ops: u64, inbox: &Inbox, gate: &Gate) -> io::Result<Latencies> {
    let mut latencies = Latencies::with_capacity(usize::try_from(ops).unwrap_or(usize::MAX));
    let ran = AtomicU64::new(0);
    let mut item = Item::new(&ran);
    let item = &raw mut item;
    let mut expected = 0;
    let mut round_trip = || -> io::Result<u64> {
        let begin = Instant::now();
        // SAFETY: the item lives until this function returns, and the wait below ends when it has
        // run, or when the loop has given up and touches no item any more.
        unsafe { inbox.push(item)? };
        expected += 1;
        spin_while(|| ran.load(Ordering::Acquire) < expected && !gate.is_abandoned());
        if gate.is_abandoned() {
            return Err(io::Error::other("the loop has given up"));
        }
        Ok(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    };
    for _ in 0..warm_up_ops(ops) {
        round_trip()?;
    }
    gate.wait_until_measuring();
    for _ in 0..ops {
        latencies.record(round_trip()?);
    }
    Ok(latencies)
}
