//! Requests as calls that block: what the threads of the pool do, and the simulator with files.
//!
//! # Safety
//! INV-SLOT-1, INV-READY-4: what a request names is good until its completion, and the request is the
//! caller's meanwhile.

#![expect(unsafe_code, reason = "system calls on memory that requests name")]

use std::io;
use std::ptr::NonNull;

use super::attempt::splice;
use super::calls::{Transfer, checked, completion, is_file};
use super::guard::without_sigpipe;
use super::slot::SlotCore;
use crate::backend::request::{OpenHow, Request};
use crate::backend::uring::write_flags;

/// Carries out the request of a slot and leaves its result there.
///
/// # Safety
///
/// - `core` has a request in flight, and is the caller's.
pub(super) unsafe fn carry_out(core: NonNull<SlotCore>) {
    // SAFETY: alive, and the caller's (contract).
    unsafe {
        let request = (*core.as_ptr()).request;
        let done = (*core.as_ptr()).progress.get();
        let result = match Transfer::of(&request) {
            Some(transfer) => transfer_all(transfer, done),
            None => call(&request),
        };
        (*core.as_ptr()).result.set(completion(result));
    }
}

/// Transfers everything, to the end of the file, or until an error comes, which is not told after a
/// part: as a ring does with files. What is no file is transferred by one call.
///
/// # Safety
///
/// - It is that of a request in flight.
unsafe fn transfer_all(transfer: Transfer, done: u32) -> io::Result<u32> {
    let flags = if transfer.writes { write_flags() } else { 0 };
    let mut done = done;
    loop {
        // SAFETY: the contract is the same.
        match unsafe { transfer.call(done, flags) } {
            Ok(0) => return Ok(done),
            Ok(count) => {
                done += count;
                // SAFETY: as above.
                if !unsafe { transfer.has_more(done) } || !is_file(transfer.fd) {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        }
    }
}

/// Carries out a request about a file or a name, or a splice, by the system call of its kind.
///
/// # Safety
///
/// - It is a request in flight.
pub(crate) unsafe fn call(request: &Request) -> io::Result<u32> {
    // SAFETY: what the request names is good for the call.
    unsafe {
        match *request {
            Request::Fsync {
                fd,
                data_only: true,
            } => checked(libc::fdatasync(fd)),
            Request::Fsync { fd, .. } => checked(libc::fsync(fd)),
            Request::Fallocate {
                fd,
                mode,
                offset,
                len,
            } => checked(libc::fallocate64(
                fd,
                mode,
                offset.cast_signed(),
                len.cast_signed(),
            )),
            Request::Ftruncate { fd, len } => checked(libc::ftruncate64(fd, len.cast_signed())),
            Request::Splice { .. } => without_sigpipe(|| splice(request)),
            _ => call_with_path(request),
        }
    }
}

/// # Safety
///
/// - It is a request in flight.
unsafe fn call_with_path(request: &Request) -> io::Result<u32> {
    // SAFETY: what the request names is good for the call.
    unsafe {
        match *request {
            Request::Open {
                dir,
                path,
                flags,
                mode,
            } => open(flags, |more| {
                checked(libc::openat(dir, path, flags | more, mode))
            }),
            Request::OpenHow { dir, path, how } => {
                let how: OpenHow = *how;
                let flags = i32::try_from(how.flags).unwrap_or(i32::MAX);
                open(flags, |more| {
                    let how = OpenHow {
                        flags: how.flags | u64::from(more.cast_unsigned()),
                        ..how
                    };
                    let result = libc::syscall(
                        libc::SYS_openat2,
                        dir,
                        path,
                        &raw const how,
                        size_of::<OpenHow>(),
                    );
                    checked(result)
                })
            }
            Request::Unlink { dir, path, flags } => checked(libc::unlinkat(dir, path, flags)),
            Request::Rename {
                from_dir,
                from,
                to_dir,
                to,
                flags,
            } => checked(libc::syscall(
                libc::SYS_renameat2,
                from_dir,
                from,
                to_dir,
                to,
                flags,
            )),
            Request::MakeDir { dir, path, mode } => checked(libc::mkdirat(dir, path, mode)),
            Request::Statx {
                dir,
                path,
                flags,
                mask,
                buf,
            } => checked(libc::syscall(libc::SYS_statx, dir, path, flags, mask, buf)),
            _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        }
    }
}

/// Opens as a ring does: with `O_NONBLOCK`, so that nobody waits for the other end of a FIFO, and without
/// it afterwards. A file that is on lease is waited for.
fn open(flags: i32, call: impl Fn(i32) -> io::Result<u32>) -> io::Result<u32> {
    // To open the place of a file only takes no other flags, and does not wait.
    if flags & (libc::O_NONBLOCK | libc::O_PATH) != 0 {
        return call(0);
    }
    let fd = match call(libc::O_NONBLOCK) {
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return call(0),
        opened => opened?,
    };
    // SAFETY: no memory is passed. The descriptor is new, and whether it blocks is all that changes.
    unsafe { libc::fcntl(fd.cast_signed(), libc::F_SETFL, flags) };
    Ok(fd)
}
