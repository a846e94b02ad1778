//! `xthread-lat`: another thread schedules one item on the loop and spins until it ran.
//!
//! # Safety
//!
//! INV: the item lives in the producer's frame, which waits for each run before it goes on.
#![expect(unsafe_code, reason = "an operation is started by hand in its place")]

use std::cell::OnceCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use sendio::Backend;
use sendio::prelude::*;
use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::spin_while;
use sendio_bench::latency::Latencies;
use sendio_bench::meter::warm_up_ops;
use sendio_bench::report::Report;

use crate::place::Place;
use crate::xthread::{Ran, Remote, Shared, consume};

const DEFAULT_OPS: u64 = 300_000;

pub(crate) fn run<B: Backend>(args: &Args) -> Result<Report, Failure> {
    let ctx = OnceCell::new();
    let shared = Shared::<B>::default();
    match args.variant.as_str() {
        "" => measure(args, &ctx, &shared, |io| io.yield_now()),
        "schedule" => measure(args, &ctx, &shared, |io| io.schedule()),
        _ => Err(Failure::variant(args)),
    }
}

fn measure<'ctx, B: Backend, S: Sender<Value = ()>>(
    args: &Args,
    ctx: &'ctx OnceCell<IoContext<B>>,
    shared: &Shared<'ctx, B>,
    item: impl Fn(Remote<'ctx, B>) -> S + Sync,
) -> Result<Report, Failure> {
    let ops = args.ops_or(DEFAULT_OPS);
    let ran = AtomicU64::new(0);
    thread::scope(|scope| {
        // The producer inherits the pinning; a processor that does not exist is found out here.
        affinity::pin_or_free(args.pcpu)?;
        let producer = scope.spawn(|| produce(ops, &item, &ran, shared));
        let consumed = consume(args, DEFAULT_OPS, ctx, shared);
        let produced = producer
            .join()
            .map_err(|_| io::Error::other("the producer panicked"))?;
        let (mut report, mut latencies) = (consumed?, produced?);
        report.p50 = latencies.percentile(50).map(|nanos| nanos as f64);
        report.p99 = latencies.percentile(99).map(|nanos| nanos as f64);
        Ok(report)
    })
}

fn produce<'ctx, B: Backend, S: Sender<Value = ()>>(
    ops: u64,
    item: &impl Fn(Remote<'ctx, B>) -> S,
    ran: &AtomicU64,
    shared: &Shared<'ctx, B>,
) -> io::Result<Latencies> {
    let mut latencies = Latencies::with_capacity(usize::try_from(ops).unwrap_or(usize::MAX));
    let mut place = Place::new();
    let place = &raw mut place;
    let mut expected = 0;
    let gate = &shared.gate;
    let lost = || io::Error::other("the loop has given up");
    let scheduler = shared.wait_for_scheduler().ok_or_else(lost)?;
    let mut round_trip = || -> io::Result<u64> {
        let begin = Instant::now();
        // SAFETY: the place lives until this function returns, and the wait below ends when the
        // operation has completed, or when the loop has given up: then it has completed too (as
        // lost), or was never taken, and a place with an operation that waits aborts when dropped.
        // Sender and receiver may be used on any thread.
        unsafe { Place::start(place, item(scheduler), Ran { ran, shared }) };
        expected += 1;
        spin_while(|| ran.load(Ordering::Acquire) < expected && !gate.is_abandoned());
        if gate.is_abandoned() {
            return Err(lost());
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
