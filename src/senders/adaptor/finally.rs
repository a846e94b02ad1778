//! `finally`: runs a second sender after the first, however that ended.

use std::fmt;

use crate::senders::concept::env::Env;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::StopToken;

/// The sender of [`SenderExt::finally`](crate::SenderExt::finally).
pub type Finally<S, G> = Scripted<FinallyScript<S, G>>;

/// Runs `S`, keeps its outcome, runs `G`.
pub struct FinallyScript<S: Sender, G> {
    last: Option<G>,
    stored: Option<Outcome<S::Value, S::Error>>,
}

impl<S, G> Script for FinallyScript<S, G>
where
    S: Sender,
    G: Sender<Value = (), Error = S::Error>,
{
    type First = S;
    type Second = G;
    type Value = S::Value;
    type Error = S::Error;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        self.stored = Some(outcome);
        match self.last.take() {
            Some(last) => Next::Second(last),
            None => unreachable!("the first sender completes once"),
        }
    }

    #[inline]
    fn after_second(&mut self, outcome: Outcome<(), S::Error>) -> NextOf<Self> {
        let stored = self.stored.take();
        Next::Complete(match (outcome, stored) {
            (Outcome::Value(()), Some(stored)) => stored,
            (_, Some(Outcome::Panicked(payload))) => Outcome::Panicked(payload),
            (Outcome::Error(error), _) => Outcome::Error(error),
            (Outcome::Stopped, _) => Outcome::Stopped,
            (Outcome::Panicked(payload), _) => Outcome::Panicked(payload),
            (Outcome::Value(()), None) => unreachable!("the first sender has completed"),
        })
    }

    #[inline]
    fn second_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        outer().with_stop_token(StopToken::NEVER)
    }
}

impl<S: Sender, G: Clone> Clone for FinallyScript<S, G> {
    fn clone(&self) -> Self {
        // A sender, which can be cloned, has nothing stored.
        Self {
            last: self.last.clone(),
            stored: None,
        }
    }
}

impl<S: Sender, G> fmt::Debug for FinallyScript<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinallyScript").finish_non_exhaustive()
    }
}

/// `sender`, then `last`.
#[inline]
pub(crate) const fn finally<S, G>(sender: S, last: G) -> Finally<S, G>
where
    S: Sender,
    G: Sender<Value = (), Error = S::Error>,
{
    Scripted::new(
        sender,
        FinallyScript {
            last: Some(last),
            stored: None,
        },
    )
}
