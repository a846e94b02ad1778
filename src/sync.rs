//! The one door to atomics, cells and hints: `std` normally, `loom` in model tests.
//!
//! Every file that owns a memory-ordering protocol imports from here, so that its loom model
//! (`RUSTFLAGS="--cfg loom" cargo test --release --lib loom`) explores the code that ships.

#[cfg(not(all(test, loom)))]
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
}

#[cfg(all(test, loom))]
pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
}

/// One turn of a busy wait: a pause instruction, or a scheduling point of the model checker.
pub(crate) fn spin_hint() {
    #[cfg(not(all(test, loom)))]
    std::hint::spin_loop();
    #[cfg(all(test, loom))]
    loom::thread::yield_now();
}

/// Gives the processor away while another thread has to act.
pub(crate) fn yield_thread() {
    #[cfg(not(all(test, loom)))]
    std::thread::yield_now();
    #[cfg(all(test, loom))]
    loom::thread::yield_now();
}
