//! `timers`: arms a timeout and cancels it, with `--count` others armed all the time.
//!
//! A timer is an operation and the stop source that cancels it, in places made beforehand. One
//! operation requests stop of the oldest timer and, when the loop has completed it, arms it anew. The
//! loop turns once for 64 operations, without waiting.
//!
//! # Safety
//!
//! INV: the timers lie in a boxed slice that is dropped after all of them have completed.
#![expect(unsafe_code, reason = "operations are started by hand in their places")]

use std::cell::Cell;
use std::io;
use std::time::Duration;

use sendio::prelude::*;
use sendio::{Panic, Receiver};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::timeout_ms;

use crate::place::Place;

const OPS_PER_TURN: u64 = 64;

/// How many timers have ended, and in which way.
#[derive(Default)]
struct Ends {
    stopped: Cell<u64>,
    otherwise: Cell<u64>,
}

/// Counts the end of one timer, and answers for its stop token.
struct End<'a> {
    ends: &'a Ends,
    source: &'a StopSource,
}

impl Receiver<(), io::Error> for End<'_> {
    fn set_value(self, (): ()) {
        self.ends.otherwise.set(self.ends.otherwise.get() + 1);
    }

    fn set_error(self, _: io::Error) {
        self.ends.otherwise.set(self.ends.otherwise.get() + 1);
    }

    fn set_stopped(self) {
        self.ends.stopped.set(self.ends.stopped.get() + 1);
    }

    fn set_panicked(self, _: Panic) {
        self.ends.otherwise.set(self.ends.otherwise.get() + 1);
    }

    fn env(&self) -> Env<'_> {
        Env::default().with_stop_token(self.source.token())
    }
}

/// A timer that can be armed again: the source that cancels it, and its operation.
struct Timer<'a, S: Sender<Value = (), Error = io::Error>> {
    source: StopSource,
    place: Place<S, End<'a>>,
}

/// Arms `timer` for `timeout`.
///
/// # Safety
///
/// - `timer` is valid, stays where it is, and its operation has completed or was never started.
/// - It is not touched until the operation has completed, but for its `source`, shared.
unsafe fn arm<'a, Sch>(
    timer: *mut Timer<'a, Sch::ScheduleAt>,
    io: Sch,
    ends: &'a Ends,
    timeout: u64,
) where
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error = io::Error>>,
{
    // SAFETY: nothing of the timer is in use (caller): the source may be replaced. The receiver
    // borrows it until it is completed, which is before the next call for this timer.
    unsafe {
        (&raw mut (*timer).source).write(StopSource::new());
        let receiver = End {
            ends,
            source: &*&raw const (*timer).source,
        };
        let sender = io.schedule_after(Duration::from_millis(timeout));
        Place::start(&raw mut (*timer).place, sender, receiver);
    }
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let ends = Ends::default();
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let timer = || Timer {
        source: StopSource::new(),
        place: Place::new(),
    };
    let count = u64::from(args.count);
    let mut timers: Box<[Timer<'_, _>]> = std::iter::repeat_with(timer)
        .take(args.count as usize)
        .collect();
    let first = timers.as_mut_ptr();
    for i in 0..args.count {
        // SAFETY: within the slice, which lives until all have completed (below); never started.
        unsafe { arm(first.add(i as usize), io, &ends, timeout_ms(u64::from(i))) };
    }
    let mut oldest = 0;
    let report = meter.measure(args, 10_000_000, |ops| {
        let mut done = 0;
        while done < ops {
            let batch = OPS_PER_TURN.min(ops - done).min(count);
            // SAFETY: the indices are within the slice. The sources are borrowed by armed timers;
            // the batch has completed, and with it those borrows ended, when it is armed again.
            unsafe {
                stop(&ctx, &ends, batch, |i| {
                    let source = &raw const (*first.add(index(oldest + i, count))).source;
                    (*source).request_stop();
                })?;
                for i in 0..batch {
                    let timer = first.add(index(oldest + i, count));
                    arm(timer, io, &ends, timeout_ms(done + i));
                }
            }
            oldest = (oldest + batch) % count;
            done += batch;
        }
        Ok(())
    });
    for i in 0..args.count as usize {
        // SAFETY: as above; when the loop is empty no timer is armed.
        unsafe { (*&raw const (*first.add(i)).source).request_stop() };
    }
    ctx.run_until_empty();
    report
}

/// Requests stop of `batch` timers, and turns the loop until they have completed.
fn stop(ctx: &IoContext, ends: &Ends, batch: u64, request: impl Fn(u64)) -> Result<(), Failure> {
    let before = ends.stopped.get();
    (0..batch).for_each(request);
    while ends.stopped.get() - before < batch {
        ctx.run_some().map_err(io::Error::from)?;
        if ends.otherwise.get() > 0 {
            return Err(io::Error::other("a timer came due: too many --ops").into());
        }
    }
    Ok(())
}

/// Which timer is number `i`.
#[inline(always)]
fn index(i: u64, count: u64) -> usize {
    usize::try_from(if i < count { i } else { i - count }).unwrap_or(0)
}
