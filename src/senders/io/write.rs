//! Gives the bytes of one buffer away: `write_some`, `write_at`, `send`, `write_all`, `write_all_at`,
//! `send_all`.
//!
//! # Flow
//!
//! One request; an operation on the whole buffer makes further requests for what is missing, in the
//! same operation, until everything is written, the output takes no more, or an error or a stop
//! comes. Which request it is, the [`Transfer`] says. The buffer is asked for its bytes while it lies
//! in the pinned operation, and is not touched before the result of the request.
//!
//! # Safety
//! INV-OP-2: what the request names is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::buf::IoBuf;
use super::partial;
use super::returning::BufferKind;
use super::target::{Target, conclude, give_back};
use super::transfer::{MsgOptions, PollFirst, Position, Transfer, transfer_len};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A write of as much as goes at once: completes with `(bytes written, buffer)`.
#[derive(Clone, Debug)]
pub struct Write<F, B, T = Position>(Writing<F, B, T>);

/// A write of everything: completes with the buffer.
#[derive(Clone, Debug)]
pub struct WriteAll<F, B, T = Position>(Writing<F, B, T>);

/// A send of as much as goes at once: completes with `(bytes sent, buffer)`.
pub type SendSome<F, B> = Write<F, B, MsgOptions>;

/// A send of everything: completes with the buffer.
pub type SendAll<F, B> = WriteAll<F, B, MsgOptions>;

#[derive(Clone, Debug)]
struct Writing<F, B, T> {
    target: Target<F>,
    buf: B,
    transfer: T,
    done: usize,
}

impl<F: AsFd, B: IoBuf, T: Transfer> Write<F, B, T> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, transfer: T) -> Self {
        Self(Writing::new(fd, buf, transfer))
    }
}

impl<F: AsFd, B: IoBuf, T: Transfer> WriteAll<F, B, T> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, transfer: T) -> Self {
        Self(Writing::new(fd, buf, transfer))
    }
}

impl<F: AsFd, B: IoBuf, T: Transfer> Writing<F, B, T> {
    #[inline]
    const fn new(fd: F, buf: B, transfer: T) -> Self {
        Self {
            target: Target::new(fd),
            buf,
            transfer,
            done: 0,
        }
    }

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        self.transfer.check()?;
        Ok(Progress::More)
    }

    /// How many bytes are missing.
    #[inline]
    fn missing(&self) -> usize {
        self.buf.io_bytes().len() - self.done
    }

    #[inline]
    fn request(&self) -> Request {
        let bytes = self.buf.io_bytes();
        self.transfer.output(
            self.target.fd(),
            bytes.cast::<u8>().wrapping_add(self.done),
            transfer_len(bytes.len() - self.done),
            self.done,
        )
    }

    #[inline]
    fn advance(&mut self, result: u32) {
        assert!(
            result as usize <= self.missing(),
            "the kernel reported more bytes than it was given"
        );
        self.done += result as usize;
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so is the buffer, which
//         promises its bytes (INV-BUF-1).
unsafe impl<F: AsFd, B: IoBuf, T: Transfer> Kind for Write<F, B, T> {
    type Value = (usize, B);

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare()
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
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.transfer.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let Writing {
            target, buf, done, ..
        } = self.0;
        conclude(target, buf, ending.into_outcome(), |_, buf| (done, buf))
    }
}

impl<F: AsFd, B: IoBuf, T: Transfer> BufferKind for Write<F, B, T> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let result = partial::into_result(ending.into_outcome(), self.0.done);
        give_back(self.0.target, self.0.buf, result)
    }
}

impl<F: AsFd, B: IoBuf, T: Transfer> WriteAll<F, B, T> {
    /// What the ending means.
    fn settle(&self, ending: Ending) -> Outcome<(), io::Error> {
        let (done, missing) = (self.0.done, self.0.missing());
        partial::settle(done, done + missing, io::ErrorKind::WriteZero, ending)
    }
}

// SAFETY: as for `Write`; what was written already is within the bytes, as `advance` checks.
unsafe impl<F: AsFd, B: IoBuf, T: Transfer> Kind for WriteAll<F, B, T> {
    type Value = B;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare()
    }

    #[inline]
    fn request(&mut self) -> Request {
        if self.0.missing() == 0 {
            // Complete, but on the context's thread like everything else. (A write of nothing is
            // not nothing: to a socket it may be a message.)
            return Request::Nop;
        }
        self.0.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result);
        if result == 0 || self.0.missing() == 0 {
            Progress::Done
        } else {
            Progress::More
        }
    }

    #[inline]
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.transfer.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<B, io::Error> {
        let outcome = self.settle(ending);
        conclude(self.0.target, self.0.buf, outcome, |(), buf| buf)
    }
}

impl<F: AsFd, B: IoBuf, T: Transfer> BufferKind for WriteAll<F, B, T> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let result = partial::into_result(self.settle(ending), self.0.done);
        give_back(self.0.target, self.0.buf, result)
    }
}

impl<F: AsFd, B: IoBuf> PollFirst for SendSome<F, B> {
    fn set_poll_first(&mut self) {
        self.0.transfer = self.0.transfer.after_poll();
    }
}

impl<F: AsFd, B: IoBuf> PollFirst for SendAll<F, B> {
    fn set_poll_first(&mut self) {
        self.0.transfer = self.0.transfer.after_poll();
    }
}
