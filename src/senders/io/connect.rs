//! Connects sockets: `connect`.
//!
//! # Flow
//!
//! One request, which the kernel ends when the connection is made or refused. Where it answers that
//! the attempt goes on (`EINPROGRESS`, or `EALREADY` after an interruption or an attempt that somebody
//! began before), the operation waits until the socket is writable and asks again: the second answer
//! is the result of the attempt.
//!
//! # Cancellation
//!
//! A stop ends the operation, not the attempt: the peer may still see a connection. The socket is
//! good for nothing more than to be closed.
//!
//! # Kernel
//!
//! `IORING_OP_CONNECT`. A socket with `O_NONBLOCK` is waited for like any other.
//!
//! # Safety
//! INV-OP-2: the address lies in the pinned operation.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::endpoint::Endpoint;

/// How often an attempt is waited for that is still not over.
const WAITS_MAX: u8 = 32;

/// `connect(2)`.
#[derive(Debug)]
pub struct Connect<F> {
    socket: Target<F>,
    peer: Endpoint,
    attempt: Attempt,
}

/// What the next request is, and how the answer is understood.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// The next request waits for the end of the attempt.
    waits: bool,
    /// How often was waited.
    count: u8,
    /// The kernel has heard of it before this request.
    begun: bool,
}

impl<F: AsFd> Connect<F> {
    pub(crate) fn new(socket: F, peer: Endpoint) -> Self {
        Self {
            socket: Target::new(socket),
            peer,
            attempt: Attempt::default(),
        }
    }
}

impl<F> Connect<F> {
    /// What the ending means, and the owner of the socket.
    pub(crate) fn settle(self, ending: Ending) -> (Target<F>, Outcome<(), io::Error>) {
        let outcome = match ending {
            // The attempt was over before it was asked about again.
            Ending::Failure(error)
                if self.attempt.begun && error.raw_os_error() == Some(libc::EISCONN) =>
            {
                Outcome::Value(())
            }
            ending => ending.into_outcome().map_value(|_| ()),
        };
        (self.socket, outcome)
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
        let fd = self.socket.fd();
        if self.attempt.waits {
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

    fn advance(&mut self, _: u32) -> Progress {
        if self.attempt.waits {
            self.attempt.waits = false;
            Progress::More
        } else {
            Progress::Done
        }
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        match error.raw_os_error() {
            Some(libc::EINPROGRESS | libc::EALREADY) if self.attempt.count < WAITS_MAX => {
                self.attempt.begun = true;
                self.attempt.count += 1;
                self.attempt.waits = true;
                Some(Progress::More)
            }
            Some(libc::EINTR) => {
                // It may go on without us.
                self.attempt.begun = true;
                None
            }
            _ => None,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        let (socket, outcome) = self.settle(ending);
        without(socket, outcome)
    }
}
