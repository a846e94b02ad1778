//! Requests that name paths, on the file system of the machine.
//!
//! A file is opened as a ring does it: with `O_NONBLOCK` at first, so that opening a FIFO does not wait.
//!
//! # Safety
//! INV-SLOT-1: paths and places of a request in flight.

#![expect(unsafe_code, reason = "openat, openat2, statx and their kin")]

use std::os::fd::RawFd;

use libc::c_char;

use super::super::descriptor::{told, told_int};
use crate::backend::request::{OpenHow, Request};

/// The result of a request that names a path.
///
/// # Safety
///
/// - The request is in flight.
pub(in super::super) unsafe fn perform(request: &Request) -> i32 {
    // SAFETY: paths end with a NUL and are good, and so is the place for an answer (contract).
    unsafe {
        match *request {
            Request::Open {
                dir,
                path,
                flags,
                mode,
            } => opened(flags & libc::O_NONBLOCK != 0, {
                told_int(libc::openat(dir, path, flags | libc::O_NONBLOCK, mode))
            }),
            Request::OpenHow { dir, path, how } => open_how(dir, path, &*how),
            Request::Unlink { dir, path, flags } => told_int(libc::unlinkat(dir, path, flags)),
            Request::Rename {
                from_dir,
                from,
                to_dir,
                to,
                flags,
            } => {
                let result = libc::syscall(libc::SYS_renameat2, from_dir, from, to_dir, to, flags);
                told(isize::try_from(result).unwrap_or(0))
            }
            Request::MakeDir { dir, path, mode } => told_int(libc::mkdirat(dir, path, mode)),
            Request::Statx {
                dir,
                path,
                flags,
                mask,
                buf,
            } => told_int(libc::statx(dir, path, flags, mask, buf)),
            _ => -libc::EOPNOTSUPP,
        }
    }
}

/// # Safety
///
/// - `path` ends with a NUL.
unsafe fn open_how(dir: RawFd, path: *const c_char, how: &OpenHow) -> i32 {
    let flag = u64::from(libc::O_NONBLOCK.cast_unsigned());
    let takes_no_flag = how.flags & u64::from(libc::O_PATH.cast_unsigned()) != 0;
    let mut now = *how;
    if !takes_no_flag {
        now.flags |= flag;
    }
    // SAFETY: path and `now` are good during the call, and the size is that of `now`.
    let result = told(
        isize::try_from(unsafe {
            let how: *const OpenHow = &raw const now;
            libc::syscall(libc::SYS_openat2, dir, path, how, size_of::<OpenHow>())
        })
        .unwrap_or(0),
    );
    opened(takes_no_flag || how.flags & flag != 0, result)
}

/// Takes back the flag with which a file was opened.
fn opened(keeps_flag: bool, result: i32) -> i32 {
    if result >= 0 && !keeps_flag {
        // SAFETY: no memory is passed; the descriptor is new.
        unsafe {
            let flags = libc::fcntl(result, libc::F_GETFL);
            if flags >= 0 {
                libc::fcntl(result, libc::F_SETFL, flags & !libc::O_NONBLOCK);
            }
        }
    }
    result
}
