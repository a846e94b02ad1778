//! Changes the space that a file takes: `ftruncate`, `fallocate`.
//!
//! # Kernel
//!
//! A ring truncates since Linux 6.9. Older kernels answer `EINVAL`, which also says that the file is
//! no regular one, is not open for writing, or cannot have that length. When none of these is the
//! case the error becomes `Unsupported`.
//!
//! # Safety
//! The descriptor is asked about while its owner is still held.

#![expect(unsafe_code, reason = "asks about the descriptor of the operation")]

use std::io;
use std::os::fd::{AsFd, RawFd};

use super::target::Target;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::fd::{BasicFd, FileKind};

/// `ftruncate(2)`.
#[derive(Clone, Debug)]
pub struct Ftruncate<F> {
    target: Target<F>,
    len: u64,
}

impl<F: AsFd> Ftruncate<F> {
    pub(crate) const fn new(fd: F, len: u64) -> Self {
        Self {
            target: Target::new(fd),
            len,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result.
unsafe impl<F: AsFd> Kind for Ftruncate<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Ftruncate {
            fd: self.target.fd(),
            len: self.len,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        let (fd, len) = (self.target.fd(), self.len);
        ending
            .into_outcome()
            .map_value(|_| ())
            .map_error(|error| explain(error, fd, len))
    }
}

/// What `error` means: see the module's documentation.
#[cold]
fn explain(error: io::Error, fd: RawFd, len: u64) -> io::Error {
    if error.raw_os_error() != Some(libc::EINVAL) || i64::try_from(len).is_err() || fd < 0 {
        return error;
    }
    // SAFETY: an open descriptor: its owner is held until `finish` returns. If it is a placeholder
    //         the questions fail.
    let fd = unsafe { BasicFd::from_raw(fd) };
    match (fd.kind(), fd.access_mode()) {
        (Ok(FileKind::File), Ok(mode)) if mode.can_write() => io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel cannot truncate files through io_uring (Linux 6.9 can)",
        ),
        _ => error,
    }
}

/// `fallocate(2)`.
#[derive(Clone, Debug)]
pub struct Fallocate<F> {
    target: Target<F>,
    mode: i32,
    offset: u64,
    len: u64,
}

impl<F: AsFd> Fallocate<F> {
    pub(crate) const fn new(fd: F, mode: i32, offset: u64, len: u64) -> Self {
        Self {
            target: Target::new(fd),
            mode,
            offset,
            len,
        }
    }
}

// SAFETY: as for `Ftruncate`.
unsafe impl<F: AsFd> Kind for Fallocate<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Fallocate {
            fd: self.target.fd(),
            mode: self.mode,
            offset: self.offset,
            len: self.len,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::fs::File;

    use super::*;

    /// What `ftruncate` of `file` says when the kernel says `code`.
    fn told<F: AsFd>(file: F, len: u64, code: i32) -> io::Error {
        let mut kind = Ftruncate::new(file, len);
        kind.prepare().expect("no arguments are wrong");
        let error = io::Error::from_raw_os_error(code);
        match kind.finish(Ending::Failure(error)) {
            Outcome::Error(error) => error,
            other => panic!("expected an error, was {other:?}"),
        }
    }

    #[test]
    fn ftruncate_unknown_to_the_kernel_is_unsupported() {
        let file = tempfile::tempfile().expect("temporary file");
        let error = told(&file, 7, libc::EINVAL);
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn ftruncate_other_causes_of_einval_stay() {
        let file = tempfile::tempfile().expect("temporary file");
        let read_only = File::open("/proc/self/exe").expect("open");
        let (pipe, _writer) = io::pipe().expect("pipe");
        for error in [
            told(&file, u64::MAX, libc::EINVAL),
            told(&read_only, 7, libc::EINVAL),
            told(&pipe, 7, libc::EINVAL),
        ] {
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        }
        assert_eq!(
            told(&file, 7, libc::EFBIG).raw_os_error(),
            Some(libc::EFBIG)
        );
    }
}
