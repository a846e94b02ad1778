//! Copies everything from one descriptor to another: `copy`.
//!
//! # Routes
//!
//! ```text
//! Direct   from ──splice──> to                    one of the two is a pipe
//! Pipe     from ──splice──> pipe ──splice──> to   otherwise
//! Buffer   from ──read──> buffer ──write──> to    after a splice that one of the two does not support;
//!          pipe ──read──> buffer                  what is in the pipe by then goes first
//! ```
//!
//! Before each splice a poll waits until it can be done (see `splice`).
//!
//! # Cancellation
//!
//! `taken` counts what has left the source, `given` what has reached the target. If it ends in the
//! middle, the error tells `given`, and carries what has been taken and not given.
//!
//! # Safety
//! INV-OP-2: owners of descriptors, pipe and buffer are held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use super::msg_flags::MsgFlags;
use super::partial;
use super::splice::{End, Vain};
use super::transfer::{MsgOptions, Transfer, transfer_len};
use crate::backend::request::{CURRENT_POSITION, Request};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::tokens::fd::FileKind;

/// How much one splice is asked to move: more than a pipe holds by default (64 KiB).
const CHUNK: u64 = 1 << 20;
/// How much the buffer holds.
const BUFFER: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Direct,
    Pipe,
    Buffer,
}

/// What the request at the kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    PollFrom,
    PollTo,
    /// From the source into the pipe, or to the target on the direct route.
    Fill,
    /// From the pipe to the target.
    Drain,
    /// From the pipe into the buffer.
    Rescue,
    Read,
    Write,
    Nothing,
}

/// A copy of everything: completes with the number of bytes.
#[derive(Debug)]
pub struct CopyBytes<A, B> {
    from: End<A>,
    to: End<B>,
    limit: u64,
    taken: u64,
    given: u64,
    route: Route,
    step: Step,
    /// The source has ended.
    ended: bool,
    /// The target takes no more.
    stuck: bool,
    vain: Vain,
    pipe: Option<(OwnedFd, OwnedFd)>,
    in_pipe: usize,
    buffer: Vec<u8>,
    in_buffer: Range<usize>,
}

impl<A: AsFd, B: AsFd> CopyBytes<A, B> {
    pub(crate) const fn new(from: A, to: B) -> Self {
        Self {
            from: End::new(from),
            to: End::new(to),
            limit: u64::MAX,
            taken: 0,
            given: 0,
            route: Route::Direct,
            step: Step::Nothing,
            ended: false,
            stuck: false,
            vain: Vain(0),
            pipe: None,
            in_pipe: 0,
            buffer: Vec::new(),
            in_buffer: 0..0,
        }
    }

    /// What comes next.
    fn next(&self) -> Step {
        let wanted = !self.ended && self.taken < self.limit;
        match self.route {
            _ if self.stuck => Step::Nothing,
            Route::Buffer if !self.in_buffer.is_empty() => Step::Write,
            Route::Buffer if self.in_pipe > 0 => Step::Rescue,
            Route::Buffer if wanted => Step::Read,
            Route::Pipe if self.in_pipe > 0 && !self.to.is_ready() => Step::PollTo,
            Route::Pipe if self.in_pipe > 0 => Step::Drain,
            _ if !wanted => Step::Nothing,
            _ if !self.from.is_ready() => Step::PollFrom,
            Route::Direct if !self.to.is_ready() => Step::PollTo,
            _ => Step::Fill,
        }
    }

    /// The reading and the writing end of the pipe.
    fn pipe(&self) -> (RawFd, RawFd) {
        let numbers =
            |(reader, writer): &(OwnedFd, OwnedFd)| (reader.as_raw_fd(), writer.as_raw_fd());
        self.pipe.as_ref().map_or((-1, -1), numbers)
    }

    /// How much the next transfer from the source may bring, at most `max`.
    fn room(&self, max: u64) -> u32 {
        let room = (self.limit - self.taken).min(max);
        transfer_len(usize::try_from(room).unwrap_or(usize::MAX))
    }

    fn fill(&self) -> Request {
        let direct = self.route == Route::Direct;
        Request::Splice {
            from: self.from.fd(),
            from_offset: self.from.offset(count(self.taken)),
            to: if direct { self.to.fd() } else { self.pipe().1 },
            to_offset: if direct {
                self.to.offset(count(self.given))
            } else {
                CURRENT_POSITION
            },
            len: self.room(CHUNK),
            flags: 0,
        }
    }

    fn drain(&self) -> Request {
        Request::Splice {
            from: self.pipe().0,
            from_offset: CURRENT_POSITION,
            to: self.to.fd(),
            to_offset: self.to.offset(count(self.given)),
            len: transfer_len(self.in_pipe),
            flags: 0,
        }
    }

    /// Reads into the buffer, which is empty.
    fn read(&mut self, fd: RawFd, offset: u64, len: u32) -> Request {
        Request::Read {
            fd,
            buf: self.buffer.as_mut_ptr(),
            len,
            offset,
        }
    }

    fn write(&self) -> Request {
        let bytes = &self.buffer[self.in_buffer.clone()];
        let (fd, done) = (self.to.fd(), count(self.given));
        let (buf, len) = (bytes.as_ptr(), transfer_len(bytes.len()));
        if self.to.is(FileKind::Socket) {
            // A peer that is gone is an error, not a signal.
            MsgOptions::new(MsgFlags::NONE).output(fd, buf, len, done)
        } else {
            self.to.position().output(fd, buf, len, done)
        }
    }

