//! `finally`: FI-1 to FI-4. Method: every pair of channels, with stored results that record drops.

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{
    DropGuard, Probe, Trace, channel, connect_and_start, run, run_traced,
};

const CHANNELS: [&str; 4] = ["value", "error", "stopped", "panicked"];

#[test]
fn finally_every_pair_of_channels_delivers_what_the_rule_says() {
    for first in CHANNELS {
        for last in CHANNELS {
            let (trace, probe) = (Trace::new(), Probe::new());
            let (one, one_handle) = manual::<DropGuard, &str>();
            let (two, two_handle) = manual::<(), &str>();
            let _op = connect_and_start(one.finally(two), probe.receiver());
            assert!(!two_handle.is_started());
            match first {
                "value" => one_handle.value(trace.guard("stored")),
                "error" => one_handle.error("one"),
                "stopped" => one_handle.stopped(),
                _ => one_handle.panicked("one"),
            }
            assert!(
                two_handle.is_started(),
                "the last sender runs after {first}"
            );
            probe.expect_nothing();
            match last {
                "value" => two_handle.value(()),
                "error" => two_handle.error("two"),
                "stopped" => two_handle.stopped(),
                _ => two_handle.panicked("two"),
            }
            let outcome = probe.outcome();
            let expected = if last == "value" || first == "panicked" {
                first
            } else {
                last
            };
            assert_eq!(channel(&outcome), expected, "{first}, then {last}");
            if expected == "panicked" {
                let text = if first == "panicked" { "one" } else { "two" };
                assert_eq!(panic_message(outcome), text);
            } else {
                let kept = usize::from(first == "value" && last != "value");
                assert_eq!(trace.events().len(), kept, "a replaced value is dropped");
            }
        }
    }
}

#[test]
fn finally_first_is_destroyed_before_the_last_starts() {
    let trace = Trace::new();
    let (guard, noted) = (trace.slow_guard("first"), trace.clone());
    let last = just(()).then(move |()| noted.note("last"));
    let sender = just(1)
        .with_query(guard)
        .finally(last.with_query(trace.slow_guard("last")));
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(1)));
    trace.expect(&["drop first", "last", "drop last", "value"]);
}

#[test]
fn finally_last_runs_although_stop_was_requested() {
    let source = StopSource::new();
    source.request_stop();
    let (first, first_handle) = manual::<(), ()>();
    let (last, last_handle) = manual::<(), ()>();
    let probe = Probe::new();
    let sender = first.finally(last).with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver());
    assert!(first_handle.stop_requested());
    first_handle.stopped();
    assert!(last_handle.is_started() && !last_handle.stop_possible());
    last_handle.value(());
    probe.expect_stopped();
}

#[test]
fn finally_panicking_drop_of_a_replaced_value_is_delivered() {
    let trace = Trace::new();
    let first = ready::<_, &str>(trace.panicking_guard("stored"));
    let outcome = run(first.finally(just_error("two")));
    assert_eq!(panic_message(outcome), "stored");
    trace.expect(&["drop stored"]);
}
