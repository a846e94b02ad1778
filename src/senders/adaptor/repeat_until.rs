//! `repeat_until`: runs a sender again and again, until its value is `true`.

use std::convert::Infallible;

use super::NoSecond;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::repeat_until`](crate::SenderExt::repeat_until).
pub type RepeatUntil<S> = Scripting<RepeatUntilScript<S>>;

/// Runs clones of `S`.
#[derive(Clone, Debug)]
pub struct RepeatUntilScript<S> {
    sender: S,
}

impl<S: Sender<Value = bool> + Clone> Script for RepeatUntilScript<S> {
    type First = S;
    type Second = NoSecond;
    type Value = ();
    type Error = S::Error;
    const LOOPS: bool = true;
    const PASSES_STOP: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        Next::First(self.sender.clone())
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<bool, S::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(false) => Next::First(self.sender.clone()),
            other => Next::Complete(other.map_value(drop)),
        }
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }
}

/// `sender`, until its value is `true`.
#[inline]
pub(crate) const fn repeat_until<S>(sender: S) -> RepeatUntil<S>
where
    S: Sender<Value = bool> + Clone,
{
    Scripting::new(RepeatUntilScript { sender })
}
