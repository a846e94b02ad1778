//! `xthread-tput`: producer threads schedule items on the loop, each with up to 256 in flight.
//!
//! Items of one producer run in the order they were pushed, so the producer may use an item again
//! as soon as 256 fewer have run than it has pushed.
//!
//! # Safety
//!
//! INV: a producer's items live in its frame, which waits until all of them have run.
#![expect(unsafe_code, reason = "intrusive items are pushed by their address")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::{Gate, spin_while};
use sendio_bench::meter::warm_up_ops;
use sendio_bench::report::Report;
use sendio_bench::work;

use crate::inbox::{Inbox, Item};
use crate::xthread::consume;

const DEFAULT_OPS: u64 = 10_000_000;
const IN_FLIGHT: u64 = 256;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let ops = args.ops_or(DEFAULT_OPS);
    let (inbox, gate) = (Inbox::new()?, Gate::default());
    thread::scope(|scope| {
        let (inbox, gate) = (&inbox, &gate);
        let mut producers = Vec::new();
        for index in 0..args.producers {
            // The first producer inherits the pinning, the others run where there is room.
            if let Err(error) = affinity::pin_or_free(args.pcpu.filter(|_| index == 0)) {
                gate.abandon();
                return Err(error.into());
            }
            let share = |ops| work::share(ops, args.producers, index);
            let (warm_up, ops) = (share(warm_up_ops(ops)), share(ops));
            producers.push(scope.spawn(move || produce(warm_up, ops, inbox, gate)));
        }
        let consumed = consume(args, DEFAULT_OPS, inbox, true, gate);
        for producer in producers {
            producer
                .join()
                .map_err(|_| io::Error::other("a producer panicked"))??;
        }
        consumed
    })
}

fn produce(warm_up: u64, ops: u64, inbox: &Inbox, gate: &Gate) -> io::Result<()> {
    let ran = AtomicU64::new(0);
    let mut items: Vec<Item> = (0..IN_FLIGHT).map(|_| Item::new(&ran)).collect();
    let first = items.as_mut_ptr();
    let mut pushed = 0;
    // Waits until at most `allowed` are in flight; false if the loop has given up.
    let room = |pushed: u64, allowed: u64| {
        spin_while(|| pushed - ran.load(Ordering::Acquire) > allowed && !gate.is_abandoned());
        !gate.is_abandoned()
    };
    let mut push_all = |count: u64| -> io::Result<()> {
        for _ in 0..count {
            if !room(pushed, IN_FLIGHT - 1) {
                return Ok(());
            }
            let slot = usize::try_from(pushed % IN_FLIGHT).unwrap_or(0);
            // SAFETY: the items live until this function returns, which is after all have run or
            // the loop has given up. This one has run: at least `pushed` - 255 have, in order.
            unsafe { inbox.push(first.add(slot))? };
            pushed += 1;
        }
        room(pushed, 0);
        Ok(())
    };
    push_all(warm_up)?;
    gate.wait_until_measuring();
    push_all(ops)
}
