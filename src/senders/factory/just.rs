//! `just`, `just_error`, `just_stopped`, `ready`: senders that complete at once.
//!
//! One type serves all four: what is known is an [`Outcome`] in effect, but as a type parameter, so
//! that nothing is decided at run time.
//!
//! # Safety
//! INV-SND-1: `start` takes known completion and receiver out together and completes once, inline.

#![expect(unsafe_code, reason = "a leaf sender")]

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::marker::PhantomPinned;

use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// A completion that is known from the beginning.
pub trait Known {
    /// The value type, and the error type, of the sender.
    type Value;
    /// The error type of the sender.
    type Error;
    /// Completes `receiver`.
    fn complete(self, receiver: impl Receiver<Self::Value, Self::Error>);
}

/// The sender of [`just`] and its siblings.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Just<K> {
    known: K,
}

impl<K> Just<K> {
    /// A sender that completes with what `known` knows.
    #[inline]
    pub(crate) const fn new(known: K) -> Self {
        Self { known }
    }
}

/// Knows a value; for [`just`] and [`ready`].
pub struct KnownValue<V, E>(V, PhantomData<fn() -> E>);

/// Knows an error; for [`just_error`].
pub struct KnownError<V, E>(E, PhantomData<fn() -> V>);

/// Knows that it is stopped; for [`just_stopped`].
pub struct KnownStopped<V, E>(PhantomData<fn() -> (V, E)>);

impl<V, E> Known for KnownValue<V, E> {
    type Value = V;
    type Error = E;
    #[inline]
    fn complete(self, receiver: impl Receiver<V, E>) {
        receiver.set_value(self.0);
    }
}

impl<V, E> Known for KnownError<V, E> {
    type Value = V;
    type Error = E;
    #[inline]
    fn complete(self, receiver: impl Receiver<V, E>) {
        receiver.set_error(self.0);
    }
}

impl<V, E> Known for KnownStopped<V, E> {
    type Value = V;
    type Error = E;
    #[inline]
    fn complete(self, receiver: impl Receiver<V, E>) {
        receiver.set_stopped();
    }
}

impl<V: Clone, E> Clone for KnownValue<V, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<V, E: Clone> Clone for KnownError<V, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<V, E> Clone for KnownStopped<V, E> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<V: fmt::Debug, E> fmt::Debug for KnownValue<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.0).finish()
    }
}

impl<V, E: fmt::Debug> fmt::Debug for KnownError<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0).finish()
    }
}

impl<V, E> fmt::Debug for KnownStopped<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopped")
    }
}

/// A sender factory that completes with `value`, at once, where it is started.
///
/// Clause: [exec.just].
///
/// # Completions
/// Value = `V`, no error (`Infallible`; [`cast_err`](crate::SenderExt::cast_err) gives it a type),
/// never stopped.
///
/// # Cancellation
/// None: the value is delivered even if stop was requested.
///
/// # Threads
/// Completes inside `start`. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// assert_eq!(sync_wait(just((1, "two"))), Ok(Some((1, "two"))));
/// ```
///
/// # See also
/// [`ready`], the same with an error type taken from context; [`just_from`](crate::just_from), a
/// value computed at start.
#[inline]
pub const fn just<V>(value: V) -> Just<KnownValue<V, Infallible>> {
    Just {
        known: KnownValue(value, PhantomData),
    }
}

/// A sender factory that completes with `value`, like [`just`], with the error type that the context
/// asks for.
///
/// # Completions
/// Value = `V`, Error = `E` (never delivered), never stopped.
///
/// # Examples
///
/// Two branches of a `let_value` must have the same error type:
///
/// ```
/// use sendio::prelude::*;
///
/// let s = just("42").cast_err::<std::num::ParseIntError>().let_value(|text| match text.parse() {
///     Ok(n) => Either::Left(ready::<i32, _>(n)),
///     Err(e) => Either::Right(just_error(e)),
/// });
/// assert_eq!(sync_wait(s), Ok(Some(42)));
/// ```
#[inline]
pub const fn ready<V, E>(value: V) -> Just<KnownValue<V, E>> {
    Just {
        known: KnownValue(value, PhantomData),
    }
}

/// A sender factory that completes with the error `error`, at once, where it is started.
///
/// Clause: [exec.just].
///
/// # Completions
/// Error = `E`; no value is ever delivered, its type is taken from context; never stopped.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// assert_eq!(sync_wait(just_error::<(), _>("no")), Err("no"));
/// ```
#[inline]
pub const fn just_error<V, E>(error: E) -> Just<KnownError<V, E>> {
    Just {
        known: KnownError(error, PhantomData),
    }
}

/// A sender factory that completes stopped, at once, where it is started.
///
/// Clause: [exec.just].
///
/// # Completions
/// Stopped only; value and error types are taken from context.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// assert_eq!(sync_wait(just_stopped::<u8, ()>()), Ok(None));
/// ```
#[inline]
pub const fn just_stopped<V, E>() -> Just<KnownStopped<V, E>> {
    Just {
        known: KnownStopped(PhantomData),
    }
}

// SAFETY: `start` completes once, inline; what it knows is a field, so `Send` covers it.
unsafe impl<K: Known> Sender for Just<K> {
    type Value = K::Value;
    type Error = K::Error;
    type Operation<R: Receiver<K::Value, K::Error>> = JustOp<K, R>;
    const STAYS: bool = true;

    #[inline]
    fn connect<R: Receiver<K::Value, K::Error>>(self, receiver: R) -> JustOp<K, R> {
        JustOp {
            waiting: Some((self.known, receiver)),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: it completes inside `start`.
unsafe impl<K: Known> LocalSender for Just<K> {}

/// The operation of [`Just`].
#[derive(Debug)]
pub struct JustOp<K, R> {
    waiting: Option<(K, R)>,
    _pinned: PhantomPinned,
}

impl<K: Known, R: Receiver<K::Value, K::Error>> OperationState for JustOp<K, R> {
    const SPENT: bool = true;

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive (contract); the reference to the field ends here.
        let waiting = unsafe { (*(&raw mut (*this).waiting)).take() };
        if let Some((known, receiver)) = waiting {
            known.complete(receiver);
        }
    }
}
