//! `current_scheduler`: the scheduler of whatever environment work is started in.

use std::convert::Infallible;

use crate::senders::concept::env::Env;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::scheduler::{Scheduler, SchedulerRef};
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::factory::just::{Just, KnownStopped};

/// The scheduler that [`current_scheduler`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentScheduler;

/// The schedule sender of [`CurrentScheduler`].
pub type ScheduleCurrent = Scripting<ScheduleCurrentScript>;

/// Looks the scheduler up, then hops through it.
#[derive(Clone, Debug)]
pub struct ScheduleCurrentScript {
    found: Option<SchedulerRef<'static>>,
}

impl Script for ScheduleCurrentScript {
    type First = <SchedulerRef<'static> as Scheduler>::Schedule;
    type Second = Just<KnownStopped<(), Infallible>>;
    type Value = ();
    type Error = Infallible;

    #[inline]
    fn enter(&mut self, env: Env<'_>) {
        // The executor lives while the receiver does (INV-SCHED-1): until the child has completed.
        self.found = env.scheduler().map(SchedulerRef::erase);
    }

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        match self.found {
            Some(scheduler) => Next::First(scheduler.schedule()),
            None => Next::Complete(Outcome::Value(())),
        }
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<(), Infallible>) -> NextOf<Self> {
        Next::Complete(outcome)
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<(), Infallible>) -> NextOf<Self> {
        Next::Complete(outcome)
    }
}

impl Scheduler for CurrentScheduler {
    type Schedule = ScheduleCurrent;
    type Transfer = ScheduleCurrent;

    #[inline]
    fn schedule(&self) -> ScheduleCurrent {
        Scripting::new(ScheduleCurrentScript { found: None })
    }

    #[inline]
    fn transfer(&self) -> ScheduleCurrent {
        self.schedule()
    }
}

/// A scheduler that stands for the one in the environment in which its work is started.
///
/// Without a scheduler in the environment its work completes inline, where it is started.
///
/// Clause: [exec.get.scheduler].
///
/// # Threads
/// [`sync_wait`](crate::sync_wait) offers its own thread; [`starts_on`](crate::starts_on) and
/// [`on`](crate::on) offer their scheduler to what they run. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::current_scheduler;
/// use std::thread::current;
///
/// let run_loop = RunLoop::new();
/// std::thread::scope(|threads| {
///     threads.spawn(|| run_loop.run());
///     let away = run_loop.scheduler().schedule();
///     let back = away.continues_on(current_scheduler()).then(|()| current().id());
///     assert_eq!(sync_wait(back), Ok(Some(current().id())));
///     run_loop.finish();
/// });
/// ```
#[inline]
#[must_use]
pub const fn current_scheduler() -> CurrentScheduler {
    CurrentScheduler
}
