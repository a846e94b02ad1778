//! The same seed is the same run; another seed is another one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sendio::prelude::*;
use sendio::sim::SimConfig;

use super::support::{Ctx, content, copy_file, echo_once, memory, trace_of};

fn everything(ctx: &Ctx) {
    copy_file(ctx, "/in", "/out").expect("a copy");
    assert_eq!(content(ctx, "/out").expect("read"), [7; 500]);
    assert_eq!(echo_once(ctx, &[9; 3000]).expect("an echo"), [9; 3000]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let io = ctx.scheduler();
    let both = when_all((
        io.write_all(&writer, "pipe"),
        io.read_exact(&reader, [0; 4]),
    ));
    let (_, bytes) = ctx.block_on(both).expect("a transfer").expect("a value");
    assert_eq!(&bytes, b"pipe");
}

#[test]
fn determinism_same_seed_same_trace_and_other_seeds_others() {
    let config = SimConfig::rough().file("/in", [7; 500]);
    let mut hashes = BTreeSet::new();
    for seed in 0..100 {
        let first = trace_of(&config.clone().seed(seed), everything);
        // Other numbers of descriptors, and other addresses in memory.
        let _other: Vec<_> = (0..seed % 7).map(|_| tempfile::tempfile()).collect();
        let second = trace_of(&config.clone().seed(seed), everything);
        assert_eq!(first.text(), second.text(), "seed {seed}");
        assert_eq!(first.hash(), second.hash());
        assert_eq!(first.steps(), second.steps());
        hashes.insert(first.hash());
    }
    assert_eq!(hashes.len(), 100, "each seed is a run of its own");
}

#[test]
fn determinism_seeds_give_every_order_of_completions() {
    let mut orders = BTreeSet::new();
    for seed in 0..200 {
        let order = RefCell::new(Vec::new());
        sendio::sim::run(&SimConfig::new().seed(seed), |ctx| {
            let io = ctx.local();
            let step = |n| {
                let order = &order;
                io.schedule().then(move |()| order.borrow_mut().push(n))
            };
            ctx.block_on_local(when_all((step(1), step(2), step(3), step(4))))
                .expect("never fails");
        });
        orders.insert(order.into_inner());
    }
    assert_eq!(orders.len(), 24, "all orders of four");
}

#[test]
fn determinism_requests_of_one_direction_keep_their_order() {
    // A request that is made again is behind the others.
    let config = SimConfig::rough().interrupts(0.0);
    for seed in 0..300 {
        sendio::sim::run(&config.clone().seed(seed), |ctx| {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let (io, order) = (ctx.local(), RefCell::new(Vec::new()));
            let one = |n: u8| {
                let order = &order;
                let read = io.read_some(&reader, [0; 1]);
                read.then(move |(_, byte)| order.borrow_mut().push((n, byte[0])))
            };
            let reads = when_all((one(1), one(2), one(3)));
            ctx.block_on_local(when_all((reads, io.write_all(&writer, "abc"))))
                .expect("no errors");
            let expected = [(1, b'a'), (2, b'b'), (3, b'c')];
            assert_eq!(*order.borrow(), expected, "seed {seed}");
        });
    }
}

#[test]
fn determinism_a_trace_without_text_has_the_same_hash() {
    let config = memory().file("/in", [1; 100]);
    let test = |ctx: &Ctx| copy_file(ctx, "/in", "/out").expect("a copy");
    let with_text = trace_of(&config, test);
    let without = sendio::sim::Trace::new();
    sendio::sim::run(&config.clone().trace(&without), test);
    assert_eq!(with_text.hash(), without.hash());
    assert!(without.text().is_empty());
    assert!(with_text.text().contains(" open: submitted"));
    assert_eq!(with_text.text().lines().count() as u64, without.steps());
}
