//! `RunLoop`: RL-1 to RL-3. Method: the order and the threads of completions, and races of `finish`
//! against work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;

use crate::common::race::race;
use crate::common::receivers::{Probe, Trace, connect_and_start, lock};

#[test]
fn run_loop_runs_in_order_on_the_thread_that_runs_it() {
    let run_loop = RunLoop::new();
    let order = Mutex::new(Vec::new());
    let probes: Vec<_> = (0..10).map(|_| Probe::new()).collect();
    let ops: Vec<_> = probes
        .iter()
        .enumerate()
        .map(|(n, probe)| {
            let order = &order;
            let noted = run_loop
                .scheduler()
                .schedule()
                .then(move |()| lock(order).push(n));
            connect_and_start(noted, probe.receiver())
        })
        .collect();
    probes.iter().for_each(Probe::expect_nothing);
    run_loop.finish();
    let there = thread::scope(|scope| {
        let runner = scope.spawn(|| {
            run_loop.run();
            thread::current().id()
        });
        runner.join().expect("the loop ran")
    });
    for probe in &probes {
        assert_eq!(probe.thread(), there);
        probe.expect_value();
    }
    assert_eq!(*lock(&order), (0..10).collect::<Vec<_>>());
    drop(ops);
}

#[test]
fn run_loop_stop_requested_while_queued_completes_stopped_when_run() {
    let (run_loop, source, probe) = (RunLoop::new(), StopSource::new(), Probe::new());
    let sender = run_loop
        .scheduler()
        .schedule()
        .with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver());
    source.request_stop();
    probe.expect_nothing();
    run_loop.finish();
    run_loop.run();
    probe.expect_stopped();
}

#[test]
fn run_loop_stop_requested_before_start_completes_stopped_inline() {
    let (run_loop, source, probe) = (RunLoop::new(), StopSource::new(), Probe::new());
    source.request_stop();
    let sender = run_loop
        .scheduler()
        .schedule()
        .with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver());
    probe.expect_stopped();
}

#[test]
fn run_loop_work_scheduled_while_draining_runs() {
    let (run_loop, trace) = (RunLoop::new(), Trace::new());
    let probe = Probe::traced(&trace);
    let sender = run_loop.scheduler().schedule().repeat_n(5);
    let _op = connect_and_start(sender, probe.receiver());
    run_loop.finish();
    run_loop.finish();
    run_loop.run();
    trace.expect(&["value"]);
    probe.expect_value();
}

#[test]
fn run_loop_finished_refuses_work_of_other_threads() {
    let (run_loop, probe) = (RunLoop::new(), Probe::new());
    run_loop.finish();
    let _op = connect_and_start(run_loop.scheduler().schedule(), probe.receiver());
    probe.expect_stopped();
    run_loop.run();
}

#[test]
fn run_loop_finish_races_work_and_nothing_is_lost() {
    for _ in 0..200 {
        let run_loop = RunLoop::new();
        let (values, stops) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let _ = race(3, |index| match index {
            0 => run_loop.run(),
            1 => run_loop.finish(),
            _ => {
                for _ in 0..3 {
                    match sync_wait(run_loop.scheduler().schedule()) {
                        Ok(Some(())) => values.fetch_add(1, Ordering::Relaxed),
                        Ok(None) => stops.fetch_add(1, Ordering::Relaxed),
                        Err(never) => match never {},
                    };
                }
            }
        });
        assert_eq!(values.into_inner() + stops.into_inner(), 3);
    }
}

#[test]
fn run_loop_schedulers_are_equal_if_their_loop_is() {
    let (one, two) = (RunLoop::new(), RunLoop::new());
    assert!(std::ptr::eq(
        *one.scheduler().executor(),
        *one.scheduler().executor()
    ));
    assert!(!std::ptr::eq(
        *one.scheduler().executor(),
        *two.scheduler().executor()
    ));
}

#[test]
#[should_panic(expected = "already running")]
fn run_loop_run_inside_its_own_work_panics_and_the_panic_arrives() {
    let run_loop = RunLoop::new();
    thread::scope(|scope| {
        scope.spawn(|| run_loop.run());
        let nested = run_loop.scheduler().schedule().then(|()| run_loop.run());
        let finished = nested.finally(just(()).then(|()| run_loop.finish()));
        assert_eq!(sync_wait(finished), Ok(None), "the panic is resumed");
    });
}
