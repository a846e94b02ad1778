//! The descriptor of an operation: held for as long as the operation runs, asked for once.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::discard;

/// An owner or borrower of a descriptor, and the number it gave when the operation started.
///
/// The operation neither moves nor borrows the owner mutably while a request is in flight, so the
/// number stays the one of its file.
#[derive(Clone, Debug)]
pub(crate) struct Target<F> {
    owner: F,
    fd: RawFd,
}

impl<F: AsFd> Target<F> {
    #[inline]
    pub(crate) const fn new(owner: F) -> Self {
        Self { owner, fd: -1 }
    }

    /// Asks the owner, once per logical operation. It is user code and may panic.
    #[inline]
    pub(crate) fn resolve(&mut self) {
        self.fd = self.owner.as_fd().as_raw_fd();
    }

    /// The owner, of an operation that has not started.
    #[inline]
    pub(crate) fn into_owner(self) -> F {
        self.owner
    }

    /// The number; -1 before [`resolve`](Self::resolve).
    #[inline]
    pub(crate) const fn fd(&self) -> RawFd {
        self.fd
    }
}

/// The outcome of an operation that held a descriptor and a buffer: the buffer is part of the value,
/// or dropped, and the owner of the descriptor is dropped.
///
/// Both are user code and may panic, each on its own: the first panic becomes the outcome, and
/// nothing is lost by it.
#[inline]
pub(crate) fn conclude<F, B, T, V>(
    target: Target<F>,
    buf: B,
    outcome: Outcome<T, io::Error>,
    value: impl FnOnce(T, B) -> V,
) -> Outcome<V, io::Error> {
    match outcome {
        Outcome::Value(result) => without(target, Outcome::Value(value(result, buf))),
        Outcome::Error(error) => without(target, without(buf, Outcome::Error(error))),
        Outcome::Stopped => without(target, without(buf, Outcome::Stopped)),
        Outcome::Panicked(payload) => without(target, without(buf, Outcome::Panicked(payload))),
    }
}

/// The outcome after `rest` was dropped; a panic of its destructor replaces it.
#[inline]
pub(crate) fn without<T, V>(rest: T, outcome: Outcome<V, io::Error>) -> Outcome<V, io::Error> {
    match discard(rest) {
        Ok(()) => outcome,
        Err(payload) => outcome.replaced_by(payload),
    }
}

/// Where in a file an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(u64);

impl Position {
    /// At the descriptor's own position, which moves on.
    pub(crate) const CURRENT: Self = Self(crate::backend::request::CURRENT_POSITION);

    /// At this offset.
    pub(crate) const fn at(offset: u64) -> AtOffset {
        AtOffset(offset)
    }

    /// The position after `done` bytes, as a request wants it.
    #[inline]
    pub(crate) const fn after(self, done: usize) -> u64 {
        if self.0 == Self::CURRENT.0 {
            self.0
        } else {
            self.0.wrapping_add(done as u64)
        }
    }

    /// Whether the kernel could take it: an offset is at most `i64::MAX`.
    #[inline]
    pub(crate) fn check(self) -> io::Result<()> {
        if self.0 == Self::CURRENT.0 || i64::try_from(self.0).is_ok() {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }
}

/// An offset given by a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtOffset(u64);

impl From<AtOffset> for Position {
    #[inline]
    fn from(at: AtOffset) -> Self {
        // The largest number means "current position" to the kernel; here it is an offset, and as
        // invalid as its neighbours.
        Self(if at.0 == Self::CURRENT.0 {
            at.0 - 1
        } else {
            at.0
        })
    }
}

/// A length as the kernel takes it: at most what one transfer can do.
#[inline]
pub(crate) fn transfer_len(len: usize) -> u32 {
    u32::try_from(len).map_or(crate::backend::request::TRANSFER_MAX, |len| {
        len.min(crate::backend::request::TRANSFER_MAX)
    })
}
