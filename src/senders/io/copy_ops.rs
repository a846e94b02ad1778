//! The operations of an I/O context that move bytes between descriptors, as methods of its handles.

use std::os::fd::AsFd;

use super::copy::CopyBytes;
use super::splice::Splice;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;

/// Operations that move bytes from one descriptor to another, past the memory of the process.
///
/// What [`FileOps`](crate::FileOps) says of descriptors, errors and threads holds here too.
///
/// # Kernel
///
/// A ring runs each splice in a worker thread of the kernel. It is begun only when a poll has said that
/// there is something to take and room for it, so one that waits occupies no thread, and stops at
/// once. But a socket in blocking mode whose buffer has room for a part only keeps the thread until its
/// peer has read on, or until the stop; with `O_NONBLOCK` it waits in a poll. For small pieces,
/// [`recv`](crate::SocketOps::recv) and [`send_all`](crate::SocketOps::send_all) cost less.
pub trait CopyOps: Io {
    /// Moves at most `len` bytes, one of the two being a pipe: the number of bytes, 0 at the end.
    /// `splice(2)`.
    ///
    /// Waits until it can move something.
    ///
    /// # Errors
    ///
    /// `EINVAL` if none of them is a pipe, or one does not support it (a file opened to append to,
    /// some devices); `ESPIPE` for an offset in a pipe.
    ///
    /// # Cancellation
    ///
    /// What was moved is delivered, also when stop was requested.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::io::Read;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let moved = ctx.block_on(ctx.scheduler().splice(&file, &writer, 9).from_offset(1))?;
    /// assert_eq!(moved, Some(9));
    /// let mut bytes = [0; 9];
    /// reader.read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"workspace");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn splice<A: AsFd, B: AsFd>(self, from: A, to: B, len: usize) -> IoSender<Self, Splice<A, B>> {
        IoSender::new(self, Splice::new(from, to, len))
    }

    /// Copies everything until the source ends: the number of bytes. `sendfile(2)`, for descriptors of
    /// any kind.
    ///
    /// By [`splice`](Self::splice), through a pipe of its own if none of the two is one; by reads and
    /// writes where that is not supported (`EINVAL`), with a buffer of 64 KiB then. It shuts nothing
    /// down: the target of a connection is told of the end by
    /// [`shutdown`](crate::SocketOps::shutdown). [`at_most`](IoSender::at_most) ends it earlier.
    ///
    /// # Errors
    ///
    /// Those of the two descriptors; `EMFILE` without descriptors for the pipe; `WriteZero` if the
    /// target takes no more. If it ends in the middle, [`transferred`](crate::transferred) says how many
    /// bytes reached the target, and [`Partial::rest`](crate::Partial::rest) has those that were taken
    /// from the source and did not.
    ///
    /// # Cancellation
    ///
    /// A stop before anything was taken is *stopped*, one in the middle the error `ECANCELED` (`TimedOut`,
    /// if a timeout stopped it) with the same two facts.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::io::Read;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let (left, mut right) = UnixStream::pair()?;
    /// let copy = ctx.scheduler().copy(&file, &left).from_offset(1).at_most(9);
    /// assert_eq!(ctx.block_on(copy)?, Some(9));
    /// let mut bytes = [0; 9];
    /// right.read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"workspace");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendfile")]
    fn copy<A: AsFd, B: AsFd>(self, from: A, to: B) -> IoSender<Self, CopyBytes<A, B>> {
        IoSender::new(self, CopyBytes::new(from, to))
    }
}

impl<H: Io> CopyOps for H {}
