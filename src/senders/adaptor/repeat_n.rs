//! `repeat_n`: runs a sender a number of times.

use std::convert::Infallible;

use super::NoSecond;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`SenderExt::repeat_n`](crate::SenderExt::repeat_n).
pub type RepeatN<S> = Scripting<RepeatNScript<S>>;

/// Runs clones of `S`, and in the end `S` itself.
#[derive(Clone, Debug)]
pub struct RepeatNScript<S> {
    /// None after the last time.
    sender: Option<S>,
    left: usize,
}

impl<S: Sender<Value = ()> + Clone> RepeatNScript<S> {
    #[inline]
    fn next(&mut self) -> NextOf<Self> {
        let Some(sender) = &self.sender else {
            return Next::Complete(Outcome::Value(()));
        };
        self.left -= 1;
        if self.left > 0 {
            return Next::First(sender.clone());
        }
        let last = self.sender.take();
        last.map_or(Next::Complete(Outcome::Value(())), Next::First)
    }
}

impl<S: Sender<Value = ()> + Clone> Script for RepeatNScript<S> {
    type First = S;
    type Second = NoSecond;
    type Value = ();
    type Error = S::Error;
    const LOOPS: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        if self.left == 0 {
            return Next::Complete(Outcome::Value(()));
        }
        self.next()
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<(), S::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(()) => self.next(),
            other => Next::Complete(other),
        }
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }
}

/// `sender`, `count` times.
#[inline]
pub(crate) const fn repeat_n<S>(sender: S, count: usize) -> RepeatN<S>
where
    S: Sender<Value = ()> + Clone,
{
    Scripting::new(RepeatNScript {
        sender: Some(sender),
        left: count,
    })
}
