//! Waits until a descriptor is ready: `poll`.
//!
//! # Kernel
//!
//! `IORING_OP_POLL_ADD`. Errors and a hang-up are reported whether asked for or not.
//!
//! # Safety
//! INV-OP-2: the owner of the descriptor is held by the value until the result.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::AsFd;

use super::target::{Target, without};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// What a descriptor is ready for: `poll(2)`.
///
/// # Examples
///
/// ```
/// use sendio::PollEvents;
///
/// let wanted = PollEvents::IN | PollEvents::RDHUP;
/// assert!(wanted.contains(PollEvents::IN));
/// assert!(!wanted.contains(PollEvents::OUT));
/// assert!(wanted.intersects(PollEvents::IN | PollEvents::OUT));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PollEvents(u32);

impl PollEvents {
    /// Nothing but what is always reported: [`ERR`](Self::ERR), [`HUP`](Self::HUP) and
    /// [`RDHUP`](Self::RDHUP).
    pub const NONE: Self = Self(0);
    /// There is something to read, a connection to accept, or the end.
    #[doc(alias = "POLLIN")]
    pub const IN: Self = Self::of(libc::POLLIN);
    /// There is room to write, or a connection was made or refused.
    #[doc(alias = "POLLOUT")]
    pub const OUT: Self = Self::of(libc::POLLOUT);
    /// There is urgent data.
    #[doc(alias = "POLLPRI")]
    pub const PRI: Self = Self::of(libc::POLLPRI);
    /// The peer sends no more. Always reported, as a ring does.
    #[doc(alias = "POLLRDHUP")]
    pub const RDHUP: Self = Self::of(libc::POLLRDHUP);
    /// There is an error, or nobody reads any more. Always reported.
    #[doc(alias = "POLLERR")]
    pub const ERR: Self = Self::of(libc::POLLERR);
    /// Both directions are closed, or nobody writes any more. Always reported.
    #[doc(alias = "POLLHUP")]
    pub const HUP: Self = Self::of(libc::POLLHUP);

    const fn of(events: i16) -> Self {
        Self(events.unsigned_abs() as u32)
    }

    /// Whether all events of `other` are in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any event of `other` is in it.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The events of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The number for the kernel.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for PollEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for PollEvents {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

/// `poll(2)` of one descriptor: completes with what it is ready for.
#[derive(Clone, Debug)]
pub struct Poll<F> {
    target: Target<F>,
    events: PollEvents,
}

impl<F: AsFd> Poll<F> {
    pub(crate) const fn new(fd: F, events: PollEvents) -> Self {
        Self {
            target: Target::new(fd),
            events,
        }
    }
}

// SAFETY: the owner of the descriptor is held until the result.
unsafe impl<F: AsFd> Kind for Poll<F> {
    type Value = PollEvents;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.target.resolve();
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        Request::Poll {
            fd: self.target.fd(),
            events: self.events.bits() | PollEvents::RDHUP.0,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<PollEvents, io::Error> {
        without(self.target, ending.into_outcome().map_value(PollEvents))
    }
}
