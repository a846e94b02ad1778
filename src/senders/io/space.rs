//! Changes the space that a file takes: `ftruncate`, `fallocate`.

use std::io;
use std::os::fd::AsFd;

use super::target::Target;
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// `ftruncate(2)`.
#[derive(Clone, Debug)]
pub struct Ftruncate<F> {
    target: Target<F>,
    len: u64,
}

impl<F: AsFd> Ftruncate<F> {
    pub(crate) const fn new(fd: F, len: u64) -> Self {
        Self {
            target: Target::new(fd),
            len,
        }
    }
}

impl<F: AsFd> Kind for Ftruncate<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Ftruncate {
            fd: self.target.fd(),
            len: self.len,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

/// `fallocate(2)`.
#[derive(Clone, Debug)]
pub struct Fallocate<F> {
    target: Target<F>,
    mode: i32,
    offset: u64,
    len: u64,
}

impl<F: AsFd> Fallocate<F> {
    pub(crate) const fn new(fd: F, mode: i32, offset: u64, len: u64) -> Self {
        Self {
            target: Target::new(fd),
            mode,
            offset,
            len,
        }
    }
}

impl<F: AsFd> Kind for Fallocate<F> {
    type Value = ();

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Fallocate {
            fd: self.target.fd(),
            mode: self.mode,
            offset: self.offset,
            len: self.len,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}
