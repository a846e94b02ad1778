//! The ring of completions that the kernel shares with its context: taking events without a system
//! call.
//!
//! The number of a context is the address where its ring is mapped. That is no documented interface,
//! but an old one (fio and others rely on it), and the header has a magic number so that readers can
//! tell: where it does not match, [`Ring::of`] says so and `io_getevents` is used.
//!
//! # Threads
//! One thread takes events, the context's. The kernel writes `tail`, after the events before it; we
//! write `head`, after we have copied the events before it. So `tail` is read with acquire and `head`
//! written with release. `io_getevents` writes `head` as well, on our thread, in the call.
//!
//! # Safety
//! - INV-AIO-2: the ring stays mapped until its context is destroyed, and `nr` is as the kernel wrote
//!   it. The memory is the process's own to write: who writes into the mapping from elsewhere gets the
//!   events that he made up, which is outside of what any mapping promises.

#![expect(unsafe_code, reason = "reads memory that the kernel shares")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::iocb::Event;

/// `struct aio_ring` of `fs/aio.c`; the events follow it.
#[repr(C)]
#[derive(Debug)]
struct Header {
    id: u32,
    /// How many events there is room for.
    nr: u32,
    head: AtomicU32,
    tail: AtomicU32,
    magic: u32,
    compat_features: u32,
    incompat_features: u32,
    header_length: u32,
}

const MAGIC: u32 = 0xa10a_10a1;
const HEADER_LENGTH: u32 = 32;
const _: () = assert!(size_of::<Header>() == 32 && std::mem::offset_of!(Header, magic) == 16);

/// A view of the ring.
#[derive(Debug)]
pub(crate) struct Ring {
    header: NonNull<Header>,
    events: NonNull<Event>,
    nr: u32,
}

impl Ring {
    /// The ring of the context with this number; `None` if there is none that we understand.
    ///
    /// # Safety
    ///
    /// - `context` is zero, or the number of a live context of this process, or the address of memory
    ///   that is laid out alike; it outlives the result, and no other thread takes events from it.
    pub(crate) unsafe fn of(context: usize) -> Option<Self> {
        let header = NonNull::new(std::ptr::with_exposed_provenance_mut::<Header>(context))?;
        if !header.is_aligned() {
            return None;
        }
        // SAFETY: a page at least is mapped there (contract, INV-AIO-2); the fields but `head` and
        //         `tail` were written before the context's number was known.
        unsafe {
            let seen = header.as_ref();
            let understood = seen.magic == MAGIC
                && seen.incompat_features == 0
                && seen.header_length == HEADER_LENGTH
                && seen.nr > 1;
            understood.then(|| Self {
                header,
                events: header.add(1).cast(),
                nr: seen.nr,
            })
        }
    }

    /// `head` and `tail`.
    #[inline]
    fn ends(&self) -> (&AtomicU32, &AtomicU32) {
        // SAFETY: mapped as long as `self` is there (INV-AIO-2), and both are atomic.
        unsafe {
            let header = self.header.as_ptr();
            (&(*header).head, &(*header).tail)
        }
    }

    /// Whether there is no event.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let (head, tail) = self.ends();
        head.load(Ordering::Relaxed) == tail.load(Ordering::Acquire)
    }

    /// Hands out the events that are there now, `limit` at most; how many. `take` may not use the ring.
    #[inline]
    pub(crate) fn drain(&self, limit: usize, mut take: impl FnMut(Event)) -> usize {
        let (head, tail) = self.ends();
        let end = tail.load(Ordering::Acquire);
        let mut at = head.load(Ordering::Relaxed);
        let mut count = 0;
        // Numbers out of bounds are not the kernel's.
        while at != end && count < limit && at < self.nr && end < self.nr {
            // SAFETY: the kernel wrote this event before `tail`, and writes it again only after `head`
            //         has passed it; `at` is within the ring (INV-AIO-2).
            let event = unsafe { self.events.add(at as usize).read() };
            at = if at + 1 == self.nr { 0 } else { at + 1 };
            count += 1;
            take(event);
        }
        if count > 0 {
            head.store(at, Ordering::Release);
        }
        count
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Memory laid out as the kernel's.
    #[repr(C)]
    struct Fake {
        header: Header,
        events: [Event; 4],
    }

    fn fake() -> Box<Fake> {
        Box::new(Fake {
            header: Header {
                id: 0,
                nr: 4,
                head: AtomicU32::new(0),
                tail: AtomicU32::new(0),
                magic: MAGIC,
                compat_features: 1,
                incompat_features: 0,
                header_length: HEADER_LENGTH,
            },
            events: std::array::from_fn(|index| Event {
                data: index as u64,
                ..Event::default()
            }),
        })
    }

    fn ring_of(fake: *mut Fake) -> Option<Ring> {
        // SAFETY: laid out alike; the tests free it last.
        unsafe { Ring::of(fake.expose_provenance()) }
    }

    fn drained(ring: &Ring, limit: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        let count = ring.drain(limit, |event| seen.push(event.data));
        assert_eq!(count, seen.len());
        seen
    }

    #[test]
    fn drain_wraps_and_keeps_to_its_limit() {
        let memory = Box::into_raw(fake());
        let ring = ring_of(memory).expect("understood");
        let (head, tail) = ring.ends();
        assert!(ring.is_empty());
        assert_eq!(drained(&ring, 9), [0; 0]);
        tail.store(3, Ordering::Relaxed);
        assert!(!ring.is_empty());
        assert_eq!(drained(&ring, 2), [0, 1]);
        assert_eq!(head.load(Ordering::Relaxed), 2);
        tail.store(1, Ordering::Relaxed);
        assert_eq!(drained(&ring, 9), [2, 3, 0]);
        assert!(ring.is_empty());
        // SAFETY: made by `into_raw`, and the view is not used any more.
        drop(unsafe { Box::from_raw(memory) });
    }

    #[test]
    fn drain_of_ends_out_of_bounds_takes_nothing() {
        let memory = Box::into_raw(fake());
        let ring = ring_of(memory).expect("understood");
        let (head, tail) = ring.ends();
        for (at, end) in [(0, 4), (4, 0), (u32::MAX, 2)] {
            head.store(at, Ordering::Relaxed);
            tail.store(end, Ordering::Relaxed);
            assert_eq!(drained(&ring, 9), [0; 0], "{at} {end}");
        }
        // SAFETY: made by `into_raw`, and the view is not used any more.
        drop(unsafe { Box::from_raw(memory) });
    }

    #[test]
    fn header_that_is_not_understood_is_refused() {
        assert!(ring_of(std::ptr::null_mut()).is_none());
        let changes: [fn(&mut Header); 4] = [
            |header| header.magic += 1,
            |header| header.incompat_features = 1,
            |header| header.header_length = 64,
            |header| header.nr = 1,
        ];
        for change in changes {
            let mut memory = fake();
            change(&mut memory.header);
            assert!(ring_of(&raw mut *memory).is_none());
        }
        let mut memory = fake();
        assert!(ring_of(&raw mut *memory).is_some());
    }
}
