//! `run_some` and `AsFd`: a context inside another loop, and two contexts on one thread.
//! Method: `poll(2)` on the context's descriptor is the outer loop; it must become readable for every
//! kind of work, and must not stay readable when there is none.

#![expect(unsafe_code, reason = "poll(2) is the outer loop")]

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use sendio::StopSource;
use sendio::prelude::*;

use crate::common::pipes::Pipe;
use crate::common::receivers::{Probe, connect_and_start};
use crate::common::wait::{soon, wait_until};

/// Whether the descriptor of `ctx` becomes readable within `millis`.
fn readable(ctx: &IoContext, millis: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: ctx.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&raw mut poll, 1, millis) == 1 }
}

/// The outer loop: sleeps in `poll` until `over`; returns how often it woke up.
fn drive(ctx: &IoContext, over: impl Fn() -> bool) -> usize {
    let mut wakes = 0;
    let deadline = soon();
    let _ = ctx.as_fd();
    ctx.run_some().expect("idle");
    while !over() {
        assert!(Instant::now() < deadline, "the outer loop waits in vain");
        assert!(
            readable(ctx, 10_000),
            "nothing makes the descriptor readable"
        );
        wakes += 1;
        ctx.run_some().expect("idle");
    }
    wakes
}

/// Turns until the descriptor is quiet: what was under way may still wake the outer loop.
fn expect_quiet(ctx: &IoContext) {
    wait_until(soon(), "the descriptor is quiet", || {
        ctx.run_some().expect("idle");
        !readable(ctx, 0)
    });
}

#[test]
fn descriptor_is_readable_for_completions_and_quiet_without() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    expect_quiet(&ctx);
    let probe = Probe::new();
    let op = connect_and_start(io.read_some(&pipe.reader, [0; 2]), probe.receiver());
    expect_quiet(&ctx);
    thread::scope(|threads| {
        threads.spawn(|| pipe.fill(b"in"));
        drive(&ctx, || probe.count() == 1);
    });
    assert_eq!(probe.expect_value(), (2, *b"in"));
    expect_quiet(&ctx);
    drop(op);
}

#[test]
fn descriptor_is_readable_when_a_timer_is_due() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    for millis in [0, 1, 20, 5] {
        let probe = Probe::new();
        let begin = Instant::now();
        let wanted = Duration::from_millis(millis);
        let op = connect_and_start(io.schedule_after(wanted), probe.receiver());
        let later = Probe::new();
        let source = StopSource::new();
        let env = sendio::Env::default().with_stop_token(source.token());
        let other = connect_and_start(
            io.schedule_after(Duration::from_secs(3600)),
            later.receiver_in(env),
        );
        drive(&ctx, || probe.count() == 1);
        assert!(begin.elapsed() >= wanted);
        probe.expect_value();
        source.request_stop();
        drive(&ctx, || later.count() == 1);
        later.expect_stopped();
        drop((op, other));
    }
}

#[test]
fn descriptor_is_readable_for_remote_work_and_wakes_are_not_lost() {
    const ROUNDS: usize = 5000;
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    thread::scope(|threads| {
        let producer = threads.spawn(move || {
            for round in 0..ROUNDS {
                if round % 2 == 0 {
                    assert_eq!(sync_wait(io.yield_now()), Ok(Some(())));
                } else {
                    assert_eq!(sync_wait(io.schedule()).expect("no error"), Some(()));
                }
            }
            io.request_stop();
        });
        drive(&ctx, || ctx.is_stopping());
        producer.join().expect("the producer");
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn descriptor_is_readable_for_more_work_than_a_turn_takes() {
    let ctx = IoContext::builder().turn_limit(4).build().expect("a ring");
    let io = ctx.scheduler();
    let probes: Vec<_> = (0..100).map(|_| Probe::new()).collect();
    let yields: Vec<_> = probes
        .iter()
        .map(|probe| connect_and_start(io.yield_now(), probe.receiver()))
        .collect();
    drive(&ctx, || probes.iter().all(|probe| probe.count() == 1));
    probes.iter().for_each(|probe| probe.expect_value());
    drop(yields);
    let probes: Vec<_> = (0..100).map(|_| Probe::new()).collect();
    let nops: Vec<_> = probes
        .iter()
        .map(|probe| connect_and_start(io.schedule(), probe.receiver()))
        .collect();
    drive(&ctx, || probes.iter().all(|probe| probe.count() == 1));
    probes.iter().for_each(|probe| probe.expect_value());
    expect_quiet(&ctx);
    drop(nops);
}

#[test]
fn consumers_may_run_between_the_turns_of_an_outer_loop() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    for _ in 0..100 {
        ctx.run_some().expect("idle");
        let _ = readable(&ctx, 0);
        assert_eq!(ctx.block_on(io.schedule()).expect("no error"), Some(()));
        thread::scope(|threads| {
            ctx.run_some().expect("idle");
            threads.spawn(move || io.request_stop());
            ctx.run();
            ctx.restart();
        });
    }
    drop(ctx);
}

#[test]
fn two_contexts_on_one_thread_do_not_mix() {
    let (one, two) = (
        IoContext::new().expect("a ring"),
        IoContext::new().expect("a ring"),
    );
    assert_ne!(one.scheduler(), two.scheduler());
    assert_eq!(one.scheduler(), one.scheduler());
    let inner = one.block_on_local(one.local().schedule().then(|()| {
        // The other loop runs inside of a completion of this one.
        two.block_on(two.scheduler().schedule().then(|()| 2))
            .expect("no error")
    }));
    assert_eq!(inner.expect("no error"), Some(Some(2)));
    let dropped = one.block_on_local(one.local().schedule().then(|()| drop(two)));
    assert_eq!(dropped.expect("no error"), Some(()));
}

#[test]
fn block_on_local_takes_senders_with_thread_bound_data() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    let count = Rc::new(Cell::new(0));
    let (mine, again) = (count.clone(), count.clone());
    let sender = io
        .schedule()
        .then(move |()| mine.set(mine.get() + 1))
        .let_value(move |()| {
            again.set(again.get() + 10);
            io.schedule()
        });
    assert_eq!(ctx.block_on_local(sender).expect("no error"), Some(()));
    assert_eq!(count.get(), 11);
    ctx.scope_local(|scope| {
        for _ in 0..10 {
            let count = count.clone();
            scope.spawn(io.yield_now().then(move |()| count.set(count.get() + 1)));
        }
    });
    assert_eq!(count.get(), 21);
}
