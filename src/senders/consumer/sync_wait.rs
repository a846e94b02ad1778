//! `sync_wait`: runs a sender and blocks the calling thread until it has completed.
//!
//! The operation, the loop that the thread drives meanwhile, and the place for the outcome lie in
//! the frame of the call. A completion on another thread writes the outcome and queues a last node on
//! that loop; the waiter leaves when it runs that node, so the completing thread has left everything
//! by then. A completion on the waiting thread says so directly.
//!
//! # Safety
//! - INV-OP-1: the operation is a local variable that is not moved after `start`, and the frame is
//!   not left before the last node has run; a panic that tried to would abort.
//! - INV-WAIT-1: the outcome is written by the completion, before the last node is queued, and read
//!   after that node ran; the queue orders the two.

#![expect(unsafe_code, reason = "starts an operation and waits for it in place")]

use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

use crate::abort::AbortGuard;
use crate::sched::run_loop::RunLoop;
use crate::senders::concept::env::Env;
use crate::senders::concept::local::{LocalSender, SendSender};
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::scheduler::SchedulerRef;
use crate::senders::concept::sender::Sender;
use crate::util::node::{Node, Signal};
use crate::util::spin::AdaptiveSpin;
use crate::util::thread_number;

/// Runs `sender` and blocks the calling thread until it has completed: `Ok(Some(value))`,
/// `Ok(None)` if it was stopped, or `Err(error)`.
///
/// The calling thread drives a [`RunLoop`] meanwhile, which the work finds as the scheduler of its
/// environment. The sender may borrow from the caller's frame: it has completed, and everything in
/// it was destroyed, when this returns.
///
/// Clause: [exec.sync.wait].
///
/// # Panics
/// A panic of user code inside the work is resumed here.
///
/// # Cancellation
/// The work sees no stop token; give it one with
/// [`with_stop_token`](crate::SenderExt::with_stop_token).
///
/// # Threads
/// The sender may complete on any thread, so it, its value and its error must be `Send`; see
/// [`sync_wait_local`] for the others. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let mut buffer = [1, 2, 3];
/// let sum = sync_wait(just(&mut buffer).then(|b| b.iter().sum::<i32>()));
/// assert_eq!(sum, Ok(Some(6)));
/// ```
pub fn sync_wait<S: SendSender>(sender: S) -> Result<Option<S::Value>, S::Error> {
    wait_for(sender)
}

/// Runs a local sender and blocks the calling thread until it has completed, like [`sync_wait`].
///
/// # Threads
/// The sender completes on this thread, so `Rc`, `Cell` and the like may be in it. Allocation: none.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use sendio::prelude::*;
///
/// let text = Rc::new(String::from("here"));
/// assert_eq!(sync_wait_local(just(text).then(|t| t.len())), Ok(Some(4)));
/// ```
pub fn sync_wait_local<S: LocalSender>(sender: S) -> Result<Option<S::Value>, S::Error> {
    wait_for(sender)
}

/// What the receiver and the waiter share.
#[repr(C)] // The node comes first: its address is the address of the struct.
struct Shared<V, E> {
    last: Node,
    run_loop: RunLoop,
    outcome: UnsafeCell<Option<Outcome<V, E>>>,
    owner: u64,
    over: Cell<bool>,
}

impl<V, E> Shared<V, E> {
    /// The last node: the waiter may leave.
    ///
    /// # Safety
    ///
    /// - `node` is the first field of a live `Shared<V, E>`, on the waiter's thread.
    unsafe fn left(node: NonNull<Node>, _: Signal) {
        let this: *const Self = node.as_ptr().cast();
        // SAFETY: alive (contract); `over` is touched on the waiter's thread only.
        unsafe { (*this).over.set(true) };
    }
}

struct WaitReceiver<V, E> {
    shared: *const Shared<V, E>,
}

impl<V, E> WaitReceiver<V, E> {
    #[inline]
    fn complete(self, outcome: Outcome<V, E>) {
        let shared = self.shared;
        // SAFETY: the waiter's frame, and with it `shared`, lives until the last node has run; so
        //         the outcome is written while it lives, by the one completion (INV-WAIT-1). After
        //         the push nothing is touched.
        unsafe {
            *(*shared).outcome.get() = Some(outcome);
            if (*shared).owner == thread_number::current() {
                (*shared).over.set(true);
                return;
            }
            let node = NonNull::new_unchecked(shared.cast::<Node>().cast_mut());
            (*(&raw const (*shared).run_loop)).push(node);
        }
    }
}

impl<V, E> Receiver<V, E> for WaitReceiver<V, E> {
    #[inline]
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
        // SAFETY: the waiter's frame lives while this receiver exists; the loop is `Sync`.
        let run_loop = unsafe { &(*self.shared).run_loop };
        Env::default().with_scheduler(SchedulerRef::new(run_loop))
    }
}

fn wait_for<S: Sender>(sender: S) -> Result<Option<S::Value>, S::Error> {
    let shared = Shared {
        last: Node::new(Shared::<S::Value, S::Error>::left),
        run_loop: RunLoop::new(),
        outcome: UnsafeCell::new(None),
        owner: thread_number::current(),
        over: Cell::new(false),
    };
    {
        let mut op = sender.connect(WaitReceiver {
            shared: &raw const shared,
        });
        let guard = AbortGuard::new("a panic tried to leave sync_wait while its work was running");
        // SAFETY: `op` and what it borrows stay in this frame until `over`, which comes after the
        //         completion; nothing unwinds out of here meanwhile (the guard). The callers' bounds
        //         allow the receiver to be used where the sender completes.
        unsafe { OperationState::start(&raw mut op) };
        if !shared.over.get() {
            wait_over(&shared.run_loop, &shared.over);
        }
        guard.disarm();
        // `op` is dropped here, in place.
    }
    match shared.outcome.into_inner() {
        Some(Outcome::Value(value)) => Ok(Some(value)),
        Some(Outcome::Error(error)) => Err(error),
        Some(Outcome::Stopped) => Ok(None),
        Some(Outcome::Panicked(payload)) => std::panic::resume_unwind(payload),
        None => unreachable!("the last node runs after the completion"),
    }
}

/// Drives the loop until the last node has run.
#[cold]
fn wait_over(run_loop: &RunLoop, over: &Cell<bool>) {
    let spin = AdaptiveSpin::new();
    loop {
        run_loop.run_queued();
        if over.get() {
            return;
        }
        run_loop.wait(&spin, true);
    }
}
