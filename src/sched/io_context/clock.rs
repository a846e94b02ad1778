//! The clock of an I/O context: nanoseconds since the context was made.
//!
//! `Instant` is the kernel's monotonic clock, but a difference of two costs a hundred instructions.
//! The loop asks for the time at every turn with timers, and timers when they are armed, so this asks
//! the kernel's clock itself and compares numbers.
//!
//! # Safety
//! One call that writes into a local variable.

#![expect(unsafe_code, reason = "clock_gettime(2)")]

use std::mem::MaybeUninit;
use std::time::Instant;

use crate::backend::clock::VirtualClock;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A clock that began when it was made. It never goes back.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: Instant,
    /// The kernel's clock at `epoch`, or a little later: so [`now`](Clock::now) is never ahead of
    /// [`ticks_of`](Clock::ticks_of) the same point, and no timer fires early.
    zero: u64,
    /// Says the time instead of the kernel.
    instead: Option<VirtualClock>,
}

impl Clock {
    /// A clock that begins now; from then on `instead` says the time, if there is one.
    pub(super) fn new(instead: Option<VirtualClock>) -> Self {
        let epoch = Instant::now();
        Self {
            epoch,
            zero: monotonic(),
            instead,
        }
    }

    /// The time.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        match &self.instead {
            None => monotonic().wrapping_sub(self.zero),
            Some(clock) => clock.nanos(),
        }
    }

    /// The time as a point, from which deadlines are counted.
    pub(super) fn instant(&self) -> Instant {
        match &self.instead {
            None => Instant::now(),
            Some(clock) => self.epoch + clock.now(),
        }
    }

    /// A point in time; one before the beginning is the beginning.
    #[inline]
    pub(super) fn ticks_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The kernel's monotonic clock, in nanoseconds since the machine was started.
#[inline]
fn monotonic() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is that of a local variable of this type. The clock exists on every Linux,
    //         so the call does not fail, and has written it.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    // Neither is ever negative: the clock counts from the start of the machine.
    time.tv_sec.cast_unsigned() * NANOS_PER_SEC + time.tv_nsec.cast_unsigned()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Clock, VirtualClock};

    #[test]
    fn clock_agrees_with_instants_and_is_not_ahead() {
        let clock = Clock::new(None);
        let mut last = 0;
        for _ in 0..1_000 {
            let before = clock.now();
            let at = clock.ticks_of(Instant::now());
            assert!(last <= before && before <= at, "{last} {before} {at}");
            last = before;
        }
        let at = clock.ticks_of(Instant::now());
        assert!(at - clock.now().min(at) < 1_000_000_000, "the same clock");
        let earlier = Instant::now().checked_sub(Duration::from_millis(1));
        let past = earlier.and_then(|at| at.checked_sub(Duration::from_secs(1)));
        assert_eq!(past.map_or(0, |at| clock.ticks_of(at)), 0);
    }

    #[test]
    fn clock_of_a_backend_stands_still_until_it_is_moved() {
        let time = VirtualClock::new();
        let clock = Clock::new(Some(time.clone()));
        let start = clock.instant();
        assert_eq!(clock.now(), 0);
        time.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), 1_000_000_000);
        assert_eq!(clock.instant() - start, Duration::from_secs(1));
        assert_eq!(clock.ticks_of(clock.instant()), 1_000_000_000);
    }
}
