//! `repeat_with`: runs senders made by a function, passing a state along by value.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::NoSecond;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The sender of [`repeat_with`].
pub type RepeatWith<T, F, S> = Scripting<RepeatWithScript<T, F, S>>;

/// Runs the senders that `F` makes of a state `T`.
pub struct RepeatWithScript<T, F, S> {
    state: Option<T>,
    f: F,
    _sender: PhantomData<S>,
}

impl<T, F, S, B> Script for RepeatWithScript<T, F, S>
where
    F: FnMut(T) -> S,
    S: Sender<Value = ControlFlow<B, T>>,
{
    type First = S;
    type Second = NoSecond;
    type Value = B;
    type Error = S::Error;
    const LOOPS: bool = true;
    const PASSES_STOP: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        match self.state.take() {
            Some(state) => Next::First((self.f)(state)),
            None => unreachable!("a script begins once"),
        }
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<ControlFlow<B, T>, S::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(ControlFlow::Continue(state)) => Next::First((self.f)(state)),
            Outcome::Value(ControlFlow::Break(value)) => Next::Complete(Outcome::Value(value)),
            Outcome::Error(error) => Next::Complete(Outcome::Error(error)),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }
}

impl<T: Clone, F: Clone, S> Clone for RepeatWithScript<T, F, S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            f: self.f.clone(),
            _sender: PhantomData,
        }
    }
}

impl<T, F, S> fmt::Debug for RepeatWithScript<T, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeatWithScript").finish_non_exhaustive()
    }
}

/// A sender factory that loops: each round runs the sender that `f` makes of the state, whose value
/// says how to go on.
///
/// # Completions
/// A round's value `ControlFlow::Continue(state)` begins the next round, `ControlFlow::Break(value)`
/// ends the loop with that value.
///
/// # Errors
/// An error, *stopped*, or a panic of a round or of `f` ends the loop with it.
///
/// # Cancellation
/// Every round sees the receiver's stop token. Between two rounds, and before the first, a requested
/// stop ends the loop as stopped; the state is dropped then.
///
/// # Threads
/// `f` runs where the round before completed. Rounds that complete inline use no stack. Allocation:
/// none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use std::ops::ControlFlow::{Break, Continue};
///
/// let sum = repeat_with((0, 0), |(n, sum)| {
///     just(if n > 4 { Break(sum) } else { Continue((n + 1, sum + n)) })
/// });
/// assert_eq!(sync_wait(sum), Ok(Some(10)));
/// ```
///
/// # See also
/// [`SenderExt::repeat_until`](crate::SenderExt::repeat_until), the same without a state.
#[inline]
pub const fn repeat_with<T, F, S, B>(state: T, f: F) -> RepeatWith<T, F, S>
where
    F: FnMut(T) -> S,
    S: Sender<Value = ControlFlow<B, T>>,
{
    Scripting::new(RepeatWithScript {
        state: Some(state),
        f,
        _sender: PhantomData,
    })
}
