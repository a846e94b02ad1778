//! `retry_when`: RT-1. Method: attempts that fail a number of times, triggers on every channel.

use std::thread;

use sendio::prelude::*;
use sendio::retry_when;

use crate::common::manual::{Manual, ManualHandle, manual};
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, connect_and_start, run, run_traced};

/// Senders that wait, and the channel on which their handles arrive.
fn waiting<V: 'static>() -> (
    impl FnMut() -> Manual<V, u32>,
    impl Fn() -> ManualHandle<V, u32>,
) {
    let (handles, made) = std::sync::mpsc::channel();
    let make = move || {
        let (sender, handle) = manual();
        handles.send(handle).expect("the test listens");
        sender
    };
    (make, move || made.try_recv().expect("a sender was started"))
}

#[test]
fn retry_when_trigger_value_starts_the_next_attempt() {
    let ((attempts, attempt), (mut triggers, trigger)) = (waiting::<u32>(), waiting::<()>());
    let (trace, probe) = (Trace::new(), Probe::new());
    let noted = trace.clone();
    let sender = retry_when(attempts, move |error| {
        noted.note(&format!("error {error}"));
        triggers()
    });
    let _op = connect_and_start(sender, probe.receiver());
    for n in 0..3 {
        attempt().error(n);
        let trigger = trigger();
        probe.expect_nothing();
        thread::scope(|scope| scope.spawn(|| trigger.value(())).join()).expect("triggered");
    }
    attempt().value(42);
    assert_eq!(probe.expect_value(), 42);
    trace.expect(&["error 0", "error 1", "error 2"]);
}

#[test]
fn retry_when_trigger_error_and_stopped_end_it() {
    let failing = retry_when(|| just_error::<(), u32>(1), |n| just_error::<(), _>(n + 1));
    assert!(matches!(run(failing), Outcome::Error(2)));
    let stopping = retry_when(|| just_error::<(), u32>(1), |_| just_stopped::<(), ()>());
    assert!(matches!(run(stopping), Outcome::Stopped));
    let stopped = retry_when(just_stopped::<(), u32>, |_| ready::<(), ()>(()));
    assert!(matches!(run(stopped), Outcome::Stopped));
}

#[test]
fn retry_when_million_inline_attempts_on_a_small_stack() {
    let body = || {
        let mut left = 1_000_000_u32;
        let trigger = |_| {
            left -= 1;
            assert!(left > 0, "a million attempts");
            ready::<(), ()>(())
        };
        let outcome = run(retry_when(|| just_error::<(), u32>(1), trigger));
        assert_eq!(panic_message(outcome), "a million attempts");
    };
    let small = thread::Builder::new().stack_size(256 * 1024);
    small
        .spawn(body)
        .expect("a thread")
        .join()
        .expect("the loop ended");
}

#[test]
fn retry_when_stop_is_honoured_between_attempts() {
    let source = StopSource::new();
    let trace = Trace::new();
    let (make, on_error) = (trace.slow_guard("make"), trace.slow_guard("on_error"));
    let stop = &source;
    let sender = retry_when(
        move || {
            make.touch();
            just_error::<(), u32>(1)
        },
        move |_| {
            on_error.touch();
            stop.request_stop();
            ready::<(), ()>(())
        },
    );
    let outcome = run_traced(sender.with_stop_token(source.token()), &trace);
    assert!(matches!(outcome, Outcome::Stopped));
    trace.expect(&["drop make", "drop on_error", "stopped"]);
}
