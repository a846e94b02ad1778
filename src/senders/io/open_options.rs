//! How a file is opened: the options of `std::fs::OpenOptions`, as flags for `openat` and `openat2`.
//!
//! The builder is a `Copy` value that can be a constant. Combinations that make no sense are found
//! when the file is opened, with the errors that `std` gives.
//!
//! # Kernel
//!
//! `O_CLOEXEC` is always set. What [`OpenOptions::resolve`] gives also satisfies `openat2`, which is
//! stricter: the mode is 0 where no file can come about, and has permission bits only.

use std::io;

use libc::{c_int, mode_t};

/// Options for opening a file, with the meaning that they have in [`std::fs::OpenOptions`].
///
/// All are off at first. Opening fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if
///
/// - neither `read`, nor `write`, nor `append` is on,
/// - `create`, `create_new` or `truncate` is on, but neither `write` nor `append`,
/// - `truncate` and `append` are both on, and `create_new` is not.
///
/// # Examples
///
/// ```
/// use sendio::OpenOptions;
///
/// const LOG: OpenOptions = OpenOptions::new().append(true).create(true).mode(0o640);
/// let log_for_root = LOG.mode(0o600);
/// assert_ne!(LOG, log_for_root);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    custom_flags: c_int,
    mode: mode_t,
}

/// The arguments of `openat`, and the first two fields of `open_how`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFlags {
    /// `O_*`, with `O_CLOEXEC`.
    pub(crate) flags: c_int,
    /// Permission bits for a file that is created; 0 if none can be.
    pub(crate) mode: mode_t,
}

impl OpenOptions {
    /// Everything off, mode `0o666`, no further flags.
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            custom_flags: 0,
            mode: 0o666,
        }
    }

    /// Whether the file can be read.
    pub const fn read(self, read: bool) -> Self {
        Self { read, ..self }
    }

    /// Whether the file can be written. What is in it stays, except what is written over.
    pub const fn write(self, write: bool) -> Self {
        Self { write, ..self }
    }

    /// Whether each write goes to the end of the file, also when others write to it. Includes
    /// `write`.
    pub const fn append(self, append: bool) -> Self {
        Self { append, ..self }
    }

    /// Whether the file is emptied when it is opened. Needs `write`.
    pub const fn truncate(self, truncate: bool) -> Self {
        Self { truncate, ..self }
    }

    /// Whether the file is made if it does not exist. Needs `write` or `append`.
    pub const fn create(self, create: bool) -> Self {
        Self { create, ..self }
    }

    /// Whether the file is made, and must not have existed, not even as a dangling link. Takes the
    /// place of `create` and `truncate`. Needs `write` or `append`.
    pub const fn create_new(self, create_new: bool) -> Self {
        Self { create_new, ..self }
    }

    /// Further flags, such as `libc::O_DIRECT` or `libc::O_NOFOLLOW`, in place of earlier ones. The
    /// bits of the access mode are ignored.
    pub const fn custom_flags(self, custom_flags: c_int) -> Self {
        Self {
            custom_flags,
            ..self
        }
    }

    /// The permission bits of a file that is created, before the process's `umask` takes its share.
    /// At first `0o666`. Bits that are no permission are ignored.
    pub const fn mode(self, mode: mode_t) -> Self {
        Self { mode, ..self }
    }

    /// What to pass to the kernel.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for the combinations listed for [`OpenOptions`].
    pub(crate) fn resolve(&self) -> io::Result<OpenFlags> {
        let flags = libc::O_CLOEXEC
            | self.access()?
            | self.creation()?
            | (self.custom_flags & !libc::O_ACCMODE);
        // O_TMPFILE has more than one bit, one of which is O_DIRECTORY.
        let creates = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
        let mode = if creates { self.mode & 0o7777 } else { 0 };
        Ok(OpenFlags { flags, mode })
    }

    fn access(&self) -> io::Result<c_int> {
        match (self.read, self.write, self.append) {
            (true, false, false) => Ok(libc::O_RDONLY),
            (false, true, false) => Ok(libc::O_WRONLY),
            (true, true, false) => Ok(libc::O_RDWR),
            (false, _, true) => Ok(libc::O_WRONLY | libc::O_APPEND),
            (true, _, true) => Ok(libc::O_RDWR | libc::O_APPEND),
            (false, false, false) => Err(invalid(
                "a file is opened with at least one of read, write and append",
            )),
        }
    }

    fn creation(&self) -> io::Result<c_int> {
        if !self.write && !self.append && (self.truncate || self.create || self.create_new) {
            return Err(invalid(
                "to create or truncate a file it must be opened with write or append",
            ));
        }
        if self.append && self.truncate && !self.create_new {
            return Err(invalid("a file cannot be opened with append and truncate"));
        }
        Ok(match (self.create, self.truncate, self.create_new) {
            (_, _, true) => libc::O_CREAT | libc::O_EXCL,
            (false, false, false) => 0,
            (true, false, false) => libc::O_CREAT,
            (false, true, false) => libc::O_TRUNC,
            (true, true, false) => libc::O_CREAT | libc::O_TRUNC,
        })
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests;
