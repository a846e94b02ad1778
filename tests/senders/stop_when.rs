//! stop_when: SW-2 and SW-3, two tokens for one sender.
//! Method: children that record what they see of stop requests, on each of the two tokens, on both and
//! on neither; children that complete inside of the request, which lead to the end of everything.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sendio::prelude::*;

use crate::common::manual::{manual, manual_stopping};
use crate::common::not_connectable::NotConnectable;
use crate::common::outcomes::panic_message;
use crate::common::race::race_pair;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run_traced};
use crate::mapping::{environment_reaches_child, table};

type Never = Infallible;

#[test]
fn stop_when_each_channel_passes() {
    let stop = StopSource::new();
    let outcomes = table(|s| s.stop_when(stop.token()));
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn stop_when_never_token_leaves_the_receivers() {
    environment_reaches_child(|child| child.stop_when(StopToken::NEVER));
}

#[test]
fn stop_when_same_token_twice_is_one() {
    let stop = StopSource::new();
    let inner = read_env(|env| env.stop_token() == stop.token());
    let same = inner.stop_when(stop.token()).with_stop_token(stop.token());
    assert_eq!(sync_wait(same), Ok(Some(true)));
}

#[test]
fn stop_when_request_on_either_token_reaches_the_child() {
    for asks_outer in [false, true] {
        for has_outer in [false, true] {
            let (outer, own) = (StopSource::new(), StopSource::new());
            let (child, handle) = manual::<(), Never>();
            let probe = Probe::new();
            let env = match has_outer {
                true => Env::default().with_stop_token(outer.token()),
                false => Env::default(),
            };
            let _op = connect_and_start(child.stop_when(own.token()), probe.receiver_in(env));
            assert!(handle.stop_possible() && !handle.stop_requested());
            let asked = if asks_outer { &outer } else { &own };
            asked.request_stop();
            assert_eq!(handle.stop_requested(), has_outer || !asks_outer);
            handle.value(());
            probe.expect_value();
        }
    }
}

#[test]
fn stop_when_stop_before_start() {
    for asks_outer in [false, true] {
        let (outer, own) = (StopSource::new(), StopSource::new());
        let asked = if asks_outer { &outer } else { &own };
        asked.request_stop();
        let seen = read_env(|env| env.stop_token().stop_requested());
        let seen = seen.stop_when(own.token()).with_stop_token(outer.token());
        assert_eq!(sync_wait(seen), Ok(Some(true)));
    }
}

#[test]
fn stop_when_callback_runs_once_for_requests_on_both() {
    let calls = AtomicU32::new(0);
    let (outer, own) = (StopSource::new(), StopSource::new());
    let work = read_env(|env| {
        let count = || _ = calls.fetch_add(1, Ordering::Relaxed);
        env.stop_token().with_callback(count, || {
            own.request_stop();
            outer.request_stop();
        });
    });
    let work = work.stop_when(own.token()).with_stop_token(outer.token());
    assert_eq!(sync_wait(work), Ok(Some(())));
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn stop_when_child_that_completes_inside_of_the_request_ends_everything() {
    for asks_outer in [false, true] {
        let (outer, own) = (StopSource::new(), StopSource::new());
        let trace = Trace::new();
        let (child, _handle) = manual_stopping::<(), Never>();
        let probe = Probe::traced(&trace);
        let child = child.with_query(trace.slow_guard("child"));
        let env = Env::default().with_stop_token(outer.token());
        let _op = connect_and_start(child.stop_when(own.token()), probe.receiver_in(env));
        let asked = if asks_outer { &outer } else { &own };
        assert!(asked.request_stop());
        probe.expect_stopped();
        trace.expect(&["drop child", "stopped"]);
    }
}

#[test]
fn stop_when_both_tokens_and_a_completion_race() {
    for _ in 0..200 {
        let (outer, own) = (StopSource::new(), StopSource::new());
        let (child, handle) = manual_stopping::<(), Never>();
        let probe = Probe::new();
        let env = Env::default().with_stop_token(outer.token());
        let _op = connect_and_start(child.stop_when(own.token()), probe.receiver_in(env));
        thread::scope(|threads| {
            threads.spawn(|| handle.try_complete(Outcome::Value(())));
            race_pair(|| outer.request_stop(), || own.request_stop());
        });
        assert!(["value", "stopped"].contains(&channel(&probe.outcome())));
    }
}

#[test]
fn stop_when_connect_that_panics_travels() {
    let trace = Trace::new();
    let (outer, own) = (StopSource::new(), StopSource::new());
    let work = NotConnectable::new();
    let work = work.stop_when(own.token()).with_stop_token(outer.token());
    assert_eq!(panic_message(run_traced(work, &trace)), "not connectable");
    trace.expect(&["panicked"]);
}

#[test]
fn stop_when_unstarted_operation_drops_its_sender() {
    let trace = Trace::new();
    let guard = trace.guard("capture");
    let probe = Probe::<(), Never>::traced(&trace);
    let own = StopSource::new();
    let sender = just(())
        .then(move |()| guard.touch())
        .stop_when(own.token());
    drop(sender.connect(probe.receiver()));
    probe.expect_nothing();
    trace.expect(&["drop capture"]);
}
