//! The trait of a connected piece of work.
//!
//! # Safety
//! `start` is unsafe: its caller promises that the operation stays where it is (INV-OP-1) until the
//! receiver was completed.

#![expect(unsafe_code, reason = "declares an unsafe function")]

/// A sender connected to a receiver: the storage of running work.
///
/// It may be moved until it is started and never after. Dropping it unstarted is allowed and
/// completes nothing. Dropping it after `start` and before completion breaks the contract of
/// `start`; a leaf operation that notices aborts the process.
///
/// Clause: [exec.opstate].
pub trait OperationState {
    /// Whether nothing is left to be dropped in an operation that has completed, so that who holds it
    /// may forget it then, and use its memory for something else. `false` is always right; `true` for
    /// an operation whose `drop` would take it out of a list is unsound.
    #[doc(hidden)]
    const SPENT: bool = false;

    /// Whether [`start_aside`](Self::start_aside) may do it. A script around an operation that never does
    /// starts it at once, and the compiler sees through that.
    #[doc(hidden)]
    const ASIDE: bool = false;

    /// Starts the work.
    ///
    /// It takes a raw pointer because completing may destroy the operation while `start` is still
    /// on the stack: no reference to a started operation as a whole is ever made.
    ///
    /// # Safety
    ///
    /// The caller promises that
    ///
    /// - `this` points to a live operation that was not started before;
    /// - the operation stays at this address, and everything it borrows stays alive, until its
    ///   receiver was completed;
    /// - the receiver may be used and completed on other threads, unless the sender is a
    ///   [`LocalSender`](crate::LocalSender).
    #[doc(alias = "execution::start")]
    unsafe fn start(this: *mut Self);

    /// Starts the work if that can be done without completing in here; whether it was done. If not,
    /// the operation is still to be started with [`start_after_all`](Self::start_after_all), by the
    /// same thread, with nothing in between. Loops try this first, because it needs no care for the
    /// stack.
    ///
    /// # Safety
    ///
    /// - As for [`start`](Self::start); called at most once.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn start_aside(this: *mut Self) -> bool {
        let _ = this;
        false
    }

    /// Starts the work which [`start_aside`](Self::start_aside) did not start, though it may have done
    /// a part. Who implements the one so that it does, implements the other.
    ///
    /// # Safety
    ///
    /// - As for [`start`](Self::start); `start_aside` has just returned `false`, on this thread.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn start_after_all(this: *mut Self) {
        // SAFETY: the contract is the same.
        unsafe { Self::start(this) }
    }
}
