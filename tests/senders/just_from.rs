//! just_from: a value that is computed at the start.
//! Method: count calls; record drops; panic in the closure and in the drop of a capture.

use std::cell::Cell;

use sendio::{Outcome, Sender, just_from};

use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

#[test]
fn just_from_closure_runs_once_and_only_in_start() {
    let calls = Cell::new(0);
    let sender = just_from(|| calls.replace(calls.get() + 1));
    let probe = Probe::new();
    let unstarted = sender.clone().connect(probe.receiver());
    assert_eq!(calls.get(), 0);
    drop(unstarted);
    assert_eq!(calls.get(), 0);
    assert!(matches!(run(sender), Outcome::Value(0)));
    assert_eq!(calls.get(), 1);
}

#[test]
fn just_from_captures_are_dropped_before_the_value_arrives() {
    let trace = Trace::new();
    let guard = trace.slow_guard("capture");
    let outcome = run_traced(just_from(move || guard.touch()), &trace);
    trace.expect(&["drop capture", channel(&outcome)]);
    assert!(matches!(outcome, Outcome::Value(())));
}

#[test]
fn just_from_closure_panic_travels_after_the_captures_are_dropped() {
    let trace = Trace::new();
    let guard = trace.guard("capture");
    let probe = Probe::<u8, _>::traced(&trace);
    let sender = just_from(move || {
        guard.touch();
        panic!("the closure fell")
    });
    let _op = connect_and_start(sender, probe.receiver());
    assert_eq!(probe.expect_panicked(), "the closure fell");
    trace.expect(&["drop capture", "panicked"]);
}

#[test]
fn just_from_capture_drop_panic_travels() {
    let trace = Trace::new();
    let guard = trace.panicking_guard("the capture fell");
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(just_from(move || guard.touch()), probe.receiver());
    assert_eq!(probe.expect_panicked(), "the capture fell");
}
