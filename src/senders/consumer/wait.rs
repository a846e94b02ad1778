//! The mechanism of consumers that block: start an operation in this frame, drive a loop until it
//! has completed, and hand out what it completed with.
//!
//! # Safety
//! - INV-OP-1: the operation is a local variable that is not moved after `start`, and the frame is
//!   not left before the completing thread has left everything in it; a panic that tried to would
//!   abort.
//! - INV-WAIT-1: the outcome is written by the completion, before the last node is queued, and read
//!   after that node ran; the queue orders the two.

#![expect(unsafe_code, reason = "starts an operation and waits for it in place")]

use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

use crate::abort::AbortGuard;
use crate::senders::concept::env::Env;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::util::node::{Node, Signal};
use crate::util::thread_number;

/// The loop that a blocked thread drives.
pub(crate) trait Home {
    /// The environment of the work.
    fn env(&self) -> Env<'_>;

    /// Queues a node from another thread, to be run by [`drive_until`](Home::drive_until).
    ///
    /// # Safety
    ///
    /// - `node` is alive and in place until it was run; the loop may be gone as soon as it is queued.
    unsafe fn push_last(&self, node: NonNull<Node>);

    /// Runs the loop on this thread until `over` is set, by something that the loop runs.
    fn drive_until(&self, over: &Cell<bool>);
}

/// What the receiver and the waiter share.
#[repr(C)] // The node comes first: its address is the address of the struct.
struct Shared<'h, H, V, E> {
    last: Node,
    home: &'h H,
    outcome: UnsafeCell<Option<Outcome<V, E>>>,
    owner: u64,
    over: Cell<bool>,
}

impl<H, V, E> Shared<'_, H, V, E> {
    /// The last node: the waiter may leave.
    ///
    /// # Safety
    ///
    /// - `node` is the first field of a live `Shared<H, V, E>`, on the waiter's thread.
    unsafe fn left(node: NonNull<Node>, _: Signal) {
        let this: *const Self = node.as_ptr().cast();
        // SAFETY: alive (contract); `over` is touched on the waiter's thread only.
        unsafe { (*this).over.set(true) };
    }
}

struct WaitReceiver<'h, H, V, E> {
    shared: *const Shared<'h, H, V, E>,
}

impl<H: Home, V, E> WaitReceiver<'_, H, V, E> {
    #[inline(always)]
    fn complete(self, outcome: Outcome<V, E>) {
        let shared = self.shared;
        // SAFETY: the waiter's frame, and with it `shared`, lives until the last node has run, or
        //         until `over` is seen on the waiter's own thread; so the outcome is written while
        //         it lives, by the one completion (INV-WAIT-1). After the push nothing is touched.
        unsafe {
            *(*shared).outcome.get() = Some(outcome);
            if (*shared).owner == thread_number::current() {
                (*shared).over.set(true);
                return;
            }
            let node = NonNull::new_unchecked(shared.cast::<Node>().cast_mut());
            let home: *const H = (*shared).home;
            (*home).push_last(node);
        }
    }
}

impl<H: Home, V, E> Receiver<V, E> for WaitReceiver<'_, H, V, E> {
    #[inline(always)]
    fn set_value(self, value: V) {
        self.complete(Outcome::Value(value));
    }

    #[inline]
    fn set_error(self, error: E) {
        self.complete(Outcome::Error(error));
    }

    #[inline]
    fn set_stopped(self) {
        self.complete(Outcome::Stopped);
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        self.complete(Outcome::Panicked(payload));
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        // SAFETY: the waiter's frame lives while this receiver exists.
        unsafe { (*self.shared).home.env() }
    }
}

/// Runs `sender` while driving `home`.
///
/// The caller's bounds on `sender` must allow its receiver to be used wherever it completes.
#[inline]
pub(crate) fn wait_for<S: Sender, H: Home>(
    sender: S,
    home: &H,
) -> Result<Option<S::Value>, S::Error> {
    let shared = Shared {
        last: Node::new(Shared::<H, S::Value, S::Error>::left),
        home,
        outcome: UnsafeCell::new(None),
        owner: thread_number::current(),
        over: Cell::new(false),
    };
    {
        let mut op = sender.connect(WaitReceiver {
            shared: &raw const shared,
        });
        let guard =
            AbortGuard::new("a panic tried to leave a blocking wait while its work was running");
        // SAFETY: `op` and what it borrows stay in this frame until `over`, which comes after the
        //         completion; nothing unwinds out of here meanwhile (the guard). The callers'
        //         bounds allow the receiver to be used where the sender completes.
        unsafe { OperationState::start(&raw mut op) };
        if !shared.over.get() {
            home.drive_until(&shared.over);
        }
        guard.disarm();
        // `op` is dropped here, in place.
    }
    match shared.outcome.into_inner() {
        Some(Outcome::Value(value)) => Ok(Some(value)),
        other => without_value(other),
    }
}

/// What a wait returns that did not end with a value.
#[cold]
fn without_value<V, E>(outcome: Option<Outcome<V, E>>) -> Result<Option<V>, E> {
    match outcome {
        Some(Outcome::Value(value)) => Ok(Some(value)),
        Some(Outcome::Error(error)) => Err(error),
        Some(Outcome::Stopped) => Ok(None),
        Some(Outcome::Panicked(payload)) => std::panic::resume_unwind(payload),
        None => unreachable!("the loop is left after the completion"),
    }
}
