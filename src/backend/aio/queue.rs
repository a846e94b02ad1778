//! The iocbs that wait to be submitted, and handing them over: all of them in one system call.
//!
//! # States
//!
//! ```text
//! Out ── push ──> Queued ── flush ──> AtKernel ── its event was taken ──> Out
//!  ^                │ │ refused
//!  └──── remove ────┘ └──> Out
//! ```
//!
//! # Bounds
//!
//! At most as many are at the kernel as the context has places; the others wait here, in order. One place
//! is kept for the entry that goes first ([`push_first`](Queue::push_first)): it does not wait for room. A
//! kernel that takes fewer leaves the rest here as well. `io_submit` stops at the first iocb that it refuses:
//! that one is handed back with its error, and the next call begins after it.
//!
//! # Threads
//! The context's.
//!
//! # Safety
//! - INV-AIO-1: an entry stays in place from `push` until it was removed or refused, or its event was
//!   taken.
//! - INV-LIST-1: the same, for the links of entries that are queued.

#![expect(unsafe_code, reason = "entries live in operation states")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;

use super::context::Context;
use super::iocb::{Event, Iocb};
use crate::util::list::{Links, List};

/// Where an entry is; see the module's drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Out,
    Queued,
    AtKernel,
}

/// An iocb, with what the queue needs.
#[repr(C)] // The links come first: their address is that of the entry.
pub struct Entry {
    /// Initialised while queued.
    links: UnsafeCell<MaybeUninit<Links>>,
    /// Written by the kernel when it is submitted.
    iocb: UnsafeCell<Iocb>,
    at: Cell<At>,
}

impl Entry {
    /// An entry that is nowhere.
    #[inline]
    pub(crate) const fn new(iocb: Iocb) -> Self {
        Self {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            iocb: UnsafeCell::new(iocb),
            at: Cell::new(At::Out),
        }
    }

    /// Where it is.
    #[inline]
    pub(crate) const fn at(&self) -> At {
        self.at.get()
    }

    /// The iocb in it.
    ///
    /// # Safety
    ///
    /// - The entry is not at the kernel's, or in `io_submit`, while the result is used, nor is another
    ///   result of this function.
    #[expect(
        clippy::mut_from_ref,
        reason = "one thread, and no two uses overlap (contract)"
    )]
    #[inline]
    pub(crate) const unsafe fn iocb_mut(&self) -> &mut Iocb {
        // SAFETY: one thread, and no two uses overlap (contract).
        unsafe { &mut *self.iocb.get() }
    }

    /// The address of the iocb in it.
    ///
    /// # Safety
    ///
    /// - `entry` is alive.
    #[inline]
    pub(crate) const unsafe fn iocb(entry: NonNull<Self>) -> *mut Iocb {
        // SAFETY: a field of a live entry, with the provenance of the whole.
        unsafe { (&raw mut (*entry.as_ptr()).iocb).cast() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("at", &self.at())
            .finish_non_exhaustive()
    }
}

/// The queue of a context.
pub(crate) struct Queue {
    list: List,
    len: Cell<usize>,
    /// What goes before all others.
    first: Cell<Option<NonNull<Entry>>>,
    at_kernel: Cell<usize>,
    /// Room for the addresses that are handed over in one call.
    batch: UnsafeCell<Box<[*mut Iocb]>>,
}

impl Queue {
    /// A queue that may not be used before [`init`](Queue::init), for a context with so many places.
    pub(crate) fn new(places: u32) -> Self {
        Self {
            list: List::new(),
            len: Cell::new(0),
            first: Cell::new(None),
            at_kernel: Cell::new(0),
            batch: UnsafeCell::new(vec![std::ptr::null_mut(); places as usize].into()),
        }
    }

    /// Makes the queue usable.
    ///
    /// # Safety
    ///
    /// - It stays at this address for as long as it is used.
    pub(crate) unsafe fn init(&self) {
        // SAFETY: the contract is the same.
        unsafe { self.list.init() };
    }

