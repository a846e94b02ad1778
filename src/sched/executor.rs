//! Makes a scheduler of anything that runs tasks.
//!
//! The operation embeds one node; starting it hands the executor a [`Task`] that points there.
//! Running the task completes the operation with a value, or with *stopped* if stop was requested by
//! then; dropping it completes the operation with *stopped*.
//!
//! # Safety
//! INV-TASK-1: the node lives in the operation, which completes only through the task. The
//! executor's `execute` may run or drop the task before it returns, so the operation may be gone
//! when it does; what must survive the call lives in the frame of `start`.

#![expect(unsafe_code, reason = "a leaf sender with an intrusive node")]

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
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
use crate::util::node::{Node, Signal};

/// A scheduler that hands its work to an [`Executor`]: a reference, an `Arc`, or anything cloneable.
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

/// What the frame of `start` remembers while `execute` runs.
struct Frame {
    op: *const (),
    dropped_by_unwinding: Cell<bool>,
}

thread_local! {
    /// The innermost `start` on this thread whose executor is running.
    static INNERMOST: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

/// The operation of [`ExecutorSchedule`].
#[repr(C)] // The node comes first: its address is the address of the operation.
pub struct ExecutorOp<E, R> {
    node: Node,
    token: RawToken,
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
        // SAFETY: the operation waits for this call, so it is alive, and so is the source of its
        //         token. A listed frame is alive, and only this thread lists frames here.
        unsafe {
            if signal == Signal::Stop && std::thread::panicking() {
                let innermost = INNERMOST.get();
                if !innermost.is_null() && (*innermost).op == this.cast_const().cast() {
                    (*innermost).dropped_by_unwinding.set(true);
                    return;
                }
            }
            let stopped = signal == Signal::Stop || (*this).token.stop_requested();
            let receiver = Self::take_receiver(this);
            if stopped {
                receiver.set_stopped();
            } else {
                receiver.set_value(());
            }
        }
    }
}

impl<E: Executor, R: Receiver<(), Infallible>> OperationState for ExecutorOp<E, R> {
    unsafe fn start(this: *mut Self) {
        let frame = Frame {
            op: this.cast_const().cast(),
            dropped_by_unwinding: Cell::new(false),
        };
        // SAFETY: the operation is alive and unstarted, and this thread's until the task exists.
        //         The executor is moved out first, because the operation may be gone before
        //         `execute` returns; the node stays until the task is consumed (INV-TASK-1).
        let (executor, task) = unsafe {
            let token = (*this).receiver.env().stop_token();
            let executor = ManuallyDrop::take(&mut (*this).executor);
            if token.stop_requested() {
                (*this).phase.set(Phase::Waiting);
                let receiver = Self::take_receiver(this);
                Outcome::Stopped.finish(receiver, executor);
                return;
            }
            (*this).token = token.erase();
            (*this).phase.set(Phase::Waiting);
            (executor, Task::new(NonNull::new_unchecked(this.cast())))
        };
        let outer = INNERMOST.replace(&raw const frame);
        let result = catch(move || executor.execute(task));
        INNERMOST.set(outer);
        if let Err(payload) = result {
            if frame.dropped_by_unwinding.get() {
                // SAFETY: the task was consumed without completing the operation, so it is alive
                //         and this frame completes it.
                unsafe { Self::take_receiver(this) }.set_panicked(payload);
            } else {
                // The task went elsewhere and the operation with it: nobody is left to receive the
                // payload, whose message was printed when it was raised.
                discard_payload(payload);
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
