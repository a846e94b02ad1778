//! Reads into one buffer: `read_some`, `read_at`, `read_exact`, `read_exact_at`.
//!
//! # Flow
//!
//! One request; a whole-buffer read makes further requests for what is missing, in the same
//! operation, until the buffer is full, the input ends, or an error or a stop comes.
//!
//! # Safety
//! INV-OP-2: the buffer is asked for its space while it lies in the pinned operation, and is not
//! touched before the result of the request.

#![expect(unsafe_code, reason = "records how much of a buffer the kernel filled")]

use std::io;
use std::os::fd::AsFd;

use super::buf::IoBufMut;
use super::partial;
use super::returning::BufferKind;
use super::target::{Position, Target, conclude, transfer_len};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A read of what there is: completes with `(bytes read, buffer)`.
#[derive(Clone, Debug)]
pub struct Read<F, B>(Reading<F, B>);

/// A read of as much as the buffer takes: completes with the buffer.
#[derive(Clone, Debug)]
pub struct ReadExact<F, B>(Reading<F, B>);

#[derive(Clone, Debug)]
struct Reading<F, B> {
    target: Target<F>,
    buf: B,
    position: Position,
    done: usize,
}

impl<F: AsFd, B: IoBufMut> Read<F, B> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, position: Position) -> Self {
        Self(Reading {
            target: Target::new(fd),
            buf,
            position,
            done: 0,
        })
    }
}

impl<F: AsFd, B: IoBufMut> ReadExact<F, B> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, position: Position) -> Self {
        Self(Reading {
            target: Target::new(fd),
            buf,
            position,
            done: 0,
        })
    }
}

impl<F: AsFd, B: IoBufMut> Reading<F, B> {
    #[inline]
    fn prepare(&mut self) -> io::Result<()> {
        self.target.resolve();
        self.position.check()
    }

    #[inline]
    fn request(&mut self) -> Request {
        let space = self.buf.io_space();
        Request::Read {
            fd: self.target.fd(),
            buf: space.cast::<u8>().wrapping_add(self.done),
            len: transfer_len(space.len() - self.done),
            offset: self.position.after(self.done),
        }
    }

    #[inline]
    fn filled(&mut self) {
        // SAFETY: the kernel said that it filled `done` bytes from the start, which was checked
        //         against the space in `advance`.
        unsafe { self.buf.set_filled(self.done) };
    }

    #[inline]
    fn advance(&mut self, result: u32) {
        let left = self.buf.io_space().len() - self.done;
        assert!(
            result as usize <= left,
            "the kernel reported more bytes than it was given room for"
        );
        self.done += result as usize;
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so is the buffer, which
//         promises its space (INV-BUF-1).
unsafe impl<F: AsFd, B: IoBufMut> Kind for Read<F, B> {
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
        let mut this = self.0;
        if let Ending::Success(_) = ending {
            this.filled();
        }
        let done = this.done;
        let value = |_, buf| (done, buf);
        conclude(this.target, this.buf, ending.into_outcome(), value)
    }
}

impl<F: AsFd, B: IoBufMut> BufferKind for Read<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let mut this = self.0;
        let result = match ending {
            Ending::Success(_) => {
                this.filled();
                Ok(this.done)
            }
            Ending::Failure(error) => Err(error),
            Ending::Stopped => Err(partial::stopped(0)),
        };
        // First, so that a panic in there does not leak the buffer.
        drop(this.target);
        (result, this.buf)
    }
}

impl<F: AsFd, B: IoBufMut> ReadExact<F, B> {
    /// What the ending means: how much is missing, and why. What was read is in the buffer in any
    /// case.
    fn settle(&mut self, ending: Ending) -> Outcome<(), io::Error> {
        let done = self.0.done;
        let complete = done == self.0.buf.io_space().len();
        if complete || done > 0 {
            self.0.filled();
        }
        match ending {
            Ending::Success(_) if complete => Outcome::Value(()),
            Ending::Success(_) => {
                Outcome::Error(partial::ended(io::ErrorKind::UnexpectedEof, done))
            }
            Ending::Failure(error) => Outcome::Error(partial::after(done, error)),
            Ending::Stopped if done > 0 => Outcome::Error(partial::stopped(done)),
            Ending::Stopped => Outcome::Stopped,
        }
    }
}

// SAFETY: as for `Read`; what was read already is within the space, as `advance` checks.
unsafe impl<F: AsFd, B: IoBufMut> Kind for ReadExact<F, B> {
    type Value = B;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare().map(|()| Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        match self.0.request() {
            // Complete, but on the context's thread like everything else.
            Request::Read { len: 0, .. } => Request::Nop,
            request => request,
        }
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result);
        if result == 0 || self.0.done == self.0.buf.io_space().len() {
            Progress::Done
        } else {
            Progress::More
        }
    }

    #[inline]
    fn finish(mut self, ending: Ending) -> Outcome<B, io::Error> {
        let outcome = self.settle(ending);
        conclude(self.0.target, self.0.buf, outcome, |(), buf| buf)
    }
}

impl<F: AsFd, B: IoBufMut> BufferKind for ReadExact<F, B> {
    type Buffer = B;

    fn finish_returning(mut self, ending: Ending) -> (io::Result<usize>, B) {
        let result = match self.settle(ending) {
            Outcome::Value(()) => Ok(self.0.done),
            Outcome::Error(error) => Err(error),
            _ => Err(partial::stopped(0)),
        };
        drop(self.0.target);
        (result, self.0.buf)
    }
}
