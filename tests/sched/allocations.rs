//! io_context: heap allocations and system calls in the steady state.
//! Method: an allocator that counts per thread, and the context's own count of kernel entries.

use std::time::Duration;

use sendio::prelude::*;
use sendio::{BackendKind, StopSource};

use crate::common::alloc_count::allocations_during;
use crate::common::backends::lacking;
use crate::common::files::{pattern_file, temp_dir};
use crate::common::pipes::Pipe;

/// Why the simulator has no part in these.
const SIM_ALLOCATES: &str = "operations that allocate nothing";

#[test]
fn operations_in_the_steady_state_allocate_nothing() {
    if lacking(&[BackendKind::Sim], SIM_ALLOCATES) {
        return;
    }
    let dir = temp_dir();
    let path = pattern_file(dir.path(), "f", 3, 4096);
    let file = std::fs::File::open(path).expect("open");
    let pipe = Pipe::new();
    let ctx = IoContext::new().expect("a ring");
    let (io, local) = (ctx.scheduler(), ctx.local());
    let mut buf = [0; 64];
    let source = StopSource::new();
    source.request_stop();
    let mut rounds: [(&str, &mut dyn FnMut()); 6] = [
        ("schedule", &mut || drop(ctx.block_on(io.schedule()))),
        ("yield_now", &mut || {
            assert!(ctx.block_on(io.yield_now()).is_ok());
        }),
        ("continues_on", &mut || {
            let _ = ctx.block_on(just(1).continues_on(io).then(|n| n + 1));
        }),
        ("timer", &mut || {
            drop(ctx.block_on(io.schedule_after(Duration::from_micros(1))));
        }),
        ("read_at", &mut || {
            let read = local.read_at(&file, &mut buf[..], 0).then(drop);
            ctx.block_on_local(read).expect("no error");
        }),
        ("stopped read", &mut || {
            let read = io.read_some(&pipe.reader, [0; 8]).then(drop);
            let ended = ctx.block_on(read.with_stop_token(source.token()));
            assert_eq!(ended.expect("no error"), None);
        }),
    ];
    // The first sleep asks the system how many processors there are.
    ctx.block_on(io.schedule_after(Duration::from_millis(2)))
        .expect("no error");
    for (name, round) in &mut rounds {
        round();
        let count = allocations_during(|| (0..1000).for_each(|_| round()));
        assert_eq!(count, 0, "{name}");
    }
}

#[test]
fn cancels_allocate_nothing_but_the_error() {
    if lacking(&[BackendKind::Sim], SIM_ALLOCATES) {
        return;
    }
    let pipe = Pipe::new();
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let mut buf = [0; 8];
    let mut round = || {
        // The deadline stops a read that is at the kernel.
        let read = io.read_some(&pipe.reader, &mut buf[..]).then(drop);
        let read = read.timeout(io, Duration::from_micros(10));
        assert!(ctx.block_on(read).is_err(), "timed out");
    };
    round();
    // The error that says so is on the heap; the read, the timer and the cancel are not.
    assert_eq!(allocations_during(|| (0..100).for_each(|_| round())), 100);
    assert!(ctx.metrics().cancels > 100);
}

#[test]
fn spawned_work_allocates_one_block_each() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let count = allocations_during(|| {
        ctx.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(io.yield_now());
            }
        });
    });
    assert_eq!(count, 100);
}

#[test]
fn a_batch_of_operations_enters_the_kernel_once_or_twice() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let before = ctx.metrics();
    ctx.scope(|scope| {
        for _ in 0..200 {
            scope.spawn(io.schedule().upon_error(|error| panic!("{error}")));
        }
    });
    let after = ctx.metrics();
    assert!(after.submitted - before.submitted >= 200);
    assert!(after.enters - before.enters <= 2, "{before:?} {after:?}");
}

#[test]
fn timers_make_no_system_call_to_arm_or_stop() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let before = ctx.metrics().enters;
    ctx.scope(|scope| {
        for _ in 0..1000 {
            let timer = io.schedule_after(Duration::from_secs(3600));
            scope.spawn(timer.upon_error(|error| panic!("{error}")));
        }
        scope.request_stop();
    });
    assert_eq!(ctx.metrics().enters, before);
}