    /// One transfer from the source brought `n` bytes.
    fn took(&mut self, n: usize, asked: u32) {
        assert!(
            n <= asked as usize,
            "the kernel moved more than it was asked to"
        );
        self.taken += n as u64;
        self.ended = n == 0;
    }

    /// The target took `n` bytes of `left`.
    fn gave(&mut self, n: usize, left: usize) {
        assert!(n <= left, "the kernel moved more than there was");
        self.given += n as u64;
        self.stuck = n == 0;
    }

    /// From now on with read and write.
    #[cold]
    fn use_buffer(&mut self) {
        self.route = Route::Buffer;
        self.buffer = vec![0; BUFFER];
    }

    /// The bytes that were taken and not given.
    #[cold]
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.buffer[self.in_buffer.clone()].to_vec();
        if let (Some((reader, _)), 1..) = (self.pipe.take(), self.in_pipe) {
            let start = rest.len();
            rest.resize(start + self.in_pipe, 0);
            // They are there, so this does not wait.
            let mut reader = File::from(reader);
            if reader.read_exact(&mut rest[start..]).is_err() {
                rest.truncate(start);
            }
        }
        rest
    }

    /// The error of a copy that ended in the middle.
    #[cold]
    fn cut_short(&mut self, cause: io::Error) -> io::Error {
        let rest = self.rest();
        partial::stranded(count(self.given), rest, cause)
    }

    fn settle(&mut self, ending: Ending) -> Outcome<u64, io::Error> {
        let untouched = self.taken == 0;
        match ending {
            Ending::Success(_) if !self.stuck => Outcome::Value(self.given),
            Ending::Success(_) => Outcome::Error(self.cut_short(io::ErrorKind::WriteZero.into())),
            Ending::Stopped if untouched => Outcome::Stopped,
            Ending::Stopped => {
                Outcome::Error(self.cut_short(io::Error::from_raw_os_error(libc::ECANCELED)))
            }
            Ending::Failure(error) if untouched => Outcome::Error(error),
            Ending::Failure(error) => Outcome::Error(self.cut_short(error)),
        }
    }
}

/// A number of bytes as one of this machine.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

// SAFETY: the owners of both descriptors, the pipe and the buffer are held until the result. The
//         buffer is asked for its memory for each request, and not touched before the result.
unsafe impl<A: AsFd, B: AsFd> Kind for CopyBytes<A, B> {
    type Value = u64;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.from.prepare()?;
        self.to.prepare()?;
        if !self.from.is(FileKind::Fifo) && !self.to.is(FileKind::Fifo) {
            let (reader, writer) = io::pipe()?;
            self.pipe = Some((reader.into(), writer.into()));
            self.route = Route::Pipe;
        }
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        self.step = self.next();
        match self.step {
            Step::PollFrom => self.from.poll(libc::POLLIN),
            Step::PollTo => self.to.poll(libc::POLLOUT),
            Step::Fill => self.fill(),
            Step::Drain => self.drain(),
            Step::Rescue => {
                let len = transfer_len(self.in_pipe.min(BUFFER));
                self.read(self.pipe().0, CURRENT_POSITION, len)
            }
            Step::Read => {
                let offset = self.from.offset(count(self.taken));
                self.read(self.from.fd(), offset, self.room(BUFFER as u64))
            }
            Step::Write => self.write(),
            // Complete, but on the context's thread like everything else.
            Step::Nothing => Request::Nop,
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        let n = result as usize;
        match self.step {
            Step::PollFrom => self.from.set_ready(),
            Step::PollTo => self.to.set_ready(),
            Step::Fill => {
                self.vain.reset();
                self.took(n, self.room(CHUNK));
                self.from.wait_again();
                if self.route == Route::Direct {
                    self.given += n as u64;
                    self.to.wait_again();
                } else {
                    self.in_pipe += n;
                }
            }
            Step::Drain => {
                self.vain.reset();
                self.gave(n, self.in_pipe);
                self.to.wait_again();
                self.in_pipe -= n;
            }
            Step::Rescue => {
                assert!(
                    0 < n && n <= self.in_pipe.min(BUFFER),
                    "the pipe lost bytes"
                );
                self.in_pipe -= n;
                self.in_buffer = 0..n;
            }
            Step::Read => {
                self.took(n, self.room(BUFFER as u64));
                self.in_buffer = 0..n;
            }
            Step::Write => {
                self.gave(n, self.in_buffer.len());
                self.in_buffer.start += n;
            }
            Step::Nothing => {}
        }
        match self.next() {
            Step::Nothing => Progress::Done,
            _ => Progress::More,
        }
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        if !matches!(self.step, Step::Fill | Step::Drain) {
            return None;
        }
        match error.raw_os_error() {
            Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS) => self.use_buffer(),
            _ if self.vain.again(error) => {
                self.from.wait_again();
                self.to.wait_again();
            }
            _ => return None,
        }
        Some(Progress::More)
    }

    fn finish(mut self, ending: Ending) -> Outcome<u64, io::Error> {
        let outcome = self.settle(ending);
        self.from.release(self.to.release(outcome))
    }
}

impl<H: Io, A: AsFd, B: AsFd> IoSender<H, CopyBytes<A, B>> {
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

    /// Ends after this many bytes, if the source has not ended before.
    pub fn at_most(self, bytes: u64) -> Self {
        self.map_kind(|mut kind| {
            kind.limit = bytes;
            kind
        })
    }
}
