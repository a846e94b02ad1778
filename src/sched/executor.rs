//! Makes a scheduler of anything that runs tasks.
//!
//! The operation embeds one node; starting it hands the executor a [`Task`] that points there.
//! Running the task completes the operation with a value, or with *stopped* if stop was requested by
//! then; dropping it completes the operation with *stopped*.
//!
//! # States
//!
//! `execute` is foreign code, and borrows what may be gone once the operation has completed. So the
//! completion comes after the return of `execute`, wherever the task is consumed:
//!
//! | the task is consumed            | the completion is made                                  |
//! |---------------------------------|---------------------------------------------------------|
//! | inside `execute`, same thread   | by `start`, when `execute` has returned (`early`)       |
//! | meanwhile, on another thread    | there, after a wait for `handed`                        |
//! | later                           | there, at once                                          |
//!
//! Executors of this crate touch nothing after they have published a task; they are given it
//! through [`Executor::direct`], and nobody waits.
//!
//! # Threads
//!
//! `handed` is stored with `Release` after `execute` returned and loaded with `Acquire` before the
//! operation completes: the call happened before the completion.
//!
//! # Safety
//! - INV-TASK-1: the node lives in the operation, which completes only through the task.
//! - INV-EXEC-1: until `handed` is set, the frame of `start` is alive, on thread `starter`, and the
//!   operation is not completed by anybody else.

#![expect(unsafe_code, reason = "a leaf sender with an intrusive node")]

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, needs_drop};
use std::ptr::{self, NonNull};

use crate::abort::abort;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{catch, discard_payload};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::scheduler::{Scheduler, SchedulerRef};
use crate::senders::concept::sender::Sender;
use crate::senders::concept::task::{Executor, Task};
use crate::senders::stop::RawToken;
use crate::sync::Backoff;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::util::node::{Node, Signal};
use crate::util::thread_number;

/// A scheduler that hands its work to an [`Executor`]: a reference, an `Arc`, or anything cloneable.
/// It has to be `Sync`, since work may be scheduled from any thread.
///
/// # Examples
///
/// ```
/// use sendio::{Executor, ExecutorScheduler, Scheduler, SenderExt, Task, sync_wait};
///
/// /// Runs everything where it is scheduled.
/// struct Here;
/// impl Executor for Here {
///     fn execute(&self, task: Task) {
///         task.run();
///     }
/// }
///
/// let answer = sync_wait(ExecutorScheduler::new(&Here).schedule().then(|()| 42));
/// assert_eq!(answer, Ok(Some(42)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorScheduler<E> {
    executor: E,
}

impl<E: Executor + Clone> ExecutorScheduler<E> {
    /// A scheduler on `executor`.
    pub const fn new(executor: E) -> Self {
        Self { executor }
    }

    /// The executor.
    pub const fn executor(&self) -> &E {
        &self.executor
    }
}

impl<E: Executor + Clone + Sync> Scheduler for ExecutorScheduler<E> {
    type Schedule = ExecutorSchedule<E>;
    type Transfer = ExecutorSchedule<E>;

    fn schedule(&self) -> ExecutorSchedule<E> {
        ExecutorSchedule {
            executor: self.executor.clone(),
        }
    }

    fn transfer(&self) -> ExecutorSchedule<E> {
        self.schedule()
    }

    fn scheduler_ref(&self) -> Option<SchedulerRef<'_>> {
        Some(SchedulerRef::new(&self.executor))
    }
}

impl<'a> Scheduler for SchedulerRef<'a> {
    type Schedule = ExecutorSchedule<Self>;
    type Transfer = ExecutorSchedule<Self>;

    fn schedule(&self) -> ExecutorSchedule<Self> {
        ExecutorSchedule { executor: *self }
    }

    fn transfer(&self) -> ExecutorSchedule<Self> {
        self.schedule()
    }

    fn scheduler_ref(&self) -> Option<SchedulerRef<'_>> {
        Some(*self)
    }
}

/// The schedule sender of an executor.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct ExecutorSchedule<E> {
    executor: E,
}

// SAFETY: the operation completes once, through its task; the executor is a field, so `Send` covers
//         it.
unsafe impl<E: Executor> Sender for ExecutorSchedule<E> {
    type Value = ();
    type Error = Infallible;
    type Operation<R: Receiver<(), Infallible>> = ExecutorOp<E, R>;

