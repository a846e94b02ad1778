//! Writes one buffer: `write_some`, `write_at`, `write_all`, `write_all_at`.
//!
//! # Flow
//!
//! One request; a whole-buffer write makes further requests for what is missing, in the same
//! operation, until everything is written, the output takes no more, or an error or a stop comes.
//! The buffer is asked for its bytes while it lies in the pinned operation, and is not touched
//! before the result of the request.
//!
//! # Safety
//! INV-OP-2: what the request names is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::buf::IoBuf;
use super::partial;
use super::returning::BufferKind;
use super::target::{Position, Target, conclude, transfer_len};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A write of as much as goes at once: completes with `(bytes written, buffer)`.
#[derive(Clone, Debug)]
pub struct Write<F, B>(Writing<F, B>);

/// A write of everything: completes with the buffer.
#[derive(Clone, Debug)]
pub struct WriteAll<F, B>(Writing<F, B>);

#[derive(Clone, Debug)]
struct Writing<F, B> {
    target: Target<F>,
    buf: B,
    position: Position,
    done: usize,
}

impl<F: AsFd, B: IoBuf> Write<F, B> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, position: Position) -> Self {
        Self(Writing {
            target: Target::new(fd),
            buf,
            position,
            done: 0,
        })
    }
}

impl<F: AsFd, B: IoBuf> WriteAll<F, B> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, position: Position) -> Self {
        Self(Writing {
            target: Target::new(fd),
            buf,
            position,
            done: 0,
        })
    }
}

impl<F: AsFd, B: IoBuf> Writing<F, B> {
    #[inline]
    fn prepare(&mut self) -> io::Result<()> {
        self.target.resolve();
        self.position.check()
    }

    #[inline]
    fn request(&mut self) -> Request {
        let bytes = self.buf.io_bytes();
        Request::Write {
            fd: self.target.fd(),
            buf: bytes.cast::<u8>().wrapping_add(self.done),
            len: transfer_len(bytes.len() - self.done),
            offset: self.position.after(self.done),
        }
    }

    #[inline]
    fn advance(&mut self, result: u32) {
        let left = self.buf.io_bytes().len() - self.done;
        assert!(
            result as usize <= left,
            "the kernel reported more bytes than it was given"
        );
        self.done += result as usize;
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so is the buffer, which
//         promises its bytes (INV-BUF-1).
unsafe impl<F: AsFd, B: IoBuf> Kind for Write<F, B> {
    type Value = (usize, B);
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare().map(|()| Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        self.0.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result);
        Progress::Done
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let Writing {
            target, buf, done, ..
        } = self.0;
        conclude(target, buf, ending.into_outcome(), |_, buf| (done, buf))
    }
}

impl<F: AsFd, B: IoBuf> BufferKind for Write<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let this = self.0;
        let result = match ending {
            Ending::Success(_) => Ok(this.done),
            Ending::Failure(error) => Err(error),
            Ending::Stopped => Err(partial::stopped(0)),
        };
        // First, so that a panic in there does not leak the buffer.
        drop(this.target);
        (result, this.buf)
    }
}

impl<F: AsFd, B: IoBuf> WriteAll<F, B> {
    /// What the ending means: how much is missing, and why.
    fn settle(&self, ending: Ending) -> Outcome<(), io::Error> {
        let done = self.0.done;
        match ending {
            Ending::Success(_) if done == self.0.buf.io_bytes().len() => Outcome::Value(()),
            Ending::Success(_) => Outcome::Error(partial::ended(io::ErrorKind::WriteZero, done)),
            Ending::Failure(error) => Outcome::Error(partial::after(done, error)),
            Ending::Stopped if done > 0 => Outcome::Error(partial::stopped(done)),
            Ending::Stopped => Outcome::Stopped,
        }
    }
}

// SAFETY: as for `Write`; what was written already is within the bytes, as `advance` checks.
unsafe impl<F: AsFd, B: IoBuf> Kind for WriteAll<F, B> {
    type Value = B;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare().map(|()| Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        match self.0.request() {
            // Complete, but on the context's thread like everything else. (A write of nothing is
            // not nothing: to a socket it may be a message.)
            Request::Write { len: 0, .. } => Request::Nop,
            request => request,
        }
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result);
        if result == 0 || self.0.done == self.0.buf.io_bytes().len() {
            Progress::Done
        } else {
            Progress::More
        }
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<B, io::Error> {
        let outcome = self.settle(ending);
        conclude(self.0.target, self.0.buf, outcome, |(), buf| buf)
    }
}

impl<F: AsFd, B: IoBuf> BufferKind for WriteAll<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let result = match self.settle(ending) {
            Outcome::Value(()) => Ok(self.0.done),
            Outcome::Error(error) => Err(error),
            _ => Err(partial::stopped(0)),
        };
        drop(self.0.target);
        (result, self.0.buf)
    }
}
