//! `wait_below`: waits until less work of a scope is live.
//!
//! # States
//!
//! `phase` belongs to the loop's thread, after `start` on another thread has queued the operation.
//!
//! ```text
//! Unstarted ─ start, other thread ─> Queued ─ taken ─┐
//!     └────── start, loop's thread ─> Starting <─────┴──────────────────┐
//!               few enough: completes │ too much                        │ too much again
//!                                     v                                 │
//!                                  Listed ── work ended, stop ──> Ready ┴─ its turn ──> completes
//! ```
//!
//! At its turn there may be too much work again. Then it waits again, or completes stopped if stop
//! was requested.
//!
//! As in `TimerOp`, an operation whose stop link is on its way when it would complete waits for
//! that (`AwaitsNode`).
//!
//! # Safety
//! - INV-OP-1: in place from `start` to completion.
//! - INV-LIST-1: a waiter is in the list of its scope while `Listed`, and in no other list. Who
//!   waits borrows the scope, so the list outlives it.
//! - INV-NODE-1: its node is in the inbox while `Queued`, in the ready queue while `Ready`, and in
//!   no queue otherwise.

#![expect(unsafe_code, reason = "a leaf sender with intrusive nodes")]

use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;

use super::Shared;
use crate::abort::abort;
use crate::backend::Backend;
use crate::sched::io_context::core::Core;
use crate::sched::io_context::handle::{Io, LocalIoScheduler};
use crate::sched::io_context::stop_link::{Listener, StopLink};
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::util::list::{Links, List};
use crate::util::node::{Node, Signal};

/// The sender of [`Scope::wait_below`](crate::Scope::wait_below) and
/// [`LocalScope::wait_below`](crate::LocalScope::wait_below).
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct WaitBelow<'scope, H: Io> {
    shared: &'scope Shared<H::Backend>,
    handle: H,
    limit: usize,
}

impl<'scope, H: Io> WaitBelow<'scope, H> {
    pub(super) fn new(shared: &'scope Shared<H::Backend>, handle: H, limit: usize) -> Self {
        assert!(limit > 0, "wait_below: never is less than no work live");
        Self {
            shared,
            handle,
            limit,
        }
    }

    fn is_below(&self) -> bool {
        self.shared.len() < self.limit
    }
}

impl<H: Io> Clone for WaitBelow<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Io> Copy for WaitBelow<'_, H> {}

impl<H: Io> fmt::Debug for WaitBelow<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitBelow")
            .field("limit", &self.limit)
            .field("len", &self.shared.len())
            .finish_non_exhaustive()
    }
}

// SAFETY: `WaitOp` completes exactly once, last: when there is little enough work, or when a stop
//         request took it out of the list. It may be started on any thread if the handle is the
//         `Send` one; what it shares with the scope is used on the loop's thread.
unsafe impl<'scope, H: Io> Sender for WaitBelow<'scope, H> {
    type Value = ();
    type Error = Infallible;
    type Operation<R: Receiver<(), Infallible>> = WaitOp<'scope, H, R>;

    fn connect<R: Receiver<(), Infallible>>(self, receiver: R) -> WaitOp<'scope, H, R> {
        WaitOp {
            waiter: Waiter {
                links: Links::new(),
                node: Node::new(WaitOp::<H, R>::ran),
                phase: Cell::new(Phase::Unstarted),
                limit: self.limit,
            },
            link: UnsafeCell::new(MaybeUninit::uninit()),
            stop_seen: Cell::new(false),
            stopped: Cell::new(false),
            wait: self,
            receiver: ManuallyDrop::new(receiver),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and completed there, in
//         `start` or by the loop; a stop callback elsewhere only enqueues.
unsafe impl<B: Backend> LocalSender for WaitBelow<'_, LocalIoScheduler<'_, B>> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Queued,
    Starting,
    Listed,
    Ready,
    AwaitsNode,
    Over,
}

/// What a scope knows of an operation that waits.
#[repr(C)] // The links come first: their address is the address of the waiter.
pub(super) struct Waiter {
    links: Links,
    node: Node,
    phase: Cell<Phase>,
    limit: usize,
}

impl Waiter {
    /// Work has ended: those for whom little enough is left get a turn, in their order. The loop's
    /// thread.
    #[cold]
    pub(super) fn wake<B: Backend>(shared: &Shared<B>) {
        let live = shared.len();
        for _ in 0..shared.waiters.count() {
            let Some(links) = shared.waiters.pop_front() else {
                break;
            };
            let this: *mut Self = links.as_ptr().cast();
            // SAFETY: what was in the list is the waiter of a listed operation, alive and in place
            //         (INV-LIST-1). It was just taken out, so it may go to the end again.
            unsafe {
                if live < (*this).limit {
                    Self::make_ready(this, shared.core());
                } else {
                    shared.waiters.push_back(links);
                }
            }
        }
    }

