//! The file operations of an I/O context, as methods of its handles.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use super::close::Close;
use super::open::Open;
use super::open_options::OpenOptions;
use super::path::IoPath;
use super::read::{Read, ReadExact};
use super::space::{Fallocate, Ftruncate};
use super::stat::{Stat, StatPath};
use super::sync::Fsync;
use super::target::Position;
use super::vectored::{Readv, Writev};
use super::write::{Write, WriteAll};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::op::IoSender;

/// Operations on files, pipes and other descriptors that are read and written.
///
/// Every method makes a sender; nothing happens before a consumer starts it. What holds for all:
///
/// - **Descriptor**: anything that is [`AsFd`], by reference, by `Arc` or by value. The operation
///   holds it while it runs, so its number cannot come to mean another file.
/// - **Buffer**: anything that is [`IoBuf`] or [`IoBufMut`]. It comes back with the value;
///   [`returning_buffer`](IoSender::returning_buffer) brings it back on every path.
/// - **Errors**: [`std::io::Error`] with the kernel's code, or `InvalidInput` for arguments that
///   never reach it. `EINTR` and `EAGAIN` are retried inside. Operations on whole buffers tell how
///   far they got: [`transferred`](crate::transferred).
/// - **Cancellation**: a stop before the start completes stopped without touching the kernel; later,
///   the kernel is asked to cancel, and its result decides: what was transferred is delivered.
/// - **Threads**: completes on the context's thread. Allocation: none.
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
    /// the end of the file that is 0. `pread(2)`.
    fn read_at<F: AsFd, B: IoBufMut>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, Read<F, B>> {
        IoSender::new(self, Read::new(fd, buf, Position::at(offset).into()))
    }

    /// Reads what there is, at the descriptor's own position: `(bytes read, buffer)`. For pipes,
    /// terminals and streams; waits until there is something. `read(2)`.
    fn read_some<F: AsFd, B: IoBufMut>(self, fd: F, buf: B) -> IoSender<Self, Read<F, B>> {
        IoSender::new(self, Read::new(fd, buf, Position::CURRENT))
    }

    /// Fills the whole buffer from `offset` on, with as many reads as it takes: the buffer. The end
    /// of the file before that is [`std::io::ErrorKind::UnexpectedEof`].
    fn read_exact_at<F: AsFd, B: IoBufMut>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, ReadExact<F, B>> {
        IoSender::new(self, ReadExact::new(fd, buf, Position::at(offset).into()))
    }

    /// Fills the whole buffer from the descriptor's own position on: the buffer.
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
        IoSender::new(self, Write::new(fd, buf, Position::at(offset).into()))
    }

    /// Writes as much as goes at once, at the descriptor's own position: `(bytes written, buffer)`.
    /// `write(2)`.
    ///
    /// Writing to a pipe without a reader raises `SIGPIPE` as `write(2)` does; Rust programs ignore
    /// that signal unless told otherwise, and the error is `BrokenPipe`.
    fn write_some<F: AsFd, B: IoBuf>(self, fd: F, buf: B) -> IoSender<Self, Write<F, B>> {
        IoSender::new(self, Write::new(fd, buf, Position::CURRENT))
    }

    /// Writes the whole buffer from `offset` on, with as many writes as it takes: the buffer.
    fn write_all_at<F: AsFd, B: IoBuf>(
        self,
        fd: F,
        buf: B,
        offset: u64,
    ) -> IoSender<Self, WriteAll<F, B>> {
        IoSender::new(self, WriteAll::new(fd, buf, Position::at(offset).into()))
    }

    /// Writes the whole buffer at the descriptor's own position: the buffer.
    fn write_all<F: AsFd, B: IoBuf>(self, fd: F, buf: B) -> IoSender<Self, WriteAll<F, B>> {
        IoSender::new(self, WriteAll::new(fd, buf, Position::CURRENT))
    }

    /// Reads at `offset` into several buffers, one after the other: `(bytes read, buffers)`.
    /// `preadv(2)`.
    fn readv_at<F: AsFd, B: IoBufsMut>(
        self,
        fd: F,
        bufs: B,
        offset: u64,
    ) -> IoSender<Self, Readv<F, B>> {
        IoSender::new(self, Readv::new(fd, bufs, Position::at(offset).into()))
    }

    /// Reads at the descriptor's own position into several buffers. `readv(2)`.
    fn readv<F: AsFd, B: IoBufsMut>(self, fd: F, bufs: B) -> IoSender<Self, Readv<F, B>> {
        IoSender::new(self, Readv::new(fd, bufs, Position::CURRENT))
    }

    /// Writes several buffers at `offset`, one after the other: `(bytes written, buffers)`.
    /// `pwritev(2)`.
    fn writev_at<F: AsFd, B: IoBufs>(
        self,
        fd: F,
        bufs: B,
        offset: u64,
    ) -> IoSender<Self, Writev<F, B>> {
        IoSender::new(self, Writev::new(fd, bufs, Position::at(offset).into()))
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

    /// Makes the file `len` bytes long. `ftruncate(2)`; needs Linux 6.9.
    fn ftruncate<F: AsFd>(self, fd: F, len: u64) -> IoSender<Self, Ftruncate<F>> {
        IoSender::new(self, Ftruncate::new(fd, len))
    }

    /// Allocates, punches or moves space of the file; `mode` as in `fallocate(2)`.
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

    /// What is known about the file at `path`, following links: [`Metadata`](crate::Metadata).
    fn metadata_of(self, path: impl AsRef<Path>) -> IoSender<Self, StatPath> {
        IoSender::new(self, StatPath::new(IoPath::new(path), true))
    }

    /// What is known about what is at `path`, which may be a link: [`Metadata`](crate::Metadata).
    fn symlink_metadata_of(self, path: impl AsRef<Path>) -> IoSender<Self, StatPath> {
        IoSender::new(self, StatPath::new(IoPath::new(path), false))
    }

    /// Opens the file at `path`: a [`FileHandle`](crate::FileHandle). `openat(2)`.
    ///
    /// A stop request that comes too late is no reason to lose the file: it is delivered.
    fn open(self, path: impl AsRef<Path>, options: OpenOptions) -> IoSender<Self, Open<Self>> {
        IoSender::new(self, Open::new(self, IoPath::new(path), options))
    }

    /// Closes a descriptor and tells of errors. `close(2)`.
    ///
    /// The descriptor is closed exactly once on every path, also when the sender is dropped unstarted
    /// or stopped before it starts.
    fn close(self, fd: impl Into<OwnedFd>) -> IoSender<Self, Close> {
        IoSender::new(self, Close::new(fd.into()))
    }
}

impl<H: Io> FileOps for H {}
