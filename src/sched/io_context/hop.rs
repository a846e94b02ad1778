//! Hops to the loop of an I/O context without the kernel: `yield_now`, and the transfers of
//! `continues_on`.
//!
//! A hop is one node: in the ready queue on the loop's thread, in the inbox from another. It always
//! fits and is never refused, so work that runs can always come home.
//!
//! # Cancellation
//!
//! A yield completes stopped if stop was requested when its turn comes, or if the context ends. A
//! transfer carries a result and is not stopped.
//!
//! # Safety
//! INV-NODE-1: the node is a field of the operation, which waits for its run.

#![expect(unsafe_code, reason = "a leaf sender with an intrusive node")]

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use super::core::Core;
use super::handle::{Io, LocalIoScheduler};
use crate::abort::abort;
use crate::backend::Backend;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::scheduler::SchedulerRef;
use crate::senders::concept::sender::Sender;
use crate::senders::concept::task::{Direct, Executor, Task};
use crate::senders::stop::RawToken;
use crate::util::node::{Node, Signal};

/// The sender of a hop to an I/O context: a yield, which hears stop requests, or a transfer.
#[derive(Clone, Copy, Debug)]
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct Hop<H, const YIELDS: bool = true> {
    handle: H,
}

impl<H, const YIELDS: bool> Hop<H, YIELDS> {
    pub(super) const fn new(handle: H) -> Self {
        Self { handle }
    }
}

// SAFETY: the node is run exactly once by the loop, and completes the receiver as its last act.
unsafe impl<H: Io, const YIELDS: bool> Sender for Hop<H, YIELDS> {
    type Value = ();
    type Error = Infallible;
    type Operation<R: Receiver<(), Infallible>> = HopOp<H, R, YIELDS>;
    const DEFERS: bool = true;
    const STAYS: bool = H::LOCAL;
    const LOOKS: bool = YIELDS;

    #[inline]
    fn connect<R: Receiver<(), Infallible>>(self, receiver: R) -> HopOp<H, R, YIELDS> {
        HopOp {
            node: Node::new(HopOp::<H, R, YIELDS>::ran),
            phase: Cell::new(Phase::Unstarted),
            token: Cell::new(MaybeUninit::uninit()),
            handle: self.handle,
            receiver: ManuallyDrop::new(receiver),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and run by the loop there.
unsafe impl<B: Backend, const YIELDS: bool> LocalSender for Hop<LocalIoScheduler<'_, B>, YIELDS> {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Waiting,
    Over,
}

/// The operation state of [`Hop`].
#[repr(C)] // The node comes first: its address is the address of the operation.
pub struct HopOp<H, R, const YIELDS: bool = true> {
    node: Node,
    phase: Cell<Phase>,
    /// The receiver's token; initialised by the start of a yield.
    token: Cell<MaybeUninit<RawToken>>,
    handle: H,
    receiver: ManuallyDrop<R>,
    _pinned: PhantomPinned,
}

impl<H: Io, R: Receiver<(), Infallible>, const YIELDS: bool> HopOp<H, R, YIELDS> {
    /// The loop runs the node.
    ///
    /// # Safety
    ///
    /// - `node` is that of a waiting operation of this type.
    #[inline]
    unsafe fn ran(node: NonNull<Node>, signal: Signal) {
        let this: *mut Self = node.as_ptr().cast();
        // SAFETY: waiting, so alive, with its receiver and its token's source; taken once.
        let (stopped, receiver) = unsafe {
            (*this).phase.set(Phase::Over);
            let asked = || (*this).token.get().assume_init().stop_requested();
            (
                YIELDS && (signal == Signal::Stop || asked()),
                ManuallyDrop::take(&mut *(&raw mut (*this).receiver)),
            )
        };
        if stopped {
            receiver.set_stopped();
        } else {
            receiver.set_value(());
        }
    }
}

impl<H: Io, R: Receiver<(), Infallible>, const YIELDS: bool> OperationState
    for HopOp<H, R, YIELDS>
{
    const SPENT: bool = true;

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: alive and this thread's until the node is queued; in place until it was run.
        unsafe {
            if YIELDS {
                let token = (*(&raw const (*this).receiver)).env().stop_token();
                (*this).token.set(MaybeUninit::new(token.erase()));
            }
            (*this).phase.set(Phase::Waiting);
            let node = NonNull::new_unchecked(this.cast());
            let handle = (*this).handle;
            if handle.is_home() {
                handle.core().ready.push_back(node);
            } else {
                handle.core().push(node);
            }
        }
    }
}

impl<H, R, const YIELDS: bool> Drop for HopOp<H, R, YIELDS> {
    #[inline]
    fn drop(&mut self) {
        match self.phase.get() {
            Phase::Over => {}
            // SAFETY: never started: the receiver is there, and nobody else has it.
            Phase::Unstarted => unsafe { ManuallyDrop::drop(&mut self.receiver) },
            Phase::Waiting => abort("a scheduled operation was destroyed before it completed"),
        }
    }
}

impl<H, R, const YIELDS: bool> fmt::Debug for HopOp<H, R, YIELDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HopOp").finish_non_exhaustive()
    }
}

/// A core as an executor: runs tasks on its loop.
#[repr(transparent)]
pub(super) struct CoreExecutor<B: Backend>(Core<B>);

// SAFETY: `execute` uses what any thread may use, and the ready queue after comparing threads.
unsafe impl<B: Backend> Sync for CoreExecutor<B> {}

impl<B: Backend> Executor for CoreExecutor<B> {
    fn execute(&self, task: Task) {
        // SAFETY: the core is borrowed.
        unsafe { accept::<B>(NonNull::from(self).cast(), task) }
    }

    fn direct(&self) -> Option<Direct<'_>> {
        // SAFETY: the core is borrowed; of it `accept` touches the waker only after the push, which
        //         a wake-up that is owed keeps (INV-CTX-2).
        Some(unsafe { Direct::new(NonNull::from(self).cast(), accept::<B>) })
    }
}

/// Queues `task` on the loop of a core.
///
/// # Safety
///
/// - `core` points to a `CoreExecutor<B>` that is alive until the task is published.
unsafe fn accept<B: Backend>(core: NonNull<()>, task: Task) {
    let core: NonNull<CoreExecutor<B>> = core.cast();
    let node = task.into_node();
    // SAFETY: alive (contract); the task stood for a node that waits in an operation (INV-TASK-1)
    //         and that may be run on any thread.
    unsafe {
        let core = &(*core.as_ptr()).0;
        if core.is_home() {
            core.ready.push_back(node);
        } else {
            core.push(node);
        }
    }
}

/// The type-erased scheduler of the context with this core.
pub(super) const fn executor_of<B: Backend>(core: &Core<B>) -> SchedulerRef<'_> {
    let executor: *const CoreExecutor<B> = (&raw const *core).cast();
    // SAFETY: `CoreExecutor` is a transparent wrapper; the borrow is that of `core`.
    SchedulerRef::new(unsafe { &*executor })
}
