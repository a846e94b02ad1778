//! The operation of everything that goes through a backend: written once, for all operations.
//!
//! What differs between `read_at`, `open`, `schedule` and the rest is a [`Kind`]: the request that it
//! makes, what a result means, and what it completes with.
//!
//! # States
//!
//! `phase` belongs to the loop's thread, after `start` on another thread has queued the operation.
//!
//! ```text
//!                       start, loop's thread                  start, other thread
//! Unstarted ──┬────────────────────────────────┐      ┌──────────────────────────> Queued
//!             └ stop requested, refused, or    │      │      taken (`prepare` failed, │
//!               `prepare` failed: completes    v      │      stopping: completes)     v
//!                                           Starting <───────────────────────────────┘
//!                         room ┌───────────────┴──────────────┐ no room
//!                              v                              v
//!                          AtKernel <───── room ───────── Backlogged
//!        result: more to do    │                              │ stop requested
//!        (back to submit) <────┤                              v
//!                              │                            Ready ─── its turn ──> completes stopped
//!                              v
//!                   stop link's node on its way? ── yes ──> AwaitsNode ── it arrives ──> completes
//!                              └── no ──> completes
//! ```
//!
//! `Prepared` and `PreparedEnded` are between the two halves of a start: the short one (`start_aside`)
//! has asked the kind, and leaves the rest to the long one. `QueuedEnded` is `Queued` with an ending
//! that is known.
//!
//! Completing: the link is disarmed, kind and receiver are moved out (`Over`), the kind turns the
//! ending into an outcome and drops what it holds, and the receiver is completed. Nothing of the
//! operation is touched after that.
//!
//! # Cancellation
//!
//! At the kernel, an operation whose token is of a home source of its context is in that source's list,
//! and the source asks it to stop (`home_source`). Any other operation with a token has a stop link,
//! which is made when the request has been submitted, or the operation queued, and asks it.
//!
//! Stop before start completes stopped inline, and the kernel is not touched. Stop in the inbox or
//! in the backlog completes stopped without the kernel. Stop at the kernel sends a cancel, and the
//! result decides: success is delivered as a value, `ECANCELED` and interruptions as stopped.
//!
//! # Safety
//! - INV-OP-1: in place from `start` to completion.
//! - INV-OP-2: `kind`, with the buffers and descriptors in it, is not touched while `AtKernel`; it is
//!   borrowed only between submissions, and moved out after the last completion.
//! - INV-SLOT-3: the slot is the first field.
//! - Dropped between `Unstarted` and `Over`, it aborts: the kernel or the loop holds its address.

#![expect(unsafe_code, reason = "the operation whose address the kernel holds")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;

mod finish;
mod start;
mod wait;

use super::core::Core;
use super::handle::Io;
pub use super::kind::{Ending, Kind, Progress};
use super::stop_link::{Listener, StopLink};
use crate::abort::abort;
use crate::backend::Backend;
use crate::backend::slot::{CompletionSlot, SlotHeader, SlotTable};
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::stop::RawToken;
use crate::util::node::Node;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    /// The kind was prepared, the start goes on.
    Prepared,
    /// The kind was prepared, and ended by that: how is kept.
    PreparedEnded,
    Queued,
    /// Queued only to be completed at home: how it ends is known.
    QueuedEnded,
    Starting,
    Backlogged,
    AtKernel,
    Ready,
    AwaitsNode,
    Over,
}

/// What changes while an operation runs; together, so that it is written together.
#[repr(C, align(4))]
struct Progressing {
    phase: Cell<Phase>,
    /// The link is armed.
    listening: Cell<bool>,
    retries: Cell<u8>,
    _spare: u8,
}

/// What the backend stores in an operation.
type SlotOf<H> = <<H as Io>::Backend as Backend>::Slot;

/// How often one result that asks for a retry is retried at once, before it counts as an error.
const RETRIES_MAX: u8 = 32;

