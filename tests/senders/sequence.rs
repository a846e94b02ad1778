//! `sequence`: SQ-1 to SQ-3. Method: traces, and a first sender completed by hand.

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::not_connectable::NotConnectable;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

#[test]
fn sequence_runs_in_order_and_delivers_the_last() {
    let trace = Trace::new();
    let note = |event: &'static str| {
        let trace = trace.clone();
        ready::<(), ()>(()).then(move |()| trace.note(event))
    };
    let sender = note("one")
        .sequence(note("two"))
        .sequence(note("three").then(|()| 3));
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(3)));
    trace.expect(&["one", "two", "three", "value"]);
}

#[test]
fn sequence_first_that_fails_drops_the_next_unconnected() {
    for expected in ["error", "stopped", "panicked"] {
        let trace = Trace::new();
        let (guard, probe) = (trace.slow_guard("next"), Probe::traced(&trace));
        let (first, handle) = manual::<(), u8>();
        let next = ready::<u8, u8>(1).then(move |n| {
            guard.touch();
            n
        });
        let _op = connect_and_start(first.sequence(next), probe.receiver());
        match expected {
            "error" => handle.error(2),
            "stopped" => handle.stopped(),
            _ => handle.panicked("first"),
        }
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop next", expected]);
    }
}

#[test]
fn sequence_connect_of_next_panics_and_the_panic_is_delivered() {
    let outcome = run(just(()).sequence(NotConnectable::new()));
    assert_eq!(panic_message(outcome), "not connectable");
}
