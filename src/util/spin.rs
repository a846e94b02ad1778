//! A bounded, adaptive busy wait before a thread goes to sleep.
//!
//! Waking a sleeping thread costs far more than what the waiter usually waits for, so it first looks
//! for a while. The while doubles when looking was worth it and halves when it was not; a full one is
//! tried now and then, lest a waiter that gave up never notices that it has become worth it again.
//! With one processor it is nothing, since whoever we wait for cannot run meanwhile.
//!
//! # Bounds
//!
//! At most `LOOKS_MAX` looks, each one pause instruction: some tens of microseconds.
//!
//! # Safety
//! `sysconf` takes and returns numbers.

#![expect(unsafe_code, reason = "asks libc for the number of processors")]

use std::cell::Cell;
use std::sync::OnceLock;

use crate::sync::spin_hint;

/// The longest wait, in looks.
const LOOKS_MAX: u32 = 4096;
/// The shortest wait.
const LOOKS_MIN: u32 = 64;
/// One in so many waits of a waiter without success is the longest one.
const PROBE_EVERY: u32 = 32;

/// The waiter's memory of how long looking was worth it.
#[derive(Debug)]
pub(crate) struct AdaptiveSpin {
    looks: Cell<u32>,
    /// Waits since the last one that was worth it.
    failures: Cell<u32>,
}

impl AdaptiveSpin {
    /// A waiter without experience.
    pub(crate) const fn new() -> Self {
        Self {
            looks: Cell::new(LOOKS_MAX / 4),
            failures: Cell::new(0),
        }
    }

    /// Looks until `ready` says so or the bound is reached; returns the last answer.
    #[inline]
    pub(crate) fn wait(&self, ready: impl Fn() -> bool) -> bool {
        if ready() {
            return true;
        }
        if single_processor() {
            return false;
        }
        let failures = self.failures.get().wrapping_add(1);
        let looks = if failures.is_multiple_of(PROBE_EVERY) {
            LOOKS_MAX
        } else {
            self.looks.get()
        };
        for _ in 0..looks {
            spin_hint();
            if ready() {
                self.looks.set((looks * 2).min(LOOKS_MAX));
                self.failures.set(0);
                return true;
            }
        }
        self.looks.set((self.looks.get() / 2).max(LOOKS_MIN));
        self.failures.set(failures);
        false
    }
}

/// Whether the machine has one processor. That this thread may be bound to one says nothing about
/// those it waits for, so affinity is not asked; and nothing is allocated.
fn single_processor() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| {
        // SAFETY: numbers in, a number out.
        unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) == 1 }
    })
}
