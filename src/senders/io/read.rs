//! Takes bytes into one buffer: `read_some`, `read_at`, `recv`, `read_exact`, `read_exact_at`,
//! `recv_exact`.
//!
//! # Flow
//!
//! One request; an operation on the whole buffer makes further requests for what is missing, in the
//! same operation, until the buffer is full, the input ends, or an error or a stop comes. Which
//! request it is, the [`Transfer`] says.
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
use super::target::{Target, conclude, give_back};
use super::transfer::{MsgOptions, PollFirst, Position, Transfer, transfer_len};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A read of what there is: completes with `(bytes read, buffer)`.
#[derive(Clone, Debug)]
pub struct Read<F, B, T = Position>(Reading<F, B, T>);

/// A read of as much as the buffer takes: completes with the buffer.
#[derive(Clone, Debug)]
pub struct ReadExact<F, B, T = Position>(Reading<F, B, T>);

/// A receive of what there is: completes with `(bytes received, buffer)`.
pub type Recv<F, B> = Read<F, B, MsgOptions>;

/// A receive of as much as the buffer takes: completes with the buffer.
pub type RecvExact<F, B> = ReadExact<F, B, MsgOptions>;

#[derive(Clone, Debug)]
struct Reading<F, B, T> {
    target: Target<F>,
    buf: B,
    transfer: T,
    done: usize,
}

impl<F: AsFd, B: IoBufMut, T: Transfer> Read<F, B, T> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, transfer: T) -> Self {
        Self(Reading::new(fd, buf, transfer))
    }
}

impl<F: AsFd, B: IoBufMut, T: Transfer> ReadExact<F, B, T> {
    #[inline]
    pub(crate) const fn new(fd: F, buf: B, transfer: T) -> Self {
        Self(Reading::new(fd, buf, transfer))
    }
}

impl<F: AsFd, B: IoBufMut, T: Transfer> Reading<F, B, T> {
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
    fn missing(&mut self) -> usize {
        self.buf.io_space().len() - self.done
    }

    #[inline]
    fn request(&mut self) -> Request {
        let space = self.buf.io_space();
        self.transfer.input(
            self.target.fd(),
            space.cast::<u8>().wrapping_add(self.done),
            transfer_len(space.len() - self.done),
            self.done,
        )
    }

    #[inline]
    fn filled(&mut self) {
        // SAFETY: the kernel said that it filled `done` bytes from the start, which was checked
        //         against the space in `advance`.
        unsafe { self.buf.set_filled(self.done) };
    }

    #[inline]
    fn advance(&mut self, result: u32) {
        assert!(
            result as usize <= self.missing(),
            "the kernel reported more bytes than it was given room for"
        );
        self.done += result as usize;
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so is the buffer, which
//         promises its space (INV-BUF-1).
unsafe impl<F: AsFd, B: IoBufMut, T: Transfer> Kind for Read<F, B, T> {
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
        let mut this = self.0;
        if let Ending::Success(_) = ending {
            this.filled();
        }
        let done = this.done;
        let value = |_, buf| (done, buf);
        conclude(this.target, this.buf, ending.into_outcome(), value)
    }
}

impl<F: AsFd, B: IoBufMut, T: Transfer> BufferKind for Read<F, B, T> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let mut this = self.0;
        if let Ending::Success(_) = ending {
            this.filled();
        }
        let result = partial::into_result(ending.into_outcome(), this.done);
        give_back(this.target, this.buf, result)
    }
}

impl<F: AsFd, B: IoBufMut, T: Transfer> ReadExact<F, B, T> {
    /// What the ending means. What was read is in the buffer in any case.
    fn settle(&mut self, ending: Ending) -> Outcome<(), io::Error> {
        let (done, missing) = (self.0.done, self.0.missing());
        if missing == 0 || done > 0 {
            self.0.filled();
        }
        partial::settle(done, done + missing, io::ErrorKind::UnexpectedEof, ending)
    }
}

// SAFETY: as for `Read`; what was read already is within the space, as `advance` checks.
unsafe impl<F: AsFd, B: IoBufMut, T: Transfer> Kind for ReadExact<F, B, T> {
    type Value = B;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare()
    }

    #[inline]
    fn request(&mut self) -> Request {
        if self.0.missing() == 0 {
            // Complete, but on the context's thread like everything else.
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
    fn finish(mut self, ending: Ending) -> Outcome<B, io::Error> {
        let outcome = self.settle(ending);
        conclude(self.0.target, self.0.buf, outcome, |(), buf| buf)
    }
}

impl<F: AsFd, B: IoBufMut, T: Transfer> BufferKind for ReadExact<F, B, T> {
    type Buffer = B;

    fn finish_returning(mut self, ending: Ending) -> (io::Result<usize>, B) {
        let outcome = self.settle(ending);
        let result = partial::into_result(outcome, self.0.done);
        give_back(self.0.target, self.0.buf, result)
    }
}

impl<F: AsFd, B: IoBufMut> PollFirst for Recv<F, B> {
    fn set_poll_first(&mut self) {
        self.0.transfer = self.0.transfer.after_poll();
    }
}

impl<F: AsFd, B: IoBufMut> PollFirst for RecvExact<F, B> {
    fn set_poll_first(&mut self) {
        self.0.transfer = self.0.transfer.after_poll();
    }
}
