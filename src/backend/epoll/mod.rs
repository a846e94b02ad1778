//! The epoll backend: calls that do not block, an epoll set that says when to try again, and threads
//! for files.
//!
//! The steps are those of every backend that waits for readiness (`readiness`); here is the set.
//!
//! # What is kept of a descriptor
//!
//! In the kernel: its registration, from the first wait until it is closed, one shot, so silent until
//! somebody waits again. Each wait tells the kernel the number again (`EPOLL_CTL_MOD`), and that is what
//! finds out that the number is another file's by now: then it is not in the set (`ENOENT`), and is
//! added. A registration of the file before, kept by a duplicate, is silent, or reports once more, with
//! a key that is used up. Here: a bit for each number, whether it was ever added, which says which of the
//! two calls is made first.
//!
//! # Safety
//! System calls with memory of the caller's frame. Nothing of a slot is used: this source takes none
//! (INV-READY-1).

#![expect(unsafe_code, reason = "epoll calls")]

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::Wait;
use super::options::Options;
use super::readiness::readiness_backend;
use super::readiness::source::{Key, Sink, Source};
use super::report::BackendKind;

/// How many events one call brings.
const EVENTS: usize = 256;
/// The same, as the calls want it.
const EVENTS_MAX: i32 = 256;

/// An event that is told once, until it is asked for again.
const ONESHOT: u32 = 1 << 30;
const _: () = assert!(libc::EPOLLONESHOT == 1 << 30);

// Events of `poll(2)` are those of epoll.
const _: () = {
    assert!(libc::POLLIN as i32 == libc::EPOLLIN);
    assert!(libc::POLLPRI as i32 == libc::EPOLLPRI);
    assert!(libc::POLLOUT as i32 == libc::EPOLLOUT);
    assert!(libc::POLLERR as i32 == libc::EPOLLERR);
    assert!(libc::POLLHUP as i32 == libc::EPOLLHUP);
    assert!(libc::POLLRDHUP as i32 == libc::EPOLLRDHUP);
};

/// An epoll set.
#[derive(Debug)]
pub(crate) struct EpollSet {
    set: OwnedFd,
    /// A bit for each number that was added.
    added: RefCell<Vec<u64>>,
    /// The kernel has `epoll_pwait2(2)`.
    has_pwait2: Cell<bool>,
    calls: Cell<u64>,
}

