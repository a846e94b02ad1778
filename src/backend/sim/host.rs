//! Requests that are carried out for real, without blocking: `transfer` those that move bytes, this file the
//! rest. What concerns files and names is done as the threads of other backends do it.
//!
//! What would block waits: until its descriptor is ready, or for a moment where readiness says nothing.
//! Files are read and written at once; that is the one thing for which the loop of a simulation waits.
//!
//! # Safety
//! INV-SLOT-1: what a request names is good until its final completion, which comes after the calls here.

#![expect(unsafe_code, reason = "system calls with the memory of requests")]

mod transfer;

use std::os::fd::RawFd;
use std::time::Duration;

use super::call::lane;
use super::descriptor::{Object, ready, socket_number, told};
use super::spans::{spans_of, total};
use crate::backend::readiness::blocking;
use crate::backend::readiness::calls::{checked, completion};
use crate::backend::readiness::guard::{Changes, without_sigpipe};
use crate::backend::request::{CURRENT_POSITION, Request};

/// What became of an attempt to carry out a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    /// This is its result.
    Done(i32),
    /// It has to wait until the descriptor is ready for this.
    Descriptor(RawFd, i16),
    /// It has to wait so long, then it may be tried again.
    After(Duration),
    /// It has to wait for something else in the simulated network, which may come at this time.
    Network(Option<u64>),
}

/// How long something waits that cannot be waited for.
pub(super) const AGAIN: Duration = Duration::from_millis(1);

/// What an operation remembers between attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Bytes that were transferred, of a request that wants all.
    pub(super) bytes: u32,
    /// The kernel has begun to connect.
    pub(super) connecting: bool,
}

/// Tries to carry out a request on `object`, with at most `limit` bytes.
///
/// # Safety
///
/// - The request is in flight (INV-SLOT-1).
pub(super) unsafe fn attempt(
    request: &Request,
    object: Option<Object>,
    limit: u32,
    progress: &mut Progress,
) -> Attempt {
    // SAFETY: the contract is the same; calls get what the request names, for what it names it for.
    unsafe {
        match *request {
            Request::Nop => Attempt::Done(0),
            Request::Close { fd } => Attempt::Done(told(libc::close(fd))),
            Request::Socket {
                domain,
                kind,
                protocol,
            } => Attempt::Done(told(libc::socket(domain, kind, protocol))),
            Request::Bind { fd, addr, len } => Attempt::Done(told(libc::bind(fd, addr, len))),
            Request::Listen { fd, backlog } => Attempt::Done(told(libc::listen(fd, backlog))),
            Request::Shutdown { fd, how } => Attempt::Done(told(libc::shutdown(fd, how))),
            Request::Poll { fd, events } => poll(fd, events),
            Request::Accept {
                fd,
                addr,
                len,
                flags,
            } => accept(fd, (addr, len), flags),
            Request::Connect { fd, addr, len, .. } => connect(fd, addr, len, progress),
            Request::Splice {
                from,
                from_offset,
                to,
                to_offset,
                len,
                flags,
            } => splice(
                (from, from_offset),
                (to, to_offset),
                len.min(limit) as usize,
                flags,
            ),
            Request::Read { .. }
            | Request::Write { .. }
            | Request::Readv { .. }
            | Request::Writev { .. }
            | Request::Send { .. }
            | Request::Recv { .. }
            | Request::SendMsg { .. }
            | Request::RecvMsg { .. } => transfer::attempt(request, object, limit, progress),
            Request::Fsync { .. }
            | Request::Fallocate { .. }
            | Request::Ftruncate { .. }
            | Request::Open { .. }
            | Request::OpenHow { .. }
            | Request::Unlink { .. }
            | Request::Rename { .. }
            | Request::MakeDir { .. }
            | Request::Statx { .. } => Attempt::Done(completion(blocking::call(request))),
        }
    }
}

/// The result, or a wait for the descriptor if it says that there is nothing yet.
const fn or_wait(result: i32, fd: RawFd, events: i16) -> Attempt {
    if result == -libc::EAGAIN {
        return Attempt::Descriptor(fd, events);
    }
    Attempt::Done(result)
}

/// # Safety
///
/// - The place for the address is good for writing as many bytes as its length says, or null.
unsafe fn accept(
    fd: RawFd,
    (addr, len): (*mut libc::sockaddr, *mut libc::socklen_t),
    flags: i32,
) -> Attempt {
    let changes = Changes::begin();
    let guard = changes.nonblocking(fd);
    // SAFETY: a place for an address (contract).
    let result = told(unsafe { libc::accept4(fd, addr, len, flags) });
    drop(guard);
    or_wait(result, fd, libc::POLLIN)
}

