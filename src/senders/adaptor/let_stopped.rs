//! `let_stopped`: continues *stopped* with the sender that a function makes.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::let_stopped`](crate::SenderExt::let_stopped).
pub type LetStopped<S, F, T> = Scripted<LetStoppedScript<S, F, T>>;

/// Runs `S`, then the sender `T` that `F` makes when it was stopped.
pub struct LetStoppedScript<S, F, T> {
    f: Option<F>,
    _senders: PhantomData<(S, T)>,
}

impl<S, F, T> Script for LetStoppedScript<S, F, T>
where
    S: Sender,
    F: FnOnce() -> T,
    T: Sender<Value = S::Value, Error = S::Error>,
{
    type First = S;
    type Second = T;
    type Value = T::Value;
    type Error = T::Error;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        match (outcome, self.f.take()) {
            (Outcome::Value(value), _) => Next::Complete(Outcome::Value(value)),
            (Outcome::Error(error), _) => Next::Complete(Outcome::Error(error)),
            (Outcome::Stopped, Some(f)) => Next::Second(f()),
            (Outcome::Stopped, None) => unreachable!("the first sender completes once"),
            (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<T::Value, T::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }
}

impl<S, F: Clone, T> Clone for LetStoppedScript<S, F, T> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            _senders: PhantomData,
        }
    }
}

impl<S, F, T> fmt::Debug for LetStoppedScript<S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetStoppedScript").finish_non_exhaustive()
    }
}

/// `sender`, then what `f` makes when it was stopped.
#[inline]
pub(crate) const fn let_stopped<S, F, T>(sender: S, f: F) -> LetStopped<S, F, T>
where
    S: Sender,
    F: FnOnce() -> T,
    T: Sender<Value = S::Value, Error = S::Error>,
{
    Scripted::new(
        sender,
        LetStoppedScript {
            f: Some(f),
            _senders: PhantomData,
        },
    )
}
