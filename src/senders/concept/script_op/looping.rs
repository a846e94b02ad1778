//! The turns of a script that loops: children that complete inside of their own `start` use no stack.
//!
//! # Safety
//! INV-OP-1, INV-SCR-1 and INV-SCR-2, as in the module above.

#![expect(
    unsafe_code,
    reason = "children live in the operation and point back to it"
)]

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::ScriptOp;
use crate::abort::AbortGuard;
use crate::senders::concept::loop_frame::Frame;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::discard;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::sender::Sender;

impl<M: Script, R: Receiver<M::Value, M::Error>> ScriptOp<M, R> {
    /// Does what the script said, for scripts that loop: until a child is under way, or the receiver was
    /// completed.
    ///
    /// This is inlined into whatever resumes the loop, as far as children that complete later need it.
    ///
    /// # Safety
    ///
    /// - `this` is a started operation at stage `Idle`, and this thread runs its script.
    /// - The operation may be gone when this returns.
    #[inline(always)]
    pub(super) unsafe fn run_loop(this: *mut Self, next: NextOf<M>) {
        // SAFETY: the contract is the same. No frame of this loop is listed here, so an enclosing
        //         loop recognises its own child. Stage `Idle` until a child is started.
        unsafe {
            match next {
                Next::Complete(outcome) => Self::complete(this, outcome),
                Next::First(sender) if !M::First::LOOKS && Self::stop_requested(this) => {
                    Self::stopped(this, sender);
                }
                Next::Second(sender) if !M::Second::LOOKS && Self::stop_requested(this) => {
                    Self::stopped(this, sender);
                }
                Next::First(sender) => {
                    let Some(place) = Self::connect_first(this, sender) else {
                        return;
                    };
                    // Such a child does not complete inside of its start: there is nothing to note.
                    if M::First::DEFERS {
                        OperationState::start(place);
                    } else if !OperationState::start_aside(place) {
                        Self::start_framed(this, place);
                    }
                }
                Next::Second(sender) => {
                    let Some(place) = Self::connect_second(this, sender) else {
                        return;
                    };
                    // Such a child does not complete inside of its start: there is nothing to note.
                    if M::Second::DEFERS {
                        OperationState::start(place);
                    } else if !OperationState::start_aside(place) {
                        Self::start_framed(this, place);
                    }
                }
            }
        }
    }

    /// As [`run_loop`](Self::run_loop), where that is not worth being inlined.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(never)]
    pub(super) unsafe fn run_on(this: *mut Self, next: NextOf<M>) {
        // SAFETY: the contract is the same.
        unsafe { Self::run_loop(this, next) }
    }

    /// Starts a child that may complete inside of its start, and goes on with the loop as long as
    /// children do that.
    ///
    /// # Safety
    ///
    /// - As for [`framed`](Self::framed).
    #[inline(never)]
    unsafe fn start_framed<C: OperationState>(this: *mut Self, child: *mut C) {
        // SAFETY: the contract is the same; a turn that answers has left the operation to us.
        unsafe {
            let mut answer = Self::framed(this, child);
            while let Some(next) = answer {
                answer = Self::turn(this, next);
            }
        }
    }

