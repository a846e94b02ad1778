//! A descriptor through which another loop can wait for a backend.
//!
//! It is an epoll set: an eventfd of its own, a timerfd, and what the backend adds, at least its
//! wake-ups.
//!
//! # Safety
//! System calls on descriptors that are owned here, with memory of the caller's frame.

#![expect(unsafe_code, reason = "epoll, timerfd and eventfd calls")]

use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::event::{self, eventfd};

/// What makes the descriptor readable.
#[derive(Debug)]
pub(crate) struct Nest {
    epoll: OwnedFd,
    /// Signalled by [`Nest::signal`], and by the kernel if the backend has told it to.
    event: OwnedFd,
    timer: OwnedFd,
}

/// What is in `place`, or is made now; if that fails, the next call tries again.
pub(crate) fn get_or_make(
    place: &OnceCell<Nest>,
    make: impl FnOnce() -> io::Result<Nest>,
) -> Option<&Nest> {
    if place.get().is_none() {
        let _ = place.set(make().ok()?);
    }
    place.get()
}

impl Nest {
    /// Watches these descriptors, which stay open as long.
    pub(crate) fn new<'a>(watched: impl IntoIterator<Item = BorrowedFd<'a>>) -> io::Result<Self> {
        let event = eventfd()?;
        // SAFETY: no memory is passed; the descriptors are new and ours.
        let (epoll, timer) = unsafe {
            (
                owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                owned(libc::timerfd_create(
                    libc::CLOCK_MONOTONIC,
                    libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
                ))?,
            )
        };
        for fd in [event.as_fd(), timer.as_fd()] {
            watch(epoll.as_fd(), fd)?;
        }
        for fd in watched {
            watch(epoll.as_fd(), fd)?;
        }
        Ok(Self {
            epoll,
            event,
            timer,
        })
    }

    /// The descriptor for the other loop.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// The eventfd that the kernel may signal for completions.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Takes back what made the descriptor readable so far, what the backend added excepted.
    pub(crate) fn quiet(&self) {
        let _ = event::take(self.event.as_fd());
        self.set_timer(Duration::ZERO);
    }

    /// Makes the descriptor readable now.
    pub(crate) fn signal(&self) {
        event::signal(self.event.as_fd());
    }

    /// Makes the descriptor readable when `left` has passed; zero takes that back.
    pub(crate) fn set_timer(&self, left: Duration) {
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = libc::itimerspec {
            it_interval: zero,
            it_value: libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: libc::c_long::from(left.subsec_nanos().cast_signed()),
            },
        };
        // SAFETY: a valid value, read by the call; the old one is not asked for.
        unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const spec,
                std::ptr::null_mut(),
            )
        };
    }
}

fn watch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: EPOLLIN,
        u64: 0,
    };
    // SAFETY: a valid event, read by the call; both descriptors are open.
    let result = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            fd.as_raw_fd(),
            &raw mut event,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `EPOLLIN` in the type of the field.
const EPOLLIN: u32 = 1;
const _: () = assert!(libc::EPOLLIN == 1);

/// # Safety
///
/// - `fd` is the result of a call that makes a descriptor, just now.
unsafe fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's (contract).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
