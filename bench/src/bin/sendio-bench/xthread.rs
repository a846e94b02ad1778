//! The frame of the cross-thread workloads: a context that runs what producers schedule on it.
//!
//! An item is an operation of `yield_now` on the context's [`IoScheduler`], started by the producer:
//! it hops to the loop's thread without the kernel, which is what `continues_on` and the other
//! adaptors do between threads. The variant `schedule` uses `schedule`, which is a NOP through the
//! ring besides. Its receiver counts up the `ran` of its producer, as the items of `raw` do.
//!
//! # Flow
//!
//! ```text
//! producers start ─> meter, context ─> scheduler handed out ─> run: warm-up ─> gate ─> run: measured
//!                                                              └ the last item requests stop
//! ```

use std::cell::OnceCell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sendio::prelude::*;
use sendio::{Backend, IoScheduler, Panic, Receiver};
use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::{Gate, spin_while};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;

use crate::tasks::context;

/// The scheduler that producers use.
pub(crate) type Remote<'ctx, B> = IoScheduler<'ctx, B>;

/// What producers and loop share.
pub(crate) struct Shared<'ctx, B: Backend> {
    scheduler: OnceLock<Remote<'ctx, B>>,
    pub(crate) gate: Gate,
    /// Items that have to run before the loop stops; the loop's thread writes it.
    left: AtomicU64,
}

impl<B: Backend> Default for Shared<'_, B> {
    fn default() -> Self {
        Self {
            scheduler: OnceLock::new(),
            gate: Gate::default(),
            left: AtomicU64::new(0),
        }
    }
}

impl<'ctx, B: Backend> Shared<'ctx, B> {
    /// The scheduler, once the loop runs its warm-up; `None` if it failed.
    pub(crate) fn wait_for_scheduler(&self) -> Option<Remote<'ctx, B>> {
        spin_while(|| self.scheduler.get().is_none() && !self.gate.is_abandoned());
        self.scheduler.get().copied()
    }

    fn one_ran(&self) {
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left == 0 {
            self.stop();
        }
    }

    fn stop(&self) {
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.request_stop();
        }
    }
}

/// The receiver of an item: counts up `ran`, which only the loop writes.
pub(crate) struct Ran<'a, 'ctx, B: Backend> {
    pub(crate) ran: &'a AtomicU64,
    pub(crate) shared: &'a Shared<'ctx, B>,
}

impl<B: Backend> Ran<'_, '_, B> {
    fn lost(self) {
        self.shared.gate.abandon();
        self.shared.stop();
    }
}

impl<B: Backend, E> Receiver<(), E> for Ran<'_, '_, B> {
    #[inline]
    fn set_value(self, (): ()) {
        self.shared.one_ran();
        // Last: the producer may use the item again, or return.
        self.ran
            .store(self.ran.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn set_error(self, _: E) {
        self.lost();
    }

    fn set_stopped(self) {
        self.lost();
    }

    fn set_panicked(self, _: Panic) {
        self.lost();
    }

    fn env(&self) -> Env<'_> {
        Env::default()
    }
}

/// Measures the loop on this thread. The producers have been started before, so that the meter
/// does not count them; they start a tenth of the operations first, and all of them again.
pub(crate) fn consume<'ctx, B: Backend>(
    args: &Args,
    default_ops: u64,
    ctx: &'ctx OnceCell<IoContext<B>>,
    shared: &Shared<'ctx, B>,
) -> Result<Report, Failure> {
    let consumed = measure(args, default_ops, ctx, shared);
    if consumed.is_err() {
        shared.gate.abandon();
    }
    consumed
}

fn measure<'ctx, B: Backend>(
    args: &Args,
    default_ops: u64,
    ctx: &'ctx OnceCell<IoContext<B>>,
    shared: &Shared<'ctx, B>,
) -> Result<Report, Failure> {
    affinity::unpin()?; // from what the producers were to inherit
    let meter = Meter::new(args, Scope::Thread)?;
    let made = context::<B>()?;
    let ctx = ctx.get_or_init(|| made);
    meter.measure(args, default_ops, |ops| {
        shared.left.store(ops, Ordering::Relaxed);
        ctx.restart();
        if shared.scheduler.set(ctx.scheduler()).is_err() {
            shared.gate.open();
        }
        ctx.run();
        if shared.gate.is_abandoned() {
            return Err(io::Error::other("an item did not run").into());
        }
        Ok(())
    })
}
