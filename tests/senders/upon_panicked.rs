//! upon_panicked: makes a value of a panic.
//! Method: those laws of `mapping` in which a panic is no more than a channel, what becomes of each
//! channel, and a panic of the function, of a capture's drop, and of a closure before it.

use sendio::prelude::*;

use crate::common::manual::manual;
use crate::common::receivers::{Probe, Trace, connect_and_start, message_of};
use crate::mapping::{self, Child, Hook, table};

fn build(child: Child, hook: Hook) -> impl Sender<Value = u32, Error = u32> {
    child.upon_panicked(move |_| {
        hook();
        3
    })
}

#[test]
fn upon_panicked_each_channel_panic_becomes_value() {
    let outcomes =
        table(|s| s.upon_panicked(|payload| message_of(payload).chars().map(u32::from).sum()));
    assert_eq!(outcomes, ["value 1", "error 2", "stopped", "value 536"]);
}

#[test]
fn captures_are_dropped_before_completion_on_every_channel() {
    mapping::captures_go_first(build);
}

#[test]
fn unstarted_operation_dropped_completes_nothing() {
    mapping::unstarted_completes_nothing(build);
}

#[test]
fn environment_is_that_of_the_receiver() {
    let stop = StopSource::new();
    let (child, handle) = manual::<u32, u32>();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(stop.token());
    let _op = connect_and_start(child.upon_panicked(|_| 3), probe.receiver_in(env));
    stop.request_stop();
    assert!(handle.stop_requested());
    handle.stopped();
    probe.expect_stopped();
}

#[test]
fn upon_panicked_function_that_panics_replaces_the_payload() {
    let work = just(()).then(|()| panic!("first"));
    let outcome = crate::common::receivers::run(work.upon_panicked(|_| panic!("second")));
    assert_eq!(crate::common::outcomes::panic_message(outcome), "second");
}

#[test]
fn upon_panicked_capture_whose_drop_panics_travels() {
    for panics in [false, true] {
        let trace = Trace::new();
        let guard = trace.panicking_guard("capture");
        let work = just(()).then(|()| assert!(!panics, "work"));
        let work = work.upon_panicked(move |_| guard.touch());
        let outcome = crate::common::receivers::run_traced(work, &trace);
        assert_eq!(crate::common::outcomes::panic_message(outcome), "capture");
        trace.expect(&["drop capture", "panicked"]);
    }
}

#[test]
fn upon_panicked_work_goes_on_behind_it() {
    let work = just(0_u32).then(|n| 1 / n).upon_panicked(|_| 20);
    assert_eq!(sync_wait(work.then(|n| n + 1)), Ok(Some(21)));
}
