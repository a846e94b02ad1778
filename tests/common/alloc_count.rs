//! Counts the heap allocations of a thread.
//!
//! A test binary installs the allocator once:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOC: CountingAlloc = CountingAlloc;
//! ```
//!
//! # Safety
//!
//! The allocator hands every call to [`System`] unchanged and touches besides only a thread-local
//! counter that has no destructor and whose initial value is a constant, so that counting neither
//! allocates nor outlives the thread.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator with a count per thread: allocations and reallocations, not frees.
#[derive(Debug)]
pub(crate) struct CountingAlloc;

// SAFETY: every method forwards to `System` with the arguments it got, so `System`'s own keeping
//         of the contract carries over; counting does not allocate; this holds for good.
unsafe impl GlobalAlloc for CountingAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the layout has a non-zero size: our caller's promise, passed on at once.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the layout has a non-zero size: our caller's promise, passed on at once.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the block is live, came from `System` through us with this layout, and the new
        //         size is valid: our caller's promise, passed on at once.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is live and came from `System` through us with this layout: our
        //         caller's promise; it is not used after this line.
        unsafe { System.dealloc(block, layout) }
    }
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

/// The number of heap allocations that `body` makes on this thread.
///
/// Fails if the binary did not install [`CountingAlloc`], since it would always say zero then.
#[track_caller]
pub(crate) fn allocations_during<F: FnOnce()>(body: F) -> u64 {
    let start = ALLOCATIONS.get();
    drop(hint::black_box(Box::new(0_u8)));
    assert!(
        ALLOCATIONS.get() > start,
        "install `CountingAlloc` as this binary's allocator"
    );
    let before = ALLOCATIONS.get();
    body();
    ALLOCATIONS.get() - before
}

const _: () = {
    let _ = CountingAlloc;
    let _ = allocations_during::<fn()>;
};
