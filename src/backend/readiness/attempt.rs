//! Tries a request without blocking, and says what to do if that cannot be.
//!
//! | Request | Tried with | Would block |
//! | --- | --- | --- |
//! | `Send`, `Recv`, messages | `MSG_DONTWAIT` | waits for readiness |
//! | reads and writes at the current position | `RWF_NOWAIT`; if the file does not know it, after `poll(2)` | waits for readiness; a file: a thread |
//! | reads and writes at an offset | `RWF_NOWAIT`, unless direct | a thread |
//! | names, sync and space | nothing | a thread |
//! | `Accept`, `Connect`, `Splice` | `O_NONBLOCK`, for the call | waits for readiness |
//! | `Connect`, `SendMsg` of which readiness says nothing | the same | is tried again, by the clock |
//! | `Poll` | `poll(2)` | waits for readiness |
//! | `Nop`, `Close`, `Socket`, `Shutdown` | the call | |
//!
//! # Safety
//! INV-SLOT-1: what a request names is good until its completion.

#![expect(unsafe_code, reason = "system calls on memory that requests name")]

use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

use super::calls::{
    RWF_NOWAIT, Transfer, checked, code_of, completion, is_file, poll_now, socket_option,
    would_block,
};
use super::entries::{POLLERR, POLLIN, POLLOUT, Way};
use super::guard::{Changes, status_flags, without_sigpipe};
use super::message;
use super::slot::SlotCore;
use crate::backend::request::{CURRENT_POSITION, Request};
use crate::backend::uring::write_flags;

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is over, with this result.
    Done(i32),
    /// It waits until the descriptor is ready.
    Wait(RawFd, Way),
    /// It waits until the descriptor is ready for any of its events, and that is its result.
    Watch(RawFd),
    /// It is for a thread.
    Pool,
    /// It is to be tried again: there is no readiness to wait for.
    Later,
}

impl From<io::Result<u32>> for Attempt {
    fn from(result: io::Result<u32>) -> Self {
        Self::Done(completion(result))
    }
}

/// The result of a request that has transferred `done` bytes before this happened.
pub(super) fn ended(done: u32, result: io::Result<u32>) -> Attempt {
    match result {
        Ok(count) => Ok(done + count).into(),
        Err(_) if done > 0 => Ok(done).into(),
        Err(error) => Err(error).into(),
    }
}

/// The descriptor, and what is waited for, of requests that wait in the order in which they came.
pub(super) fn queue_of(request: &Request) -> Option<(RawFd, Way)> {
    match *request {
        Request::Read { fd, offset, .. } | Request::Readv { fd, offset, .. } => {
            (offset == CURRENT_POSITION).then_some((fd, Way::In))
        }
        Request::Write { fd, offset, .. } | Request::Writev { fd, offset, .. } => {
            (offset == CURRENT_POSITION).then_some((fd, Way::Out))
        }
        Request::Accept { fd, .. } => Some((fd, Way::In)),
        _ => message::queue_of(request),
    }
}

/// Tries the request of a slot.
///
/// # Safety
///
/// - `core` has a request in flight, and is the caller's.
pub(super) unsafe fn attempt(core: NonNull<SlotCore>) -> Attempt {
    // SAFETY: alive, and the caller's (contract); what the request names is good.
    unsafe {
        let slot = &*core.as_ptr();
        match slot.request {
            Request::Nop => Attempt::Done(0),
            Request::Read { .. }
            | Request::Readv { .. }
            | Request::Write { .. }
            | Request::Writev { .. } => match Transfer::of(&slot.request) {
                Some(transfer) => transfer_now(slot, transfer),
                None => Attempt::Pool,
            },
            Request::Send { .. }
            | Request::Recv { .. }
            | Request::SendMsg { .. }
            | Request::RecvMsg { .. } => message::attempt(slot),
            Request::Close { fd } => checked(libc::close(fd)).into(),
            Request::Socket {
                domain,
                kind,
                protocol,
            } => checked(libc::socket(domain, kind, protocol)).into(),
            Request::Bind { fd, addr, len } => checked(libc::bind(fd, addr, len)).into(),
            Request::Listen { fd, backlog } => checked(libc::listen(fd, backlog)).into(),
            Request::Shutdown { fd, how } => checked(libc::shutdown(fd, how)).into(),
            Request::Accept {
                fd,
                addr,
                len,
                flags,
            } => {
                let changes = Changes::begin();
                let guard = changes.nonblocking(fd);
                match guard.and_then(|_guard| checked(libc::accept4(fd, addr, len, flags))) {
                    Err(error) if would_block(&error) => Attempt::Wait(fd, Way::In),
                    result => result.into(),
                }
            }
            Request::Connect { .. } => connect(slot),
            Request::Splice { .. } => splice_now(&slot.request),
            Request::Poll { fd, events } => match poll_now(fd, events) {
                Ok(0) => Attempt::Watch(fd),
                result => result.into(),
            },
            Request::Fsync { .. }
            | Request::Fallocate { .. }
            | Request::Ftruncate { .. }
            | Request::Open { .. }
            | Request::OpenHow { .. }
            | Request::Unlink { .. }
            | Request::Rename { .. }
            | Request::MakeDir { .. }
            | Request::Statx { .. } => Attempt::Pool,
        }
    }
}

