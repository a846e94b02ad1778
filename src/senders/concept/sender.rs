//! The trait of everything that describes work.
//!
//! # Safety
//! The trait is unsafe to implement: consumers and adaptors rely on the promises listed at
//! [`Sender`] (INV-SND-1: exactly one completion; INV-SND-2: a `Send` sender may run anywhere).

#![expect(unsafe_code, reason = "declares an unsafe trait")]

use super::operation::OperationState;
use super::panic::{Panic, catch};
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
///
/// A sender of one's own, which waits on a thread of its own and can be stopped. An adaptor needs no
/// `unsafe`: see [`Map`](crate::adaptor::Map) and [`Script`](crate::adaptor::Script).
///
/// ```
/// use std::{io, mem, sync::mpsc, thread};
/// use sendio::{OperationState, Receiver, prelude::*};
///
/// /// Completes with the number that comes through a channel; `None` is sent by a stop request.
/// struct Number { channel: mpsc::Receiver<Option<u32>>, waker: mpsc::Sender<Option<u32>> }
///
/// struct NumberOp<R> { sender: Option<Number>, receiver: Option<R> }
///
/// struct Address<T>(*mut T);
/// // SAFETY: `Number` is `Send`, so its operation may be completed on any thread.
/// unsafe impl<T> Send for Address<T> {}
///
/// // SAFETY: an operation completes once, as the last thing that its thread does, or that `start`
/// //         does without a thread; what it owned is gone by then.
/// unsafe impl Sender for Number {
///     type Value = u32;
///     type Error = io::Error;
///     type Operation<R: Receiver<u32, io::Error>> = NumberOp<R>;
///
///     fn connect<R: Receiver<u32, io::Error>>(self, receiver: R) -> NumberOp<R> {
///         NumberOp { sender: Some(self), receiver: Some(receiver) }
///     }
/// }
///
/// impl<R: Receiver<u32, io::Error>> OperationState for NumberOp<R> {
///     unsafe fn start(this: *mut Self) {
///         // SAFETY: the operation is alive and in place until it completes, here or in the thread.
///         let receiver = unsafe { &(*this).receiver }.as_ref().unwrap();
///         let token = receiver.env().stop_token(); // asked for while the operation starts
///         // SAFETY: the receiver stays in place, and the token valid, until the completion.
///         let token = unsafe { mem::transmute::<StopToken<'_>, StopToken<'static>>(token) };
///         let address = Address(this);
///         let wait = move || {
///             let Address(this) = { address };
///             // SAFETY: only this thread has the operation now.
///             let Number { channel, waker } = unsafe { (*this).sender.take() }.unwrap();
///             let message = token.with_callback(|| drop(waker.send(None)), || channel.recv());
///             drop((channel, waker));
///             // SAFETY: as above; the token is not used any more.
///             let receiver = unsafe { (*this).receiver.take() }.unwrap();
///             match message {
///                 Ok(Some(number)) => receiver.set_value(number),
///                 Ok(None) => receiver.set_stopped(),
///                 Err(error) => receiver.set_error(io::Error::other(error)),
///             }
///         };
///         // SAFETY: what the thread borrows is alive until it has completed the operation.
///         if let Err(error) = unsafe { thread::Builder::new().spawn_unchecked(wait) } {
///             // SAFETY: there is no thread.
///             let (sender, receiver) = unsafe { ((*this).sender.take(), (*this).receiver.take()) };
///             drop(sender);
///             receiver.unwrap().set_error(error);
///         }
///     }
/// }
///
/// let number = || {
///     let (waker, channel) = mpsc::channel();
///     (waker.clone(), Number { channel, waker })
/// };
/// let (channel, seven) = number();
/// channel.send(Some(7)).unwrap();
/// assert_eq!(sync_wait(seven.then(|n| n * 6)).unwrap(), Some(42));
///
/// let source = StopSource::new();
/// let (_channel, never) = number();
/// thread::scope(|threads| {
///     threads.spawn(|| source.request_stop());
///     assert_eq!(sync_wait(never.with_stop_token(source.token())).unwrap(), None);
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sender",
    label = "not a `Sender`",
    note = "`just(value)` makes a sender of a value, `just_from(f)` of a function",
    note = "a function that returns a plain value is for `then`, one that returns a sender for `let_value`"
)]
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

    /// Whether every operation of this sender completes on the thread that started it, as one of a
    /// [`LocalSender`](crate::LocalSender) does. Loops over such children look for no other thread;
    /// `false` is always right, and `true` where it is wrong is unsound (INV-SCR-3).
    #[doc(hidden)]
    const STAYS: bool = false;

    /// Whether an operation of this sender whose stop token was asked to stop before its `start`
    /// completes as stopped, having done nothing. Loops leave the look to such children; `false` is
    /// always right.
    #[doc(hidden)]
    const LOOKS: bool = false;

    /// Joins the sender and a receiver into an operation that has not been started.
    #[doc(alias = "execution::connect")]
    fn connect<R: Receiver<Self::Value, Self::Error>>(self, receiver: R) -> Self::Operation<R>;

    /// Makes the same operation at its final place. What runs first in it may be connected as well,
    /// instead of being kept until the start, and moved then. After an error there is none: it is the
    /// panic of `connect`.
    ///
    /// # Safety
    ///
    /// - `place` is good for writes, and nothing is there that has to be dropped.
    /// - The operation is started there next, by this thread, under the contract of
    ///   [`OperationState::start`]: with `start_aside`, and if that fails `start_after_all`; if the
    ///   sender [`DEFERS`](Self::DEFERS), with `start` as well. The receiver may be asked for its
    ///   environment from now on.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn connect_at<R: Receiver<Self::Value, Self::Error>>(
        self,
        place: *mut Self::Operation<R>,
        receiver: R,
    ) -> Result<(), Panic> {
        // SAFETY: good for writes (contract).
        catch(|| unsafe { place.write(self.connect(receiver)) })
    }
}
