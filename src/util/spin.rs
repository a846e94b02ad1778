//! A bounded, adaptive busy wait before a thread goes to sleep.
//!
//! Waking a sleeping thread costs far more than what the waiter usually waits for, so it first looks
//! for a while. The while doubles when looking was worth it and halves when it was not; with one
//! processor it is nothing, since whoever we wait for cannot run meanwhile.
//!
//! # Bounds
//!
//! At most `LOOKS_MAX` looks, each one pause instruction: some tens of microseconds.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::sync::spin_hint;

/// The longest wait, in looks.
const LOOKS_MAX: u32 = 4096;
/// The shortest wait that still notices when looking has become worth it.
const LOOKS_MIN: u32 = 64;

/// The waiter's memory of how long looking was worth it.
#[derive(Debug)]
pub(crate) struct AdaptiveSpin {
    looks: Cell<u32>,
}

impl AdaptiveSpin {
    /// A waiter without experience.
    pub(crate) const fn new() -> Self {
        Self {
            looks: Cell::new(LOOKS_MAX / 4),
        }
    }

    /// Looks until `ready` says so or the bound is reached; returns the last answer.
    pub(crate) fn wait(&self, ready: impl Fn() -> bool) -> bool {
        if ready() {
            return true;
        }
        if single_processor() {
            return false;
        }
        let looks = self.looks.get();
        for _ in 0..looks {
            spin_hint();
            if ready() {
                self.looks.set((looks * 2).min(LOOKS_MAX));
                return true;
            }
        }
        self.looks.set((looks / 2).max(LOOKS_MIN));
        false
    }
}

fn single_processor() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| std::thread::available_parallelism().is_ok_and(|n| n.get() == 1))
}
