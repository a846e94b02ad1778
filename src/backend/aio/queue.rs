//! The iocbs that wait to be submitted, and handing them over: all of them in one system call.
//!
//! # States
//!
//! ```text
//! out ── push ──> queued ── flush ──> at the kernel ── its event was taken ──> out
//!  ^               │  │ refused
//!  └──── remove ───┘  └──> out
//! ```
//!
//! What there is room for waits in the array that `io_submit` reads, so handing over costs nothing per
//! entry; the rest waits in a list, and moves up when there is room.
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
use super::iocb::Iocb;
use crate::util::list::{Links, List};

/// Where an entry waits that waits in the list.
const LISTED: u32 = u32::MAX;

/// An iocb, with what the queue needs.
#[repr(C)] // The links come first: their address is that of the entry.
pub struct Entry {
    /// Initialised while in the list.
    links: UnsafeCell<MaybeUninit<Links>>,
    /// Written by the kernel when it is submitted.
    iocb: UnsafeCell<Iocb>,
    /// Where it was in the array when it was queued, or `LISTED`.
    place: Cell<u32>,
}

impl Entry {
    /// An entry that is out.
    #[inline]
    pub(crate) const fn new(iocb: Iocb) -> Self {
        Self {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            iocb: UnsafeCell::new(iocb),
            place: Cell::new(0),
        }
    }

    /// The iocb in it.
    ///
    /// # Safety
    ///
    /// - The entry is out while the result is used, and no other result of this function is.
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