fn poll(fd: RawFd, events: u32) -> Attempt {
    if fd < 0 {
        return Attempt::Done(-libc::EBADF);
    }
    let bits = u16::try_from(events & 0xffff).unwrap_or(0).cast_signed();
    let found = ready(fd, bits);
    if found & libc::POLLNVAL != 0 {
        return Attempt::Done(-libc::EBADF);
    }
    if found == 0 {
        return Attempt::Descriptor(fd, bits);
    }
    Attempt::Done(i32::from(found.cast_unsigned()))
}

/// # Safety
///
/// - `addr` is good for reading `len` bytes.
unsafe fn connect(
    fd: RawFd,
    addr: *const libc::sockaddr,
    len: libc::socklen_t,
    progress: &mut Progress,
) -> Attempt {
    let changes = Changes::begin();
    let guard = changes.nonblocking(fd);
    // SAFETY: as many bytes as are told (contract).
    let result = told(unsafe { libc::connect(fd, addr, len) });
    match -result {
        // The second call tells the end of what the first has begun.
        libc::EISCONN if progress.connecting => Attempt::Done(0),
        libc::EALREADY if progress.connecting => Attempt::Descriptor(fd, libc::POLLOUT),
        libc::EINPROGRESS => {
            progress.connecting = true;
            Attempt::Descriptor(fd, libc::POLLOUT)
        }
        // The listener of a Unix socket has no room. Readiness says nothing about that.
        libc::EAGAIN if guard.as_ref().is_ok_and(|guard| !guard.is_always()) => {
            Attempt::After(AGAIN)
        }
        _ => Attempt::Done(result),
    }
}

fn splice(
    (from, from_offset): (RawFd, u64),
    (to, to_offset): (RawFd, u64),
    len: usize,
    flags: u32,
) -> Attempt {
    let changes = Changes::begin();
    let guards = [from, to].map(|fd| changes.nonblocking(fd));
    let (mut from_at, mut to_at) = (from_offset.cast_signed(), to_offset.cast_signed());
    let place = |at: &mut i64| {
        if at.cast_unsigned() == CURRENT_POSITION {
            std::ptr::null_mut()
        } else {
            std::ptr::from_mut(at)
        }
    };
    let (from_place, to_place) = (place(&mut from_at), place(&mut to_at));
    let flags = flags | libc::SPLICE_F_NONBLOCK;
    let result = completion(without_sigpipe(|| {
        // SAFETY: the offsets are of this frame, or null.
        checked(unsafe { libc::splice(from, from_place, to, to_place, len, flags) })
    }));
    drop(guards);
    if result != -libc::EAGAIN {
        return Attempt::Done(result);
    }
    let waits = Object::of(from).is_some_and(|object| object.may_wait());
    if waits && ready(from, libc::POLLIN) == 0 {
        Attempt::Descriptor(from, libc::POLLIN)
    } else if ready(to, libc::POLLOUT) == 0 {
        Attempt::Descriptor(to, libc::POLLOUT)
    } else {
        Attempt::After(AGAIN)
    }
}

/// The result of a request that ends before its time: the part that it has done, if there is one.
pub(super) const fn ended(result: i32, progress: &Progress) -> i32 {
    if progress.bytes > 0 {
        progress.bytes.cast_signed()
    } else {
        result
    }
}

/// The descriptor that a request is about, if it is about one.
pub(super) const fn descriptor_of(request: &Request) -> Option<RawFd> {
    match *request {
        Request::Connect { fd, .. }
        | Request::Shutdown { fd, .. }
        | Request::Poll { fd, .. }
        | Request::Splice { from: fd, .. } => Some(fd),
        _ => match lane(request) {
            Some((fd, _)) => Some(fd),
            None => None,
        },
    }
}

/// The descriptor and the length of a transfer that may be cut short.
///
/// # Safety
///
/// - The request is in flight.
pub(super) unsafe fn cuttable(request: &Request) -> Option<(RawFd, u32)> {
    let fd = match *request {
        Request::Send { flags, .. }
        | Request::Recv { flags, .. }
        | Request::SendMsg { flags, .. }
        | Request::RecvMsg { flags, .. }
            if flags & (libc::MSG_WAITALL | libc::MSG_OOB) != 0 =>
        {
            return None;
        }
        Request::Splice { from, len, .. } => return Some((from, len)),
        _ => lane(request)?.0,
    };
    // SAFETY: in flight (contract).
    let len = total(&unsafe { spans_of(request, 0, u32::MAX) });
    Some((fd, u32::try_from(len).unwrap_or(u32::MAX)))
}
