//! Changes the names of files: `unlink`, `rmdir`, `rename`, `mkdir`.
//!
//! # Cancellation
//!
//! The kernel does these on a worker thread. A stop request before the worker has begun completes
//! stopped, and nothing was changed; after that the result decides.
//!
//! # Kernel
//!
//! Unlink and rename since Linux 5.11, making a directory since 5.15; before: `EINVAL`.
//!
//! # Safety
//! INV-OP-2: what the request names is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::path::PathArg;
use super::target::Target;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::cwd::Cwd;

/// A path, and the directory to which it is relative.
#[derive(Debug)]
struct Place<D> {
    dir: Target<D>,
    path: PathArg,
}

impl<D: AsFd> Place<D> {
    const fn new(dir: D, path: PathArg) -> Self {
        Self {
            dir: Target::new(dir),
            path,
        }
    }

    fn prepare(&mut self) -> io::Result<()> {
        self.path.check()?;
        self.dir.resolve();
        Ok(())
    }
}

/// `unlinkat(2)`: removes a name, or an empty directory.
#[derive(Debug)]
pub struct Unlink<D = Cwd> {
    place: Place<D>,
    flags: i32,
}

impl<D: AsFd> Unlink<D> {
    pub(crate) const fn file(dir: D, path: PathArg) -> Self {
        Self {
            place: Place::new(dir, path),
            flags: 0,
        }
    }

    pub(crate) const fn directory(dir: D, path: PathArg) -> Self {
        Self {
            place: Place::new(dir, path),
            flags: libc::AT_REMOVEDIR,
        }
    }
}

// SAFETY: path and owner of the directory are held until the result.
unsafe impl<D: AsFd> Kind for Unlink<D> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.place.prepare().map(|()| Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Unlink {
            dir: self.place.dir.fd(),
            path: self.place.path.as_ptr(),
            flags: self.flags,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

/// `renameat2(2)`: gives a file another name.
#[derive(Debug)]
pub struct Rename<D = Cwd, E = Cwd> {
    from: Place<D>,
    to: Place<E>,
    flags: u32,
}

impl<D: AsFd, E: AsFd> Rename<D, E> {
    pub(crate) fn new(from: (D, PathArg), to: (E, PathArg), flags: u32) -> Self {
        Self {
            from: Place::new(from.0, from.1),
            to: Place::new(to.0, to.1),
            flags,
        }
    }
}

// SAFETY: paths and owners of the directories are held until the result.
unsafe impl<D: AsFd, E: AsFd> Kind for Rename<D, E> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.from.prepare()?;
        self.to.prepare()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Rename {
            from_dir: self.from.dir.fd(),
            from: self.from.path.as_ptr(),
            to_dir: self.to.dir.fd(),
            to: self.to.path.as_ptr(),
            flags: self.flags,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

/// `mkdirat(2)`: makes a directory.
#[derive(Debug)]
pub struct MakeDir<D = Cwd> {
    place: Place<D>,
    mode: libc::mode_t,
}

impl<D: AsFd> MakeDir<D> {
    pub(crate) const fn new(dir: D, path: PathArg, mode: libc::mode_t) -> Self {
        Self {
            place: Place::new(dir, path),
            mode,
        }
    }
}

// SAFETY: as for `Unlink`.
unsafe impl<D: AsFd> Kind for MakeDir<D> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.place.prepare().map(|()| Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::MakeDir {
            dir: self.place.dir.fd(),
            path: self.place.path.as_ptr(),
            mode: self.mode,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}
