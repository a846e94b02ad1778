//! Sends and receives, without blocking.
//!
//! # `MSG_WAITALL`
//!
//! On sockets of streams and of packets in sequence a request goes on after a part, as a ring does; how
//! much it has is kept in its slot while it waits. An error that comes after a part is not told, and a
//! cancel after a part is a success.
//!
//! # Safety
//! INV-SLOT-1: what a request names is good until its completion.

#![expect(unsafe_code, reason = "system calls on memory that requests name")]

use std::io;
use std::os::fd::RawFd;
use std::ptr;

use super::attempt::{Attempt, ended};
use super::calls::{Pieces, checked, socket_option, would_block};
use super::entries::Way;
use super::guard::status_flags;
use super::slot::SlotCore;
use crate::backend::request::Request;

/// A send or a receive, without what is sent or received.
#[derive(Clone, Copy)]
struct Message {
    fd: RawFd,
    flags: i32,
    sends: bool,
    poll_first: bool,
    on_worker: bool,
}

impl Message {
    const fn of(request: &Request) -> Option<Self> {
        let (fd, flags, sends, poll_first, on_worker) = match *request {
            Request::Send {
                fd,
                flags,
                poll_first,
                ..
            } => (fd, flags, true, poll_first, false),
            Request::SendMsg {
                fd,
                flags,
                poll_first,
                on_worker,
                ..
            } => (fd, flags, true, poll_first, on_worker),
            Request::Recv {
                fd,
                flags,
                poll_first,
                ..
            }
            | Request::RecvMsg {
                fd,
                flags,
                poll_first,
                ..
            } => (fd, flags, false, poll_first, false),
            _ => return None,
        };
        Some(Self {
            fd,
            flags,
            sends,
            poll_first,
            on_worker,
        })
    }

    const fn has(self, flag: i32) -> bool {
        self.flags & flag != 0
    }

    const fn way(self) -> Way {
        if self.sends {
            Way::Out
        } else if self.has(libc::MSG_OOB) {
            Way::Urgent
        } else {
            Way::In
        }
    }
}

/// As [`attempt::queue_of`](super::attempt::queue_of). Who does not wait does not wait for others either,
/// and of what a receiver has no room for no other message knows.
pub(super) fn queue_of(request: &Request) -> Option<(RawFd, Way)> {
    let message = Message::of(request)?;
    let waits = !message.has(libc::MSG_DONTWAIT) && !message.on_worker;
    waits.then_some((message.fd, message.way()))
}

/// Whether a request waits before its first try.
pub(super) fn polls_first(request: &Request) -> bool {
    Message::of(request).is_some_and(|message| message.poll_first)
}

/// Whether a descriptor is a socket; if not, what its sends and receives end with.
pub(super) fn check_socket(fd: RawFd) -> io::Result<()> {
    socket_option(fd, libc::SO_TYPE).map(drop)
}

/// How much of a receive there was, and how much it could take, for a guess of whether more is there;
/// `None` for anything else.
pub(super) const fn received(request: &Request) -> Option<(RawFd, u32)> {
    match *request {
        Request::Recv { fd, len, flags, .. } if flags & (libc::MSG_OOB | libc::MSG_PEEK) == 0 => {
            Some((fd, len))
        }
        _ => None,
    }
}

/// Tries a send or a receive.
///
/// # Safety
///
/// - `slot` has one in flight, and is the caller's.
pub(super) unsafe fn attempt(slot: &SlotCore) -> Attempt {
    let Some(message) = Message::of(&slot.request) else {
        return Attempt::Done(-libc::EINVAL);
    };
    loop {
        let done = slot.progress.get();
        // SAFETY: the contract is the same.
        let result = unsafe { call(&slot.request, done) };
        match result {
            Ok(count) => {
                // SAFETY: the call has succeeded.
                let more = count > 0 && unsafe { wants_more(message, &slot.request, done + count) };
                if !more {
                    return ended(done, Ok(count));
                }
                slot.progress.set(done + count);
            }
            Err(error) if would_block(&error) && !message.has(libc::MSG_DONTWAIT) => {
                if !message.on_worker {
                    return Attempt::Wait(message.fd, message.way());
                }
                let waits =
                    status_flags(message.fd).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0);
                return if waits {
                    Attempt::Later
                } else {
                    ended(done, Err(error))
                };
            }
            Err(error) => return ended(done, Err(error)),
        }
    }
}

