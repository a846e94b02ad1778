//! Asks for metadata: `metadata`, `metadata_of`.
//!
//! # Safety
//! INV-OP-2: the answer lies in the pinned operation and is not touched while the request is in
//! flight. It is zeroed first, so it is initialised whatever the kernel fills in.

#![expect(unsafe_code, reason = "the answer begins as zeroes")]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, RawFd};

use super::path::PathArg;
use super::statx::{Metadata, STATX_WANTED};
use super::target::Target;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// `statx(2)` of an open file: completes with its [`Metadata`].
pub struct Stat<F> {
    target: Target<F>,
    answer: libc::statx,
}

/// `statx(2)` of a path: completes with the [`Metadata`] of what is there.
pub struct StatPath {
    path: PathArg,
    follow: bool,
    answer: libc::statx,
}

const fn zeroed() -> libc::statx {
    // SAFETY: integers only, for which zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn request(dir: RawFd, path: *const libc::c_char, flags: i32, buf: *mut libc::statx) -> Request {
    Request::Statx {
        dir,
        path,
        flags,
        mask: STATX_WANTED,
        buf,
    }
}

impl<F: AsFd> Stat<F> {
    pub(crate) const fn new(fd: F) -> Self {
        Self {
            target: Target::new(fd),
            answer: zeroed(),
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result, and the answer is a field.
unsafe impl<F: AsFd> Kind for Stat<F> {
    type Value = Metadata;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        request(
            self.target.fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw mut self.answer,
        )
    }

    fn finish(self, ending: Ending) -> Outcome<Metadata, io::Error> {
        let answer = self.answer;
        ending.into_outcome().map_value(|_| Metadata::new(answer))
    }
}

impl StatPath {
    pub(crate) const fn new(path: PathArg, follow: bool) -> Self {
        Self {
            path,
            follow,
            answer: zeroed(),
        }
    }
}

// SAFETY: the path is held until the result, and the answer is a field.
unsafe impl Kind for StatPath {
    type Value = Metadata;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.path.check()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        let flags = if self.follow {
            0
        } else {
            libc::AT_SYMLINK_NOFOLLOW
        };
        request(
            libc::AT_FDCWD,
            self.path.as_ptr(),
            flags,
            &raw mut self.answer,
        )
    }

    fn finish(self, ending: Ending) -> Outcome<Metadata, io::Error> {
        let answer = self.answer;
        ending.into_outcome().map_value(|_| Metadata::new(answer))
    }
}

impl<F> fmt::Debug for Stat<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stat").finish_non_exhaustive()
    }
}

impl fmt::Debug for StatPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatPath")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
