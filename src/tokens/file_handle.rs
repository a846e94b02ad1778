//! An open file that knows the context on which its operations run.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use super::fd::BasicFd;
use crate::backend::Backend;
use crate::sched::io_context::handle::{Io, IoScheduler, LocalIoScheduler};
use crate::sched::io_context::io_sender::IoSender;
use crate::senders::io::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use crate::senders::io::close::Close;
use crate::senders::io::file_ops::FileOps;
use crate::senders::io::read::{Read, ReadExact};
use crate::senders::io::space::{Fallocate, Ftruncate};
use crate::senders::io::stat::Stat;
use crate::senders::io::sync::Fsync;
use crate::senders::io::vectored::{Readv, Writev};
use crate::senders::io::write::{Write, WriteAll};

/// An owned file descriptor and the handle of the context for its operations; nothing else.
///
/// [`close`](FileHandle::close) is a sender; dropping the handle closes the descriptor, without
/// telling of errors. A file that is not a `FileHandle` (`std::fs::File`, or anything else that is
/// `AsFd`) can be used with the methods of [`FileOps`] just as well.
///
/// The operations borrow the handle. In a pipeline that opens the file, either the one operation
/// takes it, `io.open(..).let_value(|file| io.read_some(file, buffer))`, or
/// [`let_ref`](crate::let_ref) keeps it for many.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("greeting");
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let options = OpenOptions::new().write(true).create(true);
/// let file = ctx.block_on(io.open(&path, options))?.unwrap();
/// ctx.block_on(file.write_all_at("hello", 0))?;
/// ctx.block_on(file.close())?;
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileHandle<H> {
    io: H,
    fd: OwnedFd,
}

/// A [`FileHandle`] whose operations may be started on any thread.
pub type IoFile<'ctx, B = crate::backend::DefaultBackend> = FileHandle<IoScheduler<'ctx, B>>;
/// A [`FileHandle`] for the thread of its context.
pub type LocalIoFile<'ctx, B = crate::backend::DefaultBackend> =
    FileHandle<LocalIoScheduler<'ctx, B>>;

impl<H: Io> FileHandle<H> {
    /// A handle that owns `fd`, with operations on the context of `io`.
    pub const fn new(io: H, fd: OwnedFd) -> Self {
        Self { io, fd }
    }

    /// The handle of the context.
    pub const fn io(&self) -> H {
        self.io
    }

    /// The descriptor as a token.
    pub fn token(&self) -> BasicFd<'_> {
        BasicFd::from(self.fd.as_fd())
    }

    /// See [`FileOps::read_at`].
    pub fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> IoSender<H, Read<BorrowedFd<'_>, B>> {
        self.io.read_at(self.fd.as_fd(), buf, offset)
    }

    /// See [`FileOps::read_some`].
    pub fn read_some<B: IoBufMut>(&self, buf: B) -> IoSender<H, Read<BorrowedFd<'_>, B>> {
        self.io.read_some(self.fd.as_fd(), buf)
    }

    /// See [`FileOps::read_exact_at`].
    pub fn read_exact_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> IoSender<H, ReadExact<BorrowedFd<'_>, B>> {
        self.io.read_exact_at(self.fd.as_fd(), buf, offset)
    }

    /// See [`FileOps::read_exact`].
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> IoSender<H, ReadExact<BorrowedFd<'_>, B>> {
        self.io.read_exact(self.fd.as_fd(), buf)
    }

    /// See [`FileOps::readv_at`].
    pub fn readv_at<B: IoBufsMut>(
        &self,
        bufs: B,
        offset: u64,
    ) -> IoSender<H, Readv<BorrowedFd<'_>, B>> {
        self.io.readv_at(self.fd.as_fd(), bufs, offset)
    }

    /// See [`FileOps::readv`].
    pub fn readv<B: IoBufsMut>(&self, bufs: B) -> IoSender<H, Readv<BorrowedFd<'_>, B>> {
        self.io.readv(self.fd.as_fd(), bufs)
    }

    /// See [`FileOps::write_at`].
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> IoSender<H, Write<BorrowedFd<'_>, B>> {
        self.io.write_at(self.fd.as_fd(), buf, offset)
    }

    /// See [`FileOps::write_all_at`].
    pub fn write_all_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> IoSender<H, WriteAll<BorrowedFd<'_>, B>> {
        self.io.write_all_at(self.fd.as_fd(), buf, offset)
    }

    /// See [`FileOps::write_all`].
    pub fn write_all<B: IoBuf>(&self, buf: B) -> IoSender<H, WriteAll<BorrowedFd<'_>, B>> {
        self.io.write_all(self.fd.as_fd(), buf)
    }

    /// See [`FileOps::write_some`].
    pub fn write_some<B: IoBuf>(&self, buf: B) -> IoSender<H, Write<BorrowedFd<'_>, B>> {
        self.io.write_some(self.fd.as_fd(), buf)
    }

    /// See [`FileOps::writev_at`].
    pub fn writev_at<B: IoBufs>(
        &self,
        bufs: B,
        offset: u64,
    ) -> IoSender<H, Writev<BorrowedFd<'_>, B>> {
        self.io.writev_at(self.fd.as_fd(), bufs, offset)
    }

    /// See [`FileOps::writev`].
    pub fn writev<B: IoBufs>(&self, bufs: B) -> IoSender<H, Writev<BorrowedFd<'_>, B>> {
        self.io.writev(self.fd.as_fd(), bufs)
    }

    /// See [`FileOps::fsync`].
    pub fn fsync(&self) -> IoSender<H, Fsync<BorrowedFd<'_>>> {
        self.io.fsync(self.fd.as_fd())
    }

    /// See [`FileOps::fdatasync`].
    pub fn fdatasync(&self) -> IoSender<H, Fsync<BorrowedFd<'_>>> {
        self.io.fdatasync(self.fd.as_fd())
    }

    /// See [`FileOps::ftruncate`].
    pub fn ftruncate(&self, len: u64) -> IoSender<H, Ftruncate<BorrowedFd<'_>>> {
        self.io.ftruncate(self.fd.as_fd(), len)
    }

    /// See [`FileOps::fallocate`].
    pub fn fallocate(
        &self,
        mode: i32,
        offset: u64,
        len: u64,
    ) -> IoSender<H, Fallocate<BorrowedFd<'_>>> {
        self.io.fallocate(self.fd.as_fd(), mode, offset, len)
    }

    /// See [`FileOps::metadata`].
    pub fn metadata(&self) -> IoSender<H, Stat<BorrowedFd<'_>>> {
        self.io.metadata(self.fd.as_fd())
    }

    /// Another handle to the same open file, which shares its position and flags. `dup(2)`; does
    /// not go through the ring, and does not block.
    ///
    /// # Errors
    /// The kernel's, mostly that the process may not open more files.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.io, self.fd.try_clone()?))
    }

    /// A sender that closes the file and tells of errors. Operations borrow the handle, so none can
    /// be in flight.
    pub fn close(self) -> IoSender<H, Close> {
        self.io.close(self.fd)
    }
}

impl<B: Backend> From<FileHandle<IoScheduler<'_, B>>> for OwnedFd {
    fn from(file: FileHandle<IoScheduler<'_, B>>) -> Self {
        file.fd
    }
}

impl<B: Backend> From<FileHandle<LocalIoScheduler<'_, B>>> for OwnedFd {
    fn from(file: FileHandle<LocalIoScheduler<'_, B>>) -> Self {
        file.fd
    }
}

impl<H> AsFd for FileHandle<H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<H> AsRawFd for FileHandle<H> {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl<H> IntoRawFd for FileHandle<H> {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}