    /// Gives it a turn.
    ///
    /// # Safety
    ///
    /// - The loop's thread; `this` is that of a started, incomplete operation, in no list or queue.
    unsafe fn make_ready<B: Backend>(this: *mut Self, core: &Core<B>) {
        // SAFETY: alive (contract), in place until its turn (INV-NODE-1).
        unsafe {
            (*this).phase.set(Phase::Ready);
            let node = NonNull::new_unchecked(&raw mut (*this).node);
            core.ready.push_back(node);
        }
    }
}

/// The operation state of [`WaitBelow`].
#[repr(C)] // The waiter comes first: its address is the address of the operation.
pub struct WaitOp<'scope, H: Io, R> {
    waiter: Waiter,
    /// Made when the operation begins to listen.
    link: UnsafeCell<MaybeUninit<StopLink>>,
    /// The stop link has acted; it does so once.
    stop_seen: Cell<bool>,
    /// While `AwaitsNode`: how it completes.
    stopped: Cell<bool>,
    wait: WaitBelow<'scope, H>,
    receiver: ManuallyDrop<R>,
    _pinned: PhantomPinned,
}

impl<H: Io, R: Receiver<(), Infallible>> WaitOp<'_, H, R> {
    // Functions that take `this` require a started, incomplete operation, on the loop's thread; the
    // operation may be gone when they return.

    /// The part that hears stop requests.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn link(this: *mut Self) -> NonNull<StopLink> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).link).cast()) }
    }

    /// Completes if there is little enough work or stop was requested, otherwise waits.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, listening, in no list or queue; the
    ///   loop's thread.
    unsafe fn look(this: *mut Self) {
        // SAFETY: alive; in no list, and in place until it is taken out (INV-LIST-1). The waiter is
        //         the first field, so the pointer is good for all of it.
        unsafe {
            if (*(&raw const (*this).wait)).is_below() {
                return Self::end(this, false);
            }
            if (*this).stop_seen.get() {
                return Self::end(this, true);
            }
            (*this).waiter.phase.set(Phase::Listed);
            let shared = (*(&raw const (*this).wait)).shared;
            shared
                .waiters
                .push_back(NonNull::new_unchecked(this.cast()));
        }
    }

    /// Ends, now or when the stop link has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, in no list or queue; the loop's
    ///   thread.
    unsafe fn end(this: *mut Self, stopped: bool) {
        // SAFETY: alive and in no queue.
        unsafe {
            (*this).stopped.set(stopped);
            if StopLink::disarm(Self::link(this)) {
                (*this).waiter.phase.set(Phase::AwaitsNode);
            } else {
                Self::deliver(this, stopped);
            }
        }
    }

    /// Completes the receiver.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, in no list or queue, and not
    ///   listening.
    unsafe fn deliver(this: *mut Self, stopped: bool) {
        // SAFETY: nobody else holds the address; taken once.
        let receiver = unsafe {
            (*this).waiter.phase.set(Phase::Over);
            ManuallyDrop::take(&mut *(&raw mut (*this).receiver))
        };
        if stopped {
            receiver.set_stopped();
        } else {
            receiver.set_value(());
        }
    }

    /// The node was run: taken from the inbox, or from the ready queue.
    ///
    /// # Safety
    ///
    /// - `node` is that of a started, incomplete operation of this type, taken from its queue.
    unsafe fn ran(node: NonNull<Node>, _: Signal) {
        // SAFETY: the node is a field of the first field of a started operation that waits for this.
        unsafe {
            let this: *mut Self = node.as_ptr().byte_sub(offset_of!(Waiter, node)).cast();
            match (*this).waiter.phase.get() {
                Phase::Queued => {
                    (*this).waiter.phase.set(Phase::Starting);
                    if StopLink::claim(Self::link(this)) {
                        Self::look(this);
                    } else {
                        Self::end(this, true);
                    }
                }
                Phase::Ready => Self::look(this),
                _ => abort("a wait for a scope was taken from a queue in which it was not"),
            }
        }
    }

    /// Stop was requested.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, listening; the loop's thread.
    unsafe fn stop(this: *mut Self) {
        // SAFETY: a started, incomplete operation. A listed one is taken out of its list before it is
        //         queued.
        unsafe {
            (*this).stop_seen.set(true);
            match (*this).waiter.phase.get() {
                Phase::Listed => {
                    let WaitBelow { handle, .. } = *(&raw const (*this).wait);
                    List::remove(NonNull::new_unchecked(this.cast()));
                    Waiter::make_ready(&raw mut (*this).waiter, handle.core());
                }
                Phase::AwaitsNode => Self::deliver(this, (*this).stopped.get()),
                Phase::Over => abort("a stop request outlived its operation"),
                _ => {}
            }
        }
    }
}

