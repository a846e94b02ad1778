//! What a readiness backend keeps of a request: the storage in its slot.
//!
//! # States
//!
//! ```text
//!           ┌─> Waiting (in a list of its descriptor's entry) ─┐
//! submit ───┼─> Retrying (in the list of what is tried again) ─┼─> Done (in the list for `reap`)
//!           ├─> Pooled (a thread's, or in the queue of one) ───┤
//!           └─> Taken (the source's) ──────────────────────────┘
//! ```
//!
//! `Waiting` and `Retrying` may lead to each other and to `Pooled`.
//!
//! # Threads
//!
//! The loop's, except while `Pooled`: then everything but `state`, `op` and `part` is the pool's.
//!
//! # Safety
//! - INV-READY-3: the links of a slot are in one list at a time, which its state names; the slot is in
//!   place meanwhile (INV-SLOT-1).
//! - INV-READY-4: while `Pooled`, the pool owns links, node, request, progress and result, until the
//!   node has come back through the inbox, or the job was taken back under the pool's lock.

#![expect(unsafe_code, reason = "storage that is reached by its address")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;

use super::pool::Home;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot};
use crate::util::list::Links;
use crate::util::node::Node;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being tried.
    Trying,
    /// Waits until its descriptor is ready.
    Waiting,
    /// Waits until it is time to try again.
    Retrying,
    /// A thread carries it out.
    Pooled,
    /// The source carries it out.
    Taken,
    /// It has a result.
    Done,
}

/// What the generic backend keeps of a request.
pub(crate) struct SlotCore {
    /// Of the list in which it is, if any (INV-READY-3).
    links: UnsafeCell<MaybeUninit<Links>>,
    /// Carries it back from a thread.
    node: UnsafeCell<MaybeUninit<Node>>,
    /// The slot around it.
    op: NonNull<()>,
    pub(super) request: Request,
    /// Whom a thread gives it back to.
    pub(super) home: *const Home,
    /// A thread has not begun; under the pool's lock.
    pub(super) queued: Cell<bool>,
    pub(super) state: Cell<State>,
    /// The connection is being made.
    pub(super) connecting: Cell<bool>,
    /// How often it was tried again.
    pub(super) tries: Cell<u8>,
    /// The place of the entry in which it waits.
    pub(super) place: Cell<u32>,
    /// How many bytes were transferred by tries before.
    pub(super) progress: Cell<u32>,
    pub(super) result: Cell<i32>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SlotCore>() <= 104, "docs/epoll.md says so");

/// The storage of a readiness backend in each slot: its own, and that of its source.
#[repr(C)] // The core comes first: their addresses are the same.
pub struct ReadySlot<P> {
    core: SlotCore,
    part: MaybeUninit<P>,
}

impl<P> ReadySlot<P> {
    /// The storage of a slot that is being submitted.
    ///
    /// # Safety
    ///
    /// - `slot` was just submitted.
    #[inline]
    pub(super) const unsafe fn whole(slot: NonNull<CompletionSlot<Self>>) -> NonNull<Self> {
        // SAFETY: in use from now on (contract).
        unsafe { CompletionSlot::storage(slot) }
    }

    /// Writes what is needed of the storage of a slot whose request the source has taken: what
    /// [`begin`](Self::begin) writes beside it stays uninitialised.
    ///
    /// # Safety
    ///
    /// - `slot` was just submitted, and the source has taken its request.
    #[inline]
    pub(super) unsafe fn begin_taken(slot: NonNull<CompletionSlot<Self>>) {
        // SAFETY: in use (contract), so the storage is good for writing.
        unsafe {
            let core: *mut SlotCore = CompletionSlot::storage(slot).as_ptr().cast();
            (&raw mut (*core).op).write(slot.cast());
            (&raw mut (*core).state).write(Cell::new(State::Taken));
            (&raw mut (*core).progress).write(Cell::new(0));
            (&raw mut (*core).result).write(Cell::new(0));
        }
    }

    /// Writes the storage of a slot that is being submitted; where it is.
    ///
    /// # Safety
    ///
    /// - `slot` was just submitted with `request`.
    pub(super) unsafe fn begin(
        slot: NonNull<CompletionSlot<Self>>,
        request: Request,
        home: *const Home,
    ) -> NonNull<SlotCore> {
        // SAFETY: in use from now on (contract), so the storage is ours.
        let core: NonNull<SlotCore> = unsafe { CompletionSlot::storage(slot) }.cast();
        let fresh = SlotCore {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            node: UnsafeCell::new(MaybeUninit::uninit()),
            op: slot.cast(),
            request,
            home,
            queued: Cell::new(false),
            state: Cell::new(State::Trying),
            connecting: Cell::new(false),
            tries: Cell::new(0),
            place: Cell::new(u32::MAX),
            progress: Cell::new(0),
            result: Cell::new(0),
        };
        // SAFETY: the core is the first field of the storage, which is good for writing.
        unsafe { core.write(fresh) };
        core
    }

    /// Hands the result to the operation, which may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - `core` is that of a slot of this type with its final result, in no list (INV-SLOT-2); the
    ///   caller is in `reap`, and holds no borrow of the slot.
    pub(super) unsafe fn complete(core: NonNull<SlotCore>) {
        // SAFETY: alive until its final completion, which this is; copied out before. `op` is the
        //         slot around the storage.
        unsafe {
            let (op, result) = ((*core.as_ptr()).op, (*core.as_ptr()).result.get());
            CompletionSlot::<Self>::complete(op.cast(), Completion::new(result));
        }
    }

    /// The source's part, uninitialised until the source writes it.
    ///
    /// # Safety
    ///
    /// - `slot` is in use.
    #[inline]
    pub(crate) const unsafe fn part(slot: NonNull<Self>) -> NonNull<P> {
        // SAFETY: alive (contract); the address of a field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked((&raw mut (*slot.as_ptr()).part).cast()) }
    }
}

impl SlotCore {
    /// The links of a slot, for a list.
    ///
    /// # Safety
    ///
    /// - `core` is in use.
    #[inline]
    pub(super) const unsafe fn links(core: NonNull<Self>) -> NonNull<Links> {
        // SAFETY: alive (contract); the address of a field, with the provenance of the whole.
        unsafe { core.byte_add(offset_of!(Self, links)).cast() }
    }

    /// The slot with these links.
    ///
    /// # Safety
    ///
    /// - `links` came from [`links`](Self::links).
    #[inline]
    pub(super) const unsafe fn of_links(links: NonNull<Links>) -> NonNull<Self> {
        // SAFETY: the links are that far into the slot (contract).
        unsafe { links.byte_sub(offset_of!(Self, links)).cast() }
    }

    /// The node, which the caller writes before it is queued.
    ///
    /// # Safety
    ///
    /// - `core` is in use.
    pub(super) const unsafe fn node(core: NonNull<Self>) -> NonNull<Node> {
        // SAFETY: alive (contract); the address of a field, with the provenance of the whole.
        unsafe { core.byte_add(offset_of!(Self, node)).cast() }
    }

    /// The slot with this node.
    ///
    /// # Safety
    ///
    /// - `node` came from [`node`](Self::node).
    pub(super) const unsafe fn of_node(node: NonNull<Node>) -> NonNull<Self> {
        // SAFETY: the node is that far into the slot (contract).
        unsafe { node.byte_sub(offset_of!(Self, node)).cast() }
    }
}

impl<P> fmt::Debug for ReadySlot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadySlot").finish_non_exhaustive()
    }
}
