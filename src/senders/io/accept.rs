//! Takes connections: `accept`.
//!
//! # Cancellation
//!
//! A result of zero or more is a new socket, also when stop was requested; it is owned from the
//! moment the result is looked at, so it cannot be lost. A connection that was not taken stays with
//! the listener.
//!
//! # Kernel
//!
//! `IORING_OP_ACCEPT`, with `SOCK_CLOEXEC` always.
//!
//! # Safety
//! INV-OPEN-1: the kernel's result of an `accept` is a new descriptor that nobody else owns.
//! INV-OP-2: the place for the address lies in the pinned operation.

#![expect(
    unsafe_code,
    reason = "takes ownership of the descriptor that the kernel returned"
)]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::endpoint::{Endpoint, EndpointSpace};
use crate::tokens::socket_handle::SocketHandle;

/// `accept4(2)`: completes with `(new socket, address of the peer)`.
#[derive(Debug)]
pub struct Accept<F> {
    listener: Target<F>,
    peer: EndpointSpace,
    accepted: Option<OwnedFd>,
}

impl<F: AsFd> Accept<F> {
    pub(crate) const fn new(listener: F) -> Self {
        Self {
            listener: Target::new(listener),
            peer: EndpointSpace::new(),
            accepted: None,
        }
    }
}

// SAFETY: the owner of the listener is held until the result, and so is the place of the address.
unsafe impl<F: AsFd> Kind for Accept<F> {
    type Value = (OwnedFd, Endpoint);

    fn prepare(&mut self) -> io::Result<Progress> {
        self.listener.resolve();
        Ok(Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        let (addr, len) = self.peer.as_mut_ptrs();
        Request::Accept {
            fd: self.listener.fd(),
            addr,
            len,
            flags: libc::SOCK_CLOEXEC,
        }
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        if let Ok(fd) = RawFd::try_from(result) {
            // SAFETY: the kernel has just made it for this request (INV-OPEN-1).
            self.accepted = Some(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        Progress::Done
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let peer = &self.peer;
        let outcome = new_descriptor(ending, self.accepted).map_value(|fd| (fd, peer.endpoint()));
        // A panic in there closes the socket again.
        without(self.listener, outcome)
    }
}

/// `accept4(2)`: completes with `(handle of the new socket, address of the peer)`.
pub struct AcceptHandle<H, P, F> {
    io: H,
    accept: Accept<F>,
    protocol: PhantomData<fn() -> P>,
}

impl<H: Io, P, F: AsFd> AcceptHandle<H, P, F> {
    pub(crate) const fn new(io: H, listener: F) -> Self {
        Self {
            io,
            accept: Accept::new(listener),
            protocol: PhantomData,
        }
    }
}

// SAFETY: the kind in it promises the same, and is asked the same.
unsafe impl<H: Io, P, F: AsFd> Kind for AcceptHandle<H, P, F> {
    type Value = (SocketHandle<H, P>, Endpoint);

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.accept.prepare()
    }

    #[inline]
    fn request(&mut self) -> Request {
        self.accept.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.accept.advance(result)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let io = self.io;
        let accepted = self.accept.finish(ending);
        accepted.map_value(|(fd, peer)| (SocketHandle::new(io, fd), peer))
    }
}

impl<H, P, F: fmt::Debug> fmt::Debug for AcceptHandle<H, P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptHandle").field(&self.accept).finish()
    }
}

/// The outcome of an operation that makes a descriptor.
#[inline]
pub(crate) fn new_descriptor(ending: Ending, new: Option<OwnedFd>) -> Outcome<OwnedFd, io::Error> {
    match (ending, new) {
        (_, Some(fd)) => Outcome::Value(fd),
        (Ending::Failure(error), None) => Outcome::Error(error),
        (Ending::Stopped, None) => Outcome::Stopped,
        (Ending::Success(_), None) => {
            Outcome::Error(io::Error::other("the kernel returned no descriptor"))
        }
    }
}
