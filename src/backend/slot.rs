//! The beginning of every I/O operation: how a backend finds its way back to it.
//!
//! # Safety
//! INV-SLOT-1 and INV-SLOT-2 of the module above; INV-SLOT-3: a handler is called with the header
//! that names it, so the handler may cast the pointer back to the operation that begins with the
//! slot; INV-SLOT-4: a slot is its header and then the backend's storage, whatever that is, so that
//! slots with storage of one alignment begin alike.

#![expect(
    unsafe_code,
    reason = "calls handlers through pointers to intrusive headers"
)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::request::Request;
use crate::util::list::Links;

/// What the kernel says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The result: zero or more is success, less is a negated error number.
    pub result: i32,
    /// Flags as in a completion queue entry of io_uring.
    pub flags: u32,
}

impl Completion {
    /// A completion without flags.
    #[must_use]
    pub const fn new(result: i32) -> Self {
        Self { result, flags: 0 }
    }
}

/// How an operation is reached through its slot.
pub(crate) struct SlotTable {
    /// The final completion of the request.
    pub(crate) complete: unsafe fn(NonNull<SlotHeader>, Completion),
    /// The request again, for a slot that waited for room.
    pub(crate) request: unsafe fn(NonNull<SlotHeader>) -> Request,
    /// A slot that waited for room is at the kernel now.
    pub(crate) started: unsafe fn(NonNull<SlotHeader>),
    /// The context ends: the operation, waiting for room or at the kernel, should end early.
    pub(crate) cancel: unsafe fn(NonNull<SlotHeader>),
}

/// What the context knows of a slot.
#[repr(C)] // The links come first: their address is the address of the slot.
pub(crate) struct SlotHeader {
    /// Written when the slot is put into a list.
    links: UnsafeCell<MaybeUninit<Links>>,
    pub(crate) table: &'static SlotTable,
}

/// The intrusive beginning of an I/O operation.
///
/// The context links it into its lists, and the backend keeps its address as the identity of the
/// request, with `S`, its [`Backend::Slot`](super::Backend::Slot), as its own [`storage`](Self::storage).
#[repr(C)] // INV-SLOT-4
pub struct CompletionSlot<S> {
    header: SlotHeader,
    storage: UnsafeCell<MaybeUninit<S>>,
    _pinned: PhantomPinned,
}

impl<S> CompletionSlot<S> {
    /// A slot that is not in use.
    #[inline]
    pub(crate) fn new(table: &'static SlotTable) -> Self {
        Self {
            header: SlotHeader {
                links: UnsafeCell::new(MaybeUninit::uninit()),
                table,
            },
            storage: UnsafeCell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }

    /// Where the storage of the backend is, which is the backend's while the slot is in use. It is
    /// uninitialised until the backend writes it, and is not dropped.
    ///
    /// # Safety
    ///
    /// - `slot` is in use: it was submitted, and has not had its final completion.
    #[inline]
    pub const unsafe fn storage(slot: NonNull<Self>) -> NonNull<S> {
        // SAFETY: alive (INV-SLOT-1); the address of a field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked((&raw mut (*slot.as_ptr()).storage).cast()) }
    }

    /// Hands the final completion to the operation, which may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - The request in `slot` was accepted and this is its final completion (INV-SLOT-2).
    /// - The caller is [`Backend::reap`](super::Backend::reap), and holds no borrow of the slot.
    #[inline]
    pub unsafe fn complete(slot: NonNull<Self>, completion: Completion) {
        let header: NonNull<SlotHeader> = slot.cast();
        // SAFETY: the slot is alive until its final completion (INV-SLOT-1), which this is; the header
        //         is its first field.
        unsafe { ((*header.as_ptr()).table.complete)(header, completion) }
    }
}

impl<S> fmt::Debug for CompletionSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionSlot").finish_non_exhaustive()
    }
}
