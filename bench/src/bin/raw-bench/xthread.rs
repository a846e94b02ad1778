//! The frame of the cross-thread workloads: a loop that consumes, a gate that its producers obey.
//!
//! # States
//!
//! Producers run the warm-up, wait for the gate, and run the measured operations; the loop opens
//! the gate once its meter runs. A loop that fails leaves the gate abandoned, which ends every wait.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;

use crate::inbox::{Inbox, Loop};
use crate::ring::{self, Ring};

/// What the loop tells the producers.
#[derive(Default)]
pub(crate) struct Gate {
    measuring: AtomicBool,
    abandoned: AtomicBool,
}

impl Gate {
    /// Waits until the loop has done its warm-up and measures.
    pub(crate) fn wait_until_measuring(&self) {
        spin_while(|| !self.measuring.load(Ordering::Acquire) && !self.is_abandoned());
    }

    /// Ends every wait of the producers.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether the loop has failed, and will run nothing any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// Measures the loop on this thread. The producers have been started before, so that the meter
/// does not count them; they push a tenth of the operations first, and all of them again.
pub(crate) fn consume(
    args: &Args,
    default_ops: u64,
    inbox: &Inbox,
    spin: bool,
    gate: &Gate,
) -> Result<Report, Failure> {
    let consumed = measure(args, default_ops, inbox, spin, gate);
    if consumed.is_err() {
        gate.abandon();
    }
    consumed
}

fn measure(
    args: &Args,
    default_ops: u64,
    inbox: &Inbox,
    spin: bool,
    gate: &Gate,
) -> Result<Report, Failure> {
    affinity::unpin()?; // from what the producers were to inherit
    let meter = Meter::new(args, Scope::Thread)?;
    let mut uring = ring::build(8)?;
    let mut event_loop = Loop::new(inbox, Ring::new(&mut uring)?, spin);
    let mut warm = false;
    meter.measure(args, default_ops, |ops| {
        gate.measuring.store(warm, Ordering::Release);
        warm = true;
        Ok(event_loop.run(ops)?)
    })
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
