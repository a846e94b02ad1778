//! The methods with which users compose senders.
//!
//! One method per algorithm; the algorithm itself is in the file of its name under `adaptor`.

use std::time::{Duration, Instant};

use super::adaptor::let_value::{LetValue, let_value};
use super::adaptor::then::{Then, then};
use super::adaptor::timeout::{TimedOut, Timeout, deadline, timeout};
use super::concept::scheduler::{IntoError, TimedScheduler};
use super::concept::sender::Sender;

/// Composition for every [`Sender`].
///
/// Each method consumes the sender and returns a new one; nothing runs until a consumer such as
/// [`sync_wait`](crate::sync_wait) starts the result.
pub trait SenderExt: Sender {
    /// A sender adaptor that continues the value with `f`.
    ///
    /// Clause: [exec.then].
    ///
    /// # Completions
    /// in: Value = `V`, Error = `E` -> out: Value = what `f` returns, Error = `E`, stopped as before.
    ///
    /// # Errors
    /// Errors and *stopped* bypass `f`. A panic of `f` travels to the consumer.
    ///
    /// # Cancellation
    /// It does not look at the stop token; `f` runs if the value arrives.
    ///
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// assert_eq!(sync_wait(just(20).then(|n| n + 1).then(|n| n * 2)), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`let_value`](SenderExt::let_value) when `f` returns a sender.
    fn then<F, U>(self, f: F) -> Then<Self, F>
    where
        F: FnOnce(Self::Value) -> U,
    {
        then(self, f)
    }

    /// A sender adaptor that continues the value with the sender that `f` makes of it.
    ///
    /// Clause: [exec.let].
    ///
    /// # Completions
    /// in: Value = `V`, Error = `E` -> out: the completions of `f`'s sender, whose error type must
    /// be `E`.
    ///
    /// # Errors
    /// Errors and *stopped* of the first sender bypass `f`. A panic of `f` travels to the consumer.
    ///
    /// # Cancellation
    /// Both senders see the receiver's stop token. The second one is started even if stop was
    /// requested meanwhile; it decides.
    ///
    /// # Threads
    /// `f` runs, and its sender starts, where the first one completes. The first operation is
    /// destroyed before `f` runs. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let s = just(6).let_value(|n| just(7).then(move |m| n * m));
    /// assert_eq!(sync_wait(s), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`then`](SenderExt::then) when `f` returns a plain value.
    fn let_value<F, T>(self, f: F) -> LetValue<Self, F, T>
    where
        F: FnOnce(Self::Value) -> T,
        T: Sender<Error = Self::Error>,
    {
        let_value(self, f)
    }

    /// A sender adaptor that asks the sender to stop when `duration` has passed since the start, by
    /// the clock of `scheduler`.
    ///
    /// # Completions
    /// Those of the sender; if it stopped because its time was up, the error [`TimedOut`] instead.
    ///
    /// # Errors
    /// `TimedOut` is converted by `From` (`std::io::Error` has it); the timer's own error is the
    /// result if it came first and the sender then stopped. A value that came late is no error.
    ///
    /// # Cancellation
    /// A stop request of the receiver stops both sender and timer. A duration of zero is `TimedOut`
    /// at once, without starting the sender.
    ///
    /// # Threads
    /// It completes where the later of sender and timer completes. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use sendio::{TimedScheduler, prelude::*};
    ///
    /// fn patient<Sch: TimedScheduler>(scheduler: Sch) -> impl Sender<Value = u8, Error = io::Error>
    /// where
    ///     Sch::ScheduleAt: Sender<Value = (), Error = io::Error>,
    /// {
    ///     ready::<u8, io::Error>(42).timeout(scheduler, Duration::from_secs(1))
    /// }
    /// ```
    ///
    /// # See also
    /// [`deadline`](SenderExt::deadline) for a point in time.
    fn timeout<Sch>(self, scheduler: Sch, duration: Duration) -> Timeout<Self, Sch>
    where
        Self::Error: From<TimedOut>,
        Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<Self::Error>>>,
    {
        timeout(self, scheduler, duration)
    }

    /// A sender adaptor that asks the sender to stop at `instant`, by the clock of `scheduler`; else
    /// like [`timeout`](SenderExt::timeout). An instant that has passed when the work is started is
    /// `TimedOut` at once, without starting the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, time::Instant};
    /// use sendio::{TimedScheduler, prelude::*};
    ///
    /// fn until<Sch>(scheduler: Sch, end: Instant) -> impl Sender<Value = u8, Error = io::Error>
    /// where
    ///     Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error = io::Error>>,
    /// {
    ///     ready::<u8, io::Error>(42).deadline(scheduler, end)
    /// }
    /// ```
    fn deadline<Sch>(self, scheduler: Sch, instant: Instant) -> Timeout<Self, Sch>
    where
        Self::Error: From<TimedOut>,
        Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<Self::Error>>>,
    {
        deadline(self, scheduler, instant)
    }
}

impl<S: Sender> SenderExt for S {}
