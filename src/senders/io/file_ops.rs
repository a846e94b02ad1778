//! The operations of an I/O context on open files, as methods of its handles.

use std::os::fd::{AsFd, OwnedFd};

use super::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use super::close::Close;
use super::read::{Read, ReadExact};
use super::space::{Fallocate, Ftruncate};
use super::stat::Stat;
use super::sync::Fsync;
use super::transfer::Position;
use super::vectored::{Readv, Writev};
use super::write::{Write, WriteAll};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;

/// Operations on files, pipes and other descriptors that are read and written.
///
/// Every method makes a sender; nothing happens before a consumer starts it. What holds for all:
///
/// - **Descriptor**: anything that is [`AsFd`], by reference, by `Arc` or by value. The operation
///   holds it while it runs, so its number cannot come to mean another file.
/// - **Buffer**: anything that is [`IoBuf`] or [`IoBufMut`]. It comes back with the value;
///   [`returning_buffer`](IoSender::returning_buffer) brings it back on every path.
/// - **Errors**: [`std::io::Error`] with the kernel's code, or `InvalidInput` for arguments that
///   never reach it. `EINTR` and `EAGAIN` are retried inside, up to a limit. Operations on whole
///   buffers tell how far they got: [`transferred`](crate::transferred).
/// - **Lengths**: one request transfers at most 2 GiB less a page (`0x7fff_f000` bytes), as in Linux
///   everywhere; operations on whole buffers go on after that. A buffer of no bytes is fine: the
///   whole-buffer operations complete at once, the others ask the kernel, which says 0.
/// - **Offsets**: at most `i64::MAX`, else `InvalidInput`.
/// - **Cancellation**: a stop before the start completes stopped without touching the kernel; later,
///   the kernel is asked to cancel, and its result decides: what was transferred is delivered.
/// - **Threads**: completes on the context's thread; wrong arguments, and a stop before the start,
///   are told where it is started. Allocation: none.
///
/// The standard streams are descriptors like others, and so is a raw one as a
/// [`BasicFd`](crate::BasicFd):
///
/// ```
/// use sendio::BasicFd;
/// use sendio::prelude::*;
/// use std::os::fd::AsFd;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// ctx.block_on(io.write_all(std::io::stdout(), "to standard output\n"))?;
/// let stderr = std::io::stderr();
/// let token = BasicFd::from(stderr.as_fd());
/// ctx.block_on(io.write_all(token, "to standard error\n"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let copied = ctx.block_on(
///     io.open("Cargo.toml", OpenOptions::new().read(true))
///         .let_value(|file| io.read_some(file, vec![0; 4096]))
///         .then(|(n, _bytes)| n),
/// )?;
/// assert!(copied.unwrap() > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait FileOps: Io {
    /// Reads at `offset`, without moving the descriptor's own position: `(bytes read, buffer)`. At
    /// the end of the file that is 0. `pread(2)`, except that a pipe has no offsets and ignores it.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let read = ctx.block_on(ctx.scheduler().read_at(&file, [0; 9], 0))?;
    /// assert_eq!(read, Some((9, *b"[workspac")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_at<F: AsFd, B: IoBufMut>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, Read<F, B>> {
        IoSender::new(self, Read::new(fd, buf, Position::at(offset)))
    }

    /// Reads what there is, at the descriptor's own position: `(bytes read, buffer)`. For pipes,
    /// terminals and streams; waits until there is something. `read(2)`.
    fn read_some<F: AsFd, B: IoBufMut>(self, fd: F, buf: B) -> IoSender<Self, Read<F, B>> {
        IoSender::new(self, Read::new(fd, buf, Position::CURRENT))
    }

    /// Fills the whole buffer from `offset` on, with as many reads as it takes: the buffer. The end
    /// of the file before that is [`std::io::ErrorKind::UnexpectedEof`].
    ///
    /// The whole of a `Vec` is its capacity; [`slice_mut`](crate::IoBufMutExt::slice_mut) says less.
    /// After an error, or a stop in the middle (the error `ECANCELED`; with a timeout around it,
    /// `TimedOut`), the buffer holds what [`transferred`](crate::transferred) counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let line = Vec::with_capacity(100).slice_mut(..11);
    /// let line = ctx.block_on(ctx.scheduler().read_exact_at(&file, line, 0))?;
    /// assert_eq!(line.unwrap().into_inner(), b"[workspace]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_exact_at<F: AsFd, B: IoBufMut>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, ReadExact<F, B>> {
        IoSender::new(self, ReadExact::new(fd, buf, Position::at(offset)))
    }

    /// Fills the whole buffer from the descriptor's own position on: the buffer. See
    /// [`read_exact_at`](Self::read_exact_at).
    ///
    /// The position belongs to everybody who has the file open: keep to one such operation at a time.
    fn read_exact<F: AsFd, B: IoBufMut>(self, fd: F, buf: B) -> IoSender<Self, ReadExact<F, B>> {
        IoSender::new(self, ReadExact::new(fd, buf, Position::CURRENT))
    }

    /// Writes at `offset`, without moving the descriptor's own position: `(bytes written, buffer)`.
    /// `pwrite(2)`.
    fn write_at<F: AsFd, B: IoBuf>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, Write<F, B>> {
        IoSender::new(self, Write::new(fd, buf, Position::at(offset)))
    }

    /// Writes as much as goes at once, at the descriptor's own position: `(bytes written, buffer)`.
    /// `write(2)`.
    ///
    /// Writing to a pipe or socket without a reader is the error `BrokenPipe`. Before Linux 6.18 it
    /// raises `SIGPIPE` as well, as `write(2)` does, which Rust programs ignore unless told otherwise.
    fn write_some<F: AsFd, B: IoBuf>(self, fd: F, buf: B) -> IoSender<Self, Write<F, B>> {
        IoSender::new(self, Write::new(fd, buf, Position::CURRENT))
    }

    /// Writes the whole buffer from `offset` on, with as many writes as it takes: the buffer.
    ///
    /// If it ends in the middle, be it by an error (a full device), a stop (the error `ECANCELED`) or a
    /// timeout around it (`TimedOut`), [`transferred`](crate::transferred) says how much was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = tempfile::tempfile()?;
    /// ctx.block_on(ctx.scheduler().write_all_at(&file, String::from("end"), 1 << 20))?;
    /// assert_eq!(file.metadata()?.len(), (1 << 20) + 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write_all_at<F: AsFd, B: IoBuf>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, WriteAll<F, B>> {
        IoSender::new(self, WriteAll::new(fd, buf, Position::at(offset)))
    }

    /// Writes the whole buffer at the descriptor's own position: the buffer. See
    /// [`write_all_at`](Self::write_all_at).
    fn write_all<F: AsFd, B: IoBuf>(self, fd: F, buf: B) -> IoSender<Self, WriteAll<F, B>> {
        IoSender::new(self, WriteAll::new(fd, buf, Position::CURRENT))
    }

    /// Reads at `offset` into several buffers, one after the other: `(bytes read, buffers)`.
    /// `preadv(2)`. Of more than 1,024 buffers (`IOV_MAX`) the first 1,024 take part.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let read = ctx.scheduler().readv_at(&file, ([0; 1], [0; 9]), 0);
    /// let (n, (bracket, name)) = ctx.block_on(read)?.unwrap();
    /// assert_eq!((n, &bracket, &name), (10, b"[", b"workspace"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn readv_at<F: AsFd, B: IoBufsMut>(
        self,
        fd: F,
        bufs: B,
        offset: u64,
    ) -> IoSender<Self, Readv<F, B>> {
        IoSender::new(self, Readv::new(fd, bufs, Position::at(offset)))
    }

    /// Reads at the descriptor's own position into several buffers. `readv(2)`.
    fn readv<F: AsFd, B: IoBufsMut>(self, fd: F, bufs: B) -> IoSender<Self, Readv<F, B>> {
        IoSender::new(self, Readv::new(fd, bufs, Position::CURRENT))
    }

    /// Writes several buffers at `offset`, one after the other: `(bytes written, buffers)`.
    /// `pwritev(2)`. Of more than 1,024 buffers (`IOV_MAX`) the first 1,024 take part.
    fn writev_at<F: AsFd, B: IoBufs>(
        self,
        fd: F,
        bufs: B,
        offset: u64,
    ) -> IoSender<Self, Writev<F, B>> {
        IoSender::new(self, Writev::new(fd, bufs, Position::at(offset)))
    }

    /// Writes several buffers at the descriptor's own position. `writev(2)`.
    fn writev<F: AsFd, B: IoBufs>(self, fd: F, bufs: B) -> IoSender<Self, Writev<F, B>> {
        IoSender::new(self, Writev::new(fd, bufs, Position::CURRENT))
    }

    /// Waits until data and metadata of the file are on the device. `fsync(2)`.
    fn fsync<F: AsFd>(self, fd: F) -> IoSender<Self, Fsync<F>> {
        IoSender::new(self, Fsync::new(fd, false))
    }

    /// Waits until the file's data, and what is needed to read it back, are on the device.
    /// `fdatasync(2)`.
    fn fdatasync<F: AsFd>(self, fd: F) -> IoSender<Self, Fsync<F>> {
        IoSender::new(self, Fsync::new(fd, true))
    }

    /// Makes the file `len` bytes long. `ftruncate(2)`; needs Linux 6.9, before that it is
    /// [`std::io::ErrorKind::Unsupported`].
    fn ftruncate<F: AsFd>(self, fd: F, len: u64) -> IoSender<Self, Ftruncate<F>> {
        IoSender::new(self, Ftruncate::new(fd, len))
    }

    /// Allocates, punches or moves space of the file; `mode` as in `fallocate(2)`, 0 to allocate.
    fn fallocate<F: AsFd>(
        self,
        fd: F,
        mode: i32,
        offset: u64,
        len: u64,
    ) -> IoSender<Self, Fallocate<F>> {
        IoSender::new(self, Fallocate::new(fd, mode, offset, len))
    }

    /// What is known about an open file: [`Metadata`](crate::Metadata). `statx(2)`.
    fn metadata<F: AsFd>(self, fd: F) -> IoSender<Self, Stat<F>> {
        IoSender::new(self, Stat::new(fd))
    }

    /// Closes a descriptor and tells of errors. `close(2)`.
    ///
    /// The descriptor is closed exactly once on every path, also when the sender is dropped unstarted
    /// or stopped before it starts, and also if the kernel tells of an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// ctx.block_on(ctx.scheduler().close(writer))?;
    /// let (n, _) = ctx.block_on(ctx.scheduler().read_some(&reader, [0; 1]))?.unwrap();
    /// assert_eq!(n, 0, "nobody writes any more");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn close(self, fd: impl Into<OwnedFd>) -> IoSender<Self, Close> {
        IoSender::new(self, Close::new(fd.into()))
    }
}

impl<H: Io> FileOps for H {}
