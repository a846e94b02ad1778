//! `starts_on`: starts a sender on a scheduler.

use std::fmt;

use crate::senders::concept::env::Env;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::scheduler::{IntoError, Scheduler};
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`starts_on`].
pub type StartsOn<Sch, S> = Scripting<StartsOnScript<Sch, S>>;

/// Hops to `Sch`, then runs `S`.
#[derive(Clone)]
pub struct StartsOnScript<Sch, S> {
    scheduler: Sch,
    sender: Option<S>,
}

impl<Sch, S> Script for StartsOnScript<Sch, S>
where
    Sch: Scheduler<Schedule: Sender<Error: IntoError<S::Error>>>,
    S: Sender,
{
    type First = Sch::Schedule;
    type Second = S;
    type Value = S::Value;
    type Error = S::Error;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        Next::First(self.scheduler.schedule())
    }

    #[inline]
    fn after_first(
        &mut self,
        outcome: Outcome<(), <Sch::Schedule as Sender>::Error>,
    ) -> NextOf<Self> {
        match (outcome, self.sender.take()) {
            (Outcome::Value(()), Some(sender)) => Next::Second(sender),
            (Outcome::Value(()), None) => unreachable!("the scheduler completes once"),
            (Outcome::Error(error), _) => Next::Complete(Outcome::Error(error.into_error())),
            (Outcome::Stopped, _) => Next::Complete(Outcome::Stopped),
            (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }

    #[inline]
    fn second_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        match self.scheduler.scheduler_ref() {
            Some(scheduler) => outer().with_scheduler(scheduler),
            None => outer(),
        }
    }
}

impl<Sch, S> fmt::Debug for StartsOnScript<Sch, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartsOnScript").finish_non_exhaustive()
    }
}

/// A sender adaptor that starts `sender` on `scheduler`.
///
/// Clause: [exec.starts.on].
///
/// # Completions
/// Those of `sender`, delivered where it completes: there is no hop back.
///
/// # Errors
/// The scheduler's error becomes `sender`'s by [`IntoError`]; then, and if the scheduler completes
/// stopped, `sender` is dropped unstarted.
///
/// # Cancellation
/// The hop sees the receiver's stop token, so a stop may end it. Once it has arrived, `sender` is
/// started and decides.
///
/// # Threads
/// `sender` finds the scheduler in its environment, if the scheduler has a
/// [`scheduler_ref`](Scheduler::scheduler_ref). Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let run_loop = RunLoop::new();
/// std::thread::scope(|threads| {
///     let worker = threads.spawn(|| run_loop.run()).thread().id();
///     let ran = just(()).then(|()| std::thread::current().id());
///     assert_eq!(sync_wait(starts_on(run_loop.scheduler(), ran)), Ok(Some(worker)));
///     run_loop.finish();
/// });
/// ```
///
/// # See also
/// [`on`](crate::on), which hops back; [`continues_on`](crate::SenderExt::continues_on).
#[inline]
pub const fn starts_on<Sch, S>(scheduler: Sch, sender: S) -> StartsOn<Sch, S>
where
    Sch: Scheduler<Schedule: Sender<Error: IntoError<S::Error>>>,
    S: Sender,
{
    Scripting::new(StartsOnScript {
        scheduler,
        sender: Some(sender),
    })
}
