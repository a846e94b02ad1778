//! `let_value`: LV-1 to LV-12, and the mechanism under it: lifetimes of children, panics in
//! `connect`, in closures and in drops. Method: traces of guards, and a child completed by hand.

use std::convert::Infallible;
use std::thread;

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::not_connectable::NotConnectable;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

#[test]
fn let_value_runs_what_the_function_makes_and_nests() {
    let sender = ready::<u32, String>(2).let_value(|n| {
        ready(n * 3).let_value(move |m| ready((n, m)).let_value(|(n, m)| ready(n * 10 + m)))
    });
    assert!(matches!(run(sender), Outcome::Value(26)));
    let failing = ready::<u32, &str>(2).let_value(|_| just_error::<u32, _>("no"));
    assert!(matches!(run(failing), Outcome::Error("no")));
    let stopping = ready::<u32, &str>(2).let_value(|_| just_stopped::<u32, _>());
    assert!(matches!(run(stopping), Outcome::Stopped));
    let chosen = ready::<u32, &str>(2).let_value(ready::<u32, &str>);
    assert!(matches!(run(chosen), Outcome::Value(2)));
}

#[test]
fn let_value_unused_function_is_dropped_before_each_completion() {
    for expected in ["error", "stopped", "panicked"] {
        let trace = Trace::new();
        let (guard, probe) = (trace.slow_guard("f"), Probe::traced(&trace));
        let (first, handle) = manual::<u8, u8>();
        let sender = first.let_value(move |n| {
            guard.touch();
            ready::<u8, u8>(n)
        });
        let _op = connect_and_start(sender, probe.receiver());
        match expected {
            "error" => handle.error(2),
            "stopped" => handle.stopped(),
            _ => handle.panicked("first"),
        }
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop f", expected]);
    }
}

#[test]
fn let_value_destroys_the_first_child_before_the_function_runs() {
    let trace = Trace::new();
    let (child, noted) = (trace.slow_guard("first child"), trace.clone());
    let second = trace.slow_guard("second child");
    // The query lies in the first child's receiver: dropped with its operation or just before.
    let sender = ready::<u8, ()>(1).with_query(child).let_value(move |n| {
        noted.note("f");
        ready(n).with_query(second)
    });
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(1)));
    trace.expect(&["drop first child", "f", "drop second child", "value"]);
}

#[test]
fn let_value_second_child_completes_on_another_thread() {
    for expected in ["value", "error", "stopped", "panicked"] {
        let trace = Trace::new();
        let (guard, probe) = (trace.slow_guard("second"), Probe::traced(&trace));
        let (second, handle) = manual::<u8, u8>();
        let sender = ready::<u8, u8>(1).let_value(move |_| second.with_query(guard));
        let _op = connect_and_start(sender, probe.receiver());
        probe.expect_nothing();
        thread::scope(|scope| {
            scope.spawn(|| match expected {
                "value" => handle.value(1),
                "error" => handle.error(2),
                "stopped" => handle.stopped(),
                _ => handle.panicked("second"),
            });
        });
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop second", expected]);
    }
}

#[test]
fn let_value_function_panics_and_the_panic_is_delivered() {
    let sender = ready::<u32, ()>(1)
        .let_value(|_| ready('x'.to_digit(10).expect("f failed")).let_value(ready::<u32, ()>));
    let outcome = run(sender);
    assert_eq!(panic_message(outcome), "f failed");
}

#[test]
fn let_value_connect_of_second_panics_and_the_panic_is_delivered() {
    let outcome = run(ready::<u8, Infallible>(1).let_value(|_| NotConnectable::new()));
    assert_eq!(panic_message(outcome), "not connectable");
}

#[test]
fn let_value_connect_of_first_panics_inside_start() {
    let op_is_made = NotConnectable::new().let_value(|_| just(1));
    let outcome = run(op_is_made);
    assert_eq!(panic_message(outcome), "not connectable");
}

#[test]
fn let_value_panicking_drop_of_a_child_replaces_the_outcome_once() {
    let trace = Trace::new();
    let (one, two) = (trace.panicking_guard("one"), trace.panicking_guard("two"));
    let sender = ready::<u8, ()>(1).let_value(move |n| ready(n).with_query(two).with_query(one));
    let outcome = run_traced(sender, &trace);
    assert_eq!(panic_message(outcome), "two");
    trace.expect(&["drop two", "drop one", "panicked"]);
}

#[test]
fn let_value_unstarted_operation_drops_everything_once() {
    let trace = Trace::new();
    let (value, f) = (trace.guard("value"), trace.guard("f"));
    let probe = Probe::<u8, ()>::traced(&trace);
    let sender = ready::<_, ()>(value).let_value(move |_value| {
        f.touch();
        ready::<u8, ()>(0)
    });
    drop(sender.connect(probe.receiver()));
    let mut events = trace.events();
    events.sort();
    assert_eq!(events, ["drop f", "drop value"]);
    probe.expect_nothing();
}