    fn connect<R: Receiver<(), Infallible>>(self, receiver: R) -> ExecutorOp<E, R> {
        ExecutorOp {
            node: Node::new(ExecutorOp::<E, R>::continued),
            token: RawToken::NEVER,
            handed: AtomicBool::new(true),
            starter: 0,
            early: ptr::null(),
            phase: Cell::new(Phase::Unstarted),
            executor: ManuallyDrop::new(self.executor),
            receiver: ManuallyDrop::new(receiver),
            _pinned: PhantomPinned,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Waiting,
    Over,
}

/// The operation of [`ExecutorSchedule`].
#[repr(C)] // The node comes first: its address is the address of the operation.
pub struct ExecutorOp<E, R> {
    node: Node,
    token: RawToken,
    /// Whether `execute` has returned, or nobody has to wait for that.
    handed: AtomicBool,
    /// The number of the thread inside `execute`.
    starter: u64,
    /// Where a task that is consumed inside `execute` leaves what it was told.
    early: *const Cell<Option<Signal>>,
    phase: Cell<Phase>,
    executor: ManuallyDrop<E>,
    receiver: ManuallyDrop<R>,
    _pinned: PhantomPinned,
}

impl<E: Executor, R: Receiver<(), Infallible>> ExecutorOp<E, R> {
    /// Takes the receiver out.
    ///
    /// # Safety
    ///
    /// - The operation is started and incomplete, and this is its completion.
    unsafe fn take_receiver(this: *mut Self) -> R {
        // SAFETY: incomplete, so the receiver is there; `Over` keeps it from being taken again.
        unsafe {
            (*this).phase.set(Phase::Over);
            ManuallyDrop::take(&mut (*this).receiver)
        }
    }

    /// The task was run or dropped.
    ///
    /// # Safety
    ///
    /// - `node` is the node of a started operation of this type, whose task has been consumed.
    unsafe fn continued(node: NonNull<Node>, signal: Signal) {
        let this: *mut Self = node.as_ptr().cast();
        // SAFETY: the operation waits for this call, so it is alive. If `execute` runs on this
        //         thread, then below us, so the frame of `start` is alive (INV-EXEC-1).
        unsafe {
            // Acquire: see "Threads" above.
            if !(*this).handed.load(Ordering::Acquire) {
                if (*this).starter == thread_number::current() {
                    (*(*this).early).set(Some(signal));
                    return;
                }
                Self::wait_until_handed(this);
            }
            Self::finish(this, signal);
        }
    }

    /// Waits until `execute` has returned on its thread.
    ///
    /// # Safety
    ///
    /// - The operation is started and incomplete, and this is another thread than the starter.
    #[cold]
    unsafe fn wait_until_handed(this: *mut Self) {
        let mut backoff = Backoff::default();
        // SAFETY: alive (contract).
        let handed = unsafe { &(*this).handed };
        // Acquire: see "Threads" above.
        while !handed.load(Ordering::Acquire) {
            backoff.wait();
        }
    }

    /// Completes as the task was told.
    ///
    /// # Safety
    ///
    /// - The operation is started and incomplete, and this is its completion.
    unsafe fn finish(this: *mut Self, signal: Signal) {
        // SAFETY: incomplete, so the source of its token is alive.
        unsafe {
            let stopped = signal == Signal::Stop || (*this).token.stop_requested();
            let receiver = Self::take_receiver(this);
            if stopped {
                receiver.set_stopped();
            } else {
                receiver.set_value(());
            }
        }
    }

    /// Hands the task to `executor`, and completes if it was consumed there.
    ///
    /// # Safety
    ///
    /// - The operation is started and waits; nobody has its task.
    unsafe fn execute(this: *mut Self, executor: E) {
        let early = Cell::new(None);
        // SAFETY: the operation is this thread's until the task exists, and incomplete until it is
        //         completed here or `handed` is set (INV-EXEC-1), which is the last access.
        unsafe {
            (*this).handed.store(false, Ordering::Relaxed);
            (*this).starter = thread_number::current();
            (*this).early = &raw const early;
            let task = Task::new(NonNull::new_unchecked(this.cast()));
            let result = catch(move || executor.execute(task));
            match (early.get(), result) {
                (Some(signal), Ok(())) => Self::finish(this, signal),
                (Some(_), Err(payload)) => Self::take_receiver(this).set_panicked(payload),
                (None, result) => {
                    // Release: see "Threads" above.
                    (*this).handed.store(true, Ordering::Release);
                    if let Err(payload) = result {
                        // The operation went elsewhere: nobody is left to receive the payload,
                        // whose message was printed when it was raised.
                        discard_payload(payload);
                    }
                }
            }
        }
    }
}

impl<E: Executor, R: Receiver<(), Infallible>> OperationState for ExecutorOp<E, R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive and unstarted, and this thread's until the task exists.
        //         The executor is moved out first, because the operation may be gone once the task
        //         was published; the node stays until the task is consumed (INV-TASK-1).
        unsafe {
            let token = (*this).receiver.env().stop_token();
            let executor = ManuallyDrop::take(&mut (*this).executor);
            (*this).token = token.erase();
            (*this).phase.set(Phase::Waiting);
            if token.stop_requested() {
                let receiver = Self::take_receiver(this);
                Outcome::Stopped.finish(receiver, executor);
                return;
            }
            // What has to be dropped would be dropped after the completion.
            let direct = if needs_drop::<E>() {
                Ok(None)
            } else {
                catch(|| executor.direct())
            };
            match direct {
                Ok(Some(direct)) => direct.push(Task::new(NonNull::new_unchecked(this.cast()))),
                Ok(None) => Self::execute(this, executor),
                Err(payload) => Self::take_receiver(this).set_panicked(payload),
            }
        }
    }
}

impl<E, R> Drop for ExecutorOp<E, R> {
    fn drop(&mut self) {
        // SAFETY: unstarted: both are there, and nobody else has them.
        unsafe {
            match self.phase.get() {
                Phase::Unstarted => {
                    ManuallyDrop::drop(&mut self.executor);
                    ManuallyDrop::drop(&mut self.receiver);
                }
                Phase::Waiting => abort("a scheduled operation was destroyed before it completed"),
                Phase::Over => {}
            }
        }
    }
}

impl<E, R> fmt::Debug for ExecutorOp<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorOp").finish_non_exhaustive()
    }
}
