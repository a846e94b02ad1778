//! `continues_on`: CO-1 to CO-3. Method: children and
//! schedulers completed by hand, run loops on
//! threads.

use std::sync::Mutex;
use std::thread;

use sendio::Task;
use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{DropGuard, Probe, Trace, channel, connect_and_start, lock};

const CHANNELS: [&str; 4] = ["value", "error", "stopped", "panicked"];

/// Keeps its tasks until the test takes them.
#[derive(Default)]
struct Held(Mutex<Vec<Task>>);

impl Executor for Held {
    fn execute(&self, task: Task) {
        lock(&self.0).push(task);
    }
}

impl Held {
    fn take(&self) -> Task {
        lock(&self.0).pop().expect("a task was handed over")
    }
}

#[test]
fn continues_on_delivers_each_channel_only_when_the_scheduler_runs() {
    for expected in CHANNELS {
        let (held, probe) = (Held::default(), Probe::new());
        let (child, handle) = manual::<u8, u8>();
        let sender = child.continues_on(ExecutorScheduler::new(&held));
        let _op = connect_and_start(sender, probe.receiver());
        assert!(handle.is_started());
        match expected {
            "value" => handle.value(1),
            "error" => handle.error(2),
            "stopped" => handle.stopped(),
            _ => handle.panicked("child"),
        }
        probe.expect_nothing();
        let task = held.take();
        let other = thread::scope(|scope| {
            let runner = scope.spawn(|| {
                task.run();
                thread::current().id()
            });
            runner.join().expect("the task ran")
        });
        assert_eq!(probe.thread(), other);
        assert_eq!(channel(&probe.outcome()), expected);
    }
}

#[test]
fn continues_on_dropped_hop_replaces_all_but_a_panic() {
    for first in CHANNELS {
        let trace = Trace::new();
        let (held, probe) = (Held::default(), Probe::traced(&trace));
        let (child, handle) = manual::<DropGuard, u8>();
        let sender = child.continues_on(ExecutorScheduler::new(&held));
        let _op = connect_and_start(sender, probe.receiver());
        match first {
            "value" => handle.value(trace.slow_guard("stored")),
            "error" => handle.error(2),
            "stopped" => handle.stopped(),
            _ => handle.panicked("child"),
        }
        drop(held.take());
        let outcome = probe.outcome();
        match first {
            "panicked" => assert_eq!(panic_message(outcome), "child"),
            "value" => {
                assert_eq!(channel(&outcome), "stopped");
                trace.expect(&["drop stored", "stopped"]);
            }
            _ => assert_eq!(channel(&outcome), "stopped"),
        }
    }
}

#[test]
fn continues_on_stop_meanwhile_keeps_the_result_and_the_way_home() {
    let source = StopSource::new();
    let (held, probe) = (Held::default(), Probe::new());
    let (child, handle) = manual::<u8, u8>();
    let sender = child.continues_on(ExecutorScheduler::new(&held));
    let _op = connect_and_start(sender.with_stop_token(source.token()), probe.receiver());
    assert!(handle.stop_possible());
    source.request_stop();
    handle.value(7);
    probe.expect_nothing();
    held.take().run();
    assert_eq!(probe.expect_value(), 7);
}

#[test]
fn continues_on_child_is_destroyed_before_the_hop() {
    let trace = Trace::new();
    let held = Held::default();
    let probe = Probe::traced(&trace);
    let child = just(1).with_query(trace.slow_guard("child"));
    let sender = child.continues_on(ExecutorScheduler::new(&held));
    let _op = connect_and_start(sender, probe.receiver());
    trace.expect(&["drop child"]);
    held.take().run();
    assert_eq!(probe.expect_value(), 1);
    trace.expect(&["drop child", "value"]);
}

#[test]
fn continues_on_forwards_queries_to_the_child() {
    let probe = Probe::new();
    let asked = just(()).with_env(|env| {
        assert_eq!(env.query::<u32>(), Some(&7));
        env
    });
    let _op = connect_and_start(
        asked.continues_on(Inline).with_query(7_u32),
        probe.receiver(),
    );
    probe.expect_value();
}

#[test]
fn continues_on_several_hops_the_last_one_wins() {
    let (one, two) = (RunLoop::new(), RunLoop::new());
    thread::scope(|scope| {
        scope.spawn(|| one.run());
        let last = scope.spawn(|| two.run()).thread().id();
        let sender = just(())
            .continues_on(one.scheduler())
            .continues_on(two.scheduler());
        assert_eq!(
            sync_wait(sender.then(|()| thread::current().id())),
            Ok(Some(last))
        );
        one.finish();
        two.finish();
    });
}

#[test]
fn continues_on_dropped_unstarted_drops_the_child_only() {
    let trace = Trace::new();
    let probe = Probe::traced(&trace);
    let sender = just(trace.guard("value")).continues_on(Inline);
    drop(sender.connect(probe.receiver()));
    trace.expect(&["drop value"]);
    probe.expect_nothing();
}