/// The operation state of [`IoSender`](super::io_sender::IoSender).
#[repr(C)] // The slot comes first: its address is the address of the operation (INV-SLOT-3).
pub struct IoOp<H: Io, K, R> {
    slot: CompletionSlot<SlotOf<H>>,
    now: Progressing,
    handle: H,
    kind: UnsafeCell<ManuallyDrop<K>>,
    receiver: UnsafeCell<ManuallyDrop<R>>,
    /// The token of the receiver, from the start on if the operation can be cancelled.
    token: Cell<MaybeUninit<RawToken>>,
    // What may stay uninitialised comes last, so that the rest is written together.
    /// Initialised when the operation is queued, in the inbox or as ready.
    node: UnsafeCell<MaybeUninit<Node>>,
    /// Initialised when `listening` is set: an operation that nobody can stop has none.
    link: UnsafeCell<MaybeUninit<StopLink>>,
    /// What to complete with, while `PreparedEnded`, `QueuedEnded` or `AwaitsNode`; otherwise uninitialised.
    kept: UnsafeCell<MaybeUninit<Result<Ending, Panic>>>,
    _pinned: PhantomPinned,
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    const TABLE: &'static SlotTable = &SlotTable {
        complete: Self::completed,
        request: Self::request_again,
        started: Self::started,
        cancel: Self::cancelled_by_context,
    };

    /// An operation that was not started.
    #[inline]
    pub(super) fn new(handle: H, kind: K, receiver: R) -> Self {
        Self {
            slot: CompletionSlot::new(Self::TABLE),
            node: UnsafeCell::new(MaybeUninit::uninit()),
            link: UnsafeCell::new(MaybeUninit::uninit()),
            now: Progressing {
                phase: Cell::new(Phase::Unstarted),
                listening: Cell::new(false),
                retries: Cell::new(0),
                _spare: 0,
            },
            token: Cell::new(MaybeUninit::uninit()),
            kept: UnsafeCell::new(MaybeUninit::uninit()),
            handle,
            kind: UnsafeCell::new(ManuallyDrop::new(kind)),
            receiver: UnsafeCell::new(ManuallyDrop::new(receiver)),
            _pinned: PhantomPinned,
        }
    }

    /// Whether the link is armed.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn hears(this: *mut Self) -> bool {
        // SAFETY: alive.
        K::CANCELLABLE && unsafe { (*this).now.listening.get() }
    }

    /// The operation with this slot.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn of_slot(slot: NonNull<SlotHeader>) -> *mut Self {
        slot.as_ptr().cast()
    }

    /// The part that hears stop requests.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn link(this: *mut Self) -> NonNull<StopLink> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).link).cast()) }
    }

    /// The token of the receiver; none for an operation that cannot be cancelled.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type.
    #[inline]
    unsafe fn token(this: *mut Self) -> RawToken {
        if !K::CANCELLABLE {
            return RawToken::NEVER;
        }
        // SAFETY: alive; written by `start`.
        unsafe { (*this).token.get().assume_init() }
    }

    /// Makes the stop link and arms it with `token`; any thread, in `start`, or the loop's.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type that is not listening.
    #[inline]
    unsafe fn listen(this: *mut Self, token: RawToken, submitting: bool) {
        // SAFETY: not listening, so the place of the link is free; in place until the end, which
        //         disarms it (INV-STOP-1). `listening` is set before a callback may run.
        unsafe {
            Self::link(this).write(StopLink::new::<Self>(submitting));
            (*this).now.listening.set(true);
            StopLink::arm(Self::link(this), token);
        }
    }

    /// Makes the node, for a queue.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn make_node(this: *mut Self) -> NonNull<Node> {
        // SAFETY: a field of a live operation, in no queue.
        unsafe {
            let node: NonNull<Node> = NonNull::new_unchecked((&raw mut (*this).node).cast());
            node.write(Node::new(Self::ran));
            node
        }
    }

    /// The slot, with the provenance of the whole.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn slot(this: *mut Self) -> NonNull<SlotHeader> {
        // SAFETY: the first field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked(this.cast()) }
    }
}

// SAFETY: the link lies there, and is in place while it is armed, as its operation is (INV-OP-1).
unsafe impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> Listener for IoOp<H, K, R> {
    type Backend = H::Backend;
    const LINK: usize = offset_of!(Self, link);

    unsafe fn core<'a>(this: *mut Self) -> &'a Core<H::Backend> {
        // SAFETY: alive (contract); the core outlives its operations, and what the handle refers to
        //         does not depend on where the handle is.
        unsafe { &*(&raw const *(*(&raw const (*this).handle)).core()) }
    }

    unsafe fn act(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe { Self::stop(this) }
    }
}

impl<H: Io, K, R> Drop for IoOp<H, K, R> {
    #[inline]
    fn drop(&mut self) {
        match self.now.phase.get() {
            Phase::Over => {}
            Phase::Unstarted => {
                // SAFETY: never started: both are there, and nobody else has them.
                unsafe {
                    ManuallyDrop::drop(self.kind.get_mut());
                    ManuallyDrop::drop(self.receiver.get_mut());
                }
            }
            _ => abort("an I/O operation was destroyed before it completed"),
        }
    }
}

impl<H: Io, K, R> fmt::Debug for IoOp<H, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoOp")
            .field("phase", &self.now.phase.get())
            .finish_non_exhaustive()
    }
}
