//! `sync_wait`: runs a sender and blocks the calling thread until it has completed.
//!
//! The operation, the loop that the thread drives meanwhile, and the place for the outcome lie in
//! the frame of the call. A completion on another thread writes the outcome and queues a last node on
//! that loop; the waiter leaves when it runs that node, so the completing thread has left everything
//! by then. A completion on the waiting thread says so directly.
//!
//! The mechanism is in `consumer::wait`, which `IoContext::block_on` shares.

use super::wait::wait_for;
use crate::sched::run_loop::RunLoop;
use crate::senders::concept::local::{LocalSender, SendSender};

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
    wait_for(sender, &RunLoop::new())
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
    wait_for(sender, &RunLoop::new())
}
