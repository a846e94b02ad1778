//! The mechanism of adaptors that only change what passes: `then`, `map_err`, `upon_stopped`, ...
//!
//! Such an adaptor is a [`Map`] over outcomes. Its receiver holds the map and the outer receiver;
//! the operation is the child's. A panic in the map, or in dropping what it owns, takes the panic
//! channel, and what the map owns is gone before the outer receiver is completed.
//!
//! # Safety
//! INV-SND-1 holds because every `set_*` of the receiver completes the outer receiver exactly once;
//! INV-SND-2 because the map is part of the sender.

#![expect(unsafe_code, reason = "implements Sender")]

use super::env::Env;
use super::local::LocalSender;
use super::outcome::Outcome;
use super::panic::{Panic, catch, discard};
use super::receiver::Receiver;
use super::sender::Sender;

/// A change of what passes from a child with value `V` and error `E`.
///
/// # Examples
///
/// An adaptor of one's own:
///
/// ```
/// use sendio::adaptor::{Map, Mapped};
/// use sendio::prelude::*;
///
/// /// Makes the error of a value, and the value of an error.
/// struct Swap;
///
/// impl<V, E> Map<V, E> for Swap {
///     type Value = E;
///     type Error = V;
///
///     fn map(self, outcome: Outcome<V, E>) -> Outcome<E, V> {
///         match outcome {
///             Outcome::Value(value) => Outcome::Error(value),
///             Outcome::Error(error) => Outcome::Value(error),
///             Outcome::Stopped => Outcome::Stopped,
///             Outcome::Panicked(payload) => Outcome::Panicked(payload),
///         }
///     }
/// }
///
/// trait Swapping: Sender {
///     fn swap(self) -> Mapped<Self, Swap> {
///         Mapped::new(self, Swap)
///     }
/// }
/// impl<S: Sender> Swapping for S {}
///
/// assert_eq!(sync_wait(just_error::<(), _>(42).swap()), Ok(Some(42)));
/// ```
pub trait Map<V, E> {
    /// The new value.
    type Value;
    /// The new error.
    type Error;
    /// Whether *stopped* is always passed on.
    #[doc(hidden)]
    const PASSES_STOPPED: bool = false;
    /// Turns the child's completion into the adaptor's. The map is consumed: captures that were not
    /// used are dropped in here. It may panic.
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error>;
}

/// A sender whose completions pass through a [`Map`]: the type behind `then`, `map_err` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Mapped<S, M> {
    sender: S,
    map: M,
}

impl<S, M> Mapped<S, M> {
    /// `sender` followed by `map`.
    #[inline]
    pub const fn new(sender: S, map: M) -> Self {
        Self { sender, map }
    }
}

// SAFETY: the child's operation keeps the promises; the receiver below completes the outer receiver
//         exactly once for each completion, after the map was consumed.
unsafe impl<S: Sender, M: Map<S::Value, S::Error>> Sender for Mapped<S, M> {
    type Value = M::Value;
    type Error = M::Error;
    type Operation<R: Receiver<M::Value, M::Error>> = S::Operation<MapReceiver<M, R>>;
    const DEFERS: bool = S::DEFERS;
    const STAYS: bool = S::STAYS;
    const LOOKS: bool = S::LOOKS && M::PASSES_STOPPED;

    #[inline]
    fn connect<R: Receiver<M::Value, M::Error>>(self, receiver: R) -> Self::Operation<R> {
        self.sender.connect(MapReceiver {
            map: self.map,
            receiver,
        })
    }

    #[inline(always)]
    unsafe fn connect_at<R: Receiver<M::Value, M::Error>>(
        self,
        place: *mut Self::Operation<R>,
        receiver: R,
    ) -> Result<(), Panic> {
        let receiver = MapReceiver {
            map: self.map,
            receiver,
        };
        // SAFETY: the contract is the same: the operation is the child's.
        unsafe { self.sender.connect_at(place, receiver) }
    }
}

// SAFETY: it completes where the child completes, which is where the child was started, which is
//         where this was started.
unsafe impl<S: LocalSender, M: Map<S::Value, S::Error>> LocalSender for Mapped<S, M> {}

/// The receiver of [`Mapped`].
#[derive(Debug)]
pub struct MapReceiver<M, R> {
    map: M,
    receiver: R,
}

impl<V, E, M, R> Receiver<V, E> for MapReceiver<M, R>
where
    M: Map<V, E>,
    R: Receiver<M::Value, M::Error>,
{
    #[inline(always)]
    fn set_value(self, value: V) {
        let Self { map, receiver } = self;
        match catch(move || map.map(Outcome::Value(value))) {
            Ok(outcome) => outcome.deliver(receiver),
            Err(payload) => receiver.set_panicked(payload),
        }
    }

    #[inline]
    fn set_error(self, error: E) {
        let Self { map, receiver } = self;
        match catch(move || map.map(Outcome::Error(error))) {
            Ok(outcome) => outcome.deliver(receiver),
            Err(payload) => receiver.set_panicked(payload),
        }
    }

    #[inline]
    fn set_stopped(self) {
        let Self { map, receiver } = self;
        match catch(move || map.map(Outcome::Stopped)) {
            Ok(outcome) => outcome.deliver(receiver),
            Err(payload) => receiver.set_panicked(payload),
        }
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        let Self { map, receiver } = self;
        let outcome = Outcome::Panicked(payload);
        match discard(map) {
            Ok(()) => outcome.deliver(receiver),
            Err(second) => outcome.replaced_by(second).deliver(receiver),
        }
    }

    #[inline]
    fn set_rarely(self, outcome: Outcome<V, E>) {
        let Self { map, receiver } = self;
        let outcome = match outcome {
            // Not the map's business: it is dropped.
            Outcome::Panicked(payload) => match discard(map) {
                Ok(()) => Outcome::Panicked(payload),
                Err(second) => Outcome::Panicked(payload).replaced_by(second),
            },
            outcome => match catch(move || map.map(outcome)) {
                Ok(outcome) => outcome,
                Err(payload) => Outcome::Panicked(payload),
            },
        };
        receiver.set_rarely(outcome);
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        self.receiver.env()
    }
}
