//! `nop-batch`, `nop-lat` and `sched-batch`: tasks in a scope, each of which repeats one hop.
//!
//! `schedule` goes through the kernel as a NOP, `yield_now` through the loop's own queue.

use std::cell::Cell;
use std::io;

use sendio::Backend;
use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::share;

pub(crate) fn nop_batch<B: Backend>(args: &Args) -> Result<Report, Failure> {
    nops::<B>(args, args.depth, 5_000_000)
}

pub(crate) fn nop_latency<B: Backend>(args: &Args) -> Result<Report, Failure> {
    nops::<B>(args, 1, 500_000)
}

fn nops<B: Backend>(args: &Args, depth: u32, default_ops: u64) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let ctx = context::<B>()?;
    let io = ctx.local();
    meter.measure(args, default_ops, |ops| {
        let failure = FirstFailure::default();
        ctx.scope_local(|scope| {
            for task in 0..depth {
                let nops = io.schedule().repeat_n(count(ops, depth, task));
                scope.spawn(nops.let_error(|error| failure.note(error)));
            }
        });
        failure.into_result()
    })
}

pub(crate) fn sched_batch<B: Backend>(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let ctx = context::<B>()?;
    let io = ctx.local();
    meter.measure(args, 50_000_000, |ops| {
        ctx.scope_local(|scope| {
            for task in 0..args.depth {
                scope.spawn(io.yield_now().repeat_n(count(ops, args.depth, task)));
            }
        });
        Ok(())
    })
}

/// A context on this backend, with default options.
pub(crate) fn context<B: Backend>() -> io::Result<IoContext<B>> {
    IoContext::builder().on::<B>().build()
}

/// How often task `index` of `tasks` repeats.
pub(crate) fn count(ops: u64, tasks: u32, index: u32) -> usize {
    usize::try_from(share(ops, tasks, index)).unwrap_or(usize::MAX)
}

/// The first error of any task of a scope.
#[derive(Default)]
pub(crate) struct FirstFailure(Cell<Option<io::Error>>);

impl FirstFailure {
    /// Keeps `error`, unless there is an earlier one, and completes the task.
    pub(crate) fn note(
        &self,
        error: io::Error,
    ) -> impl LocalSender<Value = (), Error = std::convert::Infallible> + use<> {
        self.0.set(Some(self.0.take().unwrap_or(error)));
        just(())
    }

    /// The result of the scope.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        self.0
            .into_inner()
            .map_or(Ok(()), |error| Err(error.into()))
    }
}
