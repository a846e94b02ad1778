//! Moves bytes through a pipe without a copy in user memory: `splice`.
//!
//! # Flow
//!
//! Waits until there is something to take, then until there is room, then moves. Regular files and
//! block devices are always ready, so nothing is waited for.
//!
//! # Cancellation
//!
//! Prompt while it waits. A splice that runs, runs in one of the kernel's worker threads; it is
//! interrupted, and what it had moved is delivered.
//!
//! # Kernel
//!
//! `IORING_OP_SPLICE`, since Linux 5.7, always in a worker thread. On its own, one that finds nothing
//! occupies its thread until something comes (20 from empty sockets: 20 threads, Linux 6.18), and with
//! `O_NONBLOCK` it is refused. So it is begun only when a poll has said that it can be done.
//!
//! # Safety
//! INV-OP-2: both owners of descriptors are held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::{AsFd, RawFd};

use super::target::{Target, without};
use super::transfer::{Position, Transfer, transfer_len};
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::fd::FileKind;

/// How often in a row a splice that finds nothing, although a poll promised something, is tried.
const VAIN_MAX: u8 = 32;

/// One end of a transfer: a descriptor, from or at which offset, and whether it is ready.
#[derive(Debug)]
pub(super) struct End<F> {
    target: Target<F>,
    position: Position,
    kind: Option<FileKind>,
    ready: bool,
}

impl<F: AsFd> End<F> {
    pub(super) const fn new(fd: F) -> Self {
        Self {
            target: Target::new(fd),
            position: Position::CURRENT,
            kind: None,
            ready: false,
        }
    }

    pub(super) const fn set_offset(&mut self, offset: u64) {
        self.position = Position::at(offset);
    }

    /// Asks for the descriptor, and what it is.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        self.kind = self.target.resolve_kind();
        self.wait_again();
        self.position.check()
    }

    pub(super) const fn fd(&self) -> RawFd {
        self.target.fd()
    }

    pub(super) fn is(&self, kind: FileKind) -> bool {
        self.kind == Some(kind)
    }

    /// The offset for the kernel after `done` bytes.
    pub(super) const fn offset(&self, done: usize) -> u64 {
        self.position.after(done)
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) const fn set_ready(&mut self) {
        self.ready = true;
    }

    /// What was known about readiness is out of date.
    pub(super) fn wait_again(&mut self) {
        self.ready = self.is(FileKind::File) || self.is(FileKind::BlockDevice);
    }

    /// A request that completes when it is ready.
    pub(super) fn poll(&self, events: i16) -> Request {
        Request::Poll {
            fd: self.fd(),
            events: events.unsigned_abs().into(),
        }
    }

    /// The outcome after the owner was dropped.
    pub(super) fn release<T>(self, outcome: Outcome<T, io::Error>) -> Outcome<T, io::Error> {
        without(self.target, outcome)
    }
}

/// Counts tries in vain of what a poll had promised.
#[derive(Debug, Default)]
pub(super) struct Vain(pub(super) u8);

impl Vain {
    pub(super) const fn reset(&mut self) {
        self.0 = 0;
    }

    /// Whether it is worth another poll.
    pub(super) fn again(&mut self, error: &io::Error) -> bool {
        self.0 = self.0.saturating_add(1);
        error.raw_os_error() == Some(libc::EAGAIN) && self.0 <= VAIN_MAX
    }
}

/// What the request at the kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    PollFrom,
    PollTo,
    Move,
}

/// `splice(2)`: completes with how many bytes it moved.
#[derive(Debug)]
pub struct Splice<A, B> {
    from: End<A>,
    to: End<B>,
    len: u32,
    flags: u32,
    step: Step,
    vain: Vain,
    moved: usize,
}

impl<A: AsFd, B: AsFd> Splice<A, B> {
    pub(crate) fn new(from: A, to: B, len: usize) -> Self {
        Self {
            from: End::new(from),
            to: End::new(to),
            len: transfer_len(len),
            flags: 0,
            step: Step::PollFrom,
            vain: Vain::default(),
            moved: 0,
        }
    }

    fn next(&self) -> Step {
        if !self.from.is_ready() {
            Step::PollFrom
        } else if !self.to.is_ready() {
            Step::PollTo
        } else {
            Step::Move
        }
    }
}

// SAFETY: the owners of both descriptors are held until the result, and no memory is named.
unsafe impl<A: AsFd, B: AsFd> Kind for Splice<A, B> {
    type Value = usize;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.from.prepare()?;
        self.to.prepare()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        self.step = self.next();
        match self.step {
            Step::PollFrom => self.from.poll(libc::POLLIN),
            Step::PollTo => self.to.poll(libc::POLLOUT),
            Step::Move => Request::Splice {
                from: self.from.fd(),
                from_offset: self.from.offset(0),
                to: self.to.fd(),
                to_offset: self.to.offset(0),
                len: self.len,
                flags: self.flags,
            },
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        match self.step {
            Step::PollFrom => self.from.set_ready(),
            Step::PollTo => self.to.set_ready(),
            Step::Move => {
                assert!(
                    result <= self.len,
                    "the kernel moved more than it was asked to"
                );
                self.moved = result as usize;
                return Progress::Done;
            }
        }
        Progress::More
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        if self.step != Step::Move || !self.vain.again(error) {
            return None;
        }
        self.from.wait_again();
        self.to.wait_again();
        Some(Progress::More)
    }

    fn finish(self, ending: Ending) -> Outcome<usize, io::Error> {
        let moved = self.moved;
        let outcome = ending.into_outcome().map_value(|_| moved);
        self.from.release(self.to.release(outcome))
    }
}

impl<H: Io, A: AsFd, B: AsFd> IoSender<H, Splice<A, B>> {
    /// Takes the bytes from this offset on, and leaves the descriptor's own position alone; for
    /// files.
    pub fn from_offset(self, offset: u64) -> Self {
        self.map_kind(|mut kind| {
            kind.from.set_offset(offset);
            kind
        })
    }

    /// Puts the bytes at this offset, and leaves the descriptor's own position alone; for files.
    pub fn to_offset(self, offset: u64) -> Self {
        self.map_kind(|mut kind| {
            kind.to.set_offset(offset);
            kind
        })
    }

    /// More follows at once: a socket may hold the bytes back, to send them together.
    #[doc(alias = "SPLICE_F_MORE")]
    pub fn more(self) -> Self {
        self.map_kind(|mut kind| {
            kind.flags |= libc::SPLICE_F_MORE;
            kind
        })
    }
}
