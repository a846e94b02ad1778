//! Timers of an I/O context: `schedule_at` and `schedule_after`.
//!
//! A timer is a node of the context's heap, inside the operation: nothing is allocated, and no
//! system call is made to arm or cancel it. The kernel is asked to wait no longer than the first
//! deadline.
//!
//! # States
//!
//! As for `IoOp`, with the heap (`Armed`) in the place of the kernel: a timer in the heap can be
//! taken out at once, so a stop request makes it `Ready`, and it completes at its turn.
//!
//! # Safety
//! - INV-OP-1, INV-TIMER-1: in place from `start` to completion, and in the heap at most once.
//! - INV-TIMER-2: the entry is the first field, so the loop finds the operation through it.

#![expect(unsafe_code, reason = "a leaf sender with intrusive nodes")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::{Io, LocalIoScheduler};
use super::op::Ending;
use super::stop_link::{Listener, StopLink};
use crate::abort::abort;
use crate::backend::Backend;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::util::node::{Node, Signal};
use crate::util::timer_heap::TimerNode;

/// A timer in the heap, and how its operation is reached.
#[repr(C)] // The node comes first: its address is the address of the entry.
pub(crate) struct TimerEntry {
    node: TimerNode,
    fire: unsafe fn(NonNull<Self>),
    cancel: unsafe fn(NonNull<Self>),
}

impl TimerEntry {
    /// The deadline has come.
    ///
    /// # Safety
    ///
    /// - The loop's thread; the entry was in the heap and has been taken out.
    pub(super) unsafe fn fire(this: NonNull<Self>) {
        // SAFETY: its operation waits for this, so it is alive.
        unsafe { ((*this.as_ptr()).fire)(this) }
    }

    /// The context ends.
    ///
    /// # Safety
    ///
    /// - The loop's thread; the entry is in the heap.
    pub(super) unsafe fn cancel(this: NonNull<Self>) {
        // SAFETY: its operation waits, so it is alive.
        unsafe { ((*this.as_ptr()).cancel)(this) }
    }
}

/// When a timer fires.
#[derive(Clone, Copy, Debug)]
enum When {
    At(Instant),
    After(Duration),
}

/// The sender of a timer.
#[derive(Clone, Copy, Debug)]
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct Timer<H> {
    handle: H,
    when: When,
}

impl<H> Timer<H> {
    pub(super) const fn at(handle: H, deadline: Instant) -> Self {
        Self {
            handle,
            when: When::At(deadline),
        }
    }

    pub(super) const fn after(handle: H, duration: Duration) -> Self {
        Self {
            handle,
            when: When::After(duration),
        }
    }
}

// SAFETY: `TimerOp` completes exactly once, last: when it fires, or when a stop request took it out
//         of the heap. It may be started on any thread if the handle is the `Send` one.
unsafe impl<H: Io> Sender for Timer<H> {
    type Value = ();
    type Error = io::Error;
    type Operation<R: Receiver<(), io::Error>> = TimerOp<H, R>;
    const STAYS: bool = H::LOCAL;
    const LOOKS: bool = true;

    #[inline]
    fn connect<R: Receiver<(), io::Error>>(self, receiver: R) -> TimerOp<H, R> {
        TimerOp {
            entry: TimerEntry {
                node: TimerNode::new(0),
                fire: TimerOp::<H, R>::fired,
                cancel: TimerOp::<H, R>::cancelled_by_context,
            },
            node: Node::new(TimerOp::<H, R>::ran),
            link: UnsafeCell::new(MaybeUninit::uninit()),
            phase: Cell::new(Phase::Unstarted),
            fired: Cell::new(false),
            timer: self,
            receiver: ManuallyDrop::new(receiver),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and completed by the loop
//         there; a stop callback elsewhere only enqueues.
unsafe impl<B: Backend> LocalSender for Timer<LocalIoScheduler<'_, B>> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Queued,
    Starting,
    StopWanted,
    Armed,
    Ready,
    AwaitsNode,
    Over,
}

/// The operation state of [`Timer`].
#[repr(C)] // The entry comes first: its address is the address of the operation.
pub struct TimerOp<H: Io, R> {
    entry: TimerEntry,
    node: Node,
    link: UnsafeCell<MaybeUninit<StopLink<H::Backend>>>,
    phase: Cell<Phase>,
    fired: Cell<bool>,
    timer: Timer<H>,
    receiver: ManuallyDrop<R>,
    _pinned: PhantomPinned,
}

impl<H: Io, R: Receiver<(), io::Error>> TimerOp<H, R> {
    // As in `IoOp`: `this` is a started, incomplete operation, on the loop's thread unless said
    // otherwise, and may be gone when the function returns.

    /// The part that hears stop requests.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn link(this: *mut Self) -> NonNull<StopLink<H::Backend>> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).link).cast()) }
    }

    /// Puts the timer into the heap.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
    unsafe fn arm(this: *mut Self) {
        // SAFETY: alive, in no queue, and in place until it is taken out of the heap.
        unsafe {
            let core = (*(&raw const (*this).timer)).handle;
            (*this).phase.set(Phase::Armed);
            core.core()
                .timers
                .insert(NonNull::new_unchecked(this.cast()));
            if core.core().is_draining() {
                Self::stop(this);
            }
        }
    }

    /// The deadline has come.
    ///
    /// # Safety
    ///
    /// - `entry` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn fired(entry: NonNull<TimerEntry>) {
        // SAFETY: the operation with this entry waits for this call.
        unsafe { Self::end(entry.as_ptr().cast(), true) }
    }

