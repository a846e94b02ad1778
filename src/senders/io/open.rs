//! Opens files: `open`.
//!
//! # Cancellation
//!
//! A result of zero or more is an open descriptor, also when stop was requested; it is owned from
//! the moment the result is looked at, so it cannot be lost.
//!
//! # Safety
//! INV-OPEN-1: the kernel's result of an `openat` is a new descriptor that nobody else owns.

#![expect(
    unsafe_code,
    reason = "takes ownership of the descriptor that the kernel returned"
)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::open_options::{OpenFlags, OpenOptions};
use super::path::IoPath;
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::file_handle::FileHandle;

/// `openat(2)`: completes with a [`FileHandle`].
#[derive(Debug)]
pub struct Open<H> {
    handle: H,
    path: Result<IoPath, Option<io::Error>>,
    options: OpenOptions,
    flags: OpenFlags,
    opened: Option<OwnedFd>,
}

impl<H: Io> Open<H> {
    pub(crate) fn new(handle: H, path: io::Result<IoPath>, options: OpenOptions) -> Self {
        Self {
            handle,
            path: path.map_err(Some),
            options,
            flags: OpenFlags { flags: 0, mode: 0 },
            opened: None,
        }
    }
}

impl<H: Io> Kind for Open<H> {
    type Value = FileHandle<H>;

    fn prepare(&mut self) -> io::Result<Progress> {
        if let Err(error) = &mut self.path {
            return Err(error
                .take()
                .unwrap_or_else(|| io::ErrorKind::InvalidInput.into()));
        }
        self.flags = self.options.resolve()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        let path = self.path.as_ref().map_or(c"".as_ptr(), IoPath::as_ptr);
        Request::Open {
            dir: libc::AT_FDCWD,
            path,
            flags: self.flags.flags,
            mode: self.flags.mode,
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        if let Ok(fd) = RawFd::try_from(result) {
            // SAFETY: the kernel has just made it for this request (INV-OPEN-1).
            self.opened = Some(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        Progress::Done
    }

    fn finish(self, ending: Ending) -> Outcome<FileHandle<H>, io::Error> {
        match (ending, self.opened) {
            (_, Some(fd)) => Outcome::Value(FileHandle::new(self.handle, fd)),
            (Ending::Failure(error), None) => Outcome::Error(error),
            (Ending::Stopped, None) => Outcome::Stopped,
            (Ending::Success(_), None) => {
                Outcome::Error(io::Error::other("the kernel returned no descriptor"))
            }
        }
    }
}
