//! A ring of buffers that the kernel chooses from.
//!
//! # Safety
//!
//! INV: entries and buffers are allocated for as long as this lives, which is longer than the ring
//! they are registered with is used; only the kernel reads entries, and only this writes them.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use sendio_bench::ring::Ring;

/// The group that the buffers are registered as.
pub(crate) const GROUP: u16 = 0;
const PAGE: usize = 4096;

/// Buffers of one length, as many as a power of two.
pub(crate) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    entries_layout: Layout,
    buffers: NonNull<u8>,
    buffers_layout: Layout,
    len: u32,
    mask: u16,
    tail: u16,
}

impl BufferRing {
    /// Registers `count` buffers of `len` bytes, all of them free.
    pub(crate) fn register(ring: &Ring<'_>, count: u16, len: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel wants a power of two");
        let too_much = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let places = usize::from(count);
        let entries_layout =
            Layout::from_size_align(places * size_of::<BufRingEntry>(), PAGE).map_err(too_much)?;
        let buffers_layout = Layout::from_size_align(places * len, PAGE).map_err(too_much)?;
        let mut this = Self {
            entries: allocate(entries_layout).cast(),
            entries_layout,
            buffers: allocate(buffers_layout),
            buffers_layout,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            mask: count - 1,
            tail: 0,
        };
        let address = this.entries.as_ptr() as u64;
        // SAFETY: the entries must stay valid while the ring is used: they are dropped after it.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(address, count, GROUP, 0)?;
        }
        for buffer in 0..count {
            this.give_back(buffer);
        }
        this.publish();
        Ok(this)
    }

    /// Where byte number `from` of a buffer is.
    #[inline(always)]
    pub(crate) fn address(&self, buffer: u16, from: u32) -> *mut u8 {
        let at = usize::from(buffer) * self.len as usize + from as usize;
        debug_assert!(at < self.buffers_layout.size());
        self.buffers.as_ptr().wrapping_add(at)
    }

    /// Stages a buffer for the next [`publish`](Self::publish).
    #[inline(always)]
    pub(crate) fn give_back(&mut self, buffer: u16) {
        let address = self.address(buffer, 0) as u64;
        // SAFETY: the place is within the entries, by the mask; the kernel does not look at it
        // before the tail is published. The tail, a part of the first entry, is left alone.
        unsafe {
            let entry = self
                .entries
                .add(usize::from(self.tail & self.mask))
                .as_mut();
            entry.set_addr(address);
            entry.set_len(self.len);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel have what was given back.
    #[inline(always)]
    pub(crate) fn publish(&self) {
        // SAFETY: the first entry is initialised and its last field is the tail, aligned, alive as
        // long as this, and shared with the kernel, hence atomic.
        unsafe {
            let tail: *const u16 = BufRingEntry::tail(self.entries.as_ptr());
            AtomicU16::from_ptr(tail.cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: allocated with these layouts, and nobody uses them any more.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), self.entries_layout);
            dealloc(self.buffers.as_ptr(), self.buffers_layout);
        }
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "buffers of no bytes");
    // SAFETY: the layout must not be empty: checked above.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}
