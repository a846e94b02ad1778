//! `stop_when`: lets a second token stop a sender too.
//!
//! # States
//!
//! | stage     | lives                      | leaves by                             |
//! |-----------|----------------------------|---------------------------------------|
//! | `Pending` | sender, receiver           | `start`                               |
//! | `Running` | child, receiver            | the child's completion                |
//! | `Over`    | nothing                    | never                                 |
//!
//! The source of the operation's own is linked only if both tokens can be stopped and are not the
//! same; otherwise the child sees the one token there is.
//!
//! # Safety
//!
//! - INV-OP-1: from `start` to completion the operation stays at its address, so the source does.
//! - INV-CB-3: the receiver keeps the source of its token alive until it is completed, the sender
//!   borrows that of the other one; both links end before the completion.

#![expect(
    unsafe_code,
    reason = "the child lives in the operation, whose source it sees"
)]

use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::senders::concept::env::Env;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::{JoinedSource, StopToken};

/// The sender of [`SenderExt::stop_when`](crate::SenderExt::stop_when).
#[derive(Clone, Copy, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct StopWhen<'t, S> {
    sender: S,
    token: StopToken<'t>,
}

/// `sender`, which `token` can stop too.
#[inline]
pub(crate) const fn stop_when<S>(sender: S, token: StopToken<'_>) -> StopWhen<'_, S> {
    StopWhen { sender, token }
}

// SAFETY: the operation below completes once, after the child is gone and both links have ended, and
//         lets nothing unwind. What rests in it is the sender, or what it makes.
unsafe impl<'t, S: Sender> Sender for StopWhen<'t, S> {
    type Value = S::Value;
    type Error = S::Error;
    type Operation<R: Receiver<S::Value, S::Error>> = StopWhenOp<'t, S, R>;

    #[inline]
    fn connect<R: Receiver<S::Value, S::Error>>(self, receiver: R) -> StopWhenOp<'t, S, R> {
        StopWhenOp {
            child: MaybeUninit::uninit(),
            sender: ManuallyDrop::new(self.sender),
            receiver: ManuallyDrop::new(receiver),
            token: self.token,
            source: MaybeUninit::uninit(),
            linked: false,
            stage: Stage::Pending,
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: the child completes where it is started, and the whole right after it, there; the links do
//         no more than to ask the child to stop.
unsafe impl<S: LocalSender> LocalSender for StopWhen<'_, S> {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Running,
    Over,
}

/// The operation of what `S` makes.
type Child<'t, S, R> = <S as Sender>::Operation<StopWhenReceiver<'t, S, R>>;

/// The operation of [`StopWhen`].
pub struct StopWhenOp<'t, S: Sender, R: Receiver<S::Value, S::Error>> {
    child: MaybeUninit<Child<'t, S, R>>,
    sender: ManuallyDrop<S>,
    receiver: ManuallyDrop<R>,
    /// The token that the child sees, if `linked` is not set.
    token: StopToken<'t>,
    /// Initialised when `linked` is set: the source whose token the child sees then.
    source: MaybeUninit<JoinedSource>,
    linked: bool,
    stage: Stage,
    _pinned: PhantomPinned,
}

impl<'t, S: Sender, R: Receiver<S::Value, S::Error>> StopWhenOp<'t, S, R> {
    /// The source.
    ///
    /// # Safety
    ///
    /// - `this` is alive.
    unsafe fn source(this: *mut Self) -> NonNull<JoinedSource> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).source).cast()) }
    }

    /// Links the source, if it takes one to see both tokens.
    ///
    /// # Safety
    ///
    /// - `this` is being started, and no child exists.
    #[inline]
    unsafe fn listen(this: *mut Self) {
        // SAFETY: the operation is this thread's (contract). The source stays in place until `complete`
        //         unlinks it; the receiver keeps the outer token's source alive until then, and the
        //         borrow in `token` the other one.
        unsafe {
            let receiver: *const R = (&raw const (*this).receiver).cast();
            let outer = (*receiver).env().stop_token();
            let token = (*this).token;
            if outer.stop_possible() && token.stop_possible() && outer != token {
                let source = Self::source(this);
                source.write(JoinedSource::new());
                (*this).linked = true;
                JoinedSource::link(source, outer.erase(), token.erase());
            }
        }
    }

    /// Completes the receiver; the operation may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - `this` is started and not `Over`, no child exists, and this thread has the operation.
    #[inline]
    unsafe fn complete(this: *mut Self, outcome: Outcome<S::Value, S::Error>) {
        // SAFETY: no child exists, so no callback is registered on the source, except one that runs
        //         this. The receiver is taken once, since `Over` is never left.
        let receiver = unsafe {
            if (*this).linked {
                JoinedSource::unlink(Self::source(this));
            }
            (*this).stage = Stage::Over;
            ManuallyDrop::take(&mut (*this).receiver)
        };
        outcome.deliver(receiver);
    }

    /// The child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child of the running operation `this`, once.
    #[inline(always)]
    unsafe fn child_completed(this: *mut Self, outcome: Outcome<S::Value, S::Error>) {
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call.
        unsafe {
            let child: *mut Child<'t, S, R> = (&raw mut (*this).child).cast();
            let outcome = match catch(|| child.drop_in_place()) {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            };
            Self::complete(this, outcome);
        }
    }
}

