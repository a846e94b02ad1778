//! The one door to atomics, cells and hints: `std` normally, `loom` in model tests.
//!
//! Every file that owns a memory-ordering protocol imports from here, so that its loom model
//! (`RUSTFLAGS="--cfg loom" cargo test --release --lib loom`) explores the code that ships.
//!
//! # Safety
//!
//! [`ProtectedCell`] checks nothing when it ships: its callers name the protocol that keeps their
//! accesses apart.

#![expect(unsafe_code, reason = "a cell whose protocol the model tests check")]

use std::mem::MaybeUninit;

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

#[cfg(not(all(test, loom)))]
mod cell {
    /// `std`'s cell with the access functions of the model checker's.
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline]
        pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(all(test, loom))]
mod cell {
    pub(super) use loom::cell::UnsafeCell;
}

/// A cell whose accesses some protocol keeps apart (a lock bit, a state word): no check when it
/// ships, every access checked against the memory model in model tests.
pub(crate) struct ProtectedCell<T>(cell::UnsafeCell<T>);

impl<T: Copy> ProtectedCell<T> {
    /// A cell that holds `value`.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn new(value: T) -> Self {
        Self(cell::UnsafeCell::new(value))
    }

    /// A cell that holds `value`.
    #[cfg(all(test, loom))]
    pub(crate) fn new(value: T) -> Self {
        Self(cell::UnsafeCell::new(value))
    }

    /// A copy of the value.
    ///
    /// # Safety
    ///
    /// - No [`set`](Self::set) of this cell runs at the same time.
    #[inline]
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: valid and aligned, since the pointer comes from `self`, and no write runs
        //         meanwhile (contract of this function); not used after this line.
        self.0.with(|value| unsafe { *value })
    }

    /// Replaces the value.
    ///
    /// # Safety
    ///
    /// - No other access to this cell runs at the same time.
    #[inline]
    pub(crate) unsafe fn set(&self, value: T) {
        // SAFETY: valid and aligned, since the pointer comes from `self`, and no other access runs
        //         meanwhile (contract of this function); not used after this line.
        self.0.with_mut(|slot| unsafe { *slot = value });
    }
}

impl<T: Copy> ProtectedCell<MaybeUninit<T>> {
    /// A cell that holds nothing yet.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn empty() -> Self {
        Self::new(MaybeUninit::uninit())
    }

    /// A cell that holds nothing yet.
    #[cfg(all(test, loom))]
    pub(crate) fn empty() -> Self {
        Self::new(MaybeUninit::uninit())
    }

    /// A copy of the value.
    ///
    /// # Safety
    ///
    /// - As for [`get`](Self::get), and a value was put in before.
    #[inline]
    pub(crate) unsafe fn take_copy(&self) -> T {
        // SAFETY: the contract is the same; the value was put in (contract).
        unsafe { self.get().assume_init() }
    }

    /// Puts a value in.
    ///
    /// # Safety
    ///
    /// - As for [`set`](Self::set).
    #[inline]
    pub(crate) unsafe fn put(&self, value: T) {
        // SAFETY: the contract is the same.
        unsafe { self.set(MaybeUninit::new(value)) };
    }
}

/// A wait that should be short: first pauses, then gives the processor away at each turn.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    turns: u32,
}

impl Backoff {
    /// Turns that only pause; after them the thread waited for has probably lost its processor.
    const PAUSES: u32 = 64;

    /// One turn.
    pub(crate) fn wait(&mut self) {
        if self.turns < Self::PAUSES {
            self.turns += 1;
            spin_hint();
        } else {
            yield_thread();
        }
    }
}
