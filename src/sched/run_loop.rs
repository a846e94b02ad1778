//! A queue of tasks that one thread runs.
//!
//! `sync_wait` drives one on the waiting thread; users may own one, to run work on a thread of their
//! choice.
//!
//! # Flow
//!
//! ```text
//! schedule, any thread ─> inbox ─> run: take all, run each ─> value, or stopped if stop was requested
//!                          └─ the runner sleeps on the inbox's word (futex); a producer that finds
//!                             it asleep wakes it
//! ```
//!
//! # Threads
//!
//! Everything may be called from any thread; one thread at a time runs the loop. The protocol of
//! the queue and the sleep is in `util::inbox`. A wake-up names an address and touches no memory, so
//! a producer may be late: the loop may be gone by then.
//!
//! # Safety
//! INV-NODE-1 (a queued node stays in place) holds because tasks point into operations that complete
//! only through them. INV-LOOP-1: after a push, a producer touches nothing of the loop.

#![expect(unsafe_code, reason = "queues intrusive nodes")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::executor::ExecutorScheduler;
use crate::abort::AbortGuard;
use crate::senders::concept::env::Env;
use crate::senders::concept::scheduler::SchedulerRef;
use crate::senders::concept::task::{Direct, Executor, Task};
use crate::senders::consumer::wait::Home;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::util::inbox::{self, Inbox};
use crate::util::node::{Node, Signal};
use crate::util::spin::AdaptiveSpin;
use crate::util::thread_number;

/// A loop that runs scheduled work on the thread that calls [`run`](RunLoop::run).
///
/// Clause: [exec.run.loop].
///
/// # Threads
/// Its schedulers are `Send + Sync`; work of one thread runs in the order in which it was scheduled.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let run_loop = RunLoop::new();
/// std::thread::scope(|threads| {
///     threads.spawn(|| run_loop.run());
///     let answer = sync_wait(run_loop.scheduler().schedule().then(|()| 42));
///     assert_eq!(answer, Ok(Some(42)));
///     run_loop.finish();
/// });
/// ```
#[derive(Debug)]
pub struct RunLoop {
    inbox: Inbox,
    /// The number of the thread inside `run`, or 0.
    runner: AtomicU64,
}

/// The scheduler of a [`RunLoop`]: `Copy`, `Send`, `Sync`.
pub type RunLoopScheduler<'a> = ExecutorScheduler<&'a RunLoop>;

