//! How a file is opened: the options of `std::fs::OpenOptions`, as flags for `openat` and `openat2`.
//!
//! The builder is a `Copy` value that can be a constant. Combinations that make no sense are found
//! when the file is opened, with the errors that `std` gives.
//!
//! # Kernel
//!
//! `O_CLOEXEC` is always set. What [`OpenOptions::resolve`] gives also satisfies `openat2`, which is
//! stricter: the mode is 0 where no file can come about, and has permission bits only. `openat2` is
//! asked only where a path has to stay [beneath](OpenOptions::beneath) its directory.

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
    beneath: bool,
}

/// The arguments of `openat`, and the fields of `open_how`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFlags {
    /// `O_*`, with `O_CLOEXEC`.
    pub(crate) flags: c_int,
    /// Permission bits for a file that is created; 0 if none can be.
    pub(crate) mode: mode_t,
    /// `RESOLVE_*`; with any of them it is `openat2`.
    pub(crate) resolve: u64,
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
            beneath: false,
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

    /// Whether the path must stay below the directory to which it is relative: at no moment of its
    /// resolution may it leave it, neither by `..`, nor by a symbolic link, nor because it is
    /// absolute. `openat2(2)` with `RESOLVE_BENEATH`, and without the magic links of `/proc`.
    ///
    /// A path that would leave fails with `EXDEV`. Unlike a check before the opening it cannot be
    /// outrun by somebody who renames directories meanwhile. (Such a rename can make the kernel ask
    /// for another try; that is done inside, up to a limit.)
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let root = std::fs::File::open("src")?;
    /// let ctx = IoContext::new()?;
    /// let options = OpenOptions::new().read(true).beneath(true);
    /// let open = |path: &str| ctx.block_on(ctx.scheduler().open_at(&root, path, options));
    /// assert!(open("sched/../lib.rs").is_ok());
    /// let error = open("../Cargo.toml").unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(libc::EXDEV));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn beneath(self, beneath: bool) -> Self {
        Self { beneath, ..self }
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
        let resolve = if self.beneath {
            libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS
        } else {
            0
        };
        Ok(OpenFlags {
            flags,
            mode,
            resolve,
        })
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
