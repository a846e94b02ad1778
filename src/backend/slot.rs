//! The header that every I/O operation begins with: how a backend finds its way back to it.
//!
//! # Safety
//! INV-SLOT-1 and INV-SLOT-2 of the module above; INV-SLOT-3: a handler is called with the slot that
//! holds it, so the handler may cast the pointer back to the operation that begins with the slot.

#![expect(
    unsafe_code,
    reason = "calls handlers through pointers to intrusive headers"
)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Backend;
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

/// How an operation is reached through its slot.
pub(crate) struct SlotTable<B: Backend> {
    /// The final completion of the request.
    pub(crate) complete: unsafe fn(NonNull<CompletionSlot<B>>, Completion),
    /// The request again, for a slot that waited for room.
    pub(crate) request: unsafe fn(NonNull<CompletionSlot<B>>) -> Request,
    /// A slot that waited for room is at the kernel now.
    pub(crate) started: unsafe fn(NonNull<CompletionSlot<B>>),
    /// The context ends: the operation, waiting for room or at the kernel, should end early.
    pub(crate) cancel: unsafe fn(NonNull<CompletionSlot<B>>),
}

/// The intrusive header of an I/O operation.
///
/// The context links it into its lists, the backend keeps its address as the identity of the
/// request, and stores what it needs in [`storage`](CompletionSlot::storage).
#[repr(C)] // The links come first: their address is the address of the slot.
pub struct CompletionSlot<B: Backend> {
    /// Written when the slot is put into a list.
    links: UnsafeCell<MaybeUninit<Links>>,
    pub(crate) table: &'static SlotTable<B>,
    storage: UnsafeCell<B::Slot>,
    _pinned: PhantomPinned,
}

impl<B: Backend> CompletionSlot<B> {
    /// A slot that is not in use.
    #[inline]
    pub(crate) fn new(table: &'static SlotTable<B>) -> Self {
        Self {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            table,
            storage: UnsafeCell::new(B::Slot::default()),
            _pinned: PhantomPinned,
        }
    }

    /// Where the backend's storage is; the backend's own while the slot is in use.
    pub const fn storage(&self) -> *mut B::Slot {
        self.storage.get()
    }

    /// Hands the final completion to the operation, which may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - The request in `slot` was accepted and this is its final completion (INV-SLOT-2).
    /// - The caller is on the context's thread and holds no borrow of the slot.
    #[inline]
    pub unsafe fn complete(slot: NonNull<Self>, completion: Completion) {
        // SAFETY: the slot is alive until its final completion (INV-SLOT-1), which this is.
        unsafe { ((*slot.as_ptr()).table.complete)(slot, completion) }
    }
}

impl<B: Backend> fmt::Debug for CompletionSlot<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionSlot").finish_non_exhaustive()
    }
}
