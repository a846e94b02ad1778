//! An AIO context: the system calls, and taking its events.
//!
//! # Bounds
//!
//! All contexts of the machine together have `fs.aio-max-nr` places (65536 unless changed). A context
//! that asks for more than are left gets half of it, and so on down to [`PLACES_MIN`].
//!
//! # Safety
//! - INV-AIO-1: an iocb that the kernel has accepted stays in place until its event was taken: its
//!   address comes back in the event. The memory that it names stays as long (INV-SLOT-1).
//! - INV-AIO-2: the ring's view is not used after the context was destroyed.

#![expect(unsafe_code, reason = "io_setup(2) and its kin")]

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use super::iocb::{Event, Iocb};
use super::ring::Ring;

/// The fewest places with which a context is of use.
pub(crate) const PLACES_MIN: u32 = 8;

/// The most places that are asked for: the limit of the machine, unless it was changed.
pub(crate) const PLACES_MAX: u32 = 65536;

/// `POLLOUT` as an iocb wants it.
const POLLOUT: u16 = 4;
const _: () = assert!(libc::POLLOUT == 4);

/// How many events one `io_getevents` takes.
const TAKEN_MAX: usize = 64;

/// A context of the kernel.
#[derive(Debug)]
pub(crate) struct Context {
    number: libc::c_ulong,
    places: u32,
    ring: Option<Ring>,
    /// Events that were taken without being asked for, where there is no ring that we understand.
    stash: RefCell<Vec<Event>>,
    calls: Cell<u64>,
    /// Bound to its thread: the ring has one reader.
    _thread: PhantomData<*mut ()>,
}

impl Context {
    /// A context with this many places, or fewer if the machine has no more.
    pub(crate) fn new(places: u32) -> io::Result<Self> {
        let mut places = places.clamp(PLACES_MIN, PLACES_MAX);
        loop {
            let mut number: libc::c_ulong = 0;
            // SAFETY: writes one number, which is zero before, as it must be.
            let result = unsafe { libc::syscall(libc::SYS_io_setup, places, &raw mut number) };
            if result == 0 {
                return Ok(Self {
                    number,
                    places,
                    // SAFETY: the context is new, is destroyed in `drop` only, and is ours
                    //         (INV-AIO-2).
                    ring: unsafe { Ring::of(usize::try_from(number).unwrap_or(0)) },
                    stash: RefCell::new(Vec::new()),
                    calls: Cell::new(0),
                    _thread: PhantomData,
                });
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN) if places > PLACES_MIN => places = (places / 2).max(PLACES_MIN),
                Some(libc::EAGAIN) => return Err(exhausted()),
                _ => return Err(error),
            }
        }
    }

    /// Sends a poll through, of an eventfd, which always has room: a filter may allow the set-up and forbid
    /// the rest, and kernels before 4.18 have no polls.
    pub(crate) fn round_trip(&self, event: RawFd) -> io::Result<()> {
        let mut iocb = Iocb::poll(event, POLLOUT, 0);
        // SAFETY: valid, and it stays in this frame: its event is there when it was accepted.
        if unsafe { self.submit(&[&raw mut iocb]) }? != 1 {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let mut result = 0;
        while self.sleep(None, |event| result = event.result)? == 0 {}
        if result != i64::from(POLLOUT) {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        Ok(())
    }

    /// How many requests it can hold, at least.
    pub(crate) const fn places(&self) -> u32 {
        self.places
    }

    /// Whether events are taken without system calls.
    pub(crate) const fn has_ring(&self) -> bool {
        self.ring.is_some()
    }

    /// System calls made so far.
    pub(crate) const fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn counted(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    /// Hands over the iocbs in this order; how many the kernel has accepted. An error is that of the
    /// first, and nothing was accepted.
    ///
    /// # Safety
    ///
    /// - The iocbs are valid, and in no use; those that are accepted keep INV-AIO-1 from now on.
    pub(crate) unsafe fn submit(&self, iocbs: &[*mut Iocb]) -> io::Result<usize> {
        self.counted();
        // SAFETY: as many pointers as it is told, to valid iocbs (contract).
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_submit,
                self.number,
                iocbs.len(),
                iocbs.as_ptr(),
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    /// Whether an event is there; `false` if that cannot be seen without a system call.
    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| !ring.is_empty())
    }

    /// The same, with a system call if it takes one.
    pub(crate) fn has_events_now(&self) -> bool {
        if self.ring.is_some() {
            return self.has_events();
        }
        let mut stash = self.stash.borrow_mut();
        if stash.is_empty() {
            let _ = self.wait(0, TAKEN_MAX, Some(Duration::ZERO), &mut |event| {
                stash.push(event);
            });
        }
        !stash.is_empty()
    }

    /// Takes events that are there, at most `limit`; how many. `take` may not use the context.
    #[inline]
    pub(crate) fn drain(&self, limit: usize, mut take: impl FnMut(Event)) -> usize {
        match &self.ring {
            Some(ring) => ring.drain(limit, take),
            None => {
                let mut count = 0;
                while count < limit
                    && let Some(event) = self.stash.borrow_mut().pop()
                {
                    count += 1;
                    take(event);
                }
                while count < limit {
                    let asked = (limit - count).min(TAKEN_MAX);
                    let Ok(more) = self.wait(0, asked, Some(Duration::ZERO), &mut take) else {
                        break;
                    };
                    count += more;
                    if more < asked {
                        break;
                    }
                }
                count
            }
        }
    }

    /// Sleeps until there is an event, or the time has passed, and takes some; how many.
    pub(crate) fn sleep(
        &self,
        timeout: Option<Duration>,
        mut take: impl FnMut(Event),
    ) -> io::Result<usize> {
        self.wait(1, TAKEN_MAX, timeout, &mut take)
    }

    fn wait(
        &self,
        wanted: usize,
        limit: usize,
        timeout: Option<Duration>,
        take: &mut impl FnMut(Event),
    ) -> io::Result<usize> {
        self.counted();
        let mut events = [const { MaybeUninit::<Event>::uninit() }; TAKEN_MAX];
        let timeout = timeout.map(|left| libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(left.subsec_nanos().cast_signed()),
        });
        // SAFETY: room for as many events as it is told; the time, if any, is a valid one.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.number,
                wanted,
                limit.min(TAKEN_MAX),
                events.as_mut_ptr(),
                timeout.as_ref().map_or(ptr::null(), ptr::from_ref),
            )
        };
        let count = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
        for event in &events[..count] {
            // SAFETY: the kernel wrote so many.
            take(unsafe { event.assume_init_read() });
        }
        Ok(count)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // The view of the ring is not used any more (INV-AIO-2).
        self.ring = None;
        // SAFETY: the number of a live context, which nobody uses after this. It waits for requests of
        //         devices that are in flight, so that no memory is written after it.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.number) };
    }
}

/// All places of the machine are taken.
#[cold]
fn exhausted() -> io::Error {
    let setting = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/fs/{name}"))
            .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    io::Error::new(
        io::ErrorKind::WouldBlock,
        format!(
            "no room for an AIO context with {PLACES_MIN} places: {} of fs.aio-max-nr = {} are taken; \
             raise it with `sysctl fs.aio-max-nr=...`, or have fewer contexts",
            setting("aio-nr"),
            setting("aio-max-nr"),
        ),
    )
}

#[cfg(all(test, not(loom)))]
mod tests;
