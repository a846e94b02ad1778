//! `let_stopped`: LS-1 to LS-4. Method: one run per channel, with guards in the closure.

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

#[test]
fn let_stopped_on_stopped_runs_what_the_function_makes() {
    let to_value = just_stopped::<u32, ()>().let_stopped(|| ready(5));
    assert!(matches!(run(to_value), Outcome::Value(5)));
    let to_error = just_stopped::<(), &str>().let_stopped(|| just_error("timed out"));
    assert!(matches!(run(to_error), Outcome::Error("timed out")));
    let to_stopped = just_stopped::<(), ()>().let_stopped(just_stopped);
    assert!(matches!(run(to_stopped), Outcome::Stopped));
}

#[test]
fn let_stopped_unused_function_is_dropped_before_each_completion() {
    for expected in ["value", "error", "panicked"] {
        let trace = Trace::new();
        let (guard, probe) = (trace.slow_guard("f"), Probe::traced(&trace));
        let (first, handle) = manual::<u8, u8>();
        let sender = first.let_stopped(move || {
            guard.touch();
            ready::<u8, u8>(0)
        });
        let _op = connect_and_start(sender, probe.receiver());
        match expected {
            "value" => handle.value(1),
            "error" => handle.error(2),
            _ => handle.panicked("first"),
        }
        let outcome = probe.outcome();
        assert_eq!(channel(&outcome), expected);
        assert!(!matches!(outcome, Outcome::Value(0)), "f was bypassed");
        trace.expect(&["drop f", expected]);
    }
}

#[test]
fn let_stopped_function_panics_and_the_panic_is_delivered() {
    let trace = Trace::new();
    let guard = trace.slow_guard("f");
    let sender = just_stopped::<u32, ()>().let_stopped(move || {
        guard.touch();
        ready('x'.to_digit(10).expect("f failed"))
    });
    let outcome = run_traced(sender, &trace);
    assert_eq!(panic_message(outcome), "f failed");
    trace.expect(&["drop f", "panicked"]);
}

#[test]
fn let_stopped_second_child_completes_on_another_thread() {
    let probe = Probe::new();
    let (second, handle) = manual::<u8, ()>();
    let sender = just_stopped::<u8, ()>().let_stopped(move || second);
    let _op = connect_and_start(sender, probe.receiver());
    let other = std::thread::scope(|scope| {
        let complete = scope.spawn(|| {
            handle.value(9);
            std::thread::current().id()
        });
        complete.join().expect("completed")
    });
    assert_eq!(probe.thread(), other);
    assert_eq!(probe.expect_value(), 9);
}
