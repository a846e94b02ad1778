//! `xthread-tput`: producer threads schedule items on the loop, each with up to 256 in flight.
//!
//! Items of one producer run in the order they were started, so the producer may use an item again
//! as soon as 256 fewer have run than it has started.
//!
//! # Safety
//!
//! INV: a producer's items live in its frame, which waits until all of them have run.
#![expect(unsafe_code, reason = "operations are started by hand in their places")]

use std::cell::OnceCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sendio::Backend;
use sendio::prelude::*;
use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::spin_while;
use sendio_bench::meter::warm_up_ops;
use sendio_bench::report::Report;
use sendio_bench::work::share;

use crate::place::Place;
use crate::xthread::{Ran, Remote, Shared, consume};

const DEFAULT_OPS: u64 = 10_000_000;
const IN_FLIGHT: u64 = 256;

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
    let item = &item;
    thread::scope(|scope| {
        let mut producers = Vec::new();
        for index in 0..args.producers {
            // The first producer inherits the pinning, the others run where there is room.
            if let Err(error) = affinity::pin_or_free(args.pcpu.filter(|_| index == 0)) {
                shared.gate.abandon();
                return Err(error.into());
            }
            let part = |ops| share(ops, args.producers, index);
            let (warm_up, ops) = (part(warm_up_ops(ops)), part(ops));
            producers.push(scope.spawn(move || produce(warm_up, ops, item, shared)));
        }
        let consumed = consume(args, DEFAULT_OPS, ctx, shared);
        for producer in producers {
            producer
                .join()
                .map_err(|_| io::Error::other("a producer panicked"))??;
        }
        consumed
    })
}

fn produce<'ctx, B: Backend, S: Sender<Value = ()>>(
    warm_up: u64,
    ops: u64,
    item: &impl Fn(Remote<'ctx, B>) -> S,
    shared: &Shared<'ctx, B>,
) -> io::Result<()> {
    let ran = AtomicU64::new(0);
    let ran = &ran;
    let mut places: Vec<Place<S, Ran<'_, '_, B>>> = (0..IN_FLIGHT).map(|_| Place::new()).collect();
    let first = places.as_mut_ptr();
    let Some(scheduler) = shared.wait_for_scheduler() else {
        return Ok(()); // the loop says why
    };
    let gate = &shared.gate;
    let mut started = 0;
    // Waits until at most `allowed` are in flight; false if the loop has given up.
    let room = |started: u64, allowed: u64| {
        spin_while(|| started - ran.load(Ordering::Acquire) > allowed && !gate.is_abandoned());
        !gate.is_abandoned()
    };
    let mut start_all = |count: u64| {
        for _ in 0..count {
            if !room(started, IN_FLIGHT - 1) {
                return;
            }
            let slot = usize::try_from(started % IN_FLIGHT).unwrap_or(0);
            // SAFETY: the places live until this function returns, which is after all have run, or
            // the loop has given up: a place with an operation that waits then aborts when
            // dropped. This one has run: at least `started` - 255 have, in order. Sender and
            // receiver may be used on any thread.
            unsafe { Place::start(first.add(slot), item(scheduler), Ran { ran, shared }) };
            started += 1;
        }
        room(started, 0);
    };
    start_all(warm_up);
    gate.wait_until_measuring();
    start_all(ops);
    Ok(())
}
