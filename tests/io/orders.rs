//! The six orders of a stop request and of what an operation waits for, written once.

use std::io;

use sendio::prelude::*;
use sendio::{DefaultBackend, Env, Outcome, StopSource};

use super::common::receivers::{Probe, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::support::context;

/// When stop is requested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    BeforeStart,
    DuringSubmit,
    InFlight,
    AfterCqe,
    AfterCompletion,
    Twice,
}

/// An operation that waits until [`ready`](StopCase::ready).
pub(crate) trait StopCase {
    type Value;
    fn new() -> Self;
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error>;
    /// Lets the operation complete.
    fn ready(&self);
    fn check_value(&self, value: Self::Value);
    /// It was stopped: nothing must be lost.
    fn check_stopped(&self);
}

/// Runs the case in this order, with both handles of a context.
#[track_caller]
pub(crate) fn run_in_order<C: StopCase>(order: Order) {
    let ctx = context();
    let case = C::new();
    run_one(&ctx, &case, order, case.sender(ctx.scheduler()));
    let case = C::new();
    run_one(&ctx, &case, order, case.sender(ctx.local()));
}

#[track_caller]
fn run_one<C, S>(ctx: &IoContext<DefaultBackend>, case: &C, order: Order, sender: S)
where
    C: StopCase,
    S: Sender<Value = C::Value, Error = io::Error>,
{
    let source = StopSource::new();
    let probe = Probe::new();
    let before = ctx.metrics();
    if order == Order::BeforeStart {
        source.request_stop();
    }
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver_in(env));
    let submitted = || ctx.metrics().submitted > before.submitted;
    if !matches!(order, Order::BeforeStart | Order::DuringSubmit) {
        wait_until(soon(), "it is at the kernel", || {
            ctx.run_some().expect("not running");
            submitted()
        });
        probe.expect_nothing();
    }
    match order {
        Order::BeforeStart => assert_eq!(ctx.metrics().submitted, before.submitted),
        Order::DuringSubmit | Order::InFlight => assert!(source.request_stop()),
        Order::AfterCqe => {
            case.ready();
            assert!(source.request_stop());
        }
        Order::AfterCompletion => {
            case.ready();
            ctx.run_until_empty();
            assert!(source.request_stop());
        }
        Order::Twice => {
            assert!(source.request_stop());
            ctx.run_some().expect("not running");
            assert!(!source.request_stop());
        }
    }
    ctx.run_until_empty();
    assert_eq!(ctx.metrics().in_flight, 0);
    match probe.outcome() {
        Outcome::Value(value) => {
            let expected = matches!(order, Order::AfterCqe | Order::AfterCompletion);
            assert!(expected, "{order:?} was to be stopped");
            case.check_value(value);
        }
        Outcome::Stopped => {
            let expected = !matches!(order, Order::AfterCqe | Order::AfterCompletion);
            assert!(expected, "{order:?} has lost a value");
            case.check_stopped();
        }
        Outcome::Error(error) => panic!("{order:?}: {error}"),
        Outcome::Panicked(_) => panic!("{order:?} panicked"),
    }
}

/// The six tests of a case.
macro_rules! stop_orders {
    ($($case:ty {
        fn $before:ident; fn $during:ident; fn $flight:ident;
        fn $cqe:ident; fn $after:ident; fn $twice:ident;
    })+) => {$(
        #[test]
        fn $before() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::BeforeStart);
        }
        #[test]
        fn $during() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::DuringSubmit);
        }
        #[test]
        fn $flight() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::InFlight);
        }
        #[test]
        fn $cqe() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::AfterCqe);
        }
        #[test]
        fn $after() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::AfterCompletion);
        }
        #[test]
        fn $twice() {
            $crate::orders::run_in_order::<$case>($crate::orders::Order::Twice);
        }
    )+};
}
pub(crate) use stop_orders;
