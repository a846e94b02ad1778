//! `timeout` and `deadline`: ask a sender to stop when its time is up.
//!
//! A [`Group`] of the sender and a timer, in which the first completion asks the other to stop. What
//! the sender makes of that request decides: a value or an error that it still delivers is the
//! result, and only if it stops is the result [`TimedOut`]. Work that has moved bytes does not stop
//! without a word: it completes with an error that says how many, and that it was stopped. Such an
//! error becomes one that says that the time was up; it is found by its type, so it has to be there as
//! itself, and not within an error type of the user.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::senders::concept::env::Env;
use crate::senders::concept::group::{Finished, Group, Grouped};
use crate::senders::concept::outcome::{Channel, Outcome};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::scheduler::{IntoError, TimedScheduler};
use crate::senders::concept::sender::Sender;
use crate::senders::io::partial;

/// The error of work whose time was up: what [`timeout`](crate::SenderExt::timeout) and
/// [`deadline`](crate::SenderExt::deadline) convert into the error type of the work.
///
/// As a [`std::io::Error`] it has the kind [`TimedOut`](io::ErrorKind::TimedOut).
///
/// # Examples
///
/// ```
/// use std::io;
/// use sendio::TimedOut;
///
/// assert_eq!(io::Error::from(TimedOut).kind(), io::ErrorKind::TimedOut);
/// assert_eq!(TimedOut.to_string(), "the time limit was exceeded");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit was exceeded")
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(timed_out: TimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, timed_out)
    }
}

/// The sender of [`SenderExt::timeout`](crate::SenderExt::timeout) and
/// [`SenderExt::deadline`](crate::SenderExt::deadline).
pub type Timeout<S, Sch> = Grouped<TimeoutGroup<S, Sch>>;

/// Runs `S` beside a timer of `Sch`.
pub struct TimeoutGroup<S, Sch> {
    limit: Limit<Sch>,
    _sender: PhantomData<fn() -> S>,
}

/// When the time is up.
#[derive(Clone)]
enum Limit<Sch> {
    At(Sch, Instant),
    After(Duration),
}

impl<S, Sch> Group for TimeoutGroup<S, Sch>
where
    S: Sender<Error: From<TimedOut> + 'static>,
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<S::Error>>>,
{
    type Children = (S, Sch::ScheduleAt);
    type Value = S::Value;
    type Error = S::Error;

    fn enter(&mut self, _: Env<'_>) -> Option<Outcome<S::Value, S::Error>> {
        let is_over = match &self.limit {
            Limit::At(scheduler, deadline) => scheduler.now() >= *deadline,
            Limit::After(duration) => duration.is_zero(),
        };
        is_over.then(|| Outcome::Error(TimedOut.into()))
    }

    /// Whoever completes first stops the other.
    fn weigh(_: usize, _: Channel) -> u8 {
        1
    }

    fn conclude<R: Receiver<S::Value, S::Error>>(
        self,
        mut finished: Finished<'_, Self, R>,
        decisive: Option<usize>,
    ) -> Outcome<S::Value, S::Error> {
        let work = finished.take::<0>(0).expect("the work has completed");
        let timer = finished.take::<1>(0).expect("the timer has completed");
        let timer_decides = decisive == Some(1);
        match (work, timer) {
            (_, Outcome::Panicked(payload)) if timer_decides => Outcome::Panicked(payload),
            (Outcome::Stopped, Outcome::Value(())) if timer_decides => {
                Outcome::Error(TimedOut.into())
            }
            (Outcome::Error(error), Outcome::Value(())) if timer_decides => {
                Outcome::Error(expired(error))
            }
            (Outcome::Stopped, Outcome::Error(error)) if timer_decides => {
                Outcome::Error(error.into_error())
            }
            (outcome, _) => outcome,
        }
    }
}

/// What `error` means, of work whose time was up: if it says that the work was stopped after a part,
/// that the time limit was exceeded after that part. Any other is what it was.
#[cold]
fn expired<E: 'static>(mut error: E) -> E {
    let any: &mut dyn Any = &mut error;
    if let Some(error) = any.downcast_mut::<io::Error>() {
        partial::expire(error, TimedOut);
    } else if let Some(boxed) = any.downcast_mut::<Box<dyn Error + Send + Sync>>() {
        if let Some(error) = boxed.downcast_mut::<io::Error>() {
            partial::expire(error, TimedOut);
        }
    } else if let Some(boxed) = any.downcast_mut::<Box<dyn Error>>()
        && let Some(error) = boxed.downcast_mut::<io::Error>()
    {
        partial::expire(error, TimedOut);
    }
    error
}

impl<S, Sch: Clone> Clone for TimeoutGroup<S, Sch> {
    fn clone(&self) -> Self {
        Self::new(self.limit.clone())
    }
}

impl<S, Sch> TimeoutGroup<S, Sch> {
    const fn new(limit: Limit<Sch>) -> Self {
        Self {
            limit,
            _sender: PhantomData,
        }
    }
}

impl<S, Sch> fmt::Debug for TimeoutGroup<S, Sch> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TimeoutGroup");
        match &self.limit {
            Limit::At(_, deadline) => debug.field("deadline", deadline),
            Limit::After(duration) => debug.field("timeout", duration),
        };
        debug.finish_non_exhaustive()
    }
}

/// `sender`, for at most `duration`.
pub(crate) fn timeout<S, Sch>(sender: S, scheduler: Sch, duration: Duration) -> Timeout<S, Sch>
where
    S: Sender<Error: From<TimedOut> + 'static>,
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<S::Error>>>,
{
    let timer = scheduler.schedule_after(duration);
    Grouped::new((sender, timer), TimeoutGroup::new(Limit::After(duration)))
}

/// `sender`, until `instant` at the latest.
pub(crate) fn deadline<S, Sch>(sender: S, scheduler: Sch, instant: Instant) -> Timeout<S, Sch>
where
    S: Sender<Error: From<TimedOut> + 'static>,
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<S::Error>>>,
{
    let timer = scheduler.schedule_at(instant);
    Grouped::new(
        (sender, timer),
        TimeoutGroup::new(Limit::At(scheduler, instant)),
    )
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::senders::io::partial::{stopped, transferred};

    fn is_timed_out(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::TimedOut && transferred(error) == 3
    }

    #[test]
    fn expired_io_errors_are_found_also_in_boxes() {
        assert!(is_timed_out(&expired(stopped(3))));
        let shared = expired::<Box<dyn Error + Send + Sync>>(stopped(3).into());
        assert!(shared.downcast_ref().is_some_and(is_timed_out));
        let boxed = expired::<Box<dyn Error>>(stopped(3).into());
        assert!(boxed.downcast_ref().is_some_and(is_timed_out));
    }

    #[test]
    fn expired_other_errors_are_what_they_were() {
        struct Own(io::Error);
        let own = expired(Own(stopped(3)));
        assert!(!is_timed_out(&own.0) && transferred(&own.0) == 3);
        let boxed = expired::<Box<dyn Error>>(TimedOut.into());
        assert!(boxed.is::<TimedOut>());
        assert_eq!(expired("text"), "text");
    }
}
