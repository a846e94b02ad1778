//! wait_below: a limit on the live work of a scope, and its end.
//! Method: work that waits for pipes or for handles, so that the test says when it ends; waits that
//! are stopped in every state; many threads that spawn and wait.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sendio::LocalScope;
use sendio::prelude::*;

use crate::common::alloc_count::allocations_during;
use crate::common::manual::{ManualHandle, manual};
use crate::common::receivers::{Probe, connect_and_start, message_of};
use crate::common::wait::{soon, wait_until};

type Never = Infallible;

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

/// Spawns work that the result ends.
fn spawn_held<'scope>(scope: &'scope LocalScope<'scope, '_>) -> ManualHandle<(), Never> {
    let (work, handle) = manual();
    scope.spawn(work);
    handle
}

/// Turns the loop until nothing is left to do.
fn settle(ctx: &IoContext) {
    while ctx.run_some().expect("not nested") > 0 {}
}

#[test]
fn wait_below_completes_inline_when_there_is_room() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let work = spawn_held(scope);
        let probe = Probe::<(), Never>::new();
        let _op = connect_and_start(scope.wait_below(2), probe.receiver());
        probe.expect_value();
        work.value(());
    });
}

#[test]
fn wait_below_waits_for_the_end_of_work_and_each_for_its_own_limit() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let mut work: Vec<_> = (0..3).map(|_| spawn_held(scope)).collect();
        let probes = [(); 3].map(|()| Probe::<(), Never>::new());
        let _ops: Vec<_> = [1, 2, 3]
            .iter()
            .zip(&probes)
            .map(|(&limit, probe)| connect_and_start(scope.wait_below(limit), probe.receiver()))
            .collect();
        for below in [3, 2, 1] {
            settle(&ctx);
            let completed = probes.iter().filter(|probe| probe.count() == 1).count();
            assert_eq!(completed, 3 - below);
            work.pop().expect("work is left").value(());
            assert_eq!(
                probes[below - 1].count(),
                0,
                "nobody completes inside of another's end"
            );
        }
        settle(&ctx);
        probes.iter().for_each(|probe| probe.expect_value());
    });
}

#[test]
fn wait_below_room_that_was_taken_again_is_waited_for_again() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let first = spawn_held(scope);
        let probe = Probe::<(), Never>::new();
        let _op = connect_and_start(scope.wait_below(1), probe.receiver());
        first.value(());
        let second = spawn_held(scope);
        settle(&ctx);
        probe.expect_nothing();
        second.value(());
        settle(&ctx);
        probe.expect_value();
    });
}

#[test]
fn wait_below_allocates_nothing() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let io = ctx.local();
        scope.spawn(io.yield_now());
        let count = allocations_during(|| {
            let waited = ctx.block_on_local(scope.wait_empty());
            assert_eq!(waited, Ok(Some(())));
        });
        assert_eq!(count, 0);
    });
}

#[test]
fn wait_below_of_none_panics() {
    let ctx = context();
    let result = std::panic::catch_unwind(|| ctx.scope(|scope| _ = scope.wait_below(0)));
    let message = message_of(result.expect_err("never"));
    assert!(message.contains("wait_below"), "{message}");
}

#[test]
fn wait_below_stop_before_start() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let stop = StopSource::new();
        stop.request_stop();
        let work = spawn_held(scope);
        for limit in [1, 5] {
            let wait = scope.wait_below(limit).with_stop_token(stop.token());
            assert_eq!(ctx.block_on_local(wait), Ok(None));
        }
        work.value(());
    });
}

#[test]
fn wait_below_stop_in_flight() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let stop = StopSource::new();
        let work = spawn_held(scope);
        let io = ctx.local();
        let wait = scope.wait_below(1).with_stop_token(stop.token());
        let request = io.yield_now().then(|()| assert!(stop.request_stop()));
        let both = when_all((wait.stopped_as_optional(), request));
        assert_eq!(ctx.block_on_local(both), Ok(Some((None, ()))));
        work.value(());
        // It is in no list any more.
        spawn_held(scope).value(());
    });
}

#[test]
fn wait_below_stop_in_flight_from_another_thread() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let stop = StopSource::new();
        let work = spawn_held(scope);
        let wait = scope.wait_below(1).with_stop_token(stop.token());
        thread::scope(|threads| {
            threads.spawn(|| stop.request_stop());
            assert_eq!(ctx.block_on_local(wait), Ok(None));
        });
        work.value(());
    });
}

#[test]
fn wait_below_stop_after_the_room_was_noticed_delivers_it() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let stop = StopSource::new();
        let probe = Probe::<(), Never>::new();
        let env = Env::default().with_stop_token(stop.token());
        let work = spawn_held(scope);
        let _op = connect_and_start(scope.wait_below(1), probe.receiver_in(env));
        work.value(());
        stop.request_stop();
        settle(&ctx);
        probe.expect_value();
    });
}

