//! Opens files: `open`, `open_at`.
//!
//! # Cancellation
//!
//! A result of zero or more is an open descriptor, also when stop was requested; it is owned from
//! the moment the result is looked at, so it cannot be lost.
//!
//! # Kernel
//!
//! A ring opens with `O_NONBLOCK` at first, to find out whether it would block, and clears the flag
//! afterwards. For a FIFO that is visible: to open one for reading does not wait for a writer, and
//! to open one for writing fails with `ENXIO` where `open(2)` would wait for a reader.
//!
//! # Safety
//! INV-OPEN-1: the kernel's result of an `openat` is a new descriptor that nobody else owns.

#![expect(
    unsafe_code,
    reason = "takes ownership of the descriptor that the kernel returned"
)]

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use super::accept::new_descriptor;
use super::open_options::{OpenFlags, OpenOptions};
use super::path::PathArg;
use super::target::{Target, without};
use crate::backend::request::{OpenHow, Request};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::cwd::Cwd;
use crate::tokens::file_handle::FileHandle;

/// `openat(2)`, or `openat2(2)`: completes with a [`FileHandle`].
#[derive(Debug)]
pub struct Open<H, D = Cwd> {
    handle: H,
    dir: Target<D>,
    path: PathArg,
    options: OpenOptions,
    flags: OpenFlags,
    /// For the kernel, of an `openat2`.
    how: OpenHow,
    opened: Option<OwnedFd>,
}

impl<H: Io, D: AsFd> Open<H, D> {
    pub(crate) const fn new(handle: H, dir: D, path: PathArg, options: OpenOptions) -> Self {
        Self {
            handle,
            dir: Target::new(dir),
            path,
            options,
            flags: OpenFlags {
                flags: 0,
                mode: 0,
                resolve: 0,
            },
            how: OpenHow {
                flags: 0,
                mode: 0,
                resolve: 0,
            },
            opened: None,
        }
    }
}

// SAFETY: path and owner of the directory are held until the result, and `how` is a field.
unsafe impl<H: Io, D: AsFd> Kind for Open<H, D> {
    type Value = FileHandle<H>;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.path.check()?;
        self.flags = self.options.resolve()?;
        self.dir.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        let (dir, path) = (self.dir.fd(), self.path.as_ptr());
        let OpenFlags {
            flags,
            mode,
            resolve,
        } = self.flags;
        if resolve == 0 {
            return Request::Open {
                dir,
                path,
                flags,
                mode,
            };
        }
        self.how = OpenHow {
            flags: flags.cast_unsigned().into(),
            mode: mode.into(),
            resolve,
        };
        let how = &raw const self.how;
        Request::OpenHow { dir, path, how }
    }

    fn advance(&mut self, result: u32) -> Progress {
        if let Ok(fd) = RawFd::try_from(result) {
            // SAFETY: the kernel has just made it for this request (INV-OPEN-1).
            self.opened = Some(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        Progress::Done
    }

    fn finish(self, ending: Ending) -> Outcome<FileHandle<H>, io::Error> {
        let handle = self.handle;
        let outcome =
            new_descriptor(ending, self.opened).map_value(|fd| FileHandle::new(handle, fd));
        // A panic in there closes the file again.
        without(self.dir, outcome)
    }
}
