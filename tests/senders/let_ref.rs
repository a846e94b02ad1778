//! `let_ref`: LV-1 and LV-2 as a sender factory. Method: values that record their drop, named
//! functions that borrow, children completed here and on another thread.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sendio::prelude::*;

use crate::common::manual::{Manual, manual};
use crate::common::outcomes::panic_message;
use crate::common::receivers::{
    DropGuard, Probe, Trace, channel, connect_and_start, run, run_traced,
};

type Never = Infallible;

/// Ten rounds on a counter that the operation owns.
fn count(total: &AtomicU32) -> impl Sender<Value = u32, Error = Never> + Send {
    let round = just(()).then(|()| total.fetch_add(1, Ordering::Relaxed) == 9);
    round
        .repeat_until()
        .then(|()| total.load(Ordering::Relaxed))
}

#[test]
fn let_ref_sender_uses_the_value_in_place() {
    assert_eq!(sync_wait(let_ref(AtomicU32::new(0), count)), Ok(Some(10)));
}

#[test]
fn let_ref_value_may_borrow_from_the_caller() {
    fn measure<'v>(text: &&'v str) -> impl Sender<Value = (&'v str, usize), Error = Never> {
        just((*text, text.len()))
    }
    let text = String::from("borrowed");
    let outcome = sync_wait(let_ref(text.as_str(), measure));
    assert_eq!(outcome, Ok(Some((text.as_str(), 8))));
}

#[test]
fn let_ref_closure_works_when_its_sender_does_not_borrow() {
    let sender = let_ref(String::from("four"), |text: &String| just(text.len()));
    assert_eq!(sync_wait(sender), Ok(Some(4)));
}

#[test]
fn let_ref_value_with_interior_mutability_is_used_by_local_work() {
    fn local(cell: &Cell<u32>) -> impl LocalSender<Value = u32, Error = Never> {
        let round = just(()).then(|()| cell.set(cell.get() + 1));
        round.repeat_n(5).then(|()| cell.get())
    }
    assert_eq!(sync_wait_local(let_ref(Cell::new(1), local)), Ok(Some(6)));
}

/// A child that waits for a handle, and notes its own end.
type Held = (DropGuard, Cell<Option<Manual<u8, u8>>>, Trace);

fn held(value: &Held) -> impl Sender<Value = u8, Error = u8> {
    value.0.touch();
    let child = value.1.take().expect("the function is called once");
    child.with_query(value.2.slow_guard("child"))
}

#[test]
fn let_ref_drops_child_then_value_before_each_completion() {
    for expected in ["value", "error", "stopped", "panicked"] {
        let trace = Trace::new();
        let probe = Probe::traced(&trace);
        let (child, handle) = manual::<u8, u8>();
        let value = (
            trace.slow_guard("value"),
            Cell::new(Some(child)),
            trace.clone(),
        );
        let _op = connect_and_start(let_ref(value, held), probe.receiver());
        thread::scope(|scope| {
            scope.spawn(|| match expected {
                "value" => handle.value(1),
                "error" => handle.error(2),
                "stopped" => handle.stopped(),
                _ => handle.panicked("child"),
            });
        });
        assert_eq!(channel(&probe.outcome()), expected);
        trace.expect(&["drop child", "drop value", expected]);
    }
}

#[test]
fn let_ref_function_panics_and_the_value_is_dropped() {
    let trace = Trace::new();
    let value = (trace.slow_guard("value"), Cell::new(None), trace.clone());
    let outcome = run_traced(let_ref(value, held), &trace);
    assert_eq!(panic_message(outcome), "the function is called once");
    trace.expect(&["drop value", "panicked"]);
}

#[test]
fn let_ref_panicking_drop_of_the_value_replaces_the_outcome() {
    let trace = Trace::new();
    let outcome = run_traced(
        let_ref(trace.panicking_guard("value"), |_: &DropGuard| just(1)),
        &trace,
    );
    assert_eq!(panic_message(outcome), "value");
    trace.expect(&["drop value", "panicked"]);
}

#[test]
fn let_ref_unstarted_operation_drops_value_and_function_once() {
    let trace = Trace::new();
    let (f, probe) = (trace.guard("f"), Probe::<u8, Never>::traced(&trace));
    let sender = let_ref(trace.guard("value"), move |_: &DropGuard| {
        f.touch();
        just(1)
    });
    drop(sender.connect(probe.receiver()));
    let mut events = trace.events();
    events.sort();
    assert_eq!(events, ["drop f", "drop value"]);
    probe.expect_nothing();
}

#[test]
fn let_ref_nests() {
    fn outer(text: &(String, u8)) -> impl Sender<Value = usize, Error = Never> {
        fn inner(parts: &(usize, u8)) -> impl Sender<Value = usize, Error = Never> {
            just(()).then(|()| parts.0 + usize::from(parts.1))
        }
        let_ref((text.0.len(), text.1), inner)
    }
    assert!(matches!(
        run(let_ref((String::from("four"), 2), outer)),
        Outcome::Value(6)
    ));
}
