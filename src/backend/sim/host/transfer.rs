//! Reads, writes, sends and receives that do not block.
//!
//! A request that wants all (`MSG_WAITALL`) remembers what it has and goes on, as it would on a ring.
//!
//! # Safety
//! INV-SLOT-1: buffers and messages of a request in flight.

#![expect(unsafe_code, reason = "preadv2, pwritev2, sendmsg and recvmsg")]

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use super::super::descriptor::{Object, told};
use super::super::spans::{Spans, spans_of, total};
use super::{AGAIN, Attempt, Progress, ended, or_wait, socket_number};
use crate::backend::readiness::calls::{checked, completion};
use crate::backend::readiness::guard::{Changes, status_flags, without_sigpipe};
use crate::backend::request::{CURRENT_POSITION, Request};
use crate::backend::uring::write_flags;

/// # Safety
///
/// - The request is in flight, and moves bytes.
pub(super) unsafe fn attempt(
    request: &Request,
    object: Option<Object>,
    limit: u32,
    progress: &mut Progress,
) -> Attempt {
    // SAFETY: in flight (contract).
    let spans = unsafe { spans_of(request, progress.bytes, limit) };
    match *request {
        Request::Read { fd, offset, .. } | Request::Readv { fd, offset, .. } => {
            file((fd, object), &spans, offset, false)
        }
        Request::Write { fd, offset, .. } | Request::Writev { fd, offset, .. } => {
            file((fd, object), &spans, offset, true)
        }
        // SAFETY: in flight (contract).
        _ => unsafe { socket(request, spans, progress) },
    }
}

/// Reads or writes at an offset, or where the descriptor is.
fn file(
    (fd, object): (RawFd, Option<Object>),
    spans: &Spans,
    offset: u64,
    writes: bool,
) -> Attempt {
    let Some(object) = object else {
        return Attempt::Done(-libc::EBADF);
    };
    let changes = object.may_wait().then(Changes::begin);
    let guard = changes.as_ref().map(|changes| changes.nonblocking(fd));
    let mut result = file_call(fd, spans, offset, writes);
    // A stream has no offsets, which a ring does not mind.
    if result == -libc::ESPIPE && object.may_wait() && offset != CURRENT_POSITION {
        result = file_call(fd, spans, CURRENT_POSITION, writes);
    }
    drop(guard);
    let events = if writes { libc::POLLOUT } else { libc::POLLIN };
    or_wait(result, fd, events)
}

fn file_call(fd: RawFd, spans: &Spans, offset: u64, writes: bool) -> i32 {
    let (first, count) = (spans.as_ptr(), i32::try_from(spans.len()).unwrap_or(0));
    let at = offset.cast_signed();
    let flags = write_flags();
    if writes && flags != 0 {
        // SAFETY: the spans are memory of the request in flight, for reading.
        let result = told(unsafe { libc::pwritev2(fd, first, count, at, flags) });
        // Some devices know no flags.
        if result != -libc::EOPNOTSUPP {
            return result;
        }
    }
    // SAFETY: the spans are memory of the request in flight, for reading or writing as it says.
    let call = || unsafe {
        checked(match (writes, offset == CURRENT_POSITION) {
            (false, true) => libc::readv(fd, first, count),
            (false, false) => libc::preadv(fd, first, count, at),
            (true, true) => libc::writev(fd, first, count),
            (true, false) => libc::pwritev(fd, first, count, at),
        })
    };
    completion(if writes {
        without_sigpipe(call)
    } else {
        call()
    })
}

/// Sends or receives.
///
/// # Safety
///
/// - The request is in flight, and of a socket.
unsafe fn socket(request: &Request, spans: Spans, progress: &mut Progress) -> Attempt {
    let mut spans = spans;
    let (fd, flags, sends, on_worker) = match *request {
        Request::Send { fd, flags, .. } => (fd, flags, true, false),
        Request::SendMsg {
            fd,
            flags,
            on_worker,
            ..
        } => (fd, flags, true, on_worker),
        Request::Recv { fd, flags, .. } | Request::RecvMsg { fd, flags, .. } => {
            (fd, flags, false, false)
        }
        _ => return Attempt::Done(-libc::EOPNOTSUPP),
    };
    let mut header = empty_header();
    // SAFETY: the message of a request in flight may be read.
    unsafe {
        match *request {
            Request::SendMsg { msg, .. } => header = *msg,
            Request::RecvMsg { msg, .. } => header = *msg,
            _ => {}
        }
    }
    header.msg_iov = spans.as_mut_ptr();
    header.msg_iovlen = spans.len() as _;
    if progress.bytes > 0 && sends {
        // What travels beside the bytes went with the first of them.
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
    }
    let now = flags | libc::MSG_DONTWAIT;
    // SAFETY: a header whose memory is the request's, or of this frame.
    let result = told(unsafe {
        if sends {
            libc::sendmsg(fd, &raw const header, now | libc::MSG_NOSIGNAL)
        } else {
            libc::recvmsg(fd, &raw mut header, now)
        }
    });
    if let Request::RecvMsg { msg, .. } = *request
        && result >= 0
    {
        // SAFETY: the kernel writes these of a request in flight.
        unsafe {
            (*msg).msg_namelen = header.msg_namelen;
            (*msg).msg_controllen = header.msg_controllen;
            (*msg).msg_flags = header.msg_flags;
        }
    }
    let wants_all = flags & libc::MSG_WAITALL != 0 && flags & libc::MSG_PEEK == 0;
    let Ok(moved) = u32::try_from(result) else {
        if result != -libc::EAGAIN || flags & libc::MSG_DONTWAIT != 0 {
            return Attempt::Done(ended(result, progress));
        }
        // Readiness looks at the sender alone, not at the receiver that has no room.
        if on_worker {
            if status_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK != 0) {
                return Attempt::Done(result);
            }
            return Attempt::After(AGAIN);
        }
        let events = match (sends, flags & libc::MSG_OOB != 0) {
            (true, _) => libc::POLLOUT,
            (false, true) => libc::POLLPRI,
            (false, false) => libc::POLLIN,
        };
        return Attempt::Descriptor(fd, events);
    };
    progress.bytes = progress.bytes.saturating_add(moved);
    let done = moved == 0 || moved as usize >= total(&spans);
    if wants_all && !done && is_stream(fd) {
        let events = if sends { libc::POLLOUT } else { libc::POLLIN };
        return Attempt::Descriptor(fd, events);
    }
    Attempt::Done(i32::try_from(progress.bytes).unwrap_or(i32::MAX))
}

fn is_stream(fd: RawFd) -> bool {
    socket_number(fd, libc::SO_TYPE) == Some(libc::SOCK_STREAM)
}

fn empty_header() -> libc::msghdr {
    // SAFETY: a header of zeroes has no memory, and is one.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
