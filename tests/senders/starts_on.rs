//! `starts_on`: SO-1 to SO-5. Method: run loops on threads, and executors that refuse or fail.

use std::thread;

use sendio::Task;
use sendio::prelude::*;

use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, connect_and_start, run, run_traced};

/// Drops every task.
#[derive(Clone, Copy)]
struct Refuses;

impl Executor for Refuses {
    fn execute(&self, task: Task) {
        drop(task);
    }
}

/// Panics with every task.
#[derive(Clone, Copy)]
struct Panics;

impl Executor for Panics {
    fn execute(&self, _task: Task) {
        panic!("no executor");
    }
}

#[test]
fn starts_on_starts_after_the_hop_and_stays_there() {
    let run_loop = RunLoop::new();
    let probe = Probe::new();
    thread::scope(|scope| {
        let work = just(()).then(|()| thread::current().id());
        let _op = connect_and_start(starts_on(run_loop.scheduler(), work), probe.receiver());
        probe.expect_nothing();
        let there = scope.spawn(|| run_loop.run()).thread().id();
        probe.wait();
        assert_eq!(probe.thread(), there);
        assert_eq!(probe.expect_value(), there);
        run_loop.finish();
    });
}

#[test]
fn starts_on_refused_or_failed_hop_drops_the_sender_unstarted() {
    let trace = Trace::new();
    let work = |trace: &Trace| {
        let (guard, noted) = (trace.slow_guard("work"), trace.clone());
        just(()).then(move |()| {
            guard.touch();
            noted.note("work");
        })
    };
    let refused = starts_on(ExecutorScheduler::new(Refuses), work(&trace));
    assert!(matches!(run_traced(refused, &trace), Outcome::Stopped));
    trace.expect(&["drop work", "stopped"]);
    let trace = Trace::new();
    let failed = starts_on(ExecutorScheduler::new(Panics), work(&trace));
    assert_eq!(panic_message(run_traced(failed, &trace)), "no executor");
    trace.expect(&["drop work", "panicked"]);
}

#[test]
fn starts_on_stop_before_start_never_starts_the_sender() {
    let source = StopSource::new();
    source.request_stop();
    let run_loop = RunLoop::new();
    let work = just(()).then(|()| unreachable!("never started"));
    let sender = starts_on(run_loop.scheduler(), work).with_stop_token(source.token());
    assert!(matches!(run(sender), Outcome::Stopped));
}

#[test]
fn starts_on_environment_names_the_scheduler() {
    // Inside, `current_scheduler` is the loop: the hop through it needs the loop's thread.
    let run_loop = RunLoop::new();
    thread::scope(|scope| {
        let there = scope.spawn(|| run_loop.run()).thread().id();
        let hop = just(()).continues_on(Inline);
        let away = sendio::on(Inline, hop).continues_on(sendio::current_scheduler());
        let sender = starts_on(run_loop.scheduler(), away).then(|()| thread::current().id());
        assert_eq!(sync_wait(sender), Ok(Some(there)));
        run_loop.finish();
    });
}

#[test]
fn starts_on_scheduler_with_its_own_error_is_converted() {
    let sender = starts_on(Inline, just_error::<u8, String>("own".to_owned()));
    assert!(matches!(run(sender), Outcome::Error(text) if text == "own"));
}
