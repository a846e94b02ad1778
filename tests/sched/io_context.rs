//! io_context: the loop, its consumers, timers, remote work, and how it ends.
//! Method: drive a real ring through every consumer and compare what completes, where, and what is
//! left.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sendio::prelude::*;

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

#[test]
fn schedule_on_own_thread_completes_there() {
    let ctx = context();
    let id = ctx.block_on(ctx.scheduler().schedule().then(|()| thread::current().id()));
    assert_eq!(id.expect("a NOP succeeds"), Some(thread::current().id()));
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn local_schedule_keeps_thread_bound_data() {
    let ctx = context();
    let hits = Rc::new(Cell::new(0));
    let seen = hits.clone();
    let sender = ctx
        .local()
        .schedule()
        .then(move |()| seen.set(seen.get() + 1));
    ctx.block_on_local(sender).expect("a NOP succeeds");
    assert_eq!(hits.get(), 1);
}

#[test]
fn yield_now_completes_without_the_kernel() {
    let ctx = context();
    let before = ctx.metrics().enters;
    let n = ctx.block_on(ctx.scheduler().yield_now().then(|()| 7));
    assert_eq!(n, Ok(Some(7)));
    assert_eq!(ctx.metrics().enters, before);
}

#[test]
fn schedule_after_is_never_early() {
    let ctx = context();
    for millis in [0, 1, 5, 20] {
        let wanted = Duration::from_millis(millis);
        let begin = Instant::now();
        ctx.block_on(ctx.scheduler().schedule_after(wanted))
            .expect("timers do not fail");
        assert!(
            begin.elapsed() >= wanted,
            "fired after {:?}",
            begin.elapsed()
        );
    }
}

#[test]
fn remote_schedule_runs_on_the_loop_thread() {
    let ctx = context();
    let io = ctx.scheduler();
    let home = thread::current().id();
    let seen = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..1000 {
                    let id = sync_wait(io.schedule().then(|()| thread::current().id()));
                    assert_eq!(id.expect("a NOP succeeds"), Some(home));
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                if seen.load(Ordering::Relaxed) == 4000 {
                    io.request_stop();
                }
            });
        }
        ctx.run();
    });
    assert_eq!(seen.load(Ordering::Relaxed), 4000);
}

#[test]
fn request_stop_from_another_thread_ends_run_and_refuses_new_work() {
    let ctx = context();
    let io = ctx.scheduler();
    thread::scope(|threads| {
        threads.spawn(move || assert!(io.request_stop()));
        ctx.run();
    });
    assert_eq!(ctx.block_on(io.schedule()).expect("no error"), None);
    ctx.run();
    thread::scope(|threads| {
        threads.spawn(|| assert_eq!(sync_wait(io.schedule()).expect("no error"), None));
    });
    ctx.restart();
    assert_eq!(ctx.block_on(io.schedule()).expect("no error"), Some(()));
}

#[test]
fn scope_runs_everything_that_was_spawned() {
    let ctx = context();
    let io = ctx.scheduler();
    let count = AtomicUsize::new(0);
    ctx.scope(|scope| {
        for _ in 0..1000 {
            let count = &count;
            scope.spawn(io.yield_now().then(move |()| {
                count.fetch_add(1, Ordering::Relaxed);
            }));
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 1000);
}

#[test]
fn scope_panic_of_work_is_resumed_after_the_rest_ended() {
    let ctx = context();
    let io = ctx.scheduler();
    let ended = AtomicUsize::new(0);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ctx.scope(|scope| {
            let ended = &ended;
            scope.spawn(io.yield_now().then(move |()| {
                ended.fetch_add(1, Ordering::Relaxed);
            }));
            scope.spawn(io.yield_now().then(|()| panic!("work")));
        });
    }));
    assert_eq!(
        *result
            .expect_err("resumed")
            .downcast::<&str>()
            .expect("a literal"),
        "work"
    );
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert_eq!(ctx.block_on(io.schedule()).expect("usable"), Some(()));
}

#[test]
fn block_on_inside_itself_panics_and_run_some_errs() {
    let ctx = context();
    let io = ctx.local();
    let inner = ctx.block_on_local(io.schedule().then(|()| ctx.run_some()));
    assert_eq!(inner.expect("no error"), Some(Err(sendio::AlreadyRunning)));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ctx.block_on_local(
            io.schedule()
                .then(|()| ctx.block_on_local(io.schedule()).is_ok()),
        )
    }));
    assert!(result.is_err());
    assert_eq!(ctx.block_on_local(io.schedule()).expect("usable"), Some(()));
}

#[test]
fn shutdown_of_idle_context_is_graceful() {
    let ctx = context();
    let report = ctx.shutdown(Instant::now() + Duration::from_secs(5));
    assert!(report.graceful);
}
