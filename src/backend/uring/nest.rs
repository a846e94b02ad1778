//! A descriptor through which another loop can wait for a ring.
//!
//! A ring's own descriptor does not wake a sleeper when completions are deferred to the ring's thread
//! (`DEFER_TASKRUN`): it is readable then, but nobody is told. A registered eventfd is told. So the
//! descriptor is an epoll set of three: that eventfd, the eventfd of wake-ups, and a timerfd.
//!
//! # Kernel
//!
//! `IORING_REGISTER_EVENTFD`, Linux 5.2; signalled for deferred work since 6.1.
//!
//! # Safety
//! System calls on descriptors that are owned here, with memory of the caller's frame; no INV- is
//! needed beyond INV-RING-1.

#![expect(unsafe_code, reason = "epoll, timerfd and eventfd calls")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::Submitter;

use super::setup;

/// What makes the descriptor readable.
#[derive(Debug)]
pub(super) struct Nest {
    epoll: OwnedFd,
    /// Signalled by the kernel for completions, and by [`Nest::signal`].
    event: OwnedFd,
    timer: OwnedFd,
}

impl Nest {
    /// Watches the ring of `submitter` and the eventfd `waker`.
    pub(super) fn new(submitter: &Submitter<'_>, waker: BorrowedFd<'_>) -> io::Result<Self> {
        let event = setup::eventfd()?;
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
        for fd in [event.as_fd(), timer.as_fd(), waker] {
            watch(epoll.as_fd(), fd)?;
        }
        submitter.register_eventfd(event.as_raw_fd())?;
        Ok(Self {
            epoll,
            event,
            timer,
        })
    }

    /// The descriptor for the other loop.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Takes back what made the descriptor readable so far, wake-ups excepted.
    pub(super) fn quiet(&self) {
        let _ = take(self.event.as_fd());
        self.set_timer(Duration::ZERO);
    }

    /// Makes the descriptor readable now.
    pub(super) fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is 8 bytes; the descriptor is open as long as `self`.
        unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the descriptor readable when `left` has passed; zero takes that back.
    pub(super) fn set_timer(&self, left: Duration) {
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

/// Takes the count out of an eventfd; zero if there is none.
pub(super) fn take(event: BorrowedFd<'_>) -> u64 {
    let mut value = [0_u8; 8];
    // SAFETY: the buffer is 8 bytes, and the descriptor is open and does not block.
    let read = unsafe { libc::read(event.as_raw_fd(), value.as_mut_ptr().cast(), value.len()) };
    if read == 8 {
        u64::from_ne_bytes(value)
    } else {
        0
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
