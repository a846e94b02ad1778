//! `on`: runs a sender on a scheduler and comes back.

use super::continues_on::ContinuesOn;
use super::starts_on::{StartsOn, starts_on};
use crate::senders::concept::scheduler::{IntoError, Scheduler};
use crate::senders::concept::sender::Sender;
use crate::senders::factory::current_scheduler::{CurrentScheduler, current_scheduler};

/// The sender of [`on`].
pub type On<Sch, S> = ContinuesOn<StartsOn<Sch, S>, CurrentScheduler>;

/// A sender adaptor that runs `sender` on `scheduler` and completes on the scheduler on which it was
/// started.
///
/// Clause: [exec.on].
///
/// # Completions
/// Those of `sender`, each delivered after the hop back, *stopped* too.
///
/// # Errors
/// The scheduler's error becomes `sender`'s by [`IntoError`]. If the hop back completes stopped
/// (its scheduler ends), the result is dropped and the whole is stopped.
///
/// # Cancellation
/// The hop there and `sender` see the receiver's stop token, the hop back does not.
///
/// # Threads
/// Home is the scheduler of the receiver's environment ([`current_scheduler`]); without one there is
/// no hop back. Inside, the environment's scheduler is `scheduler`. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use std::thread::current;
///
/// let run_loop = RunLoop::new();
/// std::thread::scope(|threads| {
///     threads.spawn(|| run_loop.run());
///     let there = on(run_loop.scheduler(), just(()).then(|()| current().id()));
///     let both = there.then(|there| (there, current().id()));
///     let (there, here) = sync_wait(both).unwrap().unwrap();
///     assert!(here == current().id() && there != here);
///     run_loop.finish();
/// });
/// ```
///
/// # See also
/// [`starts_on`](crate::starts_on), which stays there.
#[inline]
pub const fn on<Sch, S>(scheduler: Sch, sender: S) -> On<Sch, S>
where
    Sch: Scheduler<Schedule: Sender<Error: IntoError<S::Error>>>,
    S: Sender,
{
    ContinuesOn::new(starts_on(scheduler, sender), current_scheduler())
}
