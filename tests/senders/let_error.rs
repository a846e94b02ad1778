//! `let_error`: LE-1 to LE-7. Method: one run per channel, with guards in the closure and a child
//! that another thread completes.

use std::thread;

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

#[test]
fn let_error_on_error_runs_what_the_function_makes() {
    let to_value = just_error::<usize, _>("seven").let_error(|text| ready::<usize, ()>(text.len()));
    assert!(matches!(run(to_value), Outcome::Value(5)));
    let to_error = just_error::<(), _>(3).let_error(|n| just_error(format!("{n}")));
    assert!(matches!(run(to_error), Outcome::Error(text) if text == "3"));
    let to_stopped = just_error::<(), _>(3).let_error(|_| just_stopped::<(), ()>());
    assert!(matches!(run(to_stopped), Outcome::Stopped));
}

#[test]
fn let_error_other_channels_bypass_the_function() {
    let value = ready::<u8, ()>(7).let_error(|()| ready::<u8, ()>(0));
    assert!(matches!(run(value), Outcome::Value(7)));
    let stopped = just_stopped::<u8, ()>().let_error(|()| ready::<u8, ()>(0));
    assert!(matches!(run(stopped), Outcome::Stopped));
    let panicked = ready::<u8, ()>(7).then(|_| -> u8 { panic!("first") });
    let outcome = run(panicked.let_error(|()| ready::<u8, ()>(0)));
    assert_eq!(panic_message(outcome), "first");
}

#[test]
fn let_error_unused_function_is_dropped_before_each_completion() {
    for expected in ["value", "stopped", "panicked"] {
        let trace = Trace::new();
        let (guard, probe) = (trace.slow_guard("f"), Probe::traced(&trace));
        let (first, handle) = manual::<u8, u8>();
        let sender = first.let_error(move |e| {
            guard.touch();
            ready::<u8, u8>(e)
        });
        let _op = connect_and_start(sender, probe.receiver());
        thread::scope(|scope| {
            scope.spawn(|| match expected {
                "value" => handle.value(1),
                "stopped" => handle.stopped(),
                _ => handle.panicked("first"),
            });
        });
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop f", expected]);
    }
}

#[test]
fn let_error_drops_first_child_then_function_then_second_child() {
    let trace = Trace::new();
    let (child, f, second) = (
        trace.guard("first child"),
        trace.slow_guard("f"),
        trace.slow_guard("second child"),
    );
    let first = just_error::<u8, u8>(1).then(move |n| {
        child.touch();
        n
    });
    let sender = first.let_error(move |error| {
        f.touch();
        ready::<u8, ()>(error).then(move |n| {
            second.touch();
            n
        })
    });
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(1)));
    trace.expect(&["drop first child", "drop f", "drop second child", "value"]);
}

#[test]
fn let_error_function_panics_and_no_second_child_starts() {
    let trace = Trace::new();
    let guard = trace.guard("f");
    let sender = just_error::<u32, u8>(1).let_error(move |_| {
        guard.touch();
        let digit: Option<u32> = 'x'.to_digit(10);
        ready::<u32, ()>(digit.expect("f failed"))
    });
    let outcome = run_traced(sender, &trace);
    assert_eq!(panic_message(outcome), "f failed");
    trace.expect(&["drop f", "panicked"]);
}

#[test]
fn let_error_panicking_drop_of_unused_function_replaces_the_value() {
    let trace = Trace::new();
    let guard = trace.panicking_guard("f");
    let sender = ready::<u8, ()>(7).let_error(move |()| {
        guard.touch();
        ready::<u8, ()>(0)
    });
    let outcome = run_traced(sender, &trace);
    assert_eq!(panic_message(outcome), "f");
    trace.expect(&["drop f", "panicked"]);
}
