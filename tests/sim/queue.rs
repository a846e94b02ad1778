//! Queues without room: of one entry, of one request in flight, and full by chance.

use std::cell::Cell;

use sendio::IoContextBuilder;
use sendio::backends::Sim;
use sendio::prelude::*;
use sendio::sim::{self, SimConfig};

use super::support::{Ctx, content, copy_file, memory};

/// Many small writes at once, and then a copy.
fn work(ctx: &Ctx) {
    let io = ctx.scheduler();
    let open = io.open(
        "/many",
        OpenOptions::new().read(true).write(true).create(true),
    );
    let file = ctx.block_on(open).expect("open").expect("a file");
    let done = Cell::new(0);
    let writes: Vec<_> = (0..50_u8)
        .map(|n| {
            let done = &done;
            let write = ctx.local().write_all_at(&file, [n; 3], u64::from(n) * 3);
            write.then(move |_| done.set(done.get() + 1))
        })
        .collect();
    ctx.block_on_local(when_all(writes)).expect("no error");
    assert_eq!(done.get(), 50);
    let all: Vec<u8> = (0..50).flat_map(|n| [n; 3]).collect();
    assert_eq!(content(ctx, "/many").expect("read"), all);
    copy_file(ctx, "/many", "/copy").expect("a copy");
    assert_eq!(content(ctx, "/copy").expect("read"), all);
}

#[test]
fn queue_of_one_entry_takes_everything_in_the_end() {
    for seed in 0..100 {
        let builder = IoContextBuilder::<Sim>::new()
            .simulate(memory().seed(seed))
            .spin(false);
        work(&builder.clone().entries(1).build().expect("a context"));
        let one = builder.clone().in_flight_limit(1);
        work(&one.build().expect("a context"));
        let both = builder.entries(1).in_flight_limit(1).turn_limit(1);
        work(&both.build().expect("a context"));
    }
}

#[test]
fn queue_that_is_full_by_chance_takes_everything_in_the_end() {
    sim::explore(0..100, &SimConfig::rough().full_queue(0.9), work);
}

#[test]
fn queue_without_entries_is_refused() {
    let builder = IoContextBuilder::<Sim>::new().simulate(SimConfig::new());
    let error = builder.entries(0).build().expect_err("nothing would start");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
