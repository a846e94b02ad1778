//! `boxed` and `boxed_local`: senders without their type.
//!
//! # Flow
//!
//! ```text
//! boxed ──> block { sender }              one allocation, the only one
//! start ──> block { operation }           the sender is connected where it lies, then started
//!           env:  erased receiver ──> outer operation ──> outer receiver
//! set_* ──> erased receiver ──> outer operation: free the block, then complete the outer receiver
//! ```
//!
//! The block is large enough for the sender and for its operation, whose type is known since its
//! receiver is always the same, so that connecting needs no memory of its own.
//!
//! # Safety
//!
//! - INV-ANY-1: an erased receiver exists only while the outer operation that made it is started and
//!   not completed, so its pointer is valid (INV-OP-1); completing consumes it.
//! - INV-ANY-2: a block is owned by exactly one [`Block`]. No reference to its content is made after
//!   the operation in it was started; the inner operation reaches itself by its own pointers.

#![expect(unsafe_code, reason = "erases types of senders and receivers")]

use std::fmt;
use std::marker::PhantomPinned;
use std::mem;
use std::ptr::NonNull;

use crate::senders::concept::env::{Env, RawEnv};
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// A sender of any type: what [`SenderExt::boxed`](crate::SenderExt::boxed) returns.
///
/// It is `Send`, and forwards environment and all four channels. One allocation holds the sender
/// and later its operation; it is freed before the receiver is completed.
///
/// # Examples
///
/// Recursion, which needs a type that does not contain itself:
///
/// ```
/// use std::convert::Infallible;
/// use sendio::{AnySender, prelude::*};
///
/// fn sum_to(n: u64) -> AnySender<'static, u64, Infallible> {
///     match n {
///         0 => just(0).boxed(),
///         n => just(n - 1).let_value(sum_to).then(move |sum| sum + n).boxed(),
///     }
/// }
///
/// assert_eq!(sync_wait(sum_to(10)), Ok(Some(55)));
/// ```
#[doc(alias = "any_sender")]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct AnySender<'a, V, E> {
    block: Block<'a, V, E>,
}

/// A local sender of any type: what [`SenderExt::boxed_local`](crate::SenderExt::boxed_local)
/// returns.
///
/// It is a [`LocalSender`] and not `Send`; otherwise it is like [`AnySender`].
#[must_use = "a sender does nothing until a consumer such as `sync_wait_local` starts it"]
pub struct AnyLocalSender<'a, V, E> {
    block: Block<'a, V, E>,
}

// SAFETY: the block holds a `Send` sender (`boxed`); an operation gets into it only by `start`, when
//         the `AnySender` is gone.
unsafe impl<V, E> Send for AnySender<'_, V, E> {}

/// `sender` without its type.
#[inline]
pub(crate) fn boxed<'a, S>(sender: S) -> AnySender<'a, S::Value, S::Error>
where
    S: Sender + Send + 'a,
{
    AnySender {
        block: Block::new(sender),
    }
}

/// `sender` without its type.
#[inline]
pub(crate) fn boxed_local<'a, S>(sender: S) -> AnyLocalSender<'a, S::Value, S::Error>
where
    S: LocalSender + 'a,
{
    AnyLocalSender {
        block: Block::new(sender),
    }
}

// SAFETY: the inner operation keeps the promises, `AnyOp` completes the outer receiver once for its
//         one completion, after the block was freed. The sender in the block is `Send`, so its
//         operation may run anywhere.
unsafe impl<'a, V, E> Sender for AnySender<'a, V, E> {
    type Value = V;
    type Error = E;
    type Operation<R: Receiver<V, E>> = AnyOp<'a, V, E, R>;

    #[inline]
    fn connect<R: Receiver<V, E>>(self, receiver: R) -> AnyOp<'a, V, E, R> {
        AnyOp::new(self.block, receiver)
    }
}

// SAFETY: as for `AnySender`; it is not `Send`.
unsafe impl<'a, V, E> Sender for AnyLocalSender<'a, V, E> {
    type Value = V;
    type Error = E;
    type Operation<R: Receiver<V, E>> = AnyOp<'a, V, E, R>;

    #[inline]
    fn connect<R: Receiver<V, E>>(self, receiver: R) -> AnyOp<'a, V, E, R> {
        AnyOp::new(self.block, receiver)
    }
}

// SAFETY: the block holds a `LocalSender` (`boxed_local`), which completes where it is started.
unsafe impl<V, E> LocalSender for AnyLocalSender<'_, V, E> {}

impl<V, E> fmt::Debug for AnySender<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnySender").finish_non_exhaustive()
    }
}

impl<V, E> fmt::Debug for AnyLocalSender<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyLocalSender").finish_non_exhaustive()
    }
}

/// What lies in a block.
enum Content<S: Sender> {
    Sender(S),
    Operation(S::Operation<ErasedReceiver<S::Value, S::Error>>),
    Nothing,
}

/// A [`Content`] whose sender type is not known.
trait Erased<V, E> {
    /// Turns the sender into its operation, in place, and says how to start it. Called once.
    fn connect(&mut self, receiver: ErasedReceiver<V, E>) -> Startable;
}

/// An operation, and how to start it.
struct Startable {
    op: NonNull<()>,
    start: unsafe fn(NonNull<()>),
}

impl<S: Sender> Erased<S::Value, S::Error> for Content<S> {
    fn connect(&mut self, receiver: ErasedReceiver<S::Value, S::Error>) -> Startable {
        let Self::Sender(sender) = mem::replace(self, Self::Nothing) else {
            unreachable!("a sender is connected once");
        };
        *self = Self::Operation(sender.connect(receiver));
        let Self::Operation(op) = self else {
            unreachable!("it was stored in the line before");
        };
        Startable {
            op: NonNull::from(op).cast(),
            start: start_erased::<S::Operation<ErasedReceiver<S::Value, S::Error>>>,
        }
    }
}

