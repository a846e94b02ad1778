//! Makes sockets take connections: `listen`.
//!
//! # Cancellation
//!
//! The kernel does it while it takes the request, so a stop request that comes later changes nothing.
//!
//! # Kernel
//!
//! `IORING_OP_LISTEN` since Linux 6.11. Older kernels answer `EINVAL`, which also says that the socket
//! is connected, or has no address where it needs one. Then the system call itself is made, as for
//! [`bind`](super::bind).
//!
//! # Safety
//! INV-OP-2: the owner of the descriptor is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::bind::or_at_once;
use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::sockopt;

/// `listen(2)`.
#[derive(Clone, Debug)]
pub struct Listen<F> {
    target: Target<F>,
    backlog: u32,
}

impl<F: AsFd> Listen<F> {
    pub(crate) const fn new(fd: F, backlog: u32) -> Self {
        Self {
            target: Target::new(fd),
            backlog,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result.
unsafe impl<F: AsFd> Kind for Listen<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Listen {
            fd: self.target.fd(),
            backlog: sockopt::backlog_number(self.backlog),
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        let outcome = or_at_once(self.target.fd(), ending, |fd| {
            sockopt::listen(fd, self.backlog)
        });
        without(self.target, outcome)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::senders::io::socket::open_socket;
    use crate::tokens::endpoint::Domain;
    use crate::tokens::socket_fd::{SocketFd, SocketKind};
    use crate::tokens::socket_options::SocketOptions;

    /// How `listen` on `fd` ends when the ring says `EINVAL`.
    fn refused(fd: impl AsFd) -> Outcome<(), io::Error> {
        let mut kind = Listen::new(fd, 8);
        kind.prepare().expect("no arguments are wrong");
        kind.finish(Ending::Failure(io::Error::from_raw_os_error(libc::EINVAL)))
    }

    #[test]
    fn listen_unknown_to_the_ring_is_done_by_the_system_call() {
        let socket = open_socket(Domain::Inet, SocketKind::STREAM, 0).expect("socket");
        assert!(matches!(refused(&socket), Outcome::Value(())));
        let token: SocketFd<'_> = socket.as_fd().into();
        assert!(token.is_listening().expect("query"));
    }

    #[test]
    fn listen_refused_by_both_is_an_error() {
        let (left, _right) = std::os::unix::net::UnixStream::pair().expect("pair");
        let Outcome::Error(error) = refused(&left) else {
            panic!("a connected socket listens");
        };
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
