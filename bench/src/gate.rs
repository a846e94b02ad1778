//! What a loop tells the producer threads of the cross-thread workloads, and how they wait.
//!
//! # States
//!
//! Producers run the warm-up, wait for the gate, and run the measured operations; the loop opens
//! the gate once its meter runs. A loop that fails leaves the gate abandoned, which ends every wait.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What the loop tells the producers.
#[derive(Debug, Default)]
pub struct Gate {
    measuring: AtomicBool,
    abandoned: AtomicBool,
}

impl Gate {
    /// Lets the producers pass: the loop has done its warm-up and measures.
    pub fn open(&self) {
        self.measuring.store(true, Ordering::Release);
    }

    /// Waits until the loop has done its warm-up and measures.
    pub fn wait_until_measuring(&self) {
        spin_while(|| !self.measuring.load(Ordering::Acquire) && !self.is_abandoned());
    }

    /// Ends every wait of the producers.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether the loop has failed, and will run nothing any more.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// Spins while `condition` holds; now and then the processor is given away, for the machine may
/// have fewer than there are threads.
#[inline]
pub fn spin_while(condition: impl Fn() -> bool) {
    let mut turns = 0_u32;
    while condition() {
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(4_096) {
            thread::yield_now();
        }
        hint::spin_loop();
    }
}
