//! `with_env`, `with_stop_token`, `with_query`, `unstoppable`: UN-2, P-10. Method: children that
//! look into their environment, and values that record their drop.

use std::thread;

use sendio::prelude::*;
use sendio::{Env, StopToken};

use crate::common::manual::manual;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run, run_traced};

/// A sender that notes in its value whether the environment pleases `f`.
fn asks<T: Send>(f: impl FnOnce(Env<'_>) -> T) -> impl Sender<Value = T, Error = ()> {
    let found = std::rc::Rc::new(std::cell::Cell::new(None));
    let seen = found.clone();
    let asking = ready(()).with_env(move |env| {
        seen.set(Some(f(env)));
        env
    });
    asking.then(move |()| found.take().expect("the environment was asked"))
}

fn value<S: Sender>(sender: S) -> S::Value {
    match run(sender) {
        Outcome::Value(value) => value,
        other => panic!("expected a value, was {}", channel(&other)),
    }
}

#[test]
fn unstoppable_child_sees_no_token_whatever_the_receiver_has() {
    let source = StopSource::new();
    source.request_stop();
    let (child, handle) = manual::<u8, ()>();
    let probe = Probe::new();
    let sender = child.unstoppable().with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver());
    assert!(!handle.stop_possible() && !handle.stop_requested());
    handle.value(1);
    assert_eq!(probe.expect_value(), 1);
}

#[test]
fn with_stop_token_replaces_the_receivers() {
    let (inner, outer) = (StopSource::new(), StopSource::new());
    outer.request_stop();
    let asking = asks(|env| {
        (
            env.stop_token().stop_possible(),
            env.stop_token().stop_requested(),
        )
    });
    let sender = asking
        .with_stop_token(inner.token())
        .with_stop_token(outer.token());
    assert_eq!(value(sender), (true, false));
}

#[test]
fn with_query_nearest_value_of_a_type_is_found() {
    let both = asks(|env| (env.query::<u8>().copied(), env.query::<u16>().copied()));
    let sender = both.with_query(1_u8).with_query(2_u16).with_query(3_u8);
    assert_eq!(value(sender), (Some(1), Some(2)));
    assert_eq!(value(asks(|env| env.query::<u8>().copied())), None);
}

#[test]
fn with_query_is_found_through_every_adaptor() {
    let asking = asks(|env| env.query::<u8>().copied());
    let chain = ready::<(), ()>(())
        .sequence(asking)
        .let_value(ready::<Option<u8>, ()>);
    let chain = starts_on(Inline, chain)
        .continues_on(Inline)
        .finally(ready(()));
    let chain = chain
        .unstoppable()
        .let_error(|()| ready::<Option<u8>, ()>(None));
    assert_eq!(value(chain.with_query(7_u8)), Some(7));
}

#[test]
fn with_query_value_is_dropped_before_each_completion() {
    for expected in ["value", "error", "stopped", "panicked"] {
        let trace = Trace::new();
        let probe = Probe::traced(&trace);
        let (child, handle) = manual::<u8, u8>();
        let sender = child.with_query(trace.slow_guard("query"));
        let _op = connect_and_start(sender, probe.receiver());
        thread::scope(|scope| {
            scope.spawn(|| match expected {
                "value" => handle.value(1),
                "error" => handle.error(2),
                "stopped" => handle.stopped(),
                _ => handle.panicked("child"),
            });
        });
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop query", expected]);
    }
}

#[test]
fn with_query_panicking_drop_replaces_the_outcome() {
    let trace = Trace::new();
    let outcome = run_traced(just(1).with_query(trace.panicking_guard("query")), &trace);
    assert_eq!(panic_message(outcome), "query");
    trace.expect(&["drop query", "panicked"]);
}

#[test]
fn with_env_function_panics_and_the_child_never_starts() {
    let trace = Trace::new();
    let (noted, guard) = (trace.clone(), trace.slow_guard("child"));
    let child = just(()).then(move |()| {
        guard.touch();
        noted.note("child");
    });
    let sender = child.with_env(|env| {
        assert!(env.stop_token().stop_possible(), "no token");
        env
    });
    assert_eq!(panic_message(run_traced(sender, &trace)), "no token");
    trace.expect(&["drop child", "panicked"]);
}

#[test]
fn with_env_function_runs_once_and_its_captures_go_before_completion() {
    let trace = Trace::new();
    let guard = trace.slow_guard("f");
    let sender = just(1).with_env(move |env| {
        guard.touch();
        env.with_stop_token(StopToken::NEVER)
    });
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(1)));
    trace.expect(&["drop f", "value"]);
}
