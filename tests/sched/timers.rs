//! timers: deadlines, order, stop requests, and many at once.
//! Method: arm timers from the loop's thread and from others, stop them from both, and compare when,
//! where and in which order they complete.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sendio::prelude::*;
use sendio::{Env, StopCallback, StopSource};

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

#[test]
fn a_hundred_thousand_timers_of_one_future_tick_fire_in_many_turns() {
    const TIMERS: usize = 100_000;
    let ctx = context();
    let io = ctx.scheduler();
    let fired = AtomicUsize::new(0);
    // Far enough away that they are armed before, so that they have to be moved when it comes.
    let deadline = Instant::now() + Duration::from_secs(2);
    ctx.scope(|scope| {
        for _ in 0..TIMERS {
            scope.spawn(
                io.schedule_at(deadline)
                    .then(|()| {
                        assert!(Instant::now() >= deadline);
                        fired.fetch_add(1, Ordering::Relaxed);
                    })
                    .upon_error(|error| panic!("{error}")),
            );
        }
    });
    assert_eq!(fired.load(Ordering::Relaxed), TIMERS);
    // 256 items in a turn is the default limit, for moving and for firing.
    let turns = usize::try_from(ctx.metrics().turns).expect("few");
    assert!(turns >= TIMERS / 256, "{turns} turns");
}

#[test]
fn timers_across_many_durations_fire_in_order_of_their_deadlines() {
    let ctx = context();
    let io = ctx.scheduler();
    let order = Mutex::new(Vec::new());
    let begin = Instant::now();
    ctx.scope(|scope| {
        let order = &order;
        // From microseconds to a quarter of a second, armed in another order than they are due.
        for i in 0..500_u64 {
            let micros = (i * 7919) % 500 * (i * 104_729 % 500);
            let deadline = begin + Duration::from_micros(micros);
            scope.spawn(
                io.schedule_at(deadline)
                    .then(move |()| {
                        assert!(Instant::now() >= deadline);
                        lock(order).push(deadline);
                    })
                    .upon_error(|error| panic!("{error}")),
            );
        }
        // Those that are late already when they are armed come as they can.
        let armed = Instant::now();
        scope.spawn(
            io.schedule_at(armed)
                .then(move |()| lock(order).retain(|deadline| *deadline > armed))
                .upon_error(|error| panic!("{error}")),
        );
    });
    let order = lock(&order);
    assert!(order.len() > 100, "most are due later than they are armed");
    assert!(order.is_sorted());
}

#[test]
fn timer_stop_twice_and_stop_after_completion_end_it_once() {
    let ctx = context();
    let io = ctx.scheduler();
    for near in [Duration::from_micros(1), Duration::from_millis(3), HOUR] {
        let source = StopSource::new();
        let probe = Probe::new();
        let env = Env::default().with_stop_token(source.token());
        let op = connect_and_start(io.schedule_after(near), probe.receiver_in(env));
        assert!(source.request_stop());
        assert!(!source.request_stop());
        probe.expect_nothing();
        ctx.run_until_empty();
        probe.expect_stopped();
        drop(op);
        assert!(!source.request_stop(), "touches nothing of what is gone");
        assert_eq!(ctx.metrics().timers, 0);
    }
}

#[test]
fn timer_stop_in_flight_then_another_callback_of_the_request_turns_the_loop() {
    thread_local! {
        static CTX: IoContext = context();
    }
    CTX.with(|ctx| {
        let probe = Probe::new();
        let source = StopSource::new();
        // Its turn comes after that of the timer's callback, so the timer completes inside of it.
        let mut callback = pin!(StopCallback::new(source.token(), || {
            CTX.with(|ctx| ctx.run_some().expect("idle"));
        }));
        callback.as_mut().register();
        let env = Env::default().with_stop_token(source.token());
        let timer = ctx.scheduler().schedule_after(HOUR);
        let op = connect_and_start(timer, probe.receiver_in(env));
        source.request_stop();
        probe.expect_stopped();
        drop(op);
        assert_eq!(ctx.metrics().timers, 0);
    });
}

#[test]
fn timers_armed_while_a_context_ends_are_stopped_wherever_they_are() {
    let ctx = context();
    let io = ctx.scheduler();
    let probes: Vec<Probe<(), std::io::Error>> = (0..200).map(|_| Probe::new()).collect();
    let ops: Vec<_> = (0_u32..)
        .zip(&probes)
        .map(|(i, probe)| {
            let after = Duration::from_nanos(1_u64 << (20 + i % 40)) + Duration::from_secs(60);
            connect_and_start(io.schedule_after(after), probe.receiver())
        })
        .collect();
    assert_eq!(ctx.metrics().timers, 200);
    assert!(!ctx.shutdown(Instant::now()).graceful);
    probes.iter().for_each(Probe::expect_stopped);
    drop(ops);
    // The wheel goes on where it was.
    ctx.restart();
    let begin = Instant::now();
    ctx.block_on(io.schedule_after(Duration::from_millis(2)))
        .expect("no error");
    assert!(begin.elapsed() >= Duration::from_millis(2));
}
