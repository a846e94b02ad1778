//! Either: one of two senders.
//! Method: both arms through each channel, the environment, drops; what the type promises.

use std::rc::Rc;

use sendio::factory::{Just, KnownValue};
use sendio::{Either, LocalSender, Outcome, Sender, SenderExt, just, sync_wait_local};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::common::manual::{Manual, manual};
use crate::common::receivers::{Probe, Trace, channel, connect_and_start, run_traced};
use crate::mapping::{Child, environment_reaches_child, table};

fn left(child: Child) -> Either<Child, Manual<u32, u32>> {
    Either::Left(child)
}

fn right(child: Child) -> Either<Just<KnownValue<u32, u32>>, Child> {
    Either::Right(child)
}

#[test]
fn either_each_channel_of_both_arms_passes() {
    let expected = ["value 1", "error 2", "stopped", "panicked three"];
    assert_eq!(table(left), expected);
    assert_eq!(table(right), expected);
}

#[test]
fn either_environment_is_that_of_the_receiver() {
    environment_reaches_child(left);
    environment_reaches_child(right);
}

#[test]
fn either_unstarted_operation_completes_nothing() {
    let (child, handle) = manual();
    let probe = Probe::new();
    drop(left(child).connect(probe.receiver()));
    probe.expect_nothing();
    assert!(!handle.is_started());
}

#[test]
fn either_captures_are_dropped_before_completion() {
    for arm in [true, false] {
        let trace = Trace::new();
        let guard = trace.slow_guard("capture");
        let sender = if arm {
            Either::Left(just(1).then(move |n| {
                guard.touch();
                n
            }))
        } else {
            Either::Right(just(()).then(move |()| {
                guard.touch();
                2
            }))
        };
        let outcome = run_traced(sender, &trace);
        trace.expect(&["drop capture", channel(&outcome)]);
        assert!(matches!(outcome, Outcome::Value(n) if (n == 1) == arm));
    }
}

#[test]
fn either_nested_three_arms() {
    let (child, handle) = manual();
    let sender: Either<Either<Child, Child>, Child> = Either::Left(Either::Right(child));
    let probe = Probe::new();
    let _op = connect_and_start(sender, probe.receiver());
    handle.error(4);
    assert_eq!(probe.expect_error(), 4);
}

#[test]
fn either_local_arms_may_hold_thread_bound_data() {
    let text = Rc::new(5);
    let sender = if Rc::strong_count(&text) == 1 {
        Either::Left(just(text))
    } else {
        Either::Right(just(()).then(move |()| text))
    };
    assert_eq!(sync_wait_local(sender), Ok(Some(Rc::new(5))));
}

type Bound = Just<KnownValue<Rc<u8>, ()>>;
assert_impl_all!(Either<Bound, Bound>: LocalSender);
assert_not_impl_any!(Either<Bound, Bound>: Send);