    /// The entry with this iocb.
    ///
    /// # Safety
    ///
    /// - `iocb` came from [`iocb`](Self::iocb).
    #[inline]
    const unsafe fn of_iocb(iocb: *mut Iocb) -> NonNull<Self> {
        // SAFETY: the iocb is that far into the entry (contract).
        unsafe { NonNull::new_unchecked(iocb.byte_sub(offset_of!(Self, iocb)).cast()) }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

/// The queue of a context.
pub(crate) struct Queue {
    /// Those for which there is room, in order, from the second place on. The first place is for the
    /// entry that goes first.
    batch: UnsafeCell<Box<[*mut Iocb]>>,
    /// How many there are, and how many more may be queued there.
    len: Cell<u32>,
    room: Cell<u32>,
    /// What goes before all others is queued, and is at the first place.
    first: Cell<bool>,
    /// The others, and how many.
    list: List,
    listed: Cell<usize>,
    at_kernel: Cell<u32>,
}

impl Queue {
    /// A queue that may not be used before [`init`](Queue::init), for a context with so many places, two
    /// at least.
    pub(crate) fn new(places: u32) -> Self {
        Self {
            batch: UnsafeCell::new(vec![std::ptr::null_mut(); places as usize].into()),
            len: Cell::new(0),
            room: Cell::new(places - 1),
            first: Cell::new(false),
            list: List::new(),
            listed: Cell::new(0),
            at_kernel: Cell::new(0),
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
        self.len.get() as usize + self.at_kernel.get() as usize + self.listed.get()
    }

    /// Whether a flush may hand something over.
    #[inline]
    pub(crate) const fn has_work(&self) -> bool {
        self.first.get() || self.len.get() > 0 || (self.listed.get() > 0 && self.room.get() > 0)
    }

    /// The array.
    ///
    /// # Safety
    ///
    /// - The result is not used after another call of this function.
    #[expect(
        clippy::mut_from_ref,
        reason = "one thread, and no two uses overlap (contract)"
    )]
    #[inline]
    unsafe fn batch(&self) -> &mut [*mut Iocb] {
        // SAFETY: one thread, and no two uses overlap (contract).
        unsafe { &mut *self.batch.get() }
    }

    /// Queues an entry.
    ///
    /// # Safety
    ///
    /// - It is alive and out, and keeps INV-AIO-1 from now on.
    #[inline]
    pub(crate) unsafe fn push(&self, entry: NonNull<Entry>) {
        if self.listed.get() == 0 && self.room.get() > 0 {
            // SAFETY: the contract is the same; there is room.
            unsafe { self.place(entry) };
            return;
        }
        // SAFETY: in no list, and in place until it leaves this one (contract, INV-LIST-1).
        unsafe {
            entry.as_ref().place.set(LISTED);
            self.list.push_back(entry.cast());
        }
        self.listed.set(self.listed.get() + 1);
    }

    /// Puts an entry at the end of the array.
    ///
    /// # Safety
    ///
    /// - As for [`push`](Self::push), and there is room.
    #[inline]
    unsafe fn place(&self, entry: NonNull<Entry>) {
        let place = self.len.get() + 1;
        // SAFETY: alive (contract). Places and room together are those of the array less one.
        unsafe {
            entry.as_ref().place.set(place);
            *self.batch().get_unchecked_mut(place as usize) = Entry::iocb(entry);
        }
        self.len.set(place);
        self.room.set(self.room.get() - 1);
    }

    /// Queues the entry that goes before all others. There is one such entry.
    ///
    /// # Safety
    ///
    /// - It is alive and out, and keeps INV-AIO-1 from now on.
    pub(crate) unsafe fn push_first(&self, entry: NonNull<Entry>) {
        debug_assert!(!self.first.get(), "one entry goes first");
        // SAFETY: alive (contract); not used after this line.
        unsafe { self.batch()[0] = Entry::iocb(entry) };
        self.first.set(true);
    }

    /// Takes an entry out if it was not handed over; whether it was not.
    ///
    /// # Safety
    ///
    /// - It was pushed, was not refused, and its event was not taken.
    pub(crate) unsafe fn remove(&self, entry: NonNull<Entry>) -> bool {
        // SAFETY: alive (INV-AIO-1).
        let place = unsafe { entry.as_ref().place.get() };
        if place == LISTED {
            // SAFETY: it is in the list, because it has no place.
            unsafe { List::remove(entry.cast()) };
            self.listed.set(self.listed.get() - 1);
            return true;
        }
        // SAFETY: not used after this block.
        let there = unsafe {
            place <= self.len.get() && self.batch()[place as usize] == Entry::iocb(entry)
        };
        if there {
            self.take_out(place, 1);
            self.room.set(self.room.get() + 1);
        }
        there
    }

    /// Takes `count` entries out of the array, from a place on.
    fn take_out(&self, place: u32, count: u32) {
        let end = self.len.get() + 1;
        // SAFETY: not used after this function.
        let batch = unsafe { self.batch() };
        for from in place + count..end {
            let to = from - count;
            batch[to as usize] = batch[from as usize];
            // SAFETY: those in the array are alive (INV-AIO-1).
            unsafe { Entry::of_iocb(batch[to as usize]).as_ref().place.set(to) };
        }
        self.len.set(self.len.get() - count);
    }

    /// The event of an entry was taken, of one that was pushed.
    #[inline]
    pub(crate) fn returned(&self) {
        self.at_kernel.set(self.at_kernel.get() - 1);
        self.room.set(self.room.get() + 1);
    }

    /// Hands over what waits, as far as there is room, and hands back what the kernel refuses, with its
    /// error. `refused` may queue it again.
    pub(crate) fn flush(&self, context: &Context, mut refused: impl FnMut(NonNull<Entry>, i32)) {
        loop {
            if self.listed.get() > 0 {
                self.move_up();
            }
            let (first, end) = (self.first.get(), self.len.get() + 1);
            let begin = u32::from(!first);
            if begin == end {
                break;
            }
            // SAFETY: those in the array are alive, are not at the kernel, and stay in place until their
            //         events (INV-AIO-1); it is not changed meanwhile.
            let result = unsafe { context.submit(&self.batch()[begin as usize..end as usize]) };
            match result.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)) {
                Ok(0) | Err(libc::EAGAIN | libc::EINTR) => {
                    // No place, or no memory: the rest waits for what is at the kernel, or for a while.
                    break;
                }
                Ok(accepted) => self.accepted(accepted),
                Err(code) => {
                    let entry = self.refuse();
                    refused(entry, -code);
                }
            }
        }
    }

    /// The kernel has accepted so many.
    fn accepted(&self, count: usize) {
        let mut count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.first.replace(false) {
            count -= 1;
        }
        self.at_kernel.set(self.at_kernel.get() + count);
        if count == self.len.get() {
            self.len.set(0);
        } else {
            self.take_out(1, count);
        }
    }

    /// The one at the beginning is out.
    fn refuse(&self) -> NonNull<Entry> {
        let place = u32::from(!self.first.get());
        // SAFETY: there is one (the caller's), and those in the array came from entries.
        let entry = unsafe { Entry::of_iocb(self.batch()[place as usize]) };
        if !self.first.replace(false) {
            self.take_out(1, 1);
            self.room.set(self.room.get() + 1);
        }
        entry
    }

    /// Moves entries from the list into the array, as far as there is room.
    #[cold]
    fn move_up(&self) {
        while self.room.get() > 0
            && let Some(links) = self.list.pop_front()
        {
            self.listed.set(self.listed.get() - 1);
            // SAFETY: it was in the list, so it is alive and waits; there is room.
            unsafe { self.place(links.cast()) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