#[test]
fn wait_below_stop_after_the_room_was_noticed_and_taken_again_is_stopped() {
    let ctx = context();
    ctx.scope_local(|scope| {
        let stop = StopSource::new();
        let probe = Probe::<(), Never>::new();
        let env = Env::default().with_stop_token(stop.token());
        let work = spawn_held(scope);
        let _op = connect_and_start(scope.wait_below(1), probe.receiver_in(env));
        work.value(());
        stop.request_stop();
        let again = spawn_held(scope);
        settle(&ctx);
        probe.expect_stopped();
        again.value(());
    });
}

#[test]
fn wait_below_limits_a_loop_that_spawns() {
    let ctx = context();
    let io = ctx.scheduler();
    let most = AtomicUsize::new(0);
    let ended = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let spawn_all = repeat_with(0, |n| {
            scope.wait_below(7).then(move |()| n).then(|n| {
                let work = io
                    .yield_now()
                    .then(|()| ended.fetch_add(1, Ordering::Relaxed));
                scope.spawn(work.then(drop));
                most.fetch_max(scope.len(), Ordering::Relaxed);
                if n == 9_999 {
                    Break(())
                } else {
                    Continue(n + 1)
                }
            })
        });
        ctx.block_on(spawn_all).expect("it cannot fail");
        ctx.block_on(scope.wait_empty()).expect("it cannot fail");
        assert!(scope.is_empty());
    });
    assert_eq!(most.into_inner(), 7);
    assert_eq!(ended.into_inner(), 10_000);
}

#[test]
fn wait_empty_with_a_time_limit_is_a_graceful_end() {
    let ctx = context();
    let pipe = std::io::pipe().expect("a pipe");
    let ended = Cell::new("");
    ctx.scope_local(|scope| {
        let io = ctx.local();
        let read = io.read_some(&pipe.0, [0; 1]).then(|_| "read");
        scope.spawn(
            read.upon_stopped(|| "stopped")
                .upon_error(|_| "error")
                .then(|how| ended.set(how)),
        );
        let all = scope.wait_empty().cast_err::<std::io::Error>();
        let error = ctx
            .block_on_local(all.timeout(io, Duration::from_millis(1)))
            .expect_err("the time is up");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        scope.request_stop();
    });
    assert_eq!(ended.get(), "stopped");
}

#[test]
fn wait_empty_by_work_of_an_outer_scope_is_fine() {
    let ctx = context();
    let order = RefCell::new(Vec::new());
    let io = ctx.local();
    ctx.scope_local(|outer| {
        outer.spawn(io.yield_now().then(|()| order.borrow_mut().push("work")));
        ctx.scope_local(|inner| {
            // The waiting work is not work of the scope that it waits for.
            inner.spawn(
                outer
                    .wait_empty()
                    .then(|()| order.borrow_mut().push("empty")),
            );
        });
    });
    assert_eq!(*order.borrow(), ["work", "empty"]);
}

#[test]
fn wait_below_started_on_another_thread_completes_on_the_contexts() {
    let ctx = context();
    let home = thread::current().id();
    let pipe = std::io::pipe().expect("a pipe");
    ctx.scope(|scope| {
        let io = ctx.scheduler();
        let read = io.read_some(&pipe.0, [0; 1]).then(drop);
        scope.spawn(read.upon_error(|error| panic!("{error}")));
        let waited = &AtomicUsize::new(0);
        thread::scope(|threads| {
            for stop in [false, true] {
                threads.spawn(move || {
                    let source = StopSource::new();
                    let wait = scope.wait_empty().with_stop_token(source.token());
                    let wait = wait.then(|()| assert_eq!(thread::current().id(), home));
                    let outcome = match stop {
                        true => thread::scope(|requester| {
                            requester.spawn(|| source.request_stop());
                            sync_wait(wait)
                        }),
                        false => sync_wait(wait),
                    };
                    assert_eq!(outcome, Ok((!stop).then_some(())));
                    waited.fetch_add(1, Ordering::Relaxed);
                });
            }
            let mut written = false;
            wait_until(soon(), "both waits ended", || {
                ctx.run_some().expect("not nested");
                let ended = waited.load(Ordering::Relaxed);
                if ended == 1 && !std::mem::replace(&mut written, true) {
                    std::io::Write::write_all(&mut &pipe.1, b"x").expect("room in a pipe");
                }
                ended == 2
            });
        });
    });
}

#[test]
fn wait_below_many_threads_spawn_and_wait() {
    let ctx = context();
    let io = ctx.scheduler();
    let done = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let done = &done;
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(move || {
                    for round in 0..500 {
                        scope.spawn(io.yield_now());
                        let stop = StopSource::new();
                        let wait = scope.wait_below(1 + round % 4);
                        if round % 3 == 0 {
                            thread::scope(|requester| {
                                requester.spawn(|| stop.request_stop());
                                sync_wait(wait.with_stop_token(stop.token()))
                            })
                        } else {
                            sync_wait(wait)
                        }
                        .expect("it cannot fail");
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            wait_until(soon(), "all threads ended", || {
                ctx.run_some().expect("not nested");
                done.load(Ordering::Relaxed) == 3
            });
        });
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}
