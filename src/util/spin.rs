//! A bounded, adaptive busy wait before a thread goes to sleep.
//!
//! Waking a sleeping thread costs far more than what the waiter usually waits for, so it first looks
//! for a while. The while doubles when looking was worth it and halves when it was not; with one
//! processor it is nothing, since whoever we wait for cannot run meanwhile.
//!
//! # Bounds
//!
//! At most `LOOKS_MAX` looks, each one pause instruction: some tens of microseconds.
//!
//! # Safety
//! One system call that writes into a local variable.

#![expect(unsafe_code, reason = "sched_getaffinity(2)")]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Whether this process may use one processor only, as far as it was told at first use. Asks the
/// kernel directly, because `available_parallelism` allocates and reads files.
fn single_processor() -> bool {
    const UNKNOWN: u32 = 0;
    static PROCESSORS: AtomicU32 = AtomicU32::new(UNKNOWN);
    match PROCESSORS.load(Ordering::Relaxed) {
        UNKNOWN => {
            let count = processors();
            PROCESSORS.store(count, Ordering::Relaxed);
            count == 1
        }
        count => count == 1,
    }
}

#[cold]
fn processors() -> u32 {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the size is that of the set, which is integers only, so zeroes are a value; the kernel
    //         fills it in for the calling thread.
    unsafe {
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) != 0 {
            return 2; // More than the set can hold.
        }
        u32::try_from(libc::CPU_COUNT(set.assume_init_ref())).map_or(2, |count| count.max(1))
    }
}
