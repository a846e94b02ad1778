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

/// The result and the buffer of an operation that gives its buffer back, after the owner of the
/// descriptor was dropped: first, so that a panic in there does not leak the buffer.
#[inline]
pub(crate) fn give_back<F, B>(
    target: Target<F>,
    buf: B,
    result: io::Result<usize>,
) -> (io::Result<usize>, B) {
    drop(target);
    (result, buf)
}