    /// The context ends.
    ///
    /// # Safety
    ///
    /// - `entry` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn cancelled_by_context(entry: NonNull<TimerEntry>) {
        let this: *mut Self = entry.as_ptr().cast();
        // SAFETY: the operation with this entry is armed.
        unsafe { Self::stop(this) }
    }

    /// Ends, now or when the node has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn end(this: *mut Self, fired: bool) {
        // SAFETY: alive and in no queue.
        unsafe {
            (*this).fired.set(fired);
            if StopLink::disarm(Self::link(this)) {
                (*this).phase.set(Phase::AwaitsNode);
                return;
            }
            let outcome = if fired {
                Outcome::Value(())
            } else {
                Outcome::Stopped
            };
            Self::deliver(this, outcome);
        }
    }

    /// Completes the receiver.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn deliver(this: *mut Self, outcome: Outcome<(), io::Error>) {
        // SAFETY: disarmed or never armed, so nobody else holds the address; taken once.
        let receiver = unsafe {
            (*this).phase.set(Phase::Over);
            ManuallyDrop::take(&mut *(&raw mut (*this).receiver))
        };
        outcome.deliver(receiver);
    }

    /// The node was run: taken from the inbox, or from the ready queue.
    ///
    /// # Safety
    ///
    /// - `node` is that of a started, incomplete operation of this type, taken from its queue.
    unsafe fn ran(node: NonNull<Node>, _: Signal) {
        // SAFETY: the node is a field of a started operation that waits for this.
        unsafe {
            let this: *mut Self = node.as_ptr().byte_sub(offset_of!(Self, node)).cast();
            match (*this).phase.get() {
                Phase::Queued => {
                    let handle = (*(&raw const (*this).timer)).handle;
                    handle.core().taken_new();
                    (*this).phase.set(Phase::Starting);
                    // Not begun when the context was asked to stop: it does not begin any more.
                    if StopLink::claim(Self::link(this)) && !handle.core().is_stopping() {
                        Self::arm(this);
                    } else {
                        Self::end(this, false);
                    }
                }
                Phase::Ready => Self::end(this, false),
                _ => abort("a timer was taken from a queue in which it was not"),
            }
        }
    }

    /// Ends early.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn stop(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe {
            match (*this).phase.get() {
                Phase::Starting => (*this).phase.set(Phase::StopWanted),
                Phase::Armed => {
                    let handle = (*(&raw const (*this).timer)).handle;
                    handle
                        .core()
                        .timers
                        .remove(NonNull::new_unchecked(this.cast()));
                    (*this).phase.set(Phase::Ready);
                    let node = NonNull::new_unchecked(&raw mut (*this).node);
                    handle.core().ready.push_back(node);
                }
                Phase::AwaitsNode => {
                    let fired = (*this).fired.get();
                    let outcome = if fired {
                        Outcome::Value(())
                    } else {
                        Outcome::Stopped
                    };
                    Self::deliver(this, outcome);
                }
                Phase::Over => abort("a stop request outlived its operation"),
                _ => {}
            }
        }
    }
}

impl<H: Io, R: Receiver<(), io::Error>> OperationState for TimerOp<H, R> {
    const SPENT: bool = true;

    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good.
        unsafe {
            let Timer { handle, when } = *(&raw const (*this).timer);
            let core = handle.core();
            let token = (*(&raw const (*this).receiver)).env().stop_token();
            let home = handle.is_home();
            if token.stop_requested() || (home && core.refuses()) {
                return Self::deliver(this, Outcome::Stopped);
            }
            let deadline = match when {
                When::At(at) => core.to_ticks(at),
                When::After(duration) => {
                    let ticks = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                    core.now().saturating_add(ticks)
                }
            };
            (*this).entry.node.set_deadline(deadline);
            (*this)
                .phase
                .set(if home { Phase::Starting } else { Phase::Queued });
            Self::link(this).write(StopLink::new::<Self>(!home));
            StopLink::arm(Self::link(this), token.erase());
            if home {
                if (*this).phase.get() == Phase::StopWanted {
                    (*this).phase.set(Phase::Starting);
                    return Self::end(this, false);
                }
                return Self::arm(this);
            }
            let node = NonNull::new_unchecked(&raw mut (*this).node);
            if let Err(rejected) = core.push_new(node) {
                StopLink::disarm_unqueued(Self::link(this));
                let ending: Ending = rejected.into_ending();
                Self::deliver(this, ending.into_outcome().map_value(|_| ()));
            }
        }
    }
}

// SAFETY: the link lies there, and is in place while it is armed, as its operation is (INV-OP-1).
unsafe impl<H: Io, R: Receiver<(), io::Error>> Listener for TimerOp<H, R> {
    type Backend = H::Backend;
    const LINK: usize = offset_of!(Self, link);

    unsafe fn core<'a>(this: *mut Self) -> &'a Core<H::Backend> {
        // SAFETY: alive (contract); the core outlives its operations, and what the handle refers to
        //         does not depend on where the handle is.
        unsafe { &*(&raw const *(*(&raw const (*this).timer)).handle.core()) }
    }

    unsafe fn act(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe { Self::stop(this) }
    }
}

impl<H: Io, R> Drop for TimerOp<H, R> {
    fn drop(&mut self) {
        match self.phase.get() {
            Phase::Over => {}
            // SAFETY: never started: the receiver is there, and nobody else has it.
            Phase::Unstarted => unsafe { ManuallyDrop::drop(&mut self.receiver) },
            _ => abort("a timer was destroyed before it completed"),
        }
    }
}

impl<H: Io, R> fmt::Debug for TimerOp<H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerOp")
            .field("phase", &self.phase.get())
            .finish_non_exhaustive()
    }
}
