//! The four ways in which work ends, as one value.

use super::panic::{Panic, discard, discard_into, discard_payload};
use super::receiver::Receiver;

/// How a sender completed: one of its four channels, with what that channel carries.
///
/// Adaptors that store a completion, or turn one channel into another, handle this enum instead of
/// four functions. [`deliver`](Outcome::deliver) is the way back to a receiver.
///
/// # Examples
///
/// ```
/// use sendio::Outcome;
///
/// let outcome: Outcome<u8, String> = Outcome::Value(7);
/// assert!(matches!(outcome.map_value(|n| n + 1), Outcome::Value(8)));
/// ```
#[derive(Debug)]
pub enum Outcome<V, E> {
    /// The value channel.
    Value(V),
    /// The error channel.
    Error(E),
    /// The stopped channel.
    Stopped,
    /// The panic channel.
    Panicked(Panic),
}

/// One of the four channels, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The value channel.
    Value,
    /// The error channel.
    Error,
    /// The stopped channel.
    Stopped,
    /// The panic channel.
    Panicked,
}

impl<V, E> Outcome<V, E> {
    /// The channel of this outcome.
    #[inline(always)]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Value(_) => Channel::Value,
            Self::Error(_) => Channel::Error,
            Self::Stopped => Channel::Stopped,
            Self::Panicked(_) => Channel::Panicked,
        }
    }

    /// Completes `receiver` with this outcome.
    #[inline(always)]
    pub fn deliver(self, receiver: impl Receiver<V, E>) {
        match self {
            Self::Value(value) => receiver.set_value(value),
            Self::Error(error) => receiver.set_error(error),
            Self::Stopped => receiver.set_stopped(),
            Self::Panicked(payload) => receiver.set_panicked(payload),
        }
    }

    /// Changes the value, and leaves the other channels as they are.
    #[inline]
    pub fn map_value<U>(self, f: impl FnOnce(V) -> U) -> Outcome<U, E> {
        match self {
            Self::Value(value) => Outcome::Value(f(value)),
            Self::Error(error) => Outcome::Error(error),
            Self::Stopped => Outcome::Stopped,
            Self::Panicked(payload) => Outcome::Panicked(payload),
        }
    }

    /// Changes the error, and leaves the other channels as they are.
    #[inline]
    pub fn map_error<F>(self, f: impl FnOnce(E) -> F) -> Outcome<V, F> {
        match self {
            Self::Value(value) => Outcome::Value(value),
            Self::Error(error) => Outcome::Error(f(error)),
            Self::Stopped => Outcome::Stopped,
            Self::Panicked(payload) => Outcome::Panicked(payload),
        }
    }

    /// Replaces this outcome by a panic, unless it already is one: the first payload wins.
    #[cold]
    pub(crate) fn replaced_by(self, payload: Panic) -> Self {
        match self {
            Self::Panicked(first) => {
                discard_payload(payload);
                Self::Panicked(first)
            }
            other => Self::Panicked(discard_into(payload, other)),
        }
    }

    /// Drops `rest`, then completes `receiver`: the order that the protocol demands.
    ///
    /// A panic while dropping `rest` replaces the outcome.
    #[inline(always)]
    pub(crate) fn finish<T>(self, receiver: impl Receiver<V, E>, rest: T) {
        match discard(rest) {
            Ok(()) => self.deliver(receiver),
            Err(payload) => self.replaced_by(payload).deliver(receiver),
        }
    }
}
