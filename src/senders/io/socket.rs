//! Makes sockets: `socket`, and the system call behind it for who does not wait.
//!
//! # Kernel
//!
//! `IORING_OP_SOCKET` since Linux 5.19, before that `InvalidInput`. Making a socket does not block,
//! so it is also made by the system call itself where it is one step of more.
//!
//! # Safety
//! INV-OPEN-1: the kernel's result of a `socket` is a new descriptor that nobody else owns.

#![expect(
    unsafe_code,
    reason = "takes ownership of the descriptor that the kernel returned"
)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use libc::c_int;

use super::accept::new_descriptor;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::endpoint::Domain;
use crate::tokens::socket_fd::SocketKind;

/// `socket(2)`: completes with the new socket.
#[derive(Debug)]
pub struct Socket {
    domain: Domain,
    kind: SocketKind,
    protocol: c_int,
    made: Option<OwnedFd>,
}

impl Socket {
    pub(crate) const fn new(domain: Domain, kind: SocketKind, protocol: c_int) -> Self {
        Self {
            domain,
            kind,
            protocol,
            made: None,
        }
    }
}

// SAFETY: the request names numbers only; what it makes is owned from `advance` on.
unsafe impl Kind for Socket {
    type Value = OwnedFd;

    fn request(&mut self) -> Request {
        Request::Socket {
            domain: self.domain.as_raw(),
            kind: self.kind.as_raw() | libc::SOCK_CLOEXEC,
            protocol: self.protocol,
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        if let Ok(fd) = RawFd::try_from(result) {
            // SAFETY: the kernel has just made it for this request (INV-OPEN-1).
            self.made = Some(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        Progress::Done
    }

    fn finish(self, ending: Ending) -> Outcome<OwnedFd, io::Error> {
        new_descriptor(ending, self.made)
    }
}

/// `socket(2)`, at once.
pub(crate) fn open_socket(
    domain: Domain,
    kind: SocketKind,
    protocol: c_int,
) -> io::Result<OwnedFd> {
    let kind = kind.as_raw() | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(domain.as_raw(), kind, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it (INV-OPEN-1).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `socketpair(2)`, at once: two sockets that are connected with each other.
pub(crate) fn open_pair(
    domain: Domain,
    kind: SocketKind,
    protocol: c_int,
) -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = kind.as_raw() | libc::SOCK_CLOEXEC;
    let mut fds: [RawFd; 2] = [-1; 2];
    // SAFETY: the pointer is good for two numbers; the kernel does not keep it.
    let result = unsafe { libc::socketpair(domain.as_raw(), kind, protocol, fds.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made both (INV-OPEN-1).
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}