impl<H: Io, R: Receiver<(), Infallible>> OperationState for WaitOp<'_, H, R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good. On another
        //         thread it is the loop's as soon as its node is queued.
        unsafe {
            let WaitBelow { handle, .. } = *(&raw const (*this).wait);
            let core = handle.core();
            let token = (*(&raw const (*this).receiver)).env().stop_token();
            if token.stop_requested() {
                return Self::deliver(this, true);
            }
            let home = handle.is_home();
            if home && (*(&raw const (*this).wait)).is_below() {
                return Self::deliver(this, false);
            }
            let phase = if home { Phase::Starting } else { Phase::Queued };
            (*this).waiter.phase.set(phase);
            Self::link(this).write(StopLink::new::<Self>(!home));
            StopLink::arm(Self::link(this), token.erase());
            if !home {
                return core.push(NonNull::new_unchecked(&raw mut (*this).waiter.node));
            }
            Self::look(this);
        }
    }
}

// SAFETY: the link lies there, and is in place while it is armed, as its operation is (INV-OP-1).
unsafe impl<H: Io, R: Receiver<(), Infallible>> Listener for WaitOp<'_, H, R> {
    type Backend = H::Backend;
    const LINK: usize = offset_of!(Self, link);

    unsafe fn core<'a>(this: *mut Self) -> &'a Core<H::Backend> {
        // SAFETY: alive (contract); the core outlives its operations, and what the handle refers to
        //         does not depend on where the handle is.
        unsafe { &*(&raw const *(*(&raw const (*this).wait)).handle.core()) }
    }

    unsafe fn act(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe { Self::stop(this) }
    }
}

impl<H: Io, R> Drop for WaitOp<'_, H, R> {
    fn drop(&mut self) {
        match self.waiter.phase.get() {
            Phase::Over => {}
            // SAFETY: never started: the receiver is there, and nobody else has it.
            Phase::Unstarted => unsafe { ManuallyDrop::drop(&mut self.receiver) },
            _ => abort("a wait for a scope was destroyed before it completed"),
        }
    }
}

impl<H: Io, R> fmt::Debug for WaitOp<'_, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOp")
            .field("phase", &self.waiter.phase.get())
            .finish_non_exhaustive()
    }
}
