//! What distinguishes one operation of an I/O context from the others.
//!
//! # Safety
//! INV-OP-2 of `op`, seen from the other side: what a request names stays good while the kind is left
//! alone. The kernel follows a request's pointers, so to implement the trait is a promise.

#![expect(unsafe_code, reason = "declares an unsafe trait")]

use std::io;

use super::core::Rejected;
use crate::backend::request::Request;
use crate::senders::concept::outcome::Outcome;

/// How an operation ended, before its kind has given it a meaning.
#[derive(Debug)]
pub enum Ending {
    /// The last result of the kernel: zero or more.
    Success(u32),
    /// The kernel, or a check before it, refused.
    Failure(io::Error),
    /// It was asked to stop before it did anything more.
    Stopped,
}

impl Rejected {
    /// How an operation ends that was rejected.
    pub(super) fn into_ending(self) -> Ending {
        match self {
            Self::Stopped => Ending::Stopped,
            Self::Full => Ending::Failure(io::Error::new(
                io::ErrorKind::WouldBlock,
                "the context's bound on waiting work from other threads is reached",
            )),
        }
    }
}

impl Ending {
    /// The outcome of an operation that completes with the kernel's result.
    #[inline]
    pub fn into_outcome(self) -> Outcome<u32, io::Error> {
        match self {
            Self::Success(result) => Outcome::Value(result),
            Self::Failure(error) => Outcome::Error(error),
            Self::Stopped => Outcome::Stopped,
        }
    }
}

/// What an operation does after a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is complete.
    Done,
    /// It makes another request.
    More,
}

/// What distinguishes one operation from the others.
///
/// The functions are called on the loop's thread, but `prepare` on the one that starts. The value is
/// pinned from `prepare` to the last result: pointers into it may be given to the kernel, and it is
/// not touched while a request is at the kernel. All may panic except `request`.
///
/// # Safety
///
/// The implementor promises:
///
/// - As long as the value is not moved, not mutably borrowed and not dropped, the pointers in what
///   `request` returned are good for what that request does with them, and its descriptors are those
///   of files that the value owns or borrows. If the value is `Send`, that holds on every thread.
/// - A request that gives a descriptor away is made once ([`FINAL`](Kind::FINAL)), and
///   [`finish`](Kind::finish) does not close what the kernel has closed.
/// - `request` does not panic.
pub unsafe trait Kind: Sized {
    /// What the operation completes with.
    type Value;
    /// Whether a stop request is passed on to the kernel.
    const CANCELLABLE: bool = true;
    /// Whether the first result of the kernel counts, whatever it is: for a request that must not be
    /// made twice. Otherwise an interruption is tried again, and `ECANCELED` means *stopped*.
    const FINAL: bool = false;

    /// The first step, before anything is submitted: the place to ask for descriptors and to check
    /// arguments. `Done` completes without the kernel, with a result of zero.
    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        Ok(Progress::More)
    }

    /// The next request.
    fn request(&mut self) -> Request;

    /// A request had this result, zero or more. It is the kernel's: so many bytes were transferred,
    /// or this is a new descriptor, which is the operation's now.
    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        let _ = result;
        Progress::Done
    }

    /// Turns the ending into the outcome, and drops everything that the operation holds.
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error>;
}
