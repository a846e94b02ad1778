//! `retry_when`: runs a sender anew after a failure, when a trigger says so.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`retry_when`].
pub type RetryWhen<M, F, S, T> = Scripting<RetryWhenScript<M, F, S, T>>;

/// Runs the senders `S` that `M` makes, and between two of them a trigger `T` made by `F`.
pub struct RetryWhenScript<M, F, S, T> {
    make: M,
    on_error: F,
    _senders: PhantomData<(S, T)>,
}

impl<M, F, S, T> Script for RetryWhenScript<M, F, S, T>
where
    M: FnMut() -> S,
    F: FnMut(S::Error) -> T,
    S: Sender,
    T: Sender<Value = ()>,
{
    type First = S;
    type Second = T;
    type Value = S::Value;
    type Error = T::Error;
    const LOOPS: bool = true;
    const PASSES_STOP: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        Next::First((self.make)())
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(value) => Next::Complete(Outcome::Value(value)),
            Outcome::Error(error) => Next::Second((self.on_error)(error)),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<(), T::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(()) => Next::First((self.make)()),
            Outcome::Error(error) => Next::Complete(Outcome::Error(error)),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }
}

impl<M: Clone, F: Clone, S, T> Clone for RetryWhenScript<M, F, S, T> {
    fn clone(&self) -> Self {
        Self {
            make: self.make.clone(),
            on_error: self.on_error.clone(),
            _senders: PhantomData,
        }
    }
}

impl<M, F, S, T> fmt::Debug for RetryWhenScript<M, F, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryWhenScript").finish_non_exhaustive()
    }
}

/// A sender factory that tries again: runs the sender that `make` makes, and after an error the
/// trigger that `on_error` makes of it; the trigger's value starts the next attempt.
///
/// # Completions
/// The value of the attempt that succeeds.
///
/// # Errors
/// An attempt's error goes to `on_error` only. An error or *stopped* of the trigger, *stopped* of an
/// attempt, and every panic ends it.
///
/// # Cancellation
/// Attempts and triggers see the receiver's stop token. Between them, and before the first, a
/// requested stop ends the loop as stopped; no trigger is made into another attempt then.
///
/// # Threads
/// The closures run where the sender before completed. Attempts that fail inline use no stack.
/// Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::retry_when;
///
/// let mut attempts = 0;
/// let attempt = || {
///     attempts += 1;
///     if attempts < 3 { Either::Left(just_error("no")) } else { Either::Right(ready(attempts)) }
/// };
/// let third = retry_when(attempt, |_| ready::<(), &str>(()));
/// assert_eq!(sync_wait(third), Ok(Some(3)));
/// ```
///
/// # See also
/// [`repeat_with`](crate::repeat_with), a loop that carries a state.
#[inline]
pub const fn retry_when<M, F, S, T>(make: M, on_error: F) -> RetryWhen<M, F, S, T>
where
    M: FnMut() -> S,
    F: FnMut(S::Error) -> T,
    S: Sender,
    T: Sender<Value = ()>,
{
    Scripting::new(RetryWhenScript {
        make,
        on_error,
        _senders: PhantomData,
    })
}
