//! Ends a connection in one direction or both: `shutdown`.
//!
//! # Cancellation
//!
//! The kernel does it on a worker thread. A stop request before the worker has begun completes
//! stopped, and nothing was shut down; after that the result decides.
//!
//! # Kernel
//!
//! `IORING_OP_SHUTDOWN` since Linux 5.11.
//!
//! # Safety
//! INV-OP-2: the owner of the descriptor is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::sockopt::shutdown_number;

/// `shutdown(2)`.
#[derive(Clone, Debug)]
pub struct ShutDown<F> {
    target: Target<F>,
    how: Shutdown,
}

impl<F: AsFd> ShutDown<F> {
    pub(crate) const fn new(fd: F, how: Shutdown) -> Self {
        Self {
            target: Target::new(fd),
            how,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result.
unsafe impl<F: AsFd> Kind for ShutDown<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Shutdown {
            fd: self.target.fd(),
            how: shutdown_number(self.how),
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        without(self.target, ending.into_outcome().map_value(|_| ()))
    }
}
