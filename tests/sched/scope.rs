//! scope: work that ends before its scope, wherever it completes and whatever panics.
//! Method: spawn from the loop, from outside of it and from other threads, panic at every place, and
//! compare what ran with what the scope returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;

use crate::common::pipes::Pipe;
use crate::common::receivers::message_of;

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

#[test]
fn scope_inside_the_loop_panics_before_it_calls_its_closure() {
    let ctx = context();
    let io = ctx.local();
    let called = AtomicUsize::new(0);
    let nested = ctx.block_on_local(io.schedule().then(|()| {
        catch_unwind(AssertUnwindSafe(|| {
            ctx.scope(|scope| {
                called.fetch_add(1, Ordering::Relaxed);
                scope.spawn(ctx.scheduler().yield_now());
            });
        }))
        .is_err()
    }));
    assert_eq!(nested.expect("no error"), Some(true));
    let nested = ctx.block_on_local(io.schedule().then(|()| {
        catch_unwind(AssertUnwindSafe(|| {
            ctx.scope_local(|scope| {
                called.fetch_add(1, Ordering::Relaxed);
                scope.spawn(io.yield_now());
            });
        }))
        .is_err()
    }));
    assert_eq!(nested.expect("no error"), Some(true));
    assert_eq!(called.load(Ordering::Relaxed), 0);
    assert_eq!(ctx.block_on_local(io.schedule()).expect("usable"), Some(()));
}

#[test]
fn scope_closure_may_drive_the_loop_itself() {
    let ctx = context();
    let io = ctx.scheduler();
    let order = AtomicUsize::new(0);
    let inner = ctx.scope(|scope| {
        scope.spawn(io.yield_now().then(|()| {
            order.fetch_add(1, Ordering::Relaxed);
        }));
        ctx.scope(|inner| inner.spawn(io.yield_now()));
        ctx.block_on(io.schedule()).expect("a NOP succeeds")
    });
    assert_eq!(inner, Some(()));
    assert_eq!(order.load(Ordering::Relaxed), 1);
}

#[test]
fn scope_closure_that_panics_stops_the_work_and_waits_for_it() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let stopped = AtomicUsize::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        ctx.scope(|scope| {
            for _ in 0..10 {
                let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
                scope.spawn(read.upon_error(|_| ()).upon_stopped(|| {
                    stopped.fetch_add(1, Ordering::Relaxed);
                }));
            }
            panic!("closure");
        })
    }));
    assert_eq!(message_of(result.expect_err("resumed")), "closure");
    assert_eq!(stopped.load(Ordering::Relaxed), 10);
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn scope_work_that_panics_stops_the_rest_and_the_first_panic_is_resumed() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        ctx.scope(|scope| {
            let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
            scope.spawn(read.upon_error(|_| ()).upon_stopped(|| ()));
            scope.spawn(io.yield_now().then(|()| panic!("first")));
            scope.spawn(io.yield_now().then(|()| panic!("second")));
        });
    }));
    assert_eq!(message_of(result.expect_err("resumed")), "first");
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn scope_work_spawned_by_other_threads_and_by_work_is_waited_for() {
    let ctx = context();
    let io = ctx.scheduler();
    let count = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let count = &count;
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(move || {
                    for _ in 0..1000 {
                        scope.spawn(io.yield_now().then(move |()| {
                            scope.spawn(io.yield_now().then(move |()| {
                                count.fetch_add(1, Ordering::Relaxed);
                            }));
                        }));
                    }
                });
            }
        });
    });
    assert_eq!(count.load(Ordering::Relaxed), 4000);
}

#[test]
fn scope_of_a_context_that_other_threads_use_is_left_on_its_own_thread() {
    let (here, there) = (context(), context());
    let (io, other) = (here.scheduler(), there.scheduler());
    let home = thread::current().id();
    // Work that completes on another thread, last: its block comes home first.
    thread::scope(|threads| {
        threads.spawn(move || {
            let away = IoContext::new().expect("a ring");
            let on = away.scheduler();
            away.block_on(
                on.schedule()
                    .continues_on(io)
                    .continues_on(other)
                    .then(|()| {
                        assert_eq!(thread::current().id(), home);
                    }),
            )
            .expect("no error");
        });
        let handled = AtomicUsize::new(0);
        crate::common::wait::wait_until(crate::common::wait::soon(), "both hops ran", || {
            handled.fetch_add(here.run_some().expect("idle"), Ordering::Relaxed);
            handled.fetch_add(there.run_some().expect("idle"), Ordering::Relaxed);
            handled.load(Ordering::Relaxed) >= 2
        });
    });
}

#[test]
fn scope_request_stop_ends_waiting_work() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    ctx.scope(|scope| {
        let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
        scope.spawn(read.upon_error(|_| ()));
        scope.spawn(
            io.schedule()
                .then(|()| assert!(scope.request_stop()))
                .upon_error(|_| ()),
        );
        assert_eq!(scope.len(), 2);
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}