/// Starts the operation of type `O` at `op`.
///
/// # Safety
///
/// - `op` points to an `O`, and what [`OperationState::start`] asks of its caller holds.
unsafe fn start_erased<O: OperationState>(op: NonNull<()>) {
    // SAFETY: the contract is the same.
    unsafe { O::start(op.cast().as_ptr()) }
}

/// The owner of a block. A box would claim, each time it is moved, that nobody else uses the block.
struct Block<'a, V, E> {
    content: NonNull<dyn Erased<V, E> + 'a>,
}

impl<'a, V, E> Block<'a, V, E> {
    fn new<S: Sender<Value = V, Error = E> + 'a>(sender: S) -> Self {
        let content: Box<dyn Erased<V, E> + 'a> = Box::new(Content::Sender(sender));
        Self {
            content: NonNull::from(Box::leak(content)),
        }
    }
}

impl<V, E> Drop for Block<'_, V, E> {
    fn drop(&mut self) {
        // SAFETY: it came from a box and has one owner (INV-ANY-2), this value, which is gone then.
        drop(unsafe { Box::from_raw(self.content.as_ptr()) });
    }
}

/// The receiver of every sender in a block: a pointer to the outer operation, and what can be done
/// with it.
struct ErasedReceiver<V, E> {
    op: NonNull<()>,
    env: unsafe fn(NonNull<()>) -> RawEnv,
    complete: unsafe fn(NonNull<()>, Outcome<V, E>),
}

impl<V, E> ErasedReceiver<V, E> {
    #[inline]
    fn complete(self, outcome: Outcome<V, E>) {
        // SAFETY: the outer operation runs while this receiver exists (INV-ANY-1), and has the type
        //         for which `AnyOp::start` chose the function; the receiver is gone after this.
        unsafe { (self.complete)(self.op, outcome) }
    }
}

impl<V, E> Receiver<V, E> for ErasedReceiver<V, E> {
    fn set_value(self, value: V) {
        self.complete(Outcome::Value(value));
    }

    fn set_error(self, error: E) {
        self.complete(Outcome::Error(error));
    }

    fn set_stopped(self) {
        self.complete(Outcome::Stopped);
    }

    fn set_panicked(self, payload: Panic) {
        self.complete(Outcome::Panicked(payload));
    }

    fn env(&self) -> Env<'_> {
        // SAFETY: the outer operation runs while this receiver exists (INV-ANY-1), so its receiver
        //         is not completed while the borrow lasts (INV-ENV-1).
        unsafe { (self.env)(self.op).restore() }
    }
}

/// The operation of [`AnySender`] and [`AnyLocalSender`].
pub struct AnyOp<'a, V, E, R> {
    block: Option<Block<'a, V, E>>,
    receiver: Option<R>,
    _pinned: PhantomPinned,
}

impl<'a, V, E, R: Receiver<V, E>> AnyOp<'a, V, E, R> {
    #[inline]
    const fn new(block: Block<'a, V, E>, receiver: R) -> Self {
        Self {
            block: Some(block),
            receiver: Some(receiver),
            _pinned: PhantomPinned,
        }
    }

    /// The environment of the outer receiver.
    ///
    /// # Safety
    ///
    /// - `op` points to a started `Self` that is not completed.
    unsafe fn env(op: NonNull<()>) -> RawEnv {
        let this = op.cast::<Self>().as_ptr();
        // SAFETY: alive (contract); the reference is to the receiver alone, which nobody changes
        //         before the completion.
        let receiver = unsafe { &(*this).receiver };
        receiver
            .as_ref()
            .map_or(RawEnv::EMPTY, |receiver| receiver.env().erase())
    }

    /// Frees the block, then completes the outer receiver.
    ///
    /// # Safety
    ///
    /// - `op` points to a started `Self` whose inner operation completes here and is not used by
    ///   anybody any more.
    unsafe fn complete(op: NonNull<()>, outcome: Outcome<V, E>) {
        let this = op.cast::<Self>().as_ptr();
        // SAFETY: alive (contract), and the inner operation has left it; the references end here.
        let (block, receiver) = unsafe {
            (
                mem::take(&mut (*this).block),
                mem::take(&mut (*this).receiver),
            )
        };
        if let Some(receiver) = receiver {
            outcome.finish(receiver, block);
        }
    }
}

impl<V, E, R: Receiver<V, E>> OperationState for AnyOp<'_, V, E, R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: alive and not started (contract); the reference ends here.
        let block = unsafe { &(*this).block };
        let Some(mut content) = block.as_ref().map(|block| block.content) else {
            return;
        };
        // SAFETY: `this` is the address of a live operation, hence not null.
        let op = unsafe { NonNull::new_unchecked(this) }.cast();
        let receiver = ErasedReceiver {
            op,
            env: Self::env,
            complete: Self::complete,
        };
        // SAFETY: the block is owned by this operation and holds a sender, which nobody points to
        //         (INV-ANY-2); the reference ends with the call.
        match catch(|| unsafe { content.as_mut() }.connect(receiver)) {
            // SAFETY: the function belongs to the operation's type (`connect`). The inner operation
            //         stays in its block until it was completed, which is when `complete` frees it;
            //         the rest is what our caller promises.
            Ok(inner) => unsafe { (inner.start)(inner.op) },
            // SAFETY: there is no inner operation.
            Err(payload) => unsafe { Self::complete(op, Outcome::Panicked(payload)) },
        }
    }
}

impl<V, E, R> fmt::Debug for AnyOp<'_, V, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOp").finish_non_exhaustive()
    }
}
