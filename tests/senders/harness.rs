//! The recording receivers and the manual sender: what they record, and that they notice misuse.
//! Method: one case that must pass and one that must be reported for each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use sendio::{Env, Outcome, Sender, StopSource, just, ready};

use crate::common::manual::{manual, manual_stopping};
use crate::common::race::race_pair;
use crate::common::receivers::{Probe, Trace, connect_and_start, message_of, run};

fn message_of_failure(body: impl FnOnce()) -> String {
    message_of(catch_unwind(AssertUnwindSafe(body)).expect_err("the misuse is reported"))
}

#[test]
fn probe_completion_is_recorded_with_thread_and_trace() {
    let trace = Trace::new();
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(just(7), probe.receiver());
    assert_eq!(probe.thread(), thread::current().id());
    assert_eq!(probe.expect_value(), 7);
    trace.expect(&["value"]);
}

#[test]
fn probe_unstarted_operation_dropped_completes_nothing() {
    let probe = Probe::new();
    drop(just(7).connect(probe.receiver()));
    probe.expect_nothing();
}

#[test]
fn probe_wrong_channel_is_reported() {
    let probe = Probe::<u8, String>::new();
    let _op = connect_and_start(ready(7), probe.receiver());
    let message = message_of_failure(|| drop(probe.expect_error()));
    assert_eq!(message, "expected an error, was value");
}

#[test]
fn probe_receiver_dropped_uncompleted_is_reported() {
    let probe = Probe::<u8, ()>::new();
    drop(probe.receiver());
    let message = message_of_failure(|| drop(probe.outcome()));
    assert_eq!(message, "the receiver was dropped without a completion");
}

#[test]
fn manual_each_channel_arrives_from_another_thread() {
    for channel in ["value", "error", "stopped", "panicked"] {
        let trace = Trace::new();
        let probe = Probe::traced(&trace);
        let (sender, handle) = manual::<u8, u8>();
        let _op = connect_and_start(sender, probe.receiver());
        probe.expect_nothing();
        assert!(handle.is_started() && handle.is_running() && !handle.stop_possible());
        let other = thread::scope(|scope| {
            let complete = scope.spawn(|| {
                match channel {
                    "value" => handle.value(1),
                    "error" => handle.error(2),
                    "stopped" => handle.stopped(),
                    _ => handle.panicked("three"),
                }
                thread::current().id()
            });
            complete.join().expect("the completing thread ends well")
        });
        assert_eq!(probe.thread(), other);
        trace.expect(&[channel]);
        assert!(!handle.is_running());
    }
}

#[test]
fn manual_completed_before_start_or_twice_is_reported() {
    let (sender, handle) = manual::<u8, ()>();
    assert_eq!(
        message_of_failure(|| handle.value(1)),
        "the sender is not running"
    );
    let probe = Probe::new();
    let _op = connect_and_start(sender, probe.receiver());
    handle.value(1);
    assert_eq!(
        message_of_failure(|| handle.stopped()),
        "the sender is not running"
    );
    assert_eq!(probe.expect_value(), 1);
}

#[test]
fn manual_running_operation_dropped_is_reported() {
    let (sender, handle) = manual::<u8, ()>();
    let probe = Probe::new();
    let op = connect_and_start(sender, probe.receiver());
    assert_eq!(
        message_of_failure(|| drop(op)),
        "the operation is still running at the end of its test"
    );
    // The operation was leaked, so it can still be completed.
    handle.value(1);
    assert_eq!(probe.expect_value(), 1);
}

#[test]
fn manual_stopping_stop_before_and_after_start_completes_stopped() {
    for before in [true, false] {
        let source = StopSource::new();
        let probe = Probe::<u8, ()>::new();
        let (sender, handle) = manual_stopping();
        if before {
            source.request_stop();
        }
        let env = Env::default().with_stop_token(source.token());
        let _op = connect_and_start(sender, probe.receiver_in(env));
        source.request_stop();
        probe.expect_stopped();
        assert!(handle.stop_requested() && handle.stop_possible());
    }
}

#[test]
fn manual_stopping_stop_during_value_completes_once() {
    for _ in 0..200 {
        let source = StopSource::new();
        let probe = Probe::<u8, ()>::new();
        let (sender, handle) = manual_stopping();
        let env = Env::default().with_stop_token(source.token());
        let _op = connect_and_start(sender, probe.receiver_in(env));
        let (_, won) = race_pair(
            || source.request_stop(),
            || handle.try_complete(Outcome::Value(1)),
        );
        assert_eq!(matches!(probe.outcome(), Outcome::Value(1)), won);
    }
}

#[test]
fn started_by_hand_operation_completes_in_place() {
    let probe = Probe::new();
    let (sender, handle) = manual::<u8, ()>();
    handle_is_idle(&handle);
    let _op = connect_and_start(sender, probe.receiver());
    handle.wait_until_started();
    assert_eq!(handle.started_on(), thread::current().id());
    handle.error(());
    probe.expect_error();
    assert!(matches!(run(just(3)), Outcome::Value(3)));
}

fn handle_is_idle<V, E>(handle: &crate::common::manual::ManualHandle<V, E>) {
    assert!(!handle.is_started() && !handle.is_running());
}
