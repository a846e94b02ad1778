//! Connects sockets: `connect`, and `TcpStream::connect`, which makes the socket as well.
//!
//! # Flow
//!
//! One request, which the kernel ends when the connection is made or refused. Where it answers that
//! the attempt goes on (`EINPROGRESS`, or `EALREADY` after an interruption or an attempt that somebody
//! began before), the operation waits until the socket is writable and asks again: the second answer
//! is the result of the attempt.
//!
//! A socket that the operation makes belongs to it until it is connected: on every other path it is
//! closed before the receiver is completed.
//!
//! # Cancellation
//!
//! A stop ends the operation, not the attempt: the peer may still see a connection. The socket is
//! good for nothing more than to be closed.
//!
//! # Kernel
//!
//! `IORING_OP_CONNECT`. A socket with `O_NONBLOCK` is waited for like any other, except a Unix one
//! whose listener has no room: there the kernel says `EAGAIN`.
//!
//! # Safety
//! INV-OP-2: the address lies in the pinned operation.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::endpoint::Endpoint;
use crate::tokens::protocol::Connection;
use crate::tokens::socket_config::SocketConfig;
use crate::tokens::socket_handle::SocketHandle;

/// How often an attempt is waited for that is still not over.
const WAITS_MAX: u8 = 32;

/// An attempt to connect: what the next request is, and how the answer is understood.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    peer: Endpoint,
    /// The next request waits for the end of the attempt.
    waits: bool,
    /// How often was waited.
    count: u8,
    /// The kernel has heard of it before this request.
    begun: bool,
}

impl Attempt {
    const fn new(peer: Endpoint) -> Self {
        Self {
            peer,
            waits: false,
            count: 0,
            begun: false,
        }
    }

    fn request(&self, fd: RawFd) -> Request {
        if self.waits {
            return Request::Poll {
                fd,
                events: libc::POLLOUT.unsigned_abs().into(),
            };
        }
        Request::Connect {
            fd,
            addr: self.peer.as_ptr(),
            len: self.peer.socklen(),
        }
    }

    fn advance(&mut self) -> Progress {
        if self.waits {
            self.waits = false;
            Progress::More
        } else {
            Progress::Done
        }
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        match error.raw_os_error() {
            Some(libc::EINPROGRESS | libc::EALREADY) if self.count < WAITS_MAX => {
                self.begun = true;
                self.count += 1;
                self.waits = true;
                Some(Progress::More)
            }
            Some(libc::EINTR) => {
                // It may go on without us.
                self.begun = true;
                None
            }
            // The kernel has waited as far as it could; to ask again at once is no use.
            Some(libc::EAGAIN) => Some(Progress::Done),
            _ => None,
        }
    }

    /// What the ending means.
    fn settle(&self, ending: Ending) -> Outcome<(), io::Error> {
        match ending {
            // The attempt was over before it was asked about again.
            Ending::Failure(error) if self.begun && error.raw_os_error() == Some(libc::EISCONN) => {
                Outcome::Value(())
            }
            ending => ending.into_outcome().map_value(|_| ()),
        }
    }
}

/// `connect(2)`.
#[derive(Clone, Debug)]
pub struct Connect<F> {
    socket: Target<F>,
    attempt: Attempt,
}

impl<F: AsFd> Connect<F> {
    pub(crate) const fn new(socket: F, peer: Endpoint) -> Self {
        Self {
            socket: Target::new(socket),
            attempt: Attempt::new(peer),
        }
    }
}

// SAFETY: the owner of the socket is held until the result, and so is the address.
unsafe impl<F: AsFd> Kind for Connect<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.socket.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        self.attempt.request(self.socket.fd())
    }

    fn advance(&mut self, _: u32) -> Progress {
        self.attempt.advance()
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.attempt.refused(error)
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        let outcome = self.attempt.settle(ending);
        without(self.socket, outcome)
    }
}

/// `socket(2)` and `connect(2)`: completes with the handle of a connected socket.
pub struct ConnectNew<H, P> {
    io: H,
    config: SocketConfig,
    socket: Option<OwnedFd>,
    attempt: Attempt,
    protocol: PhantomData<fn() -> P>,
}

impl<H: Io, P: Connection> ConnectNew<H, P> {
    pub(crate) const fn new(io: H, peer: Endpoint, config: SocketConfig) -> Self {
        Self {
            io,
            config,
            socket: None,
            attempt: Attempt::new(peer),
            protocol: PhantomData,
        }
    }
}

// SAFETY: the socket is owned until the result, and the address held.
unsafe impl<H: Io, P: Connection> Kind for ConnectNew<H, P> {
    type Value = SocketHandle<H, P>;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.socket = Some(self.config.connecting::<P>(&self.attempt.peer)?);
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        let fd = self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        self.attempt.request(fd)
    }

    fn advance(&mut self, _: u32) -> Progress {
        self.attempt.advance()
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.attempt.refused(error)
    }

    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let outcome = self.attempt.settle(ending);
        match (outcome, self.socket) {
            (Outcome::Value(()), Some(fd)) => Outcome::Value(SocketHandle::new(self.io, fd)),
            (Outcome::Value(()), None) => Outcome::Error(io::Error::other("there is no socket")),
            (Outcome::Error(error), _) => Outcome::Error(error),
            (Outcome::Stopped, _) => Outcome::Stopped,
            (Outcome::Panicked(payload), _) => Outcome::Panicked(payload),
        }
    }
}

impl<H, P> fmt::Debug for ConnectNew<H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectNew")
            .field("peer", &self.attempt.peer)
            .finish_non_exhaustive()
    }
}