impl RunLoop {
    /// A loop with nothing to run.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            runner: AtomicU64::new(0),
        }
    }

    /// A handle through which work is scheduled on this loop.
    #[must_use]
    pub const fn scheduler(&self) -> RunLoopScheduler<'_> {
        ExecutorScheduler::new(self)
    }

    /// Runs what is scheduled, and sleeps while there is nothing, until [`finish`](RunLoop::finish)
    /// was called and the queue is empty. Work scheduled by that work runs too.
    ///
    /// After a `finish` that came earlier it runs what is queued and returns.
    ///
    /// # Panics
    ///
    /// If the loop is already running.
    pub fn run(&self) {
        let entered = self.runner.compare_exchange(
            0,
            thread_number::current(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        assert!(
            entered.is_ok(),
            "RunLoop::run: this loop is already running"
        );
        let spin = AdaptiveSpin::new();
        loop {
            self.run_queued();
            if !self.inbox.is_empty() {
                continue;
            }
            if self.inbox.is_refusing() {
                // What was accepted before the refusal is visible after it.
                if self.inbox.is_empty() {
                    break;
                }
                continue;
            }
            self.wait(&spin, false);
        }
        self.runner.store(0, Ordering::Relaxed);
    }

    /// Lets [`run`](RunLoop::run) return once its queue is empty. From here on, work that other
    /// threads schedule completes stopped; work that the loop's own work schedules still runs.
    pub fn finish(&self) {
        let word = self.inbox.word();
        if self.inbox.refuse().wake {
            inbox::wake(word);
        }
    }

    /// Takes what is queued and runs it.
    #[inline]
    pub(crate) fn run_queued(&self) {
        let queue = self.inbox.take_all();
        while let Some(node) = queue.pop_front() {
            let guard = AbortGuard::new("a receiver panicked in a completion function");
            // SAFETY: the inbox hands out each node once, alive (INV-NODE-1).
            unsafe { Node::run(node, Signal::Run) };
            guard.disarm();
        }
    }

    /// Takes what is queued and stops it, and what that queues.
    #[cold]
    fn stop_queued(&self) {
        while !self.inbox.is_empty() {
            let queue = self.inbox.take_all();
            while let Some(node) = queue.pop_front() {
                let guard = AbortGuard::new("a receiver panicked in a completion function");
                // SAFETY: as in `run_queued`.
                unsafe { Node::run(node, Signal::Stop) };
                guard.disarm();
            }
        }
    }

    /// Looks for work for a while, then sleeps until there is some, or for no reason.
    pub(crate) fn wait(&self, spin: &AdaptiveSpin, refusing_seen: bool) {
        let busy = || !self.inbox.is_empty() || (!refusing_seen && self.inbox.is_refusing());
        if spin.wait(busy) || !self.inbox.prepare_sleep(refusing_seen) {
            return;
        }
        self.inbox.sleep();
        // Wake-ups touch no memory of the loop, so nobody has to wait for one that is on its way.
        let _ = self.inbox.end_sleep();
    }

    /// Queues a node from any thread, whether the loop finishes or not.
    ///
    /// # Safety
    ///
    /// - As for [`Inbox::push`]; the loop may be gone as soon as the node is queued.
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<Node>) {
        let word = self.inbox.word();
        // SAFETY: the contract is the same; `word` is an address only (INV-LOOP-1).
        if unsafe { self.inbox.push(node) } {
            inbox::wake(word);
        }
    }
}

impl Default for RunLoop {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RunLoop {
    /// Tasks that were handed to the loop and never run complete their operations with *stopped*.
    #[inline]
    fn drop(&mut self) {
        if !self.inbox.is_empty() {
            self.stop_queued();
        }
    }
}

impl Executor for RunLoop {
    #[inline]
    fn execute(&self, task: Task) {
        // SAFETY: the loop is borrowed.
        unsafe { accept(NonNull::from(self).cast(), task) }
    }

    #[inline]
    fn direct(&self) -> Option<Direct<'_>> {
        // SAFETY: the loop is borrowed; `accept` keeps INV-LOOP-1.
        Some(unsafe { Direct::new(NonNull::from(self).cast(), accept) })
    }
}

/// Queues `task`, or drops it if the loop refuses work from other threads.
///
/// # Safety
///
/// - `run_loop` points to a [`RunLoop`] that is alive until the task is published.
unsafe fn accept(run_loop: NonNull<()>, task: Task) {
    let this: NonNull<RunLoop> = run_loop.cast();
    // SAFETY: alive (contract); the task stood for a node that waits in an operation (INV-TASK-1),
    //         which a run on any thread completes; after the push, neither the loop nor the node is
    //         touched (INV-LOOP-1).
    let (wake, word) = unsafe {
        let inbox = &raw const (*this.as_ptr()).inbox;
        let word = (*inbox).word();
        let own = (*this.as_ptr()).runner.load(Ordering::Relaxed) == thread_number::current();
        let node = task.into_node();
        let wake = if own {
            (*inbox).push(node)
        } else if let Ok(wake) = (*inbox).try_push(node) {
            wake
        } else {
            drop(Task::new(node));
            false
        };
        (wake, word)
    };
    if wake {
        inbox::wake(word);
    }
}

impl Home for RunLoop {
    #[inline]
    fn env(&self) -> Env<'_> {
        Env::default().with_scheduler(SchedulerRef::new(self))
    }

    #[inline]
    unsafe fn push_last(&self, node: NonNull<Node>) {
        // SAFETY: the contract is the same.
        unsafe { self.push(node) }
    }

    #[cold]
    fn drive_until(&self, over: &Cell<bool>) {
        let spin = AdaptiveSpin::new();
        loop {
            self.run_queued();
            if over.get() {
                return;
            }
            self.wait(&spin, true);
        }
    }
}
