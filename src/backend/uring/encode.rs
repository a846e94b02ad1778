//! Turns requests into submission queue entries.
//!
//! With a request known at compile time this folds into the few stores of its entry.

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use crate::backend::request::Request;

/// The entry for `request`, without its `user_data`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it folds into one store per field where it is called"
)]
pub(super) fn encode(request: Request) -> squeue::Entry {
    match request {
        Request::Nop => opcode::Nop::new().build(),
        Request::Read {
            fd,
            buf,
            len,
            offset,
        } => opcode::Read::new(Fd(fd), buf, len).offset(offset).build(),
        Request::Write {
            fd,
            buf,
            len,
            offset,
        } => opcode::Write::new(Fd(fd), buf, len).offset(offset).build(),
        Request::Readv {
            fd,
            iovecs,
            count,
            offset,
        } => opcode::Readv::new(Fd(fd), iovecs, count)
            .offset(offset)
            .build(),
        Request::Writev {
            fd,
            iovecs,
            count,
            offset,
        } => opcode::Writev::new(Fd(fd), iovecs, count)
            .offset(offset)
            .build(),
        Request::Fsync { fd, data_only } => {
            let flags = if data_only {
                FsyncFlags::DATASYNC
            } else {
                FsyncFlags::empty()
            };
            opcode::Fsync::new(Fd(fd)).flags(flags).build()
        }
        Request::Fallocate {
            fd,
            mode,
            offset,
            len,
        } => opcode::Fallocate::new(Fd(fd), len)
            .offset(offset)
            .mode(mode)
            .build(),
        Request::Ftruncate { fd, len } => opcode::Ftruncate::new(Fd(fd), len).build(),
        Request::Open {
            dir,
            path,
            flags,
            mode,
        } => opcode::OpenAt::new(Fd(dir), path)
            .flags(flags)
            .mode(mode)
            .build(),
        Request::Close { fd } => opcode::Close::new(Fd(fd)).build(),
        Request::Statx {
            dir,
            path,
            flags,
            mask,
            buf,
        } => opcode::Statx::new(Fd(dir), path, buf.cast())
            .flags(flags)
            .mask(mask)
            .build(),
    }
}