/// The bytes of a send or receive.
///
/// # Safety
///
/// - The kernel has taken the request, so its header is good.
unsafe fn pieces(request: &Request) -> Pieces {
    match *request {
        Request::Send { buf, len, .. } => Pieces::one(buf.cast_mut(), len),
        Request::Recv { buf, len, .. } => Pieces::one(buf, len),
        Request::SendMsg { msg, .. } => {
            // SAFETY: the header is good (contract).
            let header = unsafe { &*msg };
            Pieces::list(header.msg_iov, header.msg_iovlen as _)
        }
        Request::RecvMsg { msg, .. } => {
            // SAFETY: as above.
            let header = unsafe { &*msg };
            Pieces::list(header.msg_iov, header.msg_iovlen as _)
        }
        _ => Pieces::list(ptr::null(), 0),
    }
}

/// Whether a request goes on after `done` bytes.
///
/// # Safety
///
/// - It is in flight, and a part was transferred.
unsafe fn wants_more(message: Message, request: &Request, done: u32) -> bool {
    if !message.has(libc::MSG_WAITALL) || message.has(libc::MSG_PEEK | libc::MSG_DONTWAIT) {
        return false;
    }
    // SAFETY: the kernel has taken the request.
    let len = unsafe { pieces(request).len() };
    u64::from(done) < len
        && socket_option(message.fd, libc::SO_TYPE)
            .is_ok_and(|kind| matches!(kind, libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}

/// The call, for what is left after `done` bytes.
///
/// # Safety
///
/// - It is a send or receive in flight, of which `done` bytes were transferred.
unsafe fn call(request: &Request, done: u32) -> io::Result<u32> {
    const NOWAIT: i32 = libc::MSG_DONTWAIT;
    // SAFETY: what the request names is good for the call; of a buffer, what is left after a part.
    unsafe {
        match *request {
            Request::Send {
                fd,
                buf,
                len,
                flags,
                ..
            } => checked(libc::send(
                fd,
                buf.wrapping_add(done as usize).cast(),
                (len - done) as usize,
                flags | NOWAIT | libc::MSG_NOSIGNAL,
            )),
            Request::Recv {
                fd,
                buf,
                len,
                flags,
                ..
            } => checked(libc::recv(
                fd,
                buf.wrapping_add(done as usize).cast(),
                (len - done) as usize,
                flags | NOWAIT,
            )),
            Request::SendMsg { fd, msg, flags, .. } => {
                let flags = flags | NOWAIT | libc::MSG_NOSIGNAL;
                if done == 0 {
                    return checked(libc::sendmsg(fd, msg, flags));
                }
                rest(request, &*msg, done, |msg| libc::sendmsg(fd, msg, flags))
            }
            Request::RecvMsg { fd, msg, flags, .. } => {
                let flags = flags | NOWAIT;
                if done == 0 {
                    return checked(libc::recvmsg(fd, msg, flags));
                }
                let mut more = 0;
                let received = rest(request, &*msg, done, |msg| {
                    let count = libc::recvmsg(fd, msg, flags);
                    more = (*msg).msg_flags;
                    count
                });
                if received.is_ok() {
                    (*msg).msg_flags |= more;
                }
                received
            }
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }
}

/// Calls with a header for what is left after a part: the address again, and nothing beside the bytes,
/// which went with the first part.
///
/// # Safety
///
/// - `header` is that of a request in flight, of which `done` bytes were transferred.
unsafe fn rest(
    request: &Request,
    header: &libc::msghdr,
    done: u32,
    call: impl FnOnce(*mut libc::msghdr) -> isize,
) -> io::Result<u32> {
    // SAFETY: the kernel has taken the request.
    unsafe {
        pieces(request).after(done, |list, count| {
            let mut left = *header;
            left.msg_iov = list.cast_mut();
            left.msg_iovlen = count as _;
            left.msg_control = ptr::null_mut();
            left.msg_controllen = 0;
            checked(call(&raw mut left))
        })
    }
}
