//! `let_value`: continues a value with the sender that a function makes of it.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::let_value`](crate::SenderExt::let_value).
pub type LetValue<S, F, T> = Scripted<LetValueScript<S, F, T>>;

/// Runs `S`, then the sender `T` that `F` makes of its value.
pub struct LetValueScript<S, F, T> {
    f: Option<F>,
    // `T` rests in the operation, so it decides about `Send` too.
    _senders: PhantomData<(S, T)>,
}

impl<S, F, T> Script for LetValueScript<S, F, T>
where
    S: Sender,
    F: FnOnce(S::Value) -> T,
    T: Sender<Error = S::Error>,
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
            (Outcome::Value(value), Some(f)) => Next::Second(f(value)),
            (Outcome::Value(_), None) => unreachable!("the first sender completes once"),
            (Outcome::Error(error), _) => Next::Complete(Outcome::Error(error)),
            (Outcome::Stopped, _) => Next::Complete(Outcome::Stopped),
            (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<T::Value, T::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }
}

impl<S, F: Clone, T> Clone for LetValueScript<S, F, T> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            _senders: PhantomData,
        }
    }
}

impl<S, F, T> fmt::Debug for LetValueScript<S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetValueScript").finish_non_exhaustive()
    }
}

/// `sender`, then what `f` makes of its value.
#[inline]
pub(crate) const fn let_value<S, F, T>(sender: S, f: F) -> LetValue<S, F, T>
where
    S: Sender,
    F: FnOnce(S::Value) -> T,
    T: Sender<Error = S::Error>,
{
    Scripted::new(
        sender,
        LetValueScript {
            f: Some(f),
            _senders: PhantomData,
        },
    )
}
