//! What a call changes for as long as it lasts: that a descriptor blocks, and that a signal is raised.
//!
//! # Threads
//!
//! That a descriptor does not block belongs to the open file, which others may have too. Within the
//! process one thread at a time changes it and calls, so that nobody takes another one's change for
//! the user's choice. Another thread or process that calls meanwhile, and relies on blocking, may be
//! told `EAGAIN`.
//!
//! # Safety
//! System calls with memory of the caller's frame.

#![expect(unsafe_code, reason = "fcntl(2) and pthread_sigmask(3)")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

static CHANGES: Mutex<()> = Mutex::new(());

/// The flags of an open file (`O_NONBLOCK`, `O_DIRECT`, ...).
pub(crate) fn status_flags(fd: RawFd) -> io::Result<i32> {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags)
}

fn set_status_flags(fd: RawFd, flags: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    if unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The right to change whether descriptors block.
pub(crate) struct Changes {
    _lock: MutexGuard<'static, ()>,
}

impl Changes {
    pub(crate) fn begin() -> Self {
        // Nothing is found half changed: guards put back what they changed in any case.
        let lock = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _lock: lock }
    }

    /// Makes a descriptor not block until the result is dropped.
    pub(crate) fn nonblocking(&self, fd: RawFd) -> io::Result<NonBlocking<'_>> {
        let flags = status_flags(fd)?;
        let always = flags & libc::O_NONBLOCK != 0;
        if !always {
            set_status_flags(fd, flags | libc::O_NONBLOCK)?;
        }
        Ok(NonBlocking {
            fd,
            flags,
            always,
            _changes: self,
        })
    }
}

/// A descriptor does not block as long as this exists.
pub(crate) struct NonBlocking<'a> {
    fd: RawFd,
    flags: i32,
    always: bool,
    _changes: &'a Changes,
}

impl NonBlocking<'_> {
    /// Whether it does not block anyway.
    pub(crate) const fn is_always(&self) -> bool {
        self.always
    }
}

impl Drop for NonBlocking<'_> {
    fn drop(&mut self) {
        if !self.always {
            // It was open a moment ago; there is nobody to tell if it is not.
            let _ = set_status_flags(self.fd, self.flags);
        }
    }
}

/// Signals of this thread, blocked as long as this exists.
pub(super) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    /// All signals; threads that are made meanwhile have them blocked.
    pub(super) fn all() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: a place for a set, which the call initialises.
        let set = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            set.assume_init()
        };
        Self::set(&set)
    }

    fn set(set: &libc::sigset_t) -> Self {
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: an initialised set, and a place for the one before; zeroes are a set too.
        let before = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, set, before.as_mut_ptr());
            before.assume_init()
        };
        Self { before }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set that the kernel gave; the current one is not asked for.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                std::ptr::null_mut(),
            )
        };
    }
}

/// Calls `write`, which may raise `SIGPIPE`, without letting it out; the signal is for this thread.
pub(crate) fn without_sigpipe(write: impl FnOnce() -> io::Result<u32>) -> io::Result<u32> {
    let mut pipe = MaybeUninit::uninit();
    let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: places for sets, which the calls initialise; zeroes are a set too.
    let (pipe, pending) = unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        libc::sigpending(pending.as_mut_ptr());
        (pipe.assume_init(), pending.assume_init())
    };
    // SAFETY: an initialised set.
    let was_pending = unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1;
    let blocked = Blocked::set(&pipe);
    let result = write();
    let raised = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::EPIPE));
    if raised && !was_pending {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: an initialised set and a valid time; what the signal says is not asked for.
        unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) };
    }
    drop(blocked);
    result
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::{PipeReader, PipeWriter};
    use std::os::fd::AsRawFd;

    use super::*;

    fn pipe() -> (PipeReader, PipeWriter) {
        io::pipe().expect("a pipe")
    }

    #[test]
    fn nonblocking_is_put_back_unless_it_was_so() {
        let (reader, _writer) = pipe();
        let fd = reader.as_raw_fd();
        let before = status_flags(fd).expect("flags");
        let changes = Changes::begin();
        {
            let guard = changes.nonblocking(fd).expect("changed");
            assert!(!guard.is_always());
            let inner = changes.nonblocking(fd).expect("a second one");
            assert!(inner.is_always());
            drop(inner);
            assert_eq!(status_flags(fd).expect("flags"), before | libc::O_NONBLOCK);
        }
        assert_eq!(status_flags(fd).expect("flags"), before);
        let error = changes
            .nonblocking(-1)
            .map(drop)
            .expect_err("no descriptor");
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn without_sigpipe_an_error_is_all_there_is() {
        let (reader, writer) = pipe();
        drop(reader);
        let result = without_sigpipe(|| {
            // SAFETY: one byte of a literal.
            let count = unsafe { libc::write(writer.as_raw_fd(), b"x".as_ptr().cast(), 1) };
            u32::try_from(count).map_err(|_| io::Error::last_os_error())
        });
        let error = result.expect_err("nobody reads");
        assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
        let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: a place for a set, which the call initialises.
        let is_pending = unsafe {
            libc::sigpending(pending.as_mut_ptr());
            libc::sigismember(pending.as_ptr(), libc::SIGPIPE)
        };
        assert_eq!(is_pending, 0, "no signal is left");
    }
}