impl EpollSet {
    fn control(&self, op: i32, fd: RawFd, events: u32, key: Key) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events,
            u64: key.to_bits(),
        };
        // SAFETY: a valid event, read by the call.
        let result = unsafe { libc::epoll_ctl(self.set.as_raw_fd(), op, fd, &raw mut event) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Whether a number was added; it is noted that it is now.
    fn add_number(&self, fd: RawFd) -> bool {
        let Ok(index) = usize::try_from(fd) else {
            return false;
        };
        let mut added = self.added.borrow_mut();
        if added.len() <= index / 64 {
            added.resize(index / 64 + 1, 0);
        }
        let bit = 1 << (index % 64);
        let before = added[index / 64] & bit != 0;
        added[index / 64] |= bit;
        before
    }

    /// Waits; how many events there are.
    fn wait(
        &self,
        events: &mut [MaybeUninit<libc::epoll_event>; EVENTS],
        wait: Wait,
    ) -> io::Result<usize> {
        self.calls.set(self.calls.get() + 1);
        if let Wait::For(time) = wait
            && self.has_pwait2.get()
        {
            match self.wait_precisely(events, time) {
                // Older than Linux 5.11, or forbidden.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.has_pwait2.set(false);
                }
                result => return result,
            }
        }
        let millis = match wait {
            Wait::No => 0,
            Wait::Forever => -1,
            Wait::For(time) => millis(time),
        };
        // SAFETY: as many events as there is room for.
        let count = unsafe {
            libc::epoll_wait(
                self.set.as_raw_fd(),
                events.as_mut_ptr().cast(),
                EVENTS_MAX,
                millis,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn wait_precisely(
        &self,
        events: &mut [MaybeUninit<libc::epoll_event>; EVENTS],
        time: Duration,
    ) -> io::Result<usize> {
        /// `struct __kernel_timespec`.
        #[repr(C)]
        struct Time {
            seconds: i64,
            nanos: i64,
        }
        let time = Time {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanos: time.subsec_nanos().into(),
        };
        // SAFETY: as many events as there is room for, a valid time, and no signals.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.set.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS_MAX,
                &raw const time,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// A time in whole milliseconds, not less.
fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

impl AsFd for EpollSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

// SAFETY: no request is taken, and the sink is called in `enter` only.
unsafe impl Source for EpollSet {
    type Part = ();
    type Watch = ();
    const KIND: BackendKind = BackendKind::Epoll;

    fn new(_: &Options, wake: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: no memory is passed; the descriptor is new and ours.
        let set = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let this = Self {
            set,
            added: RefCell::new(Vec::new()),
            has_pwait2: Cell::new(true),
            calls: Cell::new(0),
        };
        this.control(
            libc::EPOLL_CTL_ADD,
            wake.as_raw_fd(),
            libc::EPOLLIN.cast_unsigned(),
            Key::NONE,
        )?;
        Ok(this)
    }

    fn watch(&self, (): &(), key: Key, fd: RawFd, events: u32) -> io::Result<bool> {
        let events = events | ONESHOT;
        if self.add_number(fd) {
            match self.control(libc::EPOLL_CTL_MOD, fd, events, key) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                result => return result.map(|()| true),
            }
        }
        match self.control(libc::EPOLL_CTL_ADD, fd, events, key) {
            // It came into the set under a number that was closed, and came back.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.control(libc::EPOLL_CTL_MOD, fd, events, key)?;
            }
            result => result?,
        }
        Ok(false)
    }

    fn unwatch(&self, (): &(), _: Key, _: RawFd) {
        // What is armed reports once more at most, and keeps nothing open: that costs less than to
        // disarm each.
    }

    fn enter(&self, wait: Wait, sink: &mut impl Sink<()>) -> io::Result<()> {
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        let count = match self.wait(&mut events, wait) {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => 0,
            Err(error) => return Err(error),
        };
        for event in &events[..count] {
            // SAFETY: the kernel has filled so many.
            let event = unsafe { event.assume_init_read() };
            match Key::from_bits(event.u64) {
                Key::NONE => sink.woken(),
                key => sink.ready(key, event.events),
            }
        }
        Ok(())
    }

    fn pollable(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [Some(self.set.as_fd()), None]
    }

    fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn details(&self) -> String {
        let exact = if self.has_pwait2.get() {
            "to the nanosecond"
        } else {
            "to the millisecond"
        };
        format!("one-shot readiness, sleeps {exact}")
    }
}

readiness_backend! {
    /// The epoll backend: for kernels without io_uring, or where it is forbidden.
    ///
    /// Sockets, pipes and terminals are tried without blocking, and again when epoll says so; a small set
    /// of threads of the process does what blocks on files and names. `docs/epoll.md` says what that costs,
    /// and what is different from io_uring.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::backends::Epoll;
    /// use sendio::prelude::*;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let ctx = sendio::IoContextBuilder::<Epoll>::new().build()?;
    /// let io = ctx.scheduler();
    /// let (left, right) = UnixStream::pair()?;
    /// let both = when_all((io.recv_exact(&left, [0; 5]), io.send_all(&right, "hello")));
    /// let (bytes, _) = ctx.block_on(both)?.unwrap();
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    Epoll, EpollSet, ()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn millis_never_sleep_too_short() {
        for (nanos, rounded) in [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2)] {
            assert_eq!(millis(Duration::from_nanos(nanos)), rounded);
        }
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }
}
