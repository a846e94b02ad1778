//! `upon_panicked`: makes a value of a panic.
//!
//! A script, since a [`Map`](crate::adaptor::Map) lets panics pass unseen.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::NoSecond;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::upon_panicked`](crate::SenderExt::upon_panicked).
pub type UponPanicked<S, F> = Scripted<UponPanickedScript<S, F>>;

/// Runs `S`, and delivers the result of a function of the payload in place of a panic.
pub struct UponPanickedScript<S, F> {
    f: Option<F>,
    _sender: PhantomData<fn() -> S>,
}

impl<S, F> Script for UponPanickedScript<S, F>
where
    S: Sender,
    F: FnOnce(Panic) -> S::Value,
{
    type First = S;
    type Second = NoSecond;
    type Value = S::Value;
    type Error = S::Error;

    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        Next::Complete(match (outcome, self.f.take()) {
            (Outcome::Panicked(payload), Some(f)) => Outcome::Value(f(payload)),
            (other, _) => other,
        })
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }
}

impl<S, F: Clone> Clone for UponPanickedScript<S, F> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            _sender: PhantomData,
        }
    }
}

impl<S, F> fmt::Debug for UponPanickedScript<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UponPanickedScript").finish_non_exhaustive()
    }
}

/// `sender` followed by `f`, if it panics.
#[inline]
pub(crate) const fn upon_panicked<S, F>(sender: S, f: F) -> UponPanicked<S, F>
where
    S: Sender,
    F: FnOnce(Panic) -> S::Value,
{
    Scripted::new(
        sender,
        UponPanickedScript {
            f: Some(f),
            _sender: PhantomData,
        },
    )
}
