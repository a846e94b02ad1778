//! `repeat`: runs a sender again and again, until it fails or is stopped.

use std::convert::Infallible;

use super::NoSecond;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::repeat`](crate::SenderExt::repeat).
pub type Repeat<S> = Scripting<RepeatScript<S>>;

/// Runs clones of `S`.
#[derive(Clone, Debug)]
pub struct RepeatScript<S> {
    sender: S,
}

impl<S: Sender<Value = ()> + Clone> Script for RepeatScript<S> {
    type First = S;
    type Second = NoSecond;
    type Value = Infallible;
    type Error = S::Error;
    const LOOPS: bool = true;
    const PASSES_STOP: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        Next::First(self.sender.clone())
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<(), S::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(()) => Next::First(self.sender.clone()),
            Outcome::Error(error) => Next::Complete(Outcome::Error(error)),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }
}

/// `sender`, again and again.
#[inline]
pub(crate) const fn repeat<S: Sender<Value = ()> + Clone>(sender: S) -> Repeat<S> {
    Scripting::new(RepeatScript { sender })
}
