//! Which descriptors are of files that are open with `O_DIRECT`.
//!
//! Asking is a system call, so the last answers are kept, by number. A number may be another file by now:
//! that costs time, and is no error. Whoever relied on a "yes" finds out (the request was made with
//! `RWF_NOWAIT`) and [`forget`](Direct::forget)s it; a "no", with which a thread does the work, is asked
//! about again after [`REPEATS`] times.
//!
//! # Safety
//! System calls with memory of the caller's frame.

#![expect(unsafe_code, reason = "fcntl(2) and fstat(2)")]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// How many answers are kept.
const KEPT: usize = 16;

/// No descriptor.
const NONE: RawFd = RawFd::MIN;

/// How often a "no" is repeated.
const REPEATS: u8 = 64;

/// The last answer about a number.
#[derive(Debug)]
struct Known {
    fd: Cell<RawFd>,
    /// How often the answer is still "no"; with 0 it is "yes".
    no: Cell<u8>,
}

/// The last answers.
#[derive(Debug)]
pub(crate) struct Direct {
    known: [Known; KEPT],
}

impl Direct {
    pub(crate) const fn new() -> Self {
        Self {
            known: [const {
                Known {
                    fd: Cell::new(NONE),
                    no: Cell::new(0),
                }
            }; KEPT],
        }
    }

    #[inline]
    fn of(&self, fd: RawFd) -> &Known {
        &self.known[fd.cast_unsigned() as usize % KEPT]
    }

    /// Whether `fd` is, or was a while ago, a direct file.
    #[inline]
    pub(crate) fn is_likely(&self, fd: RawFd) -> bool {
        let known = self.of(fd);
        if known.fd.get() != fd {
            return Self::asked(known, fd);
        }
        let no = known.no.get();
        if no > 1 {
            known.no.set(no - 1);
        }
        no == 0 || (no == 1 && Self::asked(known, fd))
    }

    #[cold]
    fn asked(known: &Known, fd: RawFd) -> bool {
        // A pipe that is `O_DIRECT` has packets.
        let direct = is_direct(fd) && kind_of(fd) == FileKind::DirectFile;
        known.fd.set(fd);
        known.no.set(if direct { 0 } else { REPEATS });
        direct
    }

    /// The last answer about `fd` is not relied on any more.
    pub(crate) fn forget(&self, fd: RawFd) {
        self.of(fd).fd.set(NONE);
    }
}

/// What a descriptor refers to, as far as this backend has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file or a block device, open with `O_DIRECT`.
    DirectFile,
    /// A regular file, a directory or a block device.
    File,
    /// Something that one waits for: a pipe, a socket, a terminal. Or nothing.
    Other,
}

/// Asks the kernel.
pub(crate) fn kind_of(fd: RawFd) -> FileKind {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: room for one; read only if it was written.
    let mode = unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
            return FileKind::Other;
        }
        (*stat.as_ptr()).st_mode
    };
    match mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFBLK if is_direct(fd) => FileKind::DirectFile,
        libc::S_IFREG | libc::S_IFBLK | libc::S_IFDIR => FileKind::File,
        _ => FileKind::Other,
    }
}

fn is_direct(fd: RawFd) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_DIRECT != 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> File {
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .expect("O_DIRECT")
    }

    #[test]
    fn kinds_are_told_apart_and_answers_are_forgotten() {
        let named = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).expect("a file");
        let (direct, spare) = (open(named.path()), open(named.path()));
        let folder = File::open("/").expect("a directory");
        let (pipe, _writer) = std::io::pipe().expect("a pipe");
        let known = Direct::new();
        for (fd, kind) in [
            (direct.as_raw_fd(), FileKind::DirectFile),
            (named.as_file().as_raw_fd(), FileKind::File),
            (folder.as_raw_fd(), FileKind::File),
            (pipe.as_raw_fd(), FileKind::Other),
            (-1, FileKind::Other),
            (NONE + 1, FileKind::Other),
        ] {
            assert_eq!(kind_of(fd), kind);
            assert_eq!(known.is_likely(fd), kind == FileKind::DirectFile);
        }
        let fd = direct.as_raw_fd();
        drop(direct);
        assert!(known.is_likely(fd), "that is what was known");
        known.forget(fd);
        assert!(!known.is_likely(fd), "nobody has the number in this test");
        // SAFETY: nobody else has the number; it is closed with `again`.
        let again = unsafe {
            assert_eq!(libc::dup2(spare.as_raw_fd(), fd), fd);
            File::from_raw_fd(fd)
        };
        let repeated = (0..1000).take_while(|_| !known.is_likely(fd)).count();
        assert_eq!(repeated, usize::from(REPEATS) - 1, "then it is asked again");
        drop(again);
    }
}
