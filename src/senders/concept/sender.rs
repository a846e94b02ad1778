//! The trait of everything that describes work.
//!
//! # Safety
//! The trait is unsafe to implement: consumers and adaptors rely on the promises listed at
//! [`Sender`] (INV-SND-1: exactly one completion; INV-SND-2: a `Send` sender may run anywhere).

#![expect(unsafe_code, reason = "declares an unsafe trait")]

use super::operation::OperationState;
use super::receiver::Receiver;

/// A description of work that completes a [`Receiver`] with a value, an error, *stopped*, or a
/// panic.
///
/// A sender does nothing by itself. [`connect`](Sender::connect) joins it with a receiver into an
/// [`OperationState`], and starting that runs the work. Users compose senders with the methods of
/// [`SenderExt`](crate::SenderExt) and run them with a consumer such as
/// [`sync_wait`](crate::sync_wait); they never call `connect` themselves.
///
/// `fn f() -> impl Sender<Value = T, Error = E> + Send + 'a` is a complete signature: `connect`
/// accepts every receiver, so no further bound is ever needed.
///
/// Clause: [exec.snd].
///
/// # Safety
///
/// Implementing this trait is a promise on which memory safety of consumers rests:
///
/// - `connect`, and dropping an operation that was never started, complete nothing and run no work.
/// - A started operation completes its receiver exactly once, through one of the four `set_*`
///   functions, and never drops the receiver without that.
/// - Completing is the last thing the operation does: before the call it has destroyed everything
///   it owns (closures, captures, descriptors, buffers), and after the call it touches nothing of
///   its own state, which may be gone.
/// - If the sender is `Send`, its operation may be started, run and completed on any thread,
///   whatever `connect` builds inside it.
/// - Nothing unwinds out of `start`; a panic of user code travels through `set_panicked`.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// fn double(n: u32) -> impl Sender<Value = u32, Error = std::convert::Infallible> + Send {
///     just(n).then(|n| n * 2)
/// }
///
/// assert_eq!(sync_wait(double(21)), Ok(Some(42)));
/// ```
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub unsafe trait Sender: Sized {
    /// What the value channel delivers. Several values are one tuple; none is `()`.
    type Value;
    /// What the error channel delivers; `Infallible` when there is none.
    type Error;
    /// The operation state that this sender makes with a receiver `R`.
    type Operation<R: Receiver<Self::Value, Self::Error>>: OperationState;

    /// Whether an operation of this sender never completes inside of its own `start`, on the stack of
    /// its starter. Loops spare themselves the care for such children; `false` is always right.
    #[doc(hidden)]
    const DEFERS: bool = false;

    /// Joins the sender and a receiver into an operation that has not been started.
    #[doc(alias = "execution::connect")]
    fn connect<R: Receiver<Self::Value, Self::Error>>(self, receiver: R) -> Self::Operation<R>;
}