    /// How many wait or are at the kernel, without the one that goes first.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.len.get() + self.at_kernel.get()
    }

    /// Whether a flush may hand something over.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.first.get().is_some() || (self.len.get() > 0 && self.room() > 0)
    }

    /// How many more may be handed over, without the one that goes first.
    #[inline]
    fn room(&self) -> usize {
        // SAFETY: the length of the slice, which is not borrowed longer.
        let places = unsafe { (&(*self.batch.get())).len() };
        (places - 1).saturating_sub(self.at_kernel.get())
    }

    /// Queues the entry that goes before all others. There is one such entry.
    ///
    /// # Safety
    ///
    /// - It is alive and `Out`, and keeps INV-AIO-1 from now on.
    pub(crate) unsafe fn push_first(&self, entry: NonNull<Entry>) {
        debug_assert!(self.first.get().is_none(), "one entry goes first");
        // SAFETY: alive (contract).
        unsafe { entry.as_ref().at.set(At::Queued) };
        self.first.set(Some(entry));
    }

    /// The event of the entry that goes first was taken.
    ///
    /// # Safety
    ///
    /// - It is alive, and was at the kernel until then.
    pub(crate) unsafe fn returned_first(&self, entry: NonNull<Entry>) {
        // SAFETY: alive (contract).
        unsafe { entry.as_ref().at.set(At::Out) };
    }

    /// Queues an entry.
    ///
    /// # Safety
    ///
    /// - It is alive and `Out`, and keeps INV-AIO-1 from now on.
    #[inline]
    pub(crate) unsafe fn push(&self, entry: NonNull<Entry>) {
        // SAFETY: in no list, and in place until it leaves this one (INV-LIST-1).
        unsafe {
            debug_assert_eq!(entry.as_ref().at(), At::Out, "an entry is queued once");
            entry.as_ref().at.set(At::Queued);
            self.list.push_back(entry.cast());
        }
        self.len.set(self.len.get() + 1);
    }

    /// Takes an entry out that was not handed over.
    ///
    /// # Safety
    ///
    /// - It is queued here.
    pub(crate) unsafe fn remove(&self, entry: NonNull<Entry>) {
        // SAFETY: it is in this list (contract).
        unsafe {
            List::remove(entry.cast());
            entry.as_ref().at.set(At::Out);
        }
        self.len.set(self.len.get() - 1);
    }

    /// The event of an entry was taken.
    ///
    /// # Safety
    ///
    /// - It is of an entry that is alive, and was at the kernel from this queue until then.
    #[inline]
    pub(crate) unsafe fn returned(&self, event: &Event) {
        let iocb = usize::try_from(event.iocb).unwrap_or(0);
        let iocb = std::ptr::with_exposed_provenance::<u8>(iocb);
        // SAFETY: the address of the iocb in a live entry (contract), which `gather` exposed.
        unsafe {
            (*iocb.sub(offset_of!(Entry, iocb)).cast::<Entry>())
                .at
                .set(At::Out)
        };
        self.at_kernel.set(self.at_kernel.get() - 1);
    }

    /// Hands over what waits, as far as there is room, and hands back what the kernel refuses, with its
    /// error. `refused` may queue it again.
    pub(crate) fn flush(&self, context: &Context, mut refused: impl FnMut(NonNull<Entry>, i32)) {
        while self.has_work() {
            let count = self.gather();
            // SAFETY: the first entries of the list: alive, at no kernel, and in place until their
            //         events (INV-AIO-1); the slice is not changed meanwhile.
            let result = unsafe { context.submit(&(&(*self.batch.get()))[..count]) };
            match result.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)) {
                Ok(accepted) => {
                    for _ in 0..accepted {
                        self.pop(At::AtKernel);
                    }
                    if accepted == 0 {
                        break;
                    }
                }
                // No place, or no memory: the rest waits for what is at the kernel, or for a while.
                Err(libc::EAGAIN | libc::EINTR) => break,
                Err(code) => {
                    if let Some(entry) = self.pop(At::Out) {
                        refused(entry, -code);
                    }
                }
            }
        }
    }

    /// Writes the addresses of the first entries; how many.
    fn gather(&self) -> usize {
        let room = self.room();
        let mut next = self.list.first();
        let mut count = 0;
        // SAFETY: nobody else has the slice; entries in the list are alive (INV-LIST-1).
        unsafe {
            let batch = &mut *self.batch.get();
            let mut end = room;
            if let Some(first) = self.first.get() {
                batch[0] = Entry::iocb(first);
                count = 1;
                end += 1;
            }
            while count < end
                && let Some(links) = next
            {
                batch[count] = Entry::iocb(links.cast());
                batch[count].expose_provenance();
                count += 1;
                next = self.list.after(links);
            }
        }
        count
    }

    fn pop(&self, to: At) -> Option<NonNull<Entry>> {
        let entry = if let Some(first) = self.first.take() {
            first
        } else {
            let entry: NonNull<Entry> = self.list.pop_front()?.cast();
            self.len.set(self.len.get() - 1);
            if to == At::AtKernel {
                self.at_kernel.set(self.at_kernel.get() + 1);
            }
            entry
        };
        // SAFETY: it was queued, so it is alive (INV-AIO-1).
        unsafe { entry.as_ref().at.set(to) };
        Some(entry)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
