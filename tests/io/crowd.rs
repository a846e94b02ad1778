//! crowd: many operations at once, with their buffers within them.
//! Method: more reads than the ring has entries, so that most wait in the backlog and are described
//! to the kernel later; every one checks its own bytes.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use sendio::prelude::*;

use super::common::files::{assert_pattern, pattern_file, temp_dir};

const LEN: usize = 1 << 20;

#[test]
fn crowd_of_reads_larger_than_the_ring_each_gets_its_bytes() {
    let dir = temp_dir();
    let file = File::open(pattern_file(dir.path(), "crowd", 8, LEN)).expect("open");
    let ctx = IoContext::builder().entries(8).build().expect("a ring");
    let io = ctx.scheduler();
    let checked = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let (file, checked) = (&file, &checked);
        for index in 0..2000_u64 {
            let offset = index * 511;
            let exact = io.read_exact_at(file, [0; 77], offset).then(move |bytes| {
                assert_pattern(&bytes, 8, offset);
            });
            let list = io
                .readv_at(file, [[0; 5]; 3], offset)
                .then(move |(n, parts)| {
                    assert_eq!(n, 15);
                    assert_pattern(parts.as_flattened(), 8, offset);
                });
            let count = move |result: std::io::Result<()>| {
                result.expect("read");
                checked.fetch_add(1, Ordering::Relaxed);
            };
            scope.spawn(exact.into_result().then(count));
            scope.spawn(list.into_result().then(count));
        }
    });
    assert_eq!(checked.load(Ordering::Relaxed), 4000);
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn crowd_stopped_at_once_completes_every_one() {
    let ctx = IoContext::builder().entries(8).build().expect("a ring");
    let (reader, _writer) = std::io::pipe().expect("pipe");
    let io = ctx.scheduler();
    let stopped = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let (reader, stopped) = (&reader, &stopped);
        for _ in 0..1000 {
            let read = io.read_exact(reader, [0; 16]).into_result().then(|_| ());
            scope.spawn(read.upon_stopped(|| {
                stopped.fetch_add(1, Ordering::Relaxed);
            }));
        }
        scope.spawn(io.schedule().into_result().then(move |_| {
            scope.request_stop();
        }));
    });
    assert_eq!(stopped.load(Ordering::Relaxed), 1000);
    assert_eq!(ctx.metrics().in_flight, 0);
}