/// # Safety
///
/// - `transfer` is that of the request of `slot`, in flight.
unsafe fn transfer_now(slot: &SlotCore, transfer: Transfer) -> Attempt {
    let (fd, positional) = (transfer.fd, transfer.is_positional());
    // To wait for a device is no waiting for the kernel: direct I/O blocks although told not to.
    // A pipe that is direct has packets.
    if transfer.may_be_direct() && is_direct(fd) && is_file(fd) {
        return Attempt::Pool;
    }
    loop {
        let done = slot.progress.get();
        // SAFETY: the contract is the same.
        let result = unsafe { try_call(transfer, done) };
        match result {
            Ok(count) => {
                // Of a file what is in the page cache comes first, and the rest has to follow, as on a ring.
                // SAFETY: a part was transferred.
                let more = count > 0
                    && unsafe { transfer.has_more(done + count) }
                    && (positional || is_file(fd));
                if !more {
                    return ended(done, Ok(count));
                }
                slot.progress.set(done + count);
            }
            Err(error) if would_block(&error) => {
                return if positional {
                    Attempt::Pool
                } else if transfer.writes {
                    Attempt::Wait(fd, Way::Out)
                } else {
                    Attempt::Wait(fd, Way::In)
                };
            }
            // What has no positions has a current one: a ring does not look at the offset then.
            Err(error) if error.raw_os_error() == Some(libc::ESPIPE) && positional => {
                // SAFETY: the contract is the same.
                return unsafe { transfer_now(slot, transfer.at_current()) };
            }
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                return if positional || is_file(fd) {
                    Attempt::Pool
                } else {
                    // SAFETY: the contract is the same.
                    unsafe { transfer_if_ready(transfer) }
                };
            }
            Err(error) => return ended(done, Err(error)),
        }
    }
}

/// Whether what is done with this file goes past the page cache.
fn is_direct(fd: RawFd) -> bool {
    status_flags(fd).is_ok_and(|flags| flags & libc::O_DIRECT != 0)
}

/// # Safety
///
/// - As for [`Transfer::call`].
unsafe fn try_call(transfer: Transfer, done: u32) -> io::Result<u32> {
    // SAFETY: the contract is the same.
    let call = |flags| unsafe { transfer.call(done, RWF_NOWAIT | flags) };
    // Of files nobody raises the signal.
    if !transfer.writes || transfer.is_positional() {
        return call(0);
    }
    match write_flags() {
        0 => without_sigpipe(|| call(0)),
        flags => call(flags),
    }
}

/// A transfer of a descriptor for which the kernel has no call that does not block: a terminal, say.
///
/// # Safety
///
/// - As for [`Transfer::call`].
unsafe fn transfer_if_ready(transfer: Transfer) -> Attempt {
    let fd = transfer.fd;
    let way = if transfer.writes { Way::Out } else { Way::In };
    match poll_now(fd, way.events()) {
        Ok(0) => return Attempt::Wait(fd, way),
        Ok(_) => {}
        Err(error) => return Err(error).into(),
    }
    let changes = Changes::begin();
    let guard = changes.nonblocking(fd);
    let result = guard.and_then(|_guard| {
        // SAFETY: the contract is the same.
        let call = || unsafe { transfer.call(0, 0) };
        if transfer.writes {
            without_sigpipe(call)
        } else {
            call()
        }
    });
    match result {
        Err(error) if would_block(&error) => Attempt::Wait(fd, way),
        result => result.into(),
    }
}

