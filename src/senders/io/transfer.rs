//! How bytes come and go: at a position of a file, or through a socket.
//!
//! The operations on one buffer (`read`, `write`) are written once, for every [`Transfer`].

use std::fmt;
use std::io;
use std::os::fd::RawFd;

use super::msg_flags::MsgFlags;
use crate::backend::request::{CURRENT_POSITION, Request, TRANSFER_MAX};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Kind, Progress};

mod sealed {
    /// Keeps [`Transfer`](super::Transfer) closed.
    pub trait Sealed {}
}

/// The way in which the bytes of one buffer are transferred: [`Position`] or [`MsgOptions`].
pub trait Transfer: Copy + fmt::Debug + sealed::Sealed {
    /// What is wrong with it, before the kernel is asked.
    #[doc(hidden)]
    #[inline]
    fn check(self) -> io::Result<()> {
        Ok(())
    }

    /// Asks for `len` bytes, after `done` that came before.
    #[doc(hidden)]
    fn input(self, fd: RawFd, buf: *mut u8, len: u32, done: usize) -> Request;

    /// Gives `len` bytes away, after `done` that went before.
    #[doc(hidden)]
    fn output(self, fd: RawFd, buf: *const u8, len: u32, done: usize) -> Request;

    /// As [`Kind::refused`](crate::io::Kind::refused).
    #[doc(hidden)]
    #[inline]
    fn refused(self, error: &io::Error) -> Option<Progress> {
        let _ = error;
        None
    }
}

/// Where in a file an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u64);

impl Position {
    /// At the descriptor's own position, which moves on.
    pub(crate) const CURRENT: Self = Self(CURRENT_POSITION);

    /// At this offset.
    #[inline]
    pub(crate) const fn at(offset: u64) -> Self {
        // The largest number means "current position" to the kernel; here it is an offset, and as
        // invalid as its neighbours.
        Self(if offset == Self::CURRENT.0 {
            offset - 1
        } else {
            offset
        })
    }

    /// The position after `done` bytes, as a request wants it.
    #[inline]
    pub(crate) const fn after(self, done: usize) -> u64 {
        if self.0 == Self::CURRENT.0 {
            self.0
        } else {
            self.0.wrapping_add(done as u64)
        }
    }
}

impl sealed::Sealed for Position {}

impl Transfer for Position {
    /// An offset is at most `i64::MAX`.
    #[inline]
    fn check(self) -> io::Result<()> {
        if self.0 == Self::CURRENT.0 || i64::try_from(self.0).is_ok() {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    #[inline]
    fn input(self, fd: RawFd, buf: *mut u8, len: u32, done: usize) -> Request {
        Request::Read {
            fd,
            buf,
            len,
            offset: self.after(done),
        }
    }

    #[inline]
    fn output(self, fd: RawFd, buf: *const u8, len: u32, done: usize) -> Request {
        Request::Write {
            fd,
            buf,
            len,
            offset: self.after(done),
        }
    }
}

/// How bytes go through a socket: the flags, and whether to wait first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgOptions {
    pub(crate) flags: MsgFlags,
    pub(crate) poll_first: bool,
}

impl MsgOptions {
    /// These flags.
    #[inline]
    pub(crate) const fn new(flags: MsgFlags) -> Self {
        Self {
            flags,
            poll_first: false,
        }
    }

    /// Waits before the first try.
    #[inline]
    pub(crate) const fn after_poll(self) -> Self {
        Self {
            poll_first: true,
            ..self
        }
    }
}

impl sealed::Sealed for MsgOptions {}

impl Transfer for MsgOptions {
    #[inline]
    fn input(self, fd: RawFd, buf: *mut u8, len: u32, _: usize) -> Request {
        // Without room the kernel would wait for bytes all the same, or throw a datagram away.
        if len == 0 {
            return Request::Nop;
        }
        Request::Recv {
            fd,
            buf,
            len,
            flags: self.flags.for_recv(),
            poll_first: self.poll_first,
        }
    }

    #[inline]
    fn output(self, fd: RawFd, buf: *const u8, len: u32, _: usize) -> Request {
        Request::Send {
            fd,
            buf,
            len,
            flags: self.flags.for_send(),
            poll_first: self.poll_first,
        }
    }

    /// A socket that was told not to wait gives its answer at once.
    #[inline]
    fn refused(self, error: &io::Error) -> Option<Progress> {
        self.flags.is_answer(error).then_some(Progress::Done)
    }
}

/// A kind of operation that can wait for readiness before it tries.
pub trait PollFirst: Kind {
    /// Waits first.
    #[doc(hidden)]
    fn set_poll_first(&mut self);
}

impl<H: Io, K: PollFirst> IoSender<H, K> {
    /// Waits until the socket is ready before the first try, instead of trying at once: saves a try
    /// in vain where there is nothing yet, as is usual for the next request of a client. Since Linux
    /// 5.19; before, the kernel refuses it (`InvalidInput`).
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let (server, client) = UnixStream::pair()?;
    /// let request = io.recv_exact(&server, [0; 5]).poll_first();
    /// let (request, _) = ctx.block_on(when_all((request, io.send_all(&client, "hello"))))?.unwrap();
    /// assert_eq!(&request, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    pub fn poll_first(self) -> Self {
        self.map_kind(|mut kind| {
            kind.set_poll_first();
            kind
        })
    }
}

/// A length as the kernel takes it: at most what one transfer can do.
#[inline]
pub(crate) fn transfer_len(len: usize) -> u32 {
    u32::try_from(len).map_or(TRANSFER_MAX, |len| len.min(TRANSFER_MAX))
}
