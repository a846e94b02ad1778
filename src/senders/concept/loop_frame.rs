//! The list of a thread's running loops: how a child that completes inside its own `start` tells the
//! loop below it on the stack.
//!
//! # Threads
//! The list is the thread's own; a frame is on it while its loop starts a child.
//!
//! # Safety
//! INV-FRAME-1: a listed frame is alive. An operation notes the frame of its latest turn and is found
//! only if that frame is the innermost one and has the operation's own key; two operations that
//! live at the same time differ in their keys, so a stale note matches nothing.

#![expect(unsafe_code, reason = "reads frames of the own stack by pointer")]

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::abort::AbortGuard;

/// A turn of a running loop, listed for its thread while it starts a child.
pub(super) struct Frame {
    /// An address inside the operation that no other live operation has.
    key: *const (),
    /// Where the step after the child goes.
    slot: NonNull<()>,
    finished: Cell<bool>,
    outer: Cell<*const Self>,
}

thread_local! {
    /// The innermost turn on this thread.
    static INNERMOST: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

impl Frame {
    #[inline]
    pub(super) const fn new(key: *const (), slot: NonNull<()>) -> Self {
        Self {
            key,
            slot,
            finished: Cell::new(false),
            outer: Cell::new(ptr::null()),
        }
    }

    /// Puts this frame into the list, until [`leave`](Frame::leave).
    ///
    /// What comes in between does not unwind (INV-SND-1 of children); if it did, the list would keep
    /// a pointer to a dead frame, so the guard aborts.
    #[inline(always)]
    pub(super) fn enter(&self) -> AbortGuard {
        INNERMOST.with(|innermost| self.outer.set(innermost.replace(self)));
        AbortGuard::new("a sender's `start` unwound")
    }

    /// Takes this frame out of the list; returns whether the child completed meanwhile.
    #[inline(always)]
    pub(super) fn leave(&self, guard: AbortGuard) -> bool {
        INNERMOST.with(|innermost| innermost.set(self.outer.get()));
        guard.disarm();
        self.finished.get()
    }

    /// The slot of the innermost turn, if it is `frame` and runs for the operation with `key`;
    /// it then counts as finished.
    #[inline]
    pub(super) fn slot_of(key: *const (), frame: *const Self) -> Option<NonNull<()>> {
        let innermost = INNERMOST.with(Cell::get);
        if innermost.is_null() || innermost != frame {
            return None;
        }
        // SAFETY: listed frames are alive (INV-FRAME-1): a turn unlists its frame before it returns,
        //         and only this thread lists frames here.
        let innermost = unsafe { &*innermost };
        if innermost.key != key || innermost.finished.replace(true) {
            return None;
        }
        Some(innermost.slot)
    }
}