/// # Safety
///
/// - `slot` has a request to connect, in flight.
unsafe fn connect(slot: &SlotCore) -> Attempt {
    let Request::Connect {
        fd,
        addr,
        len,
        on_worker,
    } = slot.request
    else {
        return Attempt::Done(-libc::EINVAL);
    };
    let begun = slot.connecting.get();
    if begun {
        match poll_now(fd, POLLOUT) {
            Ok(0) => return Attempt::Wait(fd, Way::Out),
            Ok(events) if events & POLLERR != 0 => {
                if let Some(failed) = pending_error(fd) {
                    return failed;
                }
            }
            Ok(_) => {}
            Err(error) => return Err(error).into(),
        }
    }
    let changes = Changes::begin();
    let guard = match changes.nonblocking(fd) {
        Ok(guard) => guard,
        Err(error) => return Err(error).into(),
    };
    // SAFETY: the address is good for the call.
    let result = checked(unsafe { libc::connect(fd, addr, len) });
    let Err(error) = &result else {
        return Attempt::Done(0);
    };
    match error.raw_os_error() {
        Some(libc::EINPROGRESS) => {
            slot.connecting.set(true);
            Attempt::Wait(fd, Way::Out)
        }
        Some(libc::EALREADY) if begun => Attempt::Wait(fd, Way::Out),
        // The attempt is over: well, unless the socket has kept an error.
        Some(libc::EISCONN | libc::EBADFD) if begun => {
            pending_error(fd).unwrap_or(Attempt::Done(0))
        }
        Some(libc::EAGAIN) if on_worker && !guard.is_always() => Attempt::Later,
        _ => result.into(),
    }
}

/// The error that a socket has kept.
fn pending_error(fd: RawFd) -> Option<Attempt> {
    match socket_option(fd, libc::SO_ERROR) {
        Ok(0) => None,
        Ok(code) => Some(Attempt::Done(-code)),
        Err(error) => Some(Attempt::Done(code_of(&error))),
    }
}

/// # Safety
///
/// - It is a request to splice, in flight.
unsafe fn splice_now(request: &Request) -> Attempt {
    let Request::Splice {
        from,
        from_offset,
        to,
        to_offset,
        ..
    } = *request
    else {
        return Attempt::Done(-libc::EINVAL);
    };
    let positional = from_offset != CURRENT_POSITION || to_offset != CURRENT_POSITION;
    if positional || is_file(from) || is_file(to) {
        return Attempt::Pool;
    }
    let changes = Changes::begin();
    let result = {
        let guards = (changes.nonblocking(from), changes.nonblocking(to));
        match guards {
            (Ok(_from), Ok(_to)) => {
                // SAFETY: the contract is the same.
                without_sigpipe(|| unsafe { splice(request) })
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    };
    drop(changes);
    match result {
        Err(error) if would_block(&error) => {
            match (poll_now(from, POLLIN), poll_now(to, POLLOUT)) {
                (Err(error), _) | (_, Err(error)) => Err(error).into(),
                (Ok(0), _) => Attempt::Wait(from, Way::In),
                (_, Ok(0)) => Attempt::Wait(to, Way::Out),
                // Each is ready, for less than it takes.
                _ => Attempt::Later,
            }
        }
        result => result.into(),
    }
}

/// `splice(2)`, which does not wait for a pipe.
///
/// # Safety
///
/// - It is a request to splice, in flight.
pub(super) unsafe fn splice(request: &Request) -> io::Result<u32> {
    let Request::Splice {
        from,
        mut from_offset,
        to,
        mut to_offset,
        len,
        flags,
    } = *request
    else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let place = |offset: &mut u64| match *offset {
        CURRENT_POSITION => ptr::null_mut(),
        _ => ptr::from_mut(offset).cast(),
    };
    // SAFETY: the offsets are of this frame.
    let count = unsafe {
        libc::splice(
            from,
            place(&mut from_offset),
            to,
            place(&mut to_offset),
            len as usize,
            flags | libc::SPLICE_F_NONBLOCK,
        )
    };
    checked(count)
}
