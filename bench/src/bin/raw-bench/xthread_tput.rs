//! `xthread-tput`: producer threads schedule items on the loop, each with up to 256 in flight.
//!
//! Items of one producer run in the order they were pushed, so the producer may use an item again
//! as soon as 256 fewer have run than it has pushed.
//!
//! # Safety
//!
//! INV: a producer's items live in its frame, which waits until all of them have run.
#![expect(unsafe_code, reason = "intrusive items are pushed by their address")]

use std::hint;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope, warm_up_ops};
use sendio_bench::report::Report;

use crate::inbox::{Inbox, Item, Loop};
use crate::ring::{self, Ring};

const DEFAULT_OPS: u64 = 10_000_000;
const IN_FLIGHT: u64 = 256;

#[derive(Default)]
struct Gate {
    measuring: AtomicBool,
    abandoned: AtomicBool,
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let ops = args.ops_or(DEFAULT_OPS);
    let (inbox, gate) = (Inbox::new()?, Gate::default());
    thread::scope(|scope| {
        let (inbox, gate) = (&inbox, &gate);
        // Before the meter is opened, so that it does not count the producers.
        let producers: Vec<_> = (0..args.producers)
            .map(|index| scope.spawn(move || produce(args, index, ops, inbox, gate)))
            .collect();
        let consumed = consume(args, inbox, gate);
        gate.abandoned.store(consumed.is_err(), Ordering::Release);
        gate.measuring.store(true, Ordering::Release);
        for producer in producers {
            producer
                .join()
                .map_err(|_| io::Error::other("producer panicked"))??;
        }
        consumed
    })
}

fn consume(args: &Args, inbox: &Inbox, gate: &Gate) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Thread)?;
    let mut uring = ring::build(8)?;
    let mut event_loop = Loop::new(inbox, Ring::new(&mut uring)?, true);
    let mut warm = false;
    meter.measure(args, DEFAULT_OPS, |ops| {
        gate.measuring.store(warm, Ordering::Release);
        warm = true;
        Ok(event_loop.run(ops)?)
    })
}

fn produce(args: &Args, index: u32, ops: u64, inbox: &Inbox, gate: &Gate) -> io::Result<()> {
    affinity::pin_or_free(args.pcpu.filter(|_| index == 0))?;
    let ran = AtomicU64::new(0);
    let mut items: Vec<Item> = (0..IN_FLIGHT).map(|_| Item::new(&ran)).collect();
    let first = items.as_mut_ptr();
    let mut pushed = 0;
    // Waits until at most `allowed` are in flight; false if the loop has given up.
    let room = |pushed: u64, allowed: u64| {
        let abandoned = || gate.abandoned.load(Ordering::Relaxed);
        spin_while(|| pushed - ran.load(Ordering::Acquire) > allowed && !abandoned());
        !abandoned()
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
    push_all(share(warm_up_ops(ops), args.producers, index))?;
    spin_while(|| !gate.measuring.load(Ordering::Acquire));
    push_all(share(ops, args.producers, index))
}

/// Producer `index`'s part of `ops`.
fn share(ops: u64, producers: u32, index: u32) -> u64 {
    let (producers, index) = (u64::from(producers), u64::from(index));
    ops / producers + u64::from(index < ops % producers)
}

/// Spins while `condition` holds; now and then the processor is given away, for the machine may
/// have fewer than there are threads.
#[inline]
pub(crate) fn spin_while(condition: impl Fn() -> bool) {
    let mut turns = 0_u32;
    while condition() {
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(4_096) {
            thread::yield_now();
        }
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_add_up() {
        for (ops, producers) in [(10, 3), (2, 5), (7, 1)] {
            assert_eq!(
                (0..producers)
                    .map(|i| share(ops, producers, i))
                    .sum::<u64>(),
                ops
            );
        }
    }
}
