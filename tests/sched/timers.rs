//! timers: deadlines, order, stop requests, and many at once.
//! Method: arm timers from the loop's thread and from others, stop them from both, and compare when,
//! where and in which order they complete.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sendio::prelude::*;
use sendio::{Env, StopSource};

use crate::common::receivers::{Probe, connect_and_start, lock};
use crate::common::wait::{soon, wait_until};

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_hundred_thousand_timers_due_at_once_all_fire_and_other_work_goes_on() {
    const TIMERS: usize = 100_000;
    let ctx = context();
    let io = ctx.scheduler();
    let (fired, before_all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let now = Instant::now();
    ctx.scope(|scope| {
        for _ in 0..TIMERS {
            scope.spawn(
                io.schedule_at(now)
                    .then(|()| {
                        fired.fetch_add(1, Ordering::Relaxed);
                    })
                    .upon_error(|error| panic!("{error}")),
            );
        }
        scope.spawn(
            io.schedule()
                .then(|()| before_all.store(fired.load(Ordering::Relaxed), Ordering::Relaxed))
                .upon_error(|error| panic!("{error}")),
        );
    });
    assert_eq!(fired.load(Ordering::Relaxed), TIMERS);
    assert!(before_all.load(Ordering::Relaxed) < TIMERS / 2, "starved");
    assert_eq!(ctx.metrics().timers, 0);
}

#[test]
fn a_thousand_timers_with_one_deadline_fire_in_order_and_not_early() {
    let ctx = context();
    let io = ctx.scheduler();
    let order = Mutex::new(Vec::new());
    let deadline = Instant::now() + Duration::from_millis(5);
    ctx.scope(|scope| {
        let order = &order;
        for i in 0..1000 {
            scope.spawn(
                io.schedule_at(deadline)
                    .then(move |()| {
                        assert!(Instant::now() >= deadline);
                        lock(order).push(i);
                    })
                    .upon_error(|error| panic!("{error}")),
            );
        }
    });
    assert_eq!(*lock(&order), (0..1000).collect::<Vec<_>>());
}

#[test]
fn deadlines_of_zero_and_in_the_past_fire_at_once_on_the_loop_thread() {
    let ctx = context();
    let io = ctx.scheduler();
    let past = Instant::now()
        .checked_sub(HOUR)
        .unwrap_or_else(Instant::now);
    let begin = Instant::now();
    for _ in 0..100 {
        let id = ctx.block_on(
            io.schedule_after(Duration::ZERO)
                .then(|()| thread::current().id()),
        );
        assert_eq!(id.expect("no error"), Some(thread::current().id()));
        let id = ctx.block_on(io.schedule_at(past).then(|()| thread::current().id()));
        assert_eq!(id.expect("no error"), Some(thread::current().id()));
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn deadlines_beyond_all_time_wait_and_can_be_stopped() {
    let ctx = context();
    let io = ctx.scheduler();
    let source = StopSource::new();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let op = connect_and_start(io.schedule_after(Duration::MAX), probe.receiver_in(env));
    // A sleep with that deadline in force.
    ctx.block_on(io.schedule_after(Duration::from_millis(1)))
        .expect("no error");
    ctx.run_some().expect("idle");
    probe.expect_nothing();
    source.request_stop();
    ctx.run_until_empty();
    probe.expect_stopped();
    drop(op);
}

#[test]
fn timer_stop_before_start_arms_nothing() {
    let ctx = context();
    let source = StopSource::new();
    source.request_stop();
    let timer = ctx.scheduler().schedule_after(HOUR);
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let op = connect_and_start(timer, probe.receiver_in(env));
    probe.expect_stopped();
    assert_eq!(ctx.metrics().timers, 0);
    drop(op);
}

#[test]
fn timer_stop_in_flight_from_both_sides() {
    let ctx = context();
    let io = ctx.scheduler();
    for away in [false, true] {
        let source = StopSource::new();
        let probe = Probe::new();
        let env = Env::default().with_stop_token(source.token());
        let op = connect_and_start(io.schedule_after(HOUR), probe.receiver_in(env));
        ctx.run_some().expect("idle");
        assert_eq!(ctx.metrics().timers, 1);
        if away {
            thread::scope(|threads| {
                threads.spawn(|| source.request_stop());
            });
        } else {
            source.request_stop();
        }
        ctx.run_until_empty();
        probe.expect_stopped();
        assert_eq!(probe.thread(), thread::current().id());
        assert_eq!(ctx.metrics().timers, 0);
        drop(op);
    }
}

#[test]
fn timer_stop_races_the_deadline_and_ends_once() {
    let ctx = context();
    let io = ctx.scheduler();
    for round in 0..2000 {
        let source = StopSource::new();
        let timer = io.schedule_after(Duration::from_micros(round % 50));
        thread::scope(|threads| {
            threads.spawn(|| source.request_stop());
            ctx.block_on(timer.with_stop_token(source.token()))
                .expect("no error");
        });
    }
    assert_eq!(ctx.metrics().timers, 0);
}

#[test]
fn timers_of_other_threads_fire_and_are_stopped_from_there() {
    let ctx = context();
    let io = ctx.scheduler();
    let home = thread::current().id();
    let stopped = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            crate::common::race::race(8, |index| {
                for i in 0..50 {
                    let micros = Duration::from_micros((index * 37 + i) as u64);
                    let begin = Instant::now();
                    let id = sync_wait(io.schedule_after(micros).then(|()| thread::current().id()));
                    assert_eq!(id.expect("no error"), Some(home));
                    assert!(begin.elapsed() >= micros);
                    let source = StopSource::new();
                    let ended = thread::scope(|threads| {
                        threads.spawn(|| source.request_stop());
                        sync_wait(io.schedule_after(HOUR).with_stop_token(source.token()))
                    });
                    assert_eq!(ended.expect("no error"), None);
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            });
            io.request_stop();
        });
        ctx.run();
    });
    assert_eq!(stopped.load(Ordering::Relaxed), 400);
    assert_eq!(ctx.metrics().timers, 0);
}

#[test]
fn timer_armed_by_another_thread_shortens_a_sleep() {
    let ctx = context();
    let io = ctx.scheduler();
    let begin = Instant::now();
    let fired = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            wait_until(soon(), "the loop sleeps", || {
                begin.elapsed() > Duration::from_millis(5)
            });
            sync_wait(io.schedule_after(Duration::from_millis(1))).expect("no error");
            fired.fetch_add(1, Ordering::Relaxed);
            io.request_stop();
        });
        // Asleep until the hour, if nobody wakes it.
        let probe = Probe::new();
        let op = connect_and_start(io.schedule_after(HOUR), probe.receiver());
        ctx.run();
        ctx.shutdown(Instant::now());
        probe.expect_stopped();
        drop(op);
    });
    assert_eq!(fired.load(Ordering::Relaxed), 1);
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn stopping_all_of_a_hundred_thousand_timers_leaves_none() {
    let ctx = context();
    let io = ctx.scheduler();
    let stopped = AtomicUsize::new(0);
    ctx.scope(|scope| {
        for i in 0..100_000 {
            scope.spawn(
                io.schedule_after(HOUR + Duration::from_nanos(i * 7919 % 1000))
                    .upon_error(|error| panic!("{error}"))
                    .upon_stopped(|| {
                        stopped.fetch_add(1, Ordering::Relaxed);
                    }),
            );
        }
        assert_eq!(ctx.metrics().timers, 100_000);
        scope.request_stop();
    });
    assert_eq!(stopped.load(Ordering::Relaxed), 100_000);
    assert_eq!(ctx.metrics().timers, 0);
}
