//! The operations of an I/O context on paths, as methods of its handles.

use std::os::fd::AsFd;
use std::path::Path;

use super::names::{MakeDir, Rename, Unlink};
use super::open::Open;
use super::open_options::OpenOptions;
use super::path::PathArg;
use super::stat::StatPath;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::tokens::cwd::Cwd;

/// Operations on paths: opens, asks about, makes, renames and removes what has a name.
///
/// Every method makes a sender; nothing happens before a consumer starts it. What holds for all:
///
/// - **Path**: copied into the sender (without heap up to 63 bytes). One with a NUL in it is
///   `InvalidInput`; all else is for the kernel to say.
/// - **Directory**: a relative path is relative to the working directory, in the `_at` methods to an
///   open directory: anything that is [`AsFd`], held while the operation runs. [`Cwd`] is one too.
/// - **Cancellation**: a stop before the start completes stopped and changes nothing; later the
///   result of the kernel decides.
/// - **Threads**: as for [`FileOps`](crate::FileOps).
///
/// # Examples
///
/// A file appears under its name when it is complete, and not before:
///
/// ```
/// use sendio::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let (draft, name) = (dir.path().join("report.part"), dir.path().join("report"));
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// ctx.block_on(
///     io.open(&draft, OpenOptions::new().write(true).create_new(true))
///         .let_value(|file| io.write_all(file, "all of it"))
///         .let_value(|_text| io.rename(&draft, &name)),
/// )?;
/// assert_eq!(std::fs::read(&name)?, b"all of it");
/// ctx.block_on(io.unlink(&name))?;
/// assert!(!name.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait PathOps: Io {
    /// Opens the file at `path`: a [`FileHandle`](crate::FileHandle). `openat(2)`.
    ///
    /// A stop request that comes too late is no reason to lose the file: it is delivered. A FIFO is
    /// opened as `open(2)` with `O_NONBLOCK` would, without waiting for its other end; what is read
    /// and written later does wait.
    fn open(self, path: impl AsRef<Path>, options: OpenOptions) -> IoSender<Self, Open<Self>> {
        self.open_at(Cwd, path, options)
    }

    /// Opens the file at `path`, which is relative to `dir`: a [`FileHandle`](crate::FileHandle).
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let dir = std::fs::File::open("src")?;
    /// let ctx = IoContext::new()?;
    /// let options = OpenOptions::new().read(true);
    /// let file = ctx.block_on(ctx.scheduler().open_at(&dir, "lib.rs", options))?;
    /// assert!(file.is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn open_at<D: AsFd>(
        self,
        dir: D,
        path: impl AsRef<Path>,
        options: OpenOptions,
    ) -> IoSender<Self, Open<Self, D>> {
        IoSender::new(self, Open::new(self, dir, PathArg::new(path), options))
    }

    /// What is known about the file at `path`, following links: [`Metadata`](crate::Metadata).
    /// `statx(2)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let known = ctx.block_on(ctx.scheduler().metadata_of("src"))?;
    /// assert!(known.unwrap().is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn metadata_of(self, path: impl AsRef<Path>) -> IoSender<Self, StatPath> {
        IoSender::new(self, StatPath::new(PathArg::new(path), true))
    }

    /// What is known about what is at `path`, which may be a link: [`Metadata`](crate::Metadata).
    fn symlink_metadata_of(self, path: impl AsRef<Path>) -> IoSender<Self, StatPath> {
        IoSender::new(self, StatPath::new(PathArg::new(path), false))
    }

    /// Removes the name `path` of a file; the file goes with its last name, when it is no longer
    /// open. `unlink(2)`.
    fn unlink(self, path: impl AsRef<Path>) -> IoSender<Self, Unlink> {
        self.unlink_at(Cwd, path)
    }

    /// Removes the name `path`, which is relative to `dir`. `unlinkat(2)`.
    fn unlink_at<D: AsFd>(self, dir: D, path: impl AsRef<Path>) -> IoSender<Self, Unlink<D>> {
        IoSender::new(self, Unlink::file(dir, PathArg::new(path)))
    }

    /// Makes a directory with these permission bits, of which the process's `umask` takes its
    /// share. `mkdir(2)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let parent = tempfile::tempdir()?;
    /// let path = parent.path().join("new");
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// ctx.block_on(io.mkdir(&path, 0o755))?;
    /// assert!(path.is_dir());
    /// ctx.block_on(io.rmdir(&path))?;
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn mkdir(self, path: impl AsRef<Path>, mode: u32) -> IoSender<Self, MakeDir> {
        self.mkdir_at(Cwd, path, mode)
    }

    /// Makes a directory at `path`, which is relative to `dir`. `mkdirat(2)`.
    fn mkdir_at<D: AsFd>(
        self,
        dir: D,
        path: impl AsRef<Path>,
        mode: u32,
    ) -> IoSender<Self, MakeDir<D>> {
        IoSender::new(self, MakeDir::new(dir, PathArg::new(path), mode))
    }

    /// Removes an empty directory. `rmdir(2)`.
    fn rmdir(self, path: impl AsRef<Path>) -> IoSender<Self, Unlink> {
        self.rmdir_at(Cwd, path)
    }

    /// Removes an empty directory whose path is relative to `dir`. `unlinkat(2)`.
    fn rmdir_at<D: AsFd>(self, dir: D, path: impl AsRef<Path>) -> IoSender<Self, Unlink<D>> {
        IoSender::new(self, Unlink::directory(dir, PathArg::new(path)))
    }

    /// Gives the file `from` the name `to`, in one step: a file that had that name loses it.
    /// `rename(2)`.
    fn rename(self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> IoSender<Self, Rename> {
        self.rename_at(Cwd, from, Cwd, to)
    }

    /// Gives the file `from`, relative to `from_dir`, the name `to`, relative to `to_dir`.
    /// `renameat(2)`.
    fn rename_at<D: AsFd, E: AsFd>(
        self,
        from_dir: D,
        from: impl AsRef<Path>,
        to_dir: E,
        to: impl AsRef<Path>,
    ) -> IoSender<Self, Rename<D, E>> {
        let from = (from_dir, PathArg::new(from));
        let to = (to_dir, PathArg::new(to));
        IoSender::new(self, Rename::new(from, to, 0))
    }

    /// As [`rename`](Self::rename), but if something has the name `to` it fails with `AlreadyExists`
    /// and changes nothing. `renameat2(2)` with `RENAME_NOREPLACE`, which needs support by the file
    /// system.
    fn rename_noreplace(
        self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> IoSender<Self, Rename> {
        let from = (Cwd, PathArg::new(from));
        let to = (Cwd, PathArg::new(to));
        IoSender::new(self, Rename::new(from, to, libc::RENAME_NOREPLACE))
    }
}

impl<H: Io> PathOps for H {}
