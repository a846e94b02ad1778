//! `let_error`: continues an error with the sender that a function makes of it.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::let_error`](crate::SenderExt::let_error).
pub type LetError<S, F, T> = Scripted<LetErrorScript<S, F, T>>;

/// Runs `S`, then the sender `T` that `F` makes of its error.
pub struct LetErrorScript<S, F, T> {
    f: Option<F>,
    _senders: PhantomData<(S, T)>,
}

impl<S, F, T> Script for LetErrorScript<S, F, T>
where
    S: Sender,
    F: FnOnce(S::Error) -> T,
    T: Sender<Value = S::Value>,
{
    type First = S;
    type Second = T;
    type Value = T::Value;
    type Error = T::Error;
    const PASSES_STOP: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        match (outcome, self.f.take()) {
            (Outcome::Value(value), _) => Next::Complete(Outcome::Value(value)),
            (Outcome::Error(error), Some(f)) => Next::Second(f(error)),
            (Outcome::Error(_), None) => unreachable!("the first sender completes once"),
            (Outcome::Stopped, _) => Next::Complete(Outcome::Stopped),
            (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<T::Value, T::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }
}

impl<S, F: Clone, T> Clone for LetErrorScript<S, F, T> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            _senders: PhantomData,
        }
    }
}

impl<S, F, T> fmt::Debug for LetErrorScript<S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetErrorScript").finish_non_exhaustive()
    }
}

/// `sender`, then what `f` makes of its error.
#[inline]
pub(crate) const fn let_error<S, F, T>(sender: S, f: F) -> LetError<S, F, T>
where
    S: Sender,
    F: FnOnce(S::Error) -> T,
    T: Sender<Value = S::Value>,
{
    Scripted::new(
        sender,
        LetErrorScript {
            f: Some(f),
            _senders: PhantomData,
        },
    )
}
