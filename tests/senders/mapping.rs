//! What every adaptor that changes what passes has to keep, whatever it changes.
//! Method: a child that completes by hand goes through each of its four channels; captures note in a
//! trace when they are dropped. The files of the adaptors name the laws with `closure_laws!`.

use std::fmt::Debug;

use sendio::{Env, Outcome, Sender, StopSource};

use crate::common::manual::{Manual, ManualHandle, manual};
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, message_of};

/// The child of the adaptors under test.
pub(crate) type Child = Manual<u32, u32>;

/// What the closure of an adaptor under test calls; it owns the captures.
pub(crate) type Hook = Box<dyn FnOnce()>;

const CHANNELS: [&str; 4] = ["value", "error", "stopped", "panicked"];

fn complete(handle: &ManualHandle<u32, u32>, channel: &str) {
    match channel {
        "value" => handle.value(1),
        "error" => handle.error(2),
        "stopped" => handle.stopped(),
        _ => handle.panicked("three"),
    }
}

/// What the adaptor makes of value 1, error 2, stopped, and panic "three".
pub(crate) fn table<S>(build: impl Fn(Child) -> S) -> [String; 4]
where
    S: Sender<Value: Debug, Error: Debug>,
{
    CHANNELS.map(|input| {
        let (child, handle) = manual();
        let probe = Probe::new();
        let _op = connect_and_start(build(child), probe.receiver());
        probe.expect_nothing();
        complete(&handle, input);
        match probe.outcome() {
            Outcome::Value(value) => format!("value {value:?}"),
            Outcome::Error(error) => format!("error {error:?}"),
            Outcome::Stopped => "stopped".to_owned(),
            Outcome::Panicked(payload) => format!("panicked {}", message_of(payload)),
        }
    })
}

/// The child sees the receiver's stop token while it runs, and never after (P-10, P-12).
pub(crate) fn environment_reaches_child<S: Sender>(build: impl FnOnce(Child) -> S) {
    let source = StopSource::new();
    let (child, handle) = manual();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let op = connect_and_start(build(child), probe.receiver_in(env));
    assert!(handle.stop_possible() && !handle.stop_requested());
    source.request_stop();
    assert!(handle.stop_requested());
    handle.panicked("over");
    assert_eq!(probe.expect_panicked(), "over");
    drop(op);
}

/// Captures are gone before the receiver is completed, on every channel.
pub(crate) fn captures_go_first<S: Sender>(build: fn(Child, Hook) -> S) {
    for input in CHANNELS {
        let trace = Trace::new();
        let (child, handle) = manual();
        let probe = Probe::traced(&trace);
        let guard = trace.slow_guard("capture");
        let sender = build(child, Box::new(move || guard.touch()));
        let _op = connect_and_start(sender, probe.receiver());
        trace.expect(&[]);
        complete(&handle, input);
        let output = channel(&probe.outcome());
        trace.expect(&["drop capture", output]);
    }
}

/// An operation that is dropped unstarted completes nothing and drops its captures (P-2, P-9).
pub(crate) fn unstarted_completes_nothing<S: Sender>(build: fn(Child, Hook) -> S) {
    let trace = Trace::new();
    let (child, handle) = manual();
    let probe = Probe::traced(&trace);
    let guard = trace.guard("capture");
    let sender = build(child, Box::new(move || guard.touch()));
    let op = sender.connect(probe.receiver());
    assert!(!handle.is_started());
    trace.expect(&[]);
    drop(op);
    probe.expect_nothing();
    trace.expect(&["drop capture"]);
}

/// A panic of the closure travels, on the channel on which it is called.
pub(crate) fn closure_panic_travels<S: Sender>(build: fn(Child, Hook) -> S, called_on: &str) {
    for input in CHANNELS {
        let trace = Trace::new();
        let (child, handle) = manual();
        let probe = Probe::traced(&trace);
        let guard = trace.guard("capture");
        let hook = move || {
            guard.touch();
            panic!("the closure fell");
        };
        let _op = connect_and_start(build(child, Box::new(hook)), probe.receiver());
        complete(&handle, input);
        let outcome = probe.outcome();
        trace.expect(&["drop capture", channel(&outcome)]);
        match outcome {
            Outcome::Panicked(payload) if input == "panicked" => {
                assert_eq!(message_of(payload), "three");
            }
            Outcome::Panicked(payload) => {
                assert_eq!(
                    (message_of(payload).as_str(), input),
                    ("the closure fell", called_on)
                );
            }
            _ => assert_ne!(input, called_on),
        }
    }
}

/// A capture whose drop panics makes a panic of every completion; the child's own comes first.
pub(crate) fn capture_drop_panic_travels<S: Sender>(build: fn(Child, Hook) -> S) {
    for input in CHANNELS {
        let trace = Trace::new();
        let (child, handle) = manual();
        let probe = Probe::traced(&trace);
        let guard = trace.panicking_guard("the capture fell");
        let sender = build(child, Box::new(move || guard.touch()));
        let _op = connect_and_start(sender, probe.receiver());
        complete(&handle, input);
        let first = if input == "panicked" {
            "three"
        } else {
            "the capture fell"
        };
        assert_eq!(probe.expect_panicked(), first);
        trace.expect(&["drop the capture fell", "panicked"]);
    }
}

/// The tests that every adaptor with a closure has: its name, the channel on which it calls the
/// closure, and how it is made of a child and a hook that the closure calls.
macro_rules! closure_laws {
    ($called_on:literal, |$child:ident, $hook:ident| $sender:expr) => {
        fn build(
            $child: $crate::mapping::Child,
            $hook: $crate::mapping::Hook,
        ) -> impl sendio::Sender {
            $sender
        }

        #[test]
        fn environment_is_that_of_the_receiver() {
            $crate::mapping::environment_reaches_child(|child| build(child, Box::new(|| ())));
        }

        #[test]
        fn captures_are_dropped_before_completion_on_every_channel() {
            $crate::mapping::captures_go_first(build);
        }

        #[test]
        fn unstarted_operation_dropped_completes_nothing() {
            $crate::mapping::unstarted_completes_nothing(build);
        }

        #[test]
        fn closure_panic_travels() {
            $crate::mapping::closure_panic_travels(build, $called_on);
        }

        #[test]
        fn capture_drop_panic_travels() {
            $crate::mapping::capture_drop_panic_travels(build);
        }
    };
}

pub(crate) use closure_laws;
