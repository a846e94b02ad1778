//! Turns requests into submission queue entries, and slots into what identifies them.
//!
//! With a request known at compile time this folds into the few stores of its entry.

use std::ptr::NonNull;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use crate::abort::abort;
use crate::backend::request::Request;
use crate::backend::slot::CompletionSlot;

/// `IORING_RECVSEND_POLL_FIRST`, since Linux 5.19.
const POLL_FIRST: u16 = 1;

/// The entry for `request`, without its `user_data`. `write_flags` are those of every write.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it folds into one store per field where it is called"
)]
pub(super) fn encode(request: Request, write_flags: i32) -> squeue::Entry {
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
        } => opcode::Write::new(Fd(fd), buf, len)
            .offset(offset)
            .rw_flags(write_flags)
            .build(),
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
            .rw_flags(write_flags)
            .build(),
        Request::Fsync { fd, data_only } => opcode::Fsync::new(Fd(fd))
            .flags(fsync_flags(data_only))
            .build(),
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
        Request::Close { fd } => opcode::Close::new(Fd(fd)).build(),
        Request::Open { .. }
        | Request::OpenHow { .. }
        | Request::Unlink { .. }
        | Request::Rename { .. }
        | Request::MakeDir { .. }
        | Request::Statx { .. } => encode_path(request),
        Request::SendMsg { .. } | Request::RecvMsg { .. } | Request::Splice { .. } => {
            encode_message(request)
        }
        Request::Socket { .. }
        | Request::Bind { .. }
        | Request::Listen { .. }
        | Request::Connect { .. }
        | Request::Accept { .. }
        | Request::Send { .. }
        | Request::Recv { .. }
        | Request::Shutdown { .. }
        | Request::Poll { .. } => encode_socket(request),
    }
}

/// Whether a sync leaves out metadata that reading the data back does not need.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "as for `encode`, of which it is a part"
)]
fn fsync_flags(data_only: bool) -> FsyncFlags {
    if data_only {
        FsyncFlags::DATASYNC
    } else {
        FsyncFlags::empty()
    }
}

/// The entry for a request that concerns a socket.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "as for `encode`, of which it is a part"
)]
fn encode_socket(request: Request) -> squeue::Entry {
    match request {
        Request::Socket {
            domain,
            kind,
            protocol,
        } => opcode::Socket::new(domain, kind, protocol).build(),
        Request::Bind { fd, addr, len } => opcode::Bind::new(Fd(fd), addr, len).build(),
        Request::Listen { fd, backlog } => opcode::Listen::new(Fd(fd), backlog).build(),
        Request::Connect {
            fd,
            addr,
            len,
            on_worker,
        } => opcode::Connect::new(Fd(fd), addr, len)
            .build()
            .flags(if on_worker {
                squeue::Flags::ASYNC
            } else {
                squeue::Flags::empty()
            }),
        Request::Accept {
            fd,
            addr,
            len,
            flags,
        } => opcode::Accept::new(Fd(fd), addr, len).flags(flags).build(),
        Request::Send {
            fd,
            buf,
            len,
            flags,
            poll_first,
        } => opcode::Send::new(Fd(fd), buf, len)
            .flags(flags)
            .ioprio(if poll_first { POLL_FIRST } else { 0 })
            .build(),
        Request::Recv {
            fd,
            buf,
            len,
            flags,
            poll_first,
        } => opcode::Recv::new(Fd(fd), buf, len)
            .flags(flags)
            .ioprio(if poll_first { POLL_FIRST } else { 0 })
            .build(),
        Request::Shutdown { fd, how } => opcode::Shutdown::new(Fd(fd), how).build(),
        Request::Poll { fd, events } => opcode::PollAdd::new(Fd(fd), events).build(),
        _ => abort("a request without a socket was taken for one with a socket"),
    }
}

/// The entry for a request that names paths.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "as for `encode`, of which it is a part"
)]
fn encode_path(request: Request) -> squeue::Entry {
    match request {
        Request::Open {
            dir,
            path,
            flags,
            mode,
        } => opcode::OpenAt::new(Fd(dir), path)
            .flags(flags)
            .mode(mode)
            .build(),
        Request::OpenHow { dir, path, how } => {
            opcode::OpenAt2::new(Fd(dir), path, how.cast()).build()
        }
        Request::Unlink { dir, path, flags } => {
            opcode::UnlinkAt::new(Fd(dir), path).flags(flags).build()
        }
        Request::Rename {
            from_dir,
            from,
            to_dir,
            to,
            flags,
        } => opcode::RenameAt::new(Fd(from_dir), from, Fd(to_dir), to)
            .flags(flags)
            .build(),
        Request::MakeDir { dir, path, mode } => {
            opcode::MkDirAt::new(Fd(dir), path).mode(mode).build()
        }
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
        _ => abort("a request without a path was taken for one with a path"),
    }
}

/// What identifies the request of this slot.
#[inline]
pub(super) fn user_data(slot: NonNull<CompletionSlot<()>>) -> u64 {
    slot.as_ptr().expose_provenance() as u64
}

/// The address of the slot that such a number identifies.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "it was an address of this process"
)]
pub(super) const fn user_data_address(user_data: u64) -> usize {
    user_data as usize
}

/// The entry for a message, or for bytes that do not pass through user memory.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "as for `encode`, of which it is a part"
)]
fn encode_message(request: Request) -> squeue::Entry {
    match request {
        Request::SendMsg {
            fd,
            msg,
            flags,
            poll_first,
            on_worker,
        } => opcode::SendMsg::new(Fd(fd), msg)
            .flags(flags.cast_unsigned())
            .ioprio(if poll_first { POLL_FIRST } else { 0 })
            .build()
            .flags(if on_worker {
                squeue::Flags::ASYNC
            } else {
                squeue::Flags::empty()
            }),
        Request::RecvMsg {
            fd,
            msg,
            flags,
            poll_first,
        } => opcode::RecvMsg::new(Fd(fd), msg)
            .flags(flags.cast_unsigned())
            .ioprio(if poll_first { POLL_FIRST } else { 0 })
            .build(),
        // The current position is -1 to the kernel, in each bit the same.
        Request::Splice {
            from,
            from_offset,
            to,
            to_offset,
            len,
            flags,
        } => opcode::Splice::new(
            Fd(from),
            from_offset.cast_signed(),
            Fd(to),
            to_offset.cast_signed(),
            len,
        )
        .flags(flags)
        .build(),
        _ => abort("a request was taken for a message"),
    }
}