    /// As [`run_loop`](Self::run_loop), but if the child completed inside of its start, the answer is
    /// what the script said next. Without an answer, the operation may be gone.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn turn(this: *mut Self, next: NextOf<M>) -> Option<NextOf<M>> {
        // SAFETY: as in `run_loop`.
        unsafe {
            match next {
                Next::Complete(outcome) => Self::complete(this, outcome),
                Next::First(sender) if !M::First::LOOKS && Self::stop_requested(this) => {
                    Self::stopped(this, sender);
                }
                Next::Second(sender) if !M::Second::LOOKS && Self::stop_requested(this) => {
                    Self::stopped(this, sender);
                }
                Next::First(sender) => {
                    let place = Self::connect_first(this, sender)?;
                    if M::First::DEFERS {
                        OperationState::start(place);
                    } else if !OperationState::start_aside(place) {
                        return Self::framed(this, place);
                    }
                }
                Next::Second(sender) => {
                    let place = Self::connect_second(this, sender)?;
                    if M::Second::DEFERS {
                        OperationState::start(place);
                    } else if !OperationState::start_aside(place) {
                        return Self::framed(this, place);
                    }
                }
            }
        }
        None
    }

    /// Whether all children complete on the thread that started them, and so on this one.
    const STAYS: bool = M::First::STAYS && M::Second::STAYS;

    /// Starts a child that may complete inside of its start; the answer is as for
    /// [`turn`](Self::turn).
    ///
    /// # Safety
    ///
    /// - `child` is the one that `stage` names, and was not started.
    #[inline(always)]
    unsafe fn framed<C: OperationState>(this: *mut Self, child: *mut C) -> Option<NextOf<M>> {
        if Self::STAYS {
            // SAFETY: the contract is the same.
            return unsafe { Self::watched(this, child) };
        }
        let mut slot: MaybeUninit<NextOf<M>> = MaybeUninit::uninit();
        // SAFETY: the child was not started: the operation is this thread's. The frame and its slot
        //         live until the end of this turn; the start may end the operation's life.
        let finished = unsafe {
            let key = &raw const (*this).stage;
            let frame = Frame::new(key.cast(), NonNull::from(&mut slot).cast());
            (*this).turn = (&raw const frame).cast();
            let guard = frame.enter();
            OperationState::start(child);
            frame.leave(guard)
        };
        // SAFETY: the child completed inside its start, on this thread: `resume` has written
        //         the slot and left the operation, alive at stage `Idle`, to this loop.
        finished.then(|| unsafe { slot.assume_init() })
    }

    /// [`framed`](Self::framed) for children that stay: nobody else completes one meanwhile, so the
    /// operation is alive after the start, and itself says whether the child has completed.
    ///
    /// # Safety
    ///
    /// - As for [`framed`](Self::framed).
    #[inline(always)]
    unsafe fn watched<C: OperationState>(this: *mut Self, child: *mut C) -> Option<NextOf<M>> {
        let mut slot: MaybeUninit<NextOf<M>> = MaybeUninit::uninit();
        // SAFETY: the child was not started: the operation is this thread's. One that completes inside of its
        //         start writes the slot, which lives longer, and sets `turn` to null (`resume`); one
        //         that does not completes on this thread, so not before this returns. In both cases
        //         the operation is alive after the start.
        unsafe {
            (*this).turn = slot.as_mut_ptr().cast();
            let guard = AbortGuard::new("a sender's `start` unwound");
            OperationState::start(child);
            guard.disarm();
            if (*this).turn.is_null() {
                return Some(slot.assume_init());
            }
            (*this).turn = ptr::null();
        }
        None
    }

    /// Whether the receiver wants the loop to end.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn stop_requested(this: *mut Self) -> bool {
        // SAFETY: stage `Idle`: the receiver was not completed, so it may be asked.
        unsafe { (*this).receiver.env() }
            .stop_token()
            .stop_requested()
    }

    /// Ends a loop before its next child `sender`, because stop was requested.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[cold]
    unsafe fn stopped<T>(this: *mut Self, sender: T) {
        let outcome = match discard(sender) {
            Ok(()) => Outcome::Stopped,
            Err(payload) => Outcome::Panicked(payload),
        };
        // SAFETY: the contract is the same.
        unsafe { Self::complete(this, outcome) }
    }

    /// Where the turn that is starting the child which completes now waits for the next step, if there
    /// is one; it waits no longer.
    ///
    /// # Safety
    ///
    /// - Stage `Idle`, in the completion of a child.
    #[inline(always)]
    pub(super) unsafe fn waiting_slot(this: *mut Self) -> Option<NonNull<NextOf<M>>> {
        // SAFETY: the operation is alive and this thread's. The slot of a turn of this operation
        //         (`framed`, `watched`) is a `NextOf<M>`.
        unsafe {
            let turn = (*this).turn;
            let slot = if Self::STAYS {
                NonNull::new(turn.cast_mut()).inspect(|_| (*this).turn = ptr::null())
            } else {
                Frame::slot_of((&raw const (*this).stage).cast(), turn.cast())
            };
            slot.map(NonNull::cast)
        }
    }
}
