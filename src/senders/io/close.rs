//! Closes a descriptor: `close`.
//!
//! # Cancellation
//!
//! Not cancelled: it owns the descriptor and ends at once. A stop before the start, or a context that
//! refuses, still closes it, by dropping it; so the descriptor is closed exactly once on every path.
//!
//! # Errors
//!
//! The kernel has released the number whatever it returns (`EINTR`, `EAGAIN` and `ECANCELED` of a
//! network or user-space file system included), so it is not tried again, and not closed again.
//!
//! # Safety
//! INV-OP-2: what the request names is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind};
use crate::senders::concept::outcome::Outcome;

/// `close(2)`.
#[derive(Debug)]
pub struct Close {
    fd: Option<OwnedFd>,
}

impl Close {
    pub(crate) const fn new(fd: OwnedFd) -> Self {
        Self { fd: Some(fd) }
    }
}

// SAFETY: the descriptor is owned, the request is made once (`FINAL`), and the number is given up
//         in `finish` if the kernel has taken it.
unsafe impl Kind for Close {
    type Value = ();
    const CANCELLABLE: bool = false;
    // The number is free after the first try: a second one would close somebody else's file.
    const FINAL: bool = true;

    fn request(&mut self) -> Request {
        Request::Close {
            fd: self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        }
    }

    fn finish(mut self, ending: Ending) -> Outcome<(), io::Error> {
        if let Ending::Success(_) | Ending::Failure(_) = ending
            && let Some(fd) = self.fd.take()
            && !matches!(&ending, Ending::Failure(error) if was_not_closed(error))
        {
            // The kernel has closed it.
            let _ = fd.into_raw_fd();
        }
        ending.into_outcome().map_value(|_| ())
    }
}

/// Whether the failure came from a context that did not submit the request.
fn was_not_closed(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}
