//! Gives every thread a number that no other thread ever gets.
//!
//! `std::thread::ThreadId` costs a reference count and a lazily built handle; who only has to ask
//! "am I the thread that wrote this down?" calls [`current`]: one load from thread-local storage
//! and one compare. A number is never used again, so a number left behind by a thread that ended
//! matches nobody.
//!
//! # Threads
//!
//! [`current`] may be called anywhere, also while the thread's other thread-locals are being
//! destroyed (the cell has no destructor). The counter is `Relaxed`: only that its values differ
//! matters. It stays a `std` atomic in model tests, where it is no part of the modelled state.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number that the next thread without one receives; 0 means "none yet" in [`NUMBER`].
static NEXT: AtomicU64 = AtomicU64::new(1);

#[cfg(not(all(test, loom)))]
thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

#[cfg(all(test, loom))]
loom::thread_local! {
    static NUMBER: Cell<u64> = Cell::new(0);
}

/// The number of the calling thread: never 0, the same at each call, never another thread's.
#[inline]
pub(crate) fn current() -> u64 {
    NUMBER.with(|number| match number.get() {
        0 => assign(number),
        known => known,
    })
}

/// Whether the calling thread has this number, which is that of some thread.
#[inline]
pub(crate) fn is_current(number: u64) -> bool {
    debug_assert!(number != 0, "a thread has that number");
    NUMBER.with(Cell::get) == number
}

#[cold]
fn assign(number: &Cell<u64>) -> u64 {
    let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
    number.set(fresh);
    fresh
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::current;

    #[test]
    fn thread_number_on_one_thread_stays_the_same() {
        assert_ne!(current(), 0);
        assert_eq!(current(), current());
    }

    #[test]
    fn thread_number_after_thread_end_is_not_reused() {
        let mut seen = vec![current()];
        for _ in 0..8 {
            let number = std::thread::spawn(current).join().expect("thread panicked");
            assert!(!seen.contains(&number), "{number} was given twice");
            seen.push(number);
        }
    }
}
