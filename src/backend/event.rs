//! The eventfd through which other threads wake a loop, with the count that its end needs.
//!
//! # Threads
//!
//! [`EventFd`] belongs to the loop's thread; [`EventWaker`] may be anywhere. The descriptor stays open
//! as long as one of them is there.
//!
//! # Safety
//! System calls on a descriptor that is owned here, with memory of the caller's frame.

#![expect(unsafe_code, reason = "eventfd(2), read(2) and write(2)")]

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use super::Wake;

/// An eventfd, for backends: what [`wake`](Wake::wake) makes readable.
///
/// # Examples
///
/// ```
/// use sendio::backends::{EventFd, Wake};
///
/// let event = EventFd::new()?;
/// let waker = event.waker();
/// std::thread::spawn(move || waker.wake());
/// event.await_wakes(1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFd {
    fd: Arc<OwnedFd>,
    /// Wake-ups that were taken out.
    seen: Cell<u64>,
}

/// Makes an [`EventFd`] readable, from any thread.
#[derive(Clone, Debug)]
pub struct EventWaker {
    fd: Arc<OwnedFd>,
}

impl Wake for EventWaker {
    fn wake(&self) {
        // A full counter (EAGAIN) means that the owner is awake, which is all we want. The owner may
        // free this waker once it has counted the wake-up; nothing is touched after the call.
        signal(self.fd.as_fd());
    }
}

impl EventFd {
    /// One that is not readable.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` without a free descriptor, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            fd: Arc::new(eventfd()?),
            seen: Cell::new(0),
        })
    }

    /// A waker.
    #[must_use]
    pub fn waker(&self) -> EventWaker {
        EventWaker {
            fd: Arc::clone(&self.fd),
        }
    }

    /// Takes the wake-ups that have arrived, so that the descriptor is not readable; how many.
    pub fn take(&self) -> u64 {
        let taken = take(self.fd.as_fd());
        self.seen.set(self.seen.get() + taken);
        taken
    }

    /// Blocks until `count` wake-ups have been made since the beginning, those that were taken
    /// included: [`Backend::await_wakes`](super::Backend::await_wakes).
    pub fn await_wakes(&self, count: u64) {
        while self.seen.get() < count {
            let mut poll = libc::pollfd {
                fd: self.fd.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd.
            unsafe { libc::poll(&raw mut poll, 1, -1) };
            self.take();
        }
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A new eventfd, which does not block.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the descriptor is new and ours.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        if fd < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}

/// Adds one to the count of an eventfd.
pub(crate) fn signal(event: BorrowedFd<'_>) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the buffer is 8 bytes; the descriptor is open and does not block.
    unsafe { libc::write(event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Takes the count out of an eventfd; zero if there is none.
pub(crate) fn take(event: BorrowedFd<'_>) -> u64 {
    let mut value = [0_u8; 8];
    // SAFETY: the buffer is 8 bytes, and the descriptor is open and does not block.
    let read = unsafe { libc::read(event.as_raw_fd(), value.as_mut_ptr().cast(), value.len()) };
    if read == 8 {
        u64::from_ne_bytes(value)
    } else {
        0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn event_fd_counts_wakes_that_were_taken_and_those_to_come() {
        let event = EventFd::new().expect("an eventfd");
        assert_eq!(event.take(), 0);
        let waker = event.waker();
        waker.wake();
        waker.wake();
        assert_eq!(event.take(), 2);
        event.await_wakes(2);
        let other = std::thread::spawn(move || waker.wake());
        event.await_wakes(3);
        other.join().expect("no panic");
        assert_eq!(event.take(), 0, "it was taken by the wait");
    }
}
