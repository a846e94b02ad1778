//! Running many seeds: a failure is found, told with its seed, and repeats.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sendio::prelude::*;
use sendio::sim::{self, SimConfig};

use super::support::{Ctx, memory};

/// A copy that takes a short read for the end: right in a world without short reads.
fn careless_copy(ctx: &Ctx) {
    let io = ctx.scheduler();
    let read = io
        .open("/in", OpenOptions::new().read(true))
        .let_value(|file| io.read_at(file, vec![0; 100], 0));
    let (n, _) = ctx.block_on(read).expect("read").expect("a value");
    assert_eq!(n, 100, "a read is whole");
}

#[test]
fn explore_finds_a_planted_bug_and_says_how_to_repeat_it() {
    let gentle = memory().file("/in", [1; 100]);
    assert!(sim::find(0..200, &gentle, careless_copy).is_none());
    let rough = gentle.short_transfers(0.05);
    let failure = sim::find(0..200, &rough, careless_copy).expect("a short read");
    assert!(failure.message().contains("a read is whole"));
    assert!(failure.repeats());
    assert!(failure.trace().text().contains("read: "));
    assert!(failure.trace().faults() > 0);
    let seed = failure.seed();
    let text = failure.to_string();
    assert!(text.contains(&format!("SENDIO_SIM_SEED={seed}")), "{text}");
    // Alone, that seed fails too, and those before it do not.
    let alone = catch_unwind(AssertUnwindSafe(|| {
        sim::run(&rough.clone().seed(seed), careless_copy);
    }));
    assert!(alone.is_err());
    assert!(sim::find(0..seed, &rough, careless_copy).is_none());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sim::explore(0..200, &rough, careless_copy);
    }));
    let payload = panicked.expect_err("it fails");
    let message = payload.downcast_ref::<String>().expect("a text");
    assert!(message.starts_with(&format!("seed {seed} fails")));
}

#[test]
fn explore_tells_when_a_test_depends_on_more_than_the_seed() {
    let runs = Cell::new(0);
    let failure = sim::find(0..1, &SimConfig::new(), |ctx| {
        runs.set(runs.get() + 1);
        for _ in 0..runs.get() {
            ctx.block_on(ctx.scheduler().schedule()).expect("no error");
        }
        panic!("always");
    });
    let failure = failure.expect("it always fails");
    assert!(!failure.repeats());
    assert!(failure.to_string().contains("more than the seed"));
}
