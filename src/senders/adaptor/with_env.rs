//! `with_env`: changes the environment of a sender; and the mechanism of all adaptors that do.
//!
//! An adaptor that only changes what is asked is a [`Surroundings`]: its receiver holds the change
//! and the outer receiver, and the operation is the child's.
//!
//! # Safety
//! INV-SND-1 holds because completions are passed on as they are; INV-SND-2 because the change is
//! part of the sender. INV-ENV-1 holds for the snapshot of [`WithEnvScript`]: it is taken of a
//! receiver in the same operation, which is completed after the child.

#![expect(
    unsafe_code,
    reason = "implements Sender, and snapshots an environment"
)]

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::NoSecond;
use crate::senders::concept::env::{Env, RawEnv};
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, discard};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;

/// A change of the environment. It may not panic, since nobody could be told.
pub trait Surroundings {
    /// What it is while work runs.
    type Connected;
    /// Gets ready to be asked.
    fn connect(self) -> Self::Connected;
    /// The environment of the child, in that of the receiver. `connected` stays in place while an
    /// environment made from it is used.
    fn change<'a>(connected: &'a Self::Connected, outer: Env<'a>) -> Env<'a>;
}

/// A sender in a changed environment: the type behind `with_stop_token`, `with_query` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Surrounded<S, C> {
    sender: S,
    change: C,
}

impl<S, C> Surrounded<S, C> {
    /// `sender`, in what `change` makes of the environment.
    #[inline]
    pub(crate) const fn new(sender: S, change: C) -> Self {
        Self { sender, change }
    }
}

// SAFETY: the child's operation keeps the promises; the receiver below completes the outer receiver
//         exactly once for each completion, after the change was dropped.
unsafe impl<S: Sender, C: Surroundings> Sender for Surrounded<S, C> {
    type Value = S::Value;
    type Error = S::Error;
    type Operation<R: Receiver<S::Value, S::Error>> = S::Operation<SurroundedReceiver<C, R>>;
    const DEFERS: bool = S::DEFERS;
    const STAYS: bool = S::STAYS;

    #[inline]
    fn connect<R: Receiver<S::Value, S::Error>>(self, receiver: R) -> Self::Operation<R> {
        self.sender.connect(SurroundedReceiver {
            change: self.change.connect(),
            receiver,
        })
    }
}

// SAFETY: it completes where the child completes, which is where the child was started, which is
//         where this was started.
unsafe impl<S: LocalSender, C: Surroundings> LocalSender for Surrounded<S, C> {}

/// The receiver of [`Surrounded`].
pub struct SurroundedReceiver<C: Surroundings, R> {
    change: C::Connected,
    receiver: R,
}

impl<C: Surroundings, R> SurroundedReceiver<C, R> {
    #[inline]
    fn complete<V, E>(self, outcome: Outcome<V, E>)
    where
        R: Receiver<V, E>,
    {
        let Self { change, receiver } = self;
        match discard(change) {
            Ok(()) => outcome.deliver(receiver),
            Err(payload) => outcome.replaced_by(payload).deliver(receiver),
        }
    }
}

impl<V, E, C: Surroundings, R: Receiver<V, E>> Receiver<V, E> for SurroundedReceiver<C, R> {
    #[inline]
    fn set_value(self, value: V) {
        self.complete(Outcome::Value(value));
    }

    #[inline]
    fn set_error(self, error: E) {
        self.complete(Outcome::Error(error));
    }

    #[inline]
    fn set_stopped(self) {
        self.complete(Outcome::Stopped);
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        self.complete(Outcome::Panicked(payload));
    }

    #[inline]
    fn set_rarely(self, outcome: Outcome<V, E>) {
        let Self { change, receiver } = self;
        receiver.set_rarely(match discard(change) {
            Ok(()) => outcome,
            Err(payload) => outcome.replaced_by(payload),
        });
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        C::change(&self.change, self.receiver.env())
    }
}

impl<C: Surroundings, R> fmt::Debug for SurroundedReceiver<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurroundedReceiver").finish_non_exhaustive()
    }
}

/// The sender of [`SenderExt::with_env`](crate::SenderExt::with_env).
pub type WithEnv<S, F> = Scripted<WithEnvScript<S, F>>;

/// Runs `S` in the environment that `F` makes.
pub struct WithEnvScript<S, F> {
    f: Option<F>,
    env: Snapshot,
    _sender: PhantomData<S>,
}

/// The environment of the started operation; empty before.
#[derive(Clone, Copy)]
struct Snapshot(RawEnv);

// SAFETY: before the operation is started the snapshot is empty, and a started operation is nobody's
//         to send.
unsafe impl Send for Snapshot {}

impl<S, F> Script for WithEnvScript<S, F>
where
    S: Sender,
    F: for<'x> FnOnce(Env<'x>) -> Env<'x>,
{
    type First = S;
    type Second = NoSecond;
    type Value = S::Value;
    type Error = S::Error;

    #[inline]
    fn enter(&mut self, env: Env<'_>) {
        if let Some(f) = self.f.take() {
            self.env = Snapshot(f(env).erase());
        }
    }

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        Next::Complete(outcome)
    }

    fn after_second(&mut self, _: Outcome<Infallible, Infallible>) -> NextOf<Self> {
        unreachable!("there is no second sender")
    }

    #[inline]
    fn first_env<'a>(&'a self, _: impl FnOnce() -> Env<'a>) -> Env<'a> {
        // SAFETY: the child asks while it runs: the receiver was not completed (INV-ENV-1). What
        //         `f` returned lives as long as what it was given, or for ever.
        unsafe { self.env.0.restore() }
    }
}

impl<S, F: Clone> Clone for WithEnvScript<S, F> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            env: self.env,
            _sender: PhantomData,
        }
    }
}

impl<S, F> fmt::Debug for WithEnvScript<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithEnvScript").finish_non_exhaustive()
    }
}

/// `sender` in the environment that `f` makes.
#[inline]
pub(crate) const fn with_env<S, F>(sender: S, f: F) -> WithEnv<S, F>
where
    S: Sender,
    F: for<'x> FnOnce(Env<'x>) -> Env<'x>,
{
    Scripted::new(
        sender,
        WithEnvScript {
            f: Some(f),
            env: Snapshot(RawEnv::EMPTY),
            _sender: PhantomData,
        },
    )
}
