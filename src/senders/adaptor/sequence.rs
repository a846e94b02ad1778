//! `sequence`: runs one sender after the other and delivers what the last one does.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::sequence`](crate::SenderExt::sequence).
pub type Sequence<S, N> = Scripted<SequenceScript<S, N>>;

/// Runs `S`, then `N`.
pub struct SequenceScript<S, N> {
    next: Option<N>,
    _first: PhantomData<S>,
}

impl<S, N> Script for SequenceScript<S, N>
where
    S: Sender<Value = ()>,
    N: Sender<Error = S::Error>,
{
    type First = S;
    type Second = N;
    type Value = N::Value;
    type Error = N::Error;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<(), S::Error>) -> NextOf<Self> {
        match (outcome, self.next.take()) {
            (Outcome::Value(()), Some(next)) => Next::Second(next),
            (Outcome::Value(()), None) => unreachable!("the first sender completes once"),
            (Outcome::Error(error), _) => Next::Complete(Outcome::Error(error)),
            (Outcome::Stopped, _) => Next::Complete(Outcome::Stopped),
            (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<N::Value, N::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }
}

impl<S, N: Clone> Clone for SequenceScript<S, N> {
    fn clone(&self) -> Self {
        Self {
            next: self.next.clone(),
            _first: PhantomData,
        }
    }
}

impl<S, N> fmt::Debug for SequenceScript<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequenceScript").finish_non_exhaustive()
    }
}

/// `first`, then `next`.
#[inline]
pub(crate) const fn sequence<S, N>(first: S, next: N) -> Sequence<S, N>
where
    S: Sender<Value = ()>,
    N: Sender<Error = S::Error>,
{
    Scripted::new(
        first,
        SequenceScript {
            next: Some(next),
            _first: PhantomData,
        },
    )
}
