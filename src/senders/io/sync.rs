//! Waits until data is on the device: `fsync`, `fdatasync`.
//!
//! # Safety
//! INV-OP-2: what the request names is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::target::Target;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// `fsync(2)` or `fdatasync(2)`.
///
/// The kernel does not cancel one that runs: a stop request then waits for it, and its result is
/// delivered.
#[derive(Clone, Debug)]
pub struct Fsync<F> {
    target: Target<F>,
    data_only: bool,
}

impl<F: AsFd> Fsync<F> {
    pub(crate) const fn new(fd: F, data_only: bool) -> Self {
        Self {
            target: Target::new(fd),
            data_only,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result.
unsafe impl<F: AsFd> Kind for Fsync<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Fsync {
            fd: self.target.fd(),
            data_only: self.data_only,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}
