//! [`Cwd`]: the working directory where a directory's descriptor is asked for.
//!
//! # Safety
//!
//! `AT_FDCWD` is no descriptor, so nobody can close it or be given its number; a call that does not
//! know the placeholder fails with `EBADF`.

#![expect(unsafe_code, reason = "a placeholder as a borrowed descriptor")]

use std::os::fd::{AsFd, BorrowedFd};

/// The working directory of the process, for operations that take a directory: `AT_FDCWD`.
///
/// # Examples
///
/// ```
/// use sendio::Cwd;
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let options = OpenOptions::new().read(true);
/// let file = ctx.block_on(ctx.scheduler().open_at(Cwd, "Cargo.toml", options))?;
/// assert!(file.is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cwd;

impl AsFd for Cwd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is not -1, and it means the working directory for as long as the process
        //         lives: nothing closes it.
        unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
    }
}
