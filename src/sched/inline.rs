//! The scheduler that runs work where it is started.

use crate::senders::concept::scheduler::Scheduler;
use crate::senders::factory::just::{Just, KnownValue, just};
use std::convert::Infallible;

/// A scheduler whose `schedule` completes inside `start`.
///
/// Clause: [exec.inline.scheduler].
///
/// # Examples
///
/// ```
/// use sendio::{Inline, Scheduler, SenderExt, sync_wait};
///
/// assert_eq!(sync_wait(Inline.schedule().then(|()| 42)), Ok(Some(42)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inline;

impl Scheduler for Inline {
    type Schedule = Just<KnownValue<(), Infallible>>;
    type Transfer = Just<KnownValue<(), Infallible>>;

    #[inline]
    fn schedule(&self) -> Self::Schedule {
        just(())
    }

    #[inline]
    fn transfer(&self) -> Self::Transfer {
        just(())
    }
}
