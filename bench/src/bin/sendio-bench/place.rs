//! A place for an operation that outlives the call that starts it, used again and again.
//!
//! Consumers such as `spawn` give every operation a heap block. A program that knows how many
//! operations it has at a time connects and starts them by hand, in memory of its own: so no
//! operation allocates.
//!
//! # Safety
//!
//! INV: an operation stays in its place, which is not moved or dropped, until its receiver was
//! completed; [`Place::start`] leaves that to its caller.
#![expect(unsafe_code, reason = "starts operations by hand")]

use sendio::{OperationState, Receiver, Sender};

/// At most one operation of `S` with receiver `R`.
pub(crate) struct Place<S: Sender, R: Receiver<S::Value, S::Error>> {
    operation: Option<S::Operation<R>>,
}

impl<S: Sender, R: Receiver<S::Value, S::Error>> Place<S, R> {
    /// An empty place.
    pub(crate) const fn new() -> Self {
        Self { operation: None }
    }

    /// Starts `sender`. The operation that was here before is dropped.
    ///
    /// # Safety
    ///
    /// - `this` is valid; it is not moved, dropped or used until `receiver` was completed, and what
    ///   sender and receiver borrow stays alive that long.
    /// - The receiver of the operation that was here before was completed: its `set_*` was called, after
    ///   which an operation touches nothing of its own.
    /// - The receiver may be used wherever the sender completes.
    #[inline(always)]
    pub(crate) unsafe fn start(this: *mut Self, sender: S, receiver: R) {
        // SAFETY: the place is valid and nobody else uses it (contract); the operation in it, if
        // any, has completed, so it may be dropped. The new one is started where it will stay, and
        // no reference to it is left when `start` is called.
        unsafe {
            let place = &raw mut (*this).operation;
            if !S::Operation::<R>::SPENT {
                *place = None;
            }
            // Nothing is left in it to be dropped.
            place.write(Some(sender.connect(receiver)));
            let operation: *mut S::Operation<R> = (*place).as_mut().unwrap_unchecked();
            OperationState::start(operation);
        }
    }
}
