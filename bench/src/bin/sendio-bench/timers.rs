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
use std::ops::Range;
use std::time::Duration;

use sendio::prelude::*;
use sendio::{Backend, Panic, Receiver};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::timeout_ms;

use crate::place::Place;
use crate::tasks::context;

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
#[inline(always)]
unsafe fn arm<'a, Sch>(
    timer: *mut Timer<'a, Sch::ScheduleAt>,
    io: &Sch,
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

/// Arms the timers with these numbers, the first of them in `timer`. Returns where the next one is.
///
/// # Safety
///
/// - As for [`arm`], for each timer.
#[inline(never)]
unsafe fn arm_each<'a, Sch>(
    numbers: Range<u64>,
    timer: *mut Timer<'a, Sch::ScheduleAt>,
    ring: Ring<Timer<'a, Sch::ScheduleAt>>,
    io: &Sch,
    ends: &'a Ends,
) -> *mut Timer<'a, Sch::ScheduleAt>
where
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error = io::Error>>,
{
    numbers.fold(timer, |timer, number| {
        // SAFETY: the contract is the same.
        unsafe { arm(timer, io, ends, timeout_ms(number)) };
        ring.after(timer)
    })
}

/// Requests stop of `count` timers, the first of them in `timer`.
///
/// # Safety
///
/// - The timers are valid, and nobody uses their sources in another way than shared.
#[inline(never)]
unsafe fn stop_each<'a, S>(count: u64, timer: *mut Timer<'a, S>, ring: Ring<Timer<'a, S>>)
where
    S: Sender<Value = (), Error = io::Error>,
{
    (0..count).fold(timer, |timer, _| {
        // SAFETY: valid, and shared (contract).
        unsafe { (*&raw const (*timer).source).request_stop() };
        ring.after(timer)
    });
}

/// Where the timers are: from the first on, before the end, and then from the first again.
struct Ring<T> {
    first: *mut T,
    end: *mut T,
}

impl<T> Ring<T> {
    /// What comes after this one.
    #[inline(always)]
    fn after(&self, this: *mut T) -> *mut T {
        let next = this.wrapping_add(1);
        if next == self.end { self.first } else { next }
    }
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ring<T> {}

pub(crate) fn run<B: Backend>(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let ends = Ends::default();
    let ctx = context::<B>()?;
    let io = ctx.local();
    let timer = || Timer {
        source: StopSource::new(),
        place: Place::new(),
    };
    let count = u64::from(args.count);
    let mut timers: Box<[Timer<'_, _>]> = std::iter::repeat_with(timer)
        .take(args.count as usize)
        .collect();
    let Range { start: first, end } = timers.as_mut_ptr_range();
    let ring = Ring { first, end };
    // SAFETY: the slice lives until all have completed (below); none was started.
    let mut oldest = unsafe { arm_each(0..count, first, ring, &io, &ends) };
    let report = meter.measure(args, 10_000_000, |ops| {
        let mut done = 0;
        while done < ops {
            let batch = OPS_PER_TURN.min(ops - done).min(count);
            let stopped = ends.stopped.get() + batch;
            // SAFETY: the sources are borrowed by armed timers.
            unsafe { stop_each(batch, oldest, ring) };
            complete(&ctx, &ends, stopped)?;
            // SAFETY: the timers have completed, and with that the borrows of their sources ended.
            oldest = unsafe { arm_each(done..done + batch, oldest, ring, &io, &ends) };
            done += batch;
        }
        Ok(())
    });
    // SAFETY: as above; when the loop is empty no timer is armed.
    unsafe { stop_each(count, first, ring) };
    ctx.run_until_empty();
    report
}

/// Turns the loop until `stopped` timers have completed stopped.
fn complete<B: Backend>(ctx: &IoContext<B>, ends: &Ends, stopped: u64) -> Result<(), Failure> {
    while ends.stopped.get() < stopped {
        ctx.run_some().map_err(io::Error::from)?;
        if ends.otherwise.get() > 0 {
            return Err(io::Error::other("a timer came due: too many --ops").into());
        }
    }
    Ok(())
}
