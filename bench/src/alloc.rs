//! Counts heap allocations, by standing in for the global allocator of every contender.
//!
//! Switched off (the normal pass) it costs one relaxed load per allocation. Switched on it counts
//! the whole process: a runtime that moves its allocations to another thread still pays for them.
//!
//! # Safety
//!
//! Every method forwards its arguments to [`System`] unchanged and touches nothing but two atomics.
#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[global_allocator]
static GLOBAL: CountingAlloc = CountingAlloc;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system allocator with a counter in front.
#[derive(Debug)]
struct CountingAlloc;

/// Allocations and reallocations counted so far, in every thread.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Switches the counting on or off.
pub fn set_counting(on: bool) {
    COUNTING.store(on, Ordering::Relaxed);
}

fn count() {
    if COUNTING.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: an allocator must return fitting, exclusive memory and may not unwind: every call is
// forwarded to `System`, which keeps that contract, and counting cannot panic.
unsafe impl GlobalAlloc for CountingAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is passed on unchanged.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: `ptr` came from this allocator, hence from `System`, with this `layout`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from this allocator, hence from `System`, with this `layout`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::{allocations, set_counting};

    #[test]
    fn allocation_is_counted_only_while_switched_on() {
        set_counting(true);
        let before = allocations();
        drop(std::hint::black_box(Box::new(7_u64)));
        let counted = allocations() - before;
        set_counting(false);
        assert!(counted >= 1, "a box was allocated");
    }
}