impl<'t, S: Sender, R: Receiver<S::Value, S::Error>> OperationState for StopWhenOp<'t, S, R> {
    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and in place for good (INV-OP-1): the sender is
        //         whole, and taken once. Nothing is touched after the start of the child.
        unsafe {
            Self::listen(this);
            let sender = ManuallyDrop::take(&mut (*this).sender);
            match catch(|| sender.connect(StopWhenReceiver { parent: this })) {
                Ok(op) => {
                    let place: *mut Child<'t, S, R> = (&raw mut (*this).child).cast();
                    place.write(op);
                    (*this).stage = Stage::Running;
                    OperationState::start(place);
                }
                Err(payload) => Self::complete(this, Outcome::Panicked(payload)),
            }
        }
    }
}

impl<S: Sender, R: Receiver<S::Value, S::Error>> Drop for StopWhenOp<'_, S, R> {
    fn drop(&mut self) {
        // SAFETY: `stage` says what lives. A child that is dropped before it completed is the broken
        //         contract of `start`, and its leaf aborts.
        unsafe {
            match self.stage {
                Stage::Over => return,
                Stage::Pending => ManuallyDrop::drop(&mut self.sender),
                Stage::Running => self.child.assume_init_drop(),
            }
            ManuallyDrop::drop(&mut self.receiver);
        }
    }
}

impl<S: Sender, R: Receiver<S::Value, S::Error>> fmt::Debug for StopWhenOp<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopWhenOp").finish_non_exhaustive()
    }
}

/// The receiver of [`StopWhen`]'s child.
pub struct StopWhenReceiver<'t, S: Sender, R: Receiver<S::Value, S::Error>> {
    parent: *mut StopWhenOp<'t, S, R>,
}

impl<S: Sender, R: Receiver<S::Value, S::Error>> Receiver<S::Value, S::Error>
    for StopWhenReceiver<'_, S, R>
{
    #[inline]
    fn set_value(self, value: S::Value) {
        // SAFETY: the one child of a running operation completes once; the parent stays in place
        //         while it runs (INV-OP-1).
        unsafe { StopWhenOp::child_completed(self.parent, Outcome::Value(value)) }
    }

    #[inline]
    fn set_error(self, error: S::Error) {
        // SAFETY: as in `set_value`.
        unsafe { StopWhenOp::child_completed(self.parent, Outcome::Error(error)) }
    }

    #[inline]
    fn set_stopped(self) {
        // SAFETY: as in `set_value`.
        unsafe { StopWhenOp::child_completed(self.parent, Outcome::Stopped) }
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        // SAFETY: as in `set_value`.
        unsafe { StopWhenOp::child_completed(self.parent, Outcome::Panicked(payload)) }
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        // SAFETY: the parent is alive while a child exists, its receiver was not completed, and its
        //         source, if it is linked, is initialised and in place.
        unsafe {
            let receiver: *const R = (&raw const (*self.parent).receiver).cast();
            let outer = (*receiver).env();
            if (*self.parent).linked {
                let source: *const JoinedSource = (&raw const (*self.parent).source).cast();
                return outer.with_stop_token((*source).token());
            }
            match (*self.parent).token {
                token if token.stop_possible() => outer.with_stop_token(token),
                _ => outer,
            }
        }
    }
}

impl<S: Sender, R: Receiver<S::Value, S::Error>> fmt::Debug for StopWhenReceiver<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopWhenReceiver").finish_non_exhaustive()
    }
}
