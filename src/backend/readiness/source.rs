//! Where readiness comes from: what distinguishes one readiness backend from another.
//!
//! # Flow
//!
//! ```text
//! submit ──> try_submit ── taken ──────────────────────────────> enter ──> Sink::finished
//!              └ not mine ──> attempt ── would block ──> watch ─> enter ──> Sink::ready
//! ```
//!
//! A source never tries, retries or completes anything itself, and calls nobody but the sink, and
//! that only in `enter`. The generic backend calls nothing of the source while it is in the sink.
//!
//! # Threads
//!
//! The thread that made the source, and no other.
//!
//! # Safety
//! - INV-READY-1: a slot that the source took is in place until the source has reported its one
//!   result, or has given it back in `cancel`. Kept by INV-SLOT-1; the source reports once.
//! - INV-READY-2: a `Watch` stays where it is as long as its source.

#![expect(unsafe_code, reason = "declares an unsafe trait over intrusive slots")]

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::NonNull;

use super::slot::ReadySlot;
use crate::backend::Wait;
use crate::backend::options::Options;
use crate::backend::report::BackendKind;
use crate::backend::request::Request;

/// Names what is watched: a descriptor that something waits for, for as long as something does.
///
/// It is a place in a table and a count of how often the place was used, so a report for what is not
/// watched any more is recognised, and ignored. It is never [`Key::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    place: u32,
    generation: u32,
}

impl Key {
    /// No key: for what a source watches for itself.
    pub(crate) const NONE: Self = Self::new(u32::MAX, u32::MAX);

    pub(super) const fn new(place: u32, generation: u32) -> Self {
        Self { place, generation }
    }

    pub(super) const fn place(self) -> u32 {
        self.place
    }

    /// As a number, for the kernel.
    pub(crate) const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.place as u64
    }

    /// The key that such a number is.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self::new(bits as u32, (bits >> 32) as u32)
    }
}

/// What a source says to a request.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It carries it out, and reports its result.
    Yes,
    /// It cannot do that; nothing was done.
    No,
}

/// What a source reports to in [`Source::enter`].
pub(crate) trait Sink<P> {
    /// What is watched under this key is ready for `events` (bits of `poll(2)`, errors and hang-ups
    /// included), and is not watched any more.
    fn ready(&mut self, key: Key, events: u32);

    /// The one result of a request that the source took: zero or more, or a negated error number.
    ///
    /// # Safety
    ///
    /// - The source took the request in `slot`, has not given it back, and has reported no result of
    ///   it; it does not use the slot afterwards (INV-READY-1).
    unsafe fn finished(&mut self, slot: NonNull<ReadySlot<P>>, result: i32);

    /// The descriptor of wake-ups is readable. What makes it so is taken out after `enter`.
    fn woken(&mut self);
}

/// Where readiness comes from, how a loop sleeps, and which requests are done without either.
///
/// # Safety
///
/// The implementor promises:
///
/// - each request that it took is reported to the sink once, unless `cancel` returned `true` for it,
///   and neither it nor the kernel uses the slot or the request's memory after that (INV-READY-1);
/// - it calls the sink in `enter` only.
pub(crate) unsafe trait Source: Sized + 'static {
    /// The source's part of each slot: uninitialised until the source writes it, never dropped.
    type Part: 'static;
    /// The source's part of each descriptor that is waited for. It stays where it is as long as the
    /// source (INV-READY-2), and is used for another descriptor as it was left, under another key.
    type Watch: Default + 'static;
    /// Which backend it makes.
    const KIND: BackendKind;

    /// A source for the calling thread. It watches `wake`, which is an eventfd and stays open as long
    /// as the source, from now on and for ever, and reports it as [`Sink::woken`].
    ///
    /// # Errors
    /// Options that it cannot follow, with a text; otherwise the kernel's error.
    fn new(options: &Options, wake: BorrowedFd<'_>) -> io::Result<Self>;

    /// Watches `fd` for any of `events`, and for errors and hang-ups, once, in place of what was watched
    /// under this key. What is ready already is reported too, by the next `enter`.
    ///
    /// `watch` is the same from the first call for a key until the key is not used any more: after
    /// [`unwatch`](Source::unwatch), or when a report has come and nothing waits. The number `fd` may be
    /// that of another file at the next key.
    ///
    /// The result is whether the descriptor is known to be the file that was watched under this number
    /// the last time; `false` where that is not known, which is always right.
    ///
    /// # Errors
    /// The kernel's: `EPERM` if readiness of this descriptor cannot be waited for.
    fn watch(&self, watch: &Self::Watch, key: Key, fd: RawFd, events: u32) -> io::Result<bool>;

    /// Nothing waits for what is watched under this key any more. What is reported of it later is
    /// ignored, so a source that would pay for forgetting need not, if it keeps nothing open by that and
    /// reports it at most once.
    fn unwatch(&self, watch: &Self::Watch, key: Key, fd: RawFd);

    /// Offers a request before anything else is tried.
    ///
    /// # Safety
    ///
    /// - As for [`Backend::submit`](crate::backend::Backend::submit). If it is taken, the slot and what
    ///   the request names stay in place until the result is reported.
    unsafe fn try_submit(&self, slot: NonNull<ReadySlot<Self::Part>>, request: &Request) -> Taken {
        let _ = (slot, request);
        Taken::No
    }

    /// Asks for an early end of a request that was taken. `true`: it is given back, nothing was done,
    /// and nothing is reported. `false`: its result is reported as ever.
    ///
    /// # Safety
    ///
    /// - The request in `slot` was taken, and its result has not been reported.
    unsafe fn cancel(&self, slot: NonNull<ReadySlot<Self::Part>>) -> bool {
        let _ = slot;
        false
    }

    /// Submits what waits to be submitted, reports what there is, and sleeps as allowed if there is
    /// nothing. Interruptions and passing shortages are no errors: it returns early.
    ///
    /// Errors of one request, or of one descriptor, are reported as that.
    ///
    /// # Errors
    /// The source is of no use any more; the context aborts the process.
    fn enter(&self, wait: Wait, sink: &mut impl Sink<Self::Part>) -> io::Result<()>;

    /// Whether something waits to be submitted by the next `enter`.
    fn has_unsubmitted(&self) -> bool {
        false
    }

    /// Whether `enter` has something to report, as far as can be told without a system call.
    fn is_ready(&self) -> bool {
        false
    }

    /// Descriptors of which one is readable when `enter` has something to report, the wake-ups included.
    /// What is watched or taken before counts too.
    ///
    /// They are watched side by side, because the kernel allows few epoll sets within each other, and
    /// loops within loops need them.
    fn pollable(&self) -> [Option<BorrowedFd<'_>>; 2];

    /// Takes back what made one of these readable, after an `enter`. What comes later, or is still
    /// there, makes it readable again.
    fn quiet(&self) {}

    /// System calls that submitted or waited.
    fn calls(&self) -> u64;

    /// What it found, for people.
    fn details(&self) -> String;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn key_is_a_number_and_back() {
        for key in [
            Key::new(0, 0),
            Key::new(7, 1),
            Key::new(1, u32::MAX),
            Key::NONE,
        ] {
            assert_eq!(Key::from_bits(key.to_bits()), key);
        }
        assert_ne!(Key::new(1, 2).to_bits(), Key::new(2, 1).to_bits());
    }
}
