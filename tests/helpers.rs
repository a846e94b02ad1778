//! The shared test helpers themselves: each does its work, and each notices a failure.
//! Method: hand every helper one case that must pass and one that must be reported.

#[path = "common/mod.rs"]
mod common;

use std::cell::Cell;
use std::fs::File;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::alloc_count::{CountingAlloc, allocations_during};
use common::files::{
    assert_pattern, assert_pattern_file, pattern, pattern_byte, pattern_file, temp_dir,
};
use common::race::{race, race_pair};
use common::{fds, wait};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

fn panic_message(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("the helper reports a failure");
    payload
        .downcast_ref::<String>()
        .cloned()
        .expect("a formatted message")
}

#[test]
fn wait_until_condition_later_true_returns() {
    let asked = Cell::new(0);
    wait::wait_until(wait::soon(), "asked often enough", || {
        asked.set(asked.get() + 1);
        asked.get() == 300
    });
    assert_eq!(asked.get(), 300);
}

#[test]
fn wait_until_deadline_passed_reports_what_was_awaited() {
    let message = panic_message(|| wait::wait_until(Instant::now(), "pigs fly", || false));
    assert_eq!(message, "waited in vain until pigs fly");
}

#[test]
fn assert_fds_flat_leaked_and_lost_descriptors_are_reported() {
    let file = fds::assert_fds_flat(|| {
        drop(File::open("/dev/null").expect("open the null device"));
        7
    });
    assert_eq!(file, 7);
    let before = fds::fd_count();
    let mut kept = None;
    let message = panic_message(|| {
        fds::assert_fds_flat_by(Instant::now, || kept = File::open("/dev/null").ok());
    });
    assert!(
        message.contains("left open") && message.contains("-> /dev/null"),
        "{message}"
    );
    assert_eq!(fds::fd_count(), before + 1);
    let message = panic_message(|| fds::assert_fds_flat_by(Instant::now, || drop(kept.take())));
    assert!(
        message.contains("lost: [\"") && message.contains("-> /dev/null"),
        "{message}"
    );
}

#[test]
fn allocations_during_boxes_counts_each_and_only_here() {
    assert_eq!(allocations_during(|| ()), 0);
    let boxes = || {
        for _ in 0..3 {
            drop(black_box(Box::new([0_u8; 64])));
        }
    };
    assert_eq!(allocations_during(boxes), 3);
    let grown = || {
        let mut bytes: Vec<u8> = Vec::with_capacity(1);
        black_box(&mut bytes).extend_from_slice(&[0; 100]);
        black_box(&bytes);
    };
    assert_eq!(allocations_during(grown), 2);
}

#[test]
fn pattern_file_every_offset_can_be_checked_alone() {
    let dir = temp_dir();
    let path = pattern_file(dir.path(), "pattern", 42, 10_007);
    assert_pattern_file(&path, 42, 10_007);
    assert_pattern(&pattern(42, 4_093, 100), 42, 4_093);
    let mut bytes = pattern(42, 16, 64);
    bytes[5] ^= 1;
    assert!(panic_message(|| assert_pattern(&bytes, 42, 16)).contains("offset 21"));
    assert!(panic_message(|| assert_pattern_file(&path, 42, 10_006)).contains("length of"));
    let differing = (0..1_000)
        .filter(|&at| pattern_byte(1, at) != pattern_byte(2, at))
        .count();
    assert!(
        differing > 900,
        "two seeds give two patterns, {differing} of 1000 bytes differ"
    );
}

#[test]
fn race_all_bodies_overlap_and_keep_their_order() {
    let waiting = AtomicUsize::new(0);
    let results = race(4, |index| {
        waiting.fetch_add(1, Ordering::Relaxed);
        wait::wait_until(wait::soon(), "all four run", || {
            waiting.load(Ordering::Relaxed) == 4
        });
        index * 10
    });
    assert_eq!(results, [0, 10, 20, 30]);
    assert_eq!(race_pair(|| 'a', || 2), ('a', 2));
}

#[test]
fn race_panic_in_one_body_reaches_the_caller() {
    let message = panic_message(|| {
        race(2, |index| assert!(index == 0, "thread {index} fell"));
    });
    assert_eq!(message, "thread 1 fell");
}
