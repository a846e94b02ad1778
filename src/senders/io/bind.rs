//! Gives sockets an address of their own: `bind`.
//!
//! # Cancellation
//!
//! The kernel does it while it takes the request, so a stop request that comes later changes nothing.
//!
//! # Kernel
//!
//! `IORING_OP_BIND` since Linux 6.11. Older kernels answer `EINVAL`, which also says that the socket
//! has an address already, or that the address is no good. Then the system call itself is made, on the
//! loop's thread: it does not wait for anything, and where the request was refused for a good reason it
//! gives the same answer.
//!
//! # Safety
//! INV-OP-2: the address lies in the pinned operation, and the owner of the descriptor is held by the
//! value until the result.

#![expect(
    unsafe_code,
    reason = "implements `Kind`, borrows the descriptor of the operation"
)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::endpoint::Endpoint;
use crate::tokens::sockopt;

/// `bind(2)`.
#[derive(Clone, Debug)]
pub struct Bind<F> {
    target: Target<F>,
    at: Endpoint,
}

impl<F: AsFd> Bind<F> {
    pub(crate) const fn new(fd: F, at: Endpoint) -> Self {
        Self {
            target: Target::new(fd),
            at,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so is the address.
unsafe impl<F: AsFd> Kind for Bind<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Bind {
            fd: self.target.fd(),
            addr: self.at.as_ptr(),
            len: self.at.socklen(),
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        let outcome = or_at_once(self.target.fd(), ending, |fd| sockopt::bind(fd, &self.at));
        without(self.target, outcome)
    }
}

/// What `ending` means; where the kernel may not know the request, what `call` says instead. `fd` is
/// the descriptor of an operation that still holds its owner.
pub(super) fn or_at_once(
    fd: RawFd,
    ending: Ending,
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
) -> Outcome<(), io::Error> {
    match ending {
        Ending::Failure(error) if error.raw_os_error() == Some(libc::EINVAL) && fd != -1 => {
            // SAFETY: the number that the owner gave, who is held until this has returned; not -1.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            call(fd).map_or_else(Outcome::Error, Outcome::Value)
        }
        ending => ending.into_outcome().map_value(|_| ()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::senders::io::socket::open_socket;
    use crate::tokens::endpoint::Domain;
    use crate::tokens::socket_fd::{SocketFd, SocketKind};
    use crate::tokens::socket_options::SocketOptions;

    /// How `bind` of `fd` ends when the ring says `code`.
    fn ended(fd: impl AsFd, at: Endpoint, code: i32) -> Result<(), Option<i32>> {
        let mut kind = Bind::new(fd, at);
        kind.prepare().expect("no arguments are wrong");
        match kind.finish(Ending::Failure(io::Error::from_raw_os_error(code))) {
            Outcome::Value(()) => Ok(()),
            Outcome::Error(error) => Err(error.raw_os_error()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bind_unknown_to_the_ring_is_done_by_the_system_call() {
        let socket = open_socket(Domain::Inet, SocketKind::STREAM, 0).expect("socket");
        let at = Endpoint::from(([127, 0, 0, 1], 0));
        assert_eq!(ended(&socket, at, libc::EINVAL), Ok(()));
        let token: SocketFd<'_> = socket.as_fd().into();
        assert_ne!(token.local_endpoint().expect("query").port(), Some(0));
        // It has an address now: the same answer from both.
        assert_eq!(ended(&socket, at, libc::EINVAL), Err(Some(libc::EINVAL)));
    }

    #[test]
    fn bind_refused_for_another_reason_is_not_tried_again() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let socket = open_socket(Domain::Inet, SocketKind::DATAGRAM, 0).expect("socket");
        let at = taken.local_addr().expect("address").into();
        assert_eq!(ended(&socket, at, libc::EACCES), Err(Some(libc::EACCES)));
        // The system call has its own say.
        assert_eq!(
            ended(&socket, at, libc::EINVAL),
            Err(Some(libc::EADDRINUSE))
        );
    }
}
