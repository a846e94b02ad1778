//! What distinguishes one operation of an I/O context from the others.
//!
//! # Safety
//! INV-OP-2: what the requests of a kind name is good while its operation runs; kinds promise that.

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
/// not touched while a request is at the kernel. All may panic except `request` and `refused`.
///
/// # Safety
///
/// The implementor promises for each [`Request`] that `request` returns:
///
/// - Its pointers are good for what the request does with them, and its descriptors are open, or are
///   numbers for which the kernel has no file, as long as the value is not moved, not borrowed and not
///   dropped (INV-OP-2). If the value is `Send`, that holds on every thread.
/// - If it gives a descriptor away (`Close`), or the kernel may have done only a part, then
///   [`FINAL`](Kind::FINAL), [`advance`](Kind::advance) and [`finish`](Kind::finish) see to it that
///   nothing is given away twice.
/// - `request` and `refused` do not panic.
pub unsafe trait Kind: Sized {
    /// What the operation completes with.
    type Value;
    /// Whether a stop request is passed on to the kernel.
    const CANCELLABLE: bool = true;
    /// Whether the first result of the kernel counts, whatever it is: for a request that must not be
    /// made twice. Otherwise an interruption is tried again, and `ECANCELED` means *stopped*.
    const FINAL: bool = false;
    /// Whether [`finish`](Kind::finish) makes *stopped* of an operation that was stopped before it did
    /// anything. Loops over such operations do not look for stop requests themselves; `false` is always
    /// right.
    #[doc(hidden)]
    const PASSES_STOPPED: bool = false;

    /// The first step, before anything is submitted: the place to ask for descriptors and to check
    /// arguments. `Done` completes without the kernel, with a result of zero.
    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        Ok(Progress::More)
    }

    /// The next request. Asked for again, with nothing submitted in between, if there was no room for
    /// it: so it gives nothing away, and says the same each time.
    fn request(&mut self) -> Request;

    /// A request had this result, zero or more: the kernel's, so a new descriptor is the operation's,
    /// and so many bytes were transferred.
    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        let _ = result;
        Progress::Done
    }

    /// The kernel refused a request with this error: what it means to this operation, where that is
    /// not the usual. `Done` ends the operation with the error, although it is one that is tried
    /// again otherwise (`EINTR`, `EAGAIN`); `More` makes another request, and a bound on how often
    /// is the operation's concern. `ECANCELED` is not asked about, nor is anything if
    /// [`FINAL`](Kind::FINAL).
    #[inline]
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        let _ = error;
        None
    }

    /// Turns the ending into the outcome, and drops everything that the operation holds.
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error>;

    /// The same with the value at `this`, for a kind of which the most need not be moved.
    ///
    /// # Safety
    ///
    /// - A value is there, nobody else uses it meanwhile, and nobody uses or drops it afterwards.
    #[doc(hidden)]
    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        // SAFETY: it is there, and is not used afterwards (contract).
        unsafe { this.read() }.finish(ending)
    }
}
