//! `on` and `current_scheduler`: ON-1 to ON-7, AF-1. Method: run loops on threads, and the thread
//! on which each closure runs.

use std::thread::{self, ThreadId};

use sendio::prelude::*;
use sendio::{Env, SchedulerRef, current_scheduler};

use crate::common::receivers::{Probe, channel, connect_and_start, run};

fn here() -> ThreadId {
    thread::current().id()
}

/// Runs `body` with two loops that run on threads of their own.
fn with_loops(body: impl FnOnce(&RunLoop, ThreadId, &RunLoop, ThreadId)) {
    let (a, b) = (RunLoop::new(), RunLoop::new());
    thread::scope(|scope| {
        let on_a = scope.spawn(|| a.run()).thread().id();
        let on_b = scope.spawn(|| b.run()).thread().id();
        body(&a, on_a, &b, on_b);
        a.finish();
        b.finish();
    });
}

#[test]
fn on_runs_there_and_comes_back_with_value_and_error() {
    with_loops(|a, on_a, _, _| {
        let there = on(a.scheduler(), just(()).then(|()| here()));
        let both = sync_wait(there.then(|there| (there, here())));
        assert_eq!(both, Ok(Some((on_a, here()))));
        let failing = on(a.scheduler(), just_error::<(), ThreadId>(on_a));
        let back = failing.let_error(|there| just_error::<(), _>((there, here())));
        assert_eq!(sync_wait(back), Err((on_a, here())));
    });
}

#[test]
fn on_stopped_comes_back_too() {
    with_loops(|a, _, _, _| {
        let stopping = on(a.scheduler(), just_stopped::<ThreadId, ()>());
        let back = stopping.let_stopped(|| ready(()).then(|()| here()));
        assert_eq!(sync_wait(back), Ok(Some(here())));
    });
}

#[test]
fn on_nested_returns_to_the_outer_scheduler() {
    with_loops(|a, on_a, b, on_b| {
        let inner = on(b.scheduler(), just(()).then(|()| here()));
        let outer = on(a.scheduler(), inner.then(|on_b| (on_b, here())));
        let all = sync_wait(outer.then(|(first, second)| (first, second, here())));
        assert_eq!(all, Ok(Some((on_b, on_a, here()))));
    });
}

#[test]
fn on_in_the_middle_of_a_chain_runs_only_its_part_there() {
    with_loops(|a, on_a, _, _| {
        let (scheduler, home) = (a.scheduler(), here());
        let chain = just(())
            .then(|()| here())
            .let_value(move |before| on(scheduler, just(()).then(move |()| (before, here()))));
        let all = sync_wait(chain.then(|(before, there)| (before, there, here())));
        assert_eq!(all, Ok(Some((home, on_a, home))));
    });
}

#[test]
fn on_environment_has_the_scheduler_inside_and_the_old_one_afterwards() {
    with_loops(|a, on_a, b, _| {
        // Each hop through `current_scheduler` ends on the scheduler that the environment names.
        let inside = b.scheduler().schedule().continues_on(current_scheduler());
        let inside = on(a.scheduler(), inside.then(|()| here()));
        let after = b.scheduler().schedule().continues_on(current_scheduler());
        let chain = inside.let_value(move |there| after.then(move |()| (there, here())));
        assert_eq!(sync_wait(chain), Ok(Some((on_a, here()))));
    });
}

#[test]
fn on_in_a_loop_comes_back_each_time() {
    with_loops(|a, _, b, _| {
        let there_and_back = on(a.scheduler(), on(b.scheduler(), just(())));
        let home = here();
        let round = there_and_back.then(move |()| assert!(here() == home));
        assert_eq!(sync_wait(round.repeat_n(500)), Ok(Some(())));
    });
}

#[test]
fn on_without_a_scheduler_in_the_environment_stays_there() {
    with_loops(|a, on_a, _, _| {
        let probe = Probe::new();
        let sender = on(a.scheduler(), just(()));
        let _op = connect_and_start(sender, probe.receiver());
        probe.expect_value();
        assert_eq!(probe.thread(), on_a);
    });
}

#[test]
fn current_scheduler_hops_through_the_reference_of_the_environment() {
    let run_loop = RunLoop::new();
    let probe = Probe::new();
    let env = Env::default().with_scheduler(SchedulerRef::new(&run_loop));
    let _op = connect_and_start(current_scheduler().schedule(), probe.receiver_in(env));
    probe.expect_nothing();
    run_loop.finish();
    run_loop.run();
    probe.expect_value();
    assert_eq!(probe.thread(), here());
}

#[test]
fn current_scheduler_without_one_completes_inline() {
    assert_eq!(channel(&run(current_scheduler().schedule())), "value");
}

#[test]
fn current_scheduler_that_refuses_completes_stopped() {
    let run_loop = RunLoop::new();
    run_loop.finish();
    let (there, probe) = (SchedulerRef::new(&run_loop), Probe::new());
    let env = Env::default().with_scheduler(there);
    let _op = connect_and_start(
        just(1).continues_on(current_scheduler()),
        probe.receiver_in(env),
    );
    probe.expect_stopped();
}
