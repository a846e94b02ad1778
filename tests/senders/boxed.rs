//! boxed, boxed_local: senders without their type.
//! Method: every channel, the whole environment, the order of drops, the count of allocations; the
//! same inside a group; completions from other threads.
//!
//! # Safety
//! INV-SND-1: the one sender of this file completes its receiver once, inside `start`, as the last
//! thing it does.

#![expect(
    unsafe_code,
    reason = "a leaf sender that leaves something in its operation"
)]

use std::convert::Infallible;
use std::rc::Rc;
use std::thread;

use sendio::{
    AnyLocalSender, AnySender, Env, Executor, LocalSender, OperationState, Outcome, Receiver,
    SchedulerRef, SendSender, Sender, SenderExt, StopSource, Task, just, read_env, sync_wait,
    sync_wait_local, when_all,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::common::alloc_count::allocations_during;
use crate::common::manual::{manual, manual_stopping};
use crate::common::not_connectable::NotConnectable;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{DropGuard, Probe, Trace, channel, connect_and_start, run};
use crate::mapping::{environment_reaches_child, table};

crate::mapping::closure_laws!("value", |child, hook| child
    .then(move |n| {
        hook();
        n
    })
    .boxed_local());

const ALL: [&str; 4] = ["value 1", "error 2", "stopped", "panicked three"];

#[test]
fn boxed_each_channel_passes() {
    assert_eq!(table(|s| s.boxed()), ALL);
    assert_eq!(table(|s| s.boxed_local()), ALL);
    assert_eq!(table(|s| s.boxed().boxed()), ALL);
}

#[test]
fn boxed_environment_is_that_of_the_receiver() {
    environment_reaches_child(|child| child.boxed());
    environment_reaches_child(|child| child.boxed_local().boxed_local());
}

struct Here;

impl Executor for Here {
    fn execute(&self, task: Task) {
        task.run();
    }
}

#[test]
fn boxed_token_scheduler_and_queries_reach_the_sender() {
    let source = StopSource::new();
    let env = Env::default()
        .with_stop_token(source.token())
        .with_scheduler(SchedulerRef::new(&Here));
    let read = read_env(|env| {
        let query = env.query::<u32>().copied();
        (
            env.stop_token().stop_possible(),
            env.scheduler().is_some(),
            query,
        )
    });
    let probe = Probe::new();
    let sender = read.boxed().boxed().with_query(7_u32);
    let _op = connect_and_start(sender, probe.receiver_in(env));
    assert_eq!(probe.expect_value(), (true, true, Some(7)));
}

#[test]
fn boxed_stop_requested_elsewhere_stops_the_sender() {
    let source = StopSource::new();
    let (child, _handle) = manual_stopping::<u8, ()>();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(child.boxed(), probe.receiver_in(env));
    probe.expect_nothing();
    thread::scope(|scope| {
        scope.spawn(|| source.request_stop());
    });
    probe.expect_stopped();
}

#[test]
fn boxed_completion_from_another_thread_arrives_there() {
    let (child, handle) = manual::<String, ()>();
    let probe = Probe::new();
    let _op = connect_and_start(child.boxed(), probe.receiver());
    let other = thread::scope(|scope| {
        let complete = scope.spawn(|| {
            handle.value(String::from("far"));
            thread::current().id()
        });
        complete.join().expect("the completing thread ends well")
    });
    assert_eq!(probe.thread(), other);
    assert_eq!(probe.expect_value(), "far");
}

/// Completes at once and leaves a guard in its operation.
struct Leaving(DropGuard);

struct LeavingOp<R>(
    Option<R>,
    #[expect(dead_code, reason = "only dropped")] DropGuard,
);

// SAFETY: it completes once, inside `start`; the guard that stays behind is the point of the test
//         and touches nothing but a shared trace.
unsafe impl Sender for Leaving {
    type Value = ();
    type Error = Infallible;
    type Operation<R: Receiver<(), Infallible>> = LeavingOp<R>;

    fn connect<R: Receiver<(), Infallible>>(self, receiver: R) -> LeavingOp<R> {
        LeavingOp(Some(receiver), self.0)
    }
}

// SAFETY: it completes inside `start`.
unsafe impl LocalSender for Leaving {}

impl<R: Receiver<(), Infallible>> OperationState for LeavingOp<R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: alive (contract); the reference ends with this line.
        let receiver = unsafe { std::mem::take(&mut (*this).0) };
        receiver.expect("started once").set_value(());
    }
}

#[test]
fn boxed_operation_is_destroyed_before_completion() {
    for panicking in [false, true] {
        let trace = Trace::new();
        let guard = if panicking {
            trace.panicking_guard("operation")
        } else {
            trace.slow_guard("operation")
        };
        let probe = Probe::traced(&trace);
        let _op = connect_and_start(Leaving(guard).boxed_local(), probe.receiver());
        let outcome = probe.outcome();
        trace.expect(&["drop operation", channel(&outcome)]);
        assert_eq!(channel(&outcome) == "panicked", panicking);
    }
}

#[test]
fn boxed_sender_dropped_unconnected_drops_what_it_holds() {
    let trace = Trace::new();
    let guard = trace.guard("capture");
    let sender = just(()).then(move |()| guard.touch()).boxed_local();
    trace.expect(&[]);
    drop(sender);
    trace.expect(&["drop capture"]);
}

#[test]
fn boxed_borrowed_data_lives_until_completion() {
    let trace = Trace::new();
    let mut buffer = [1_u8, 2, 3];
    let lent = &mut buffer;
    let sender: AnyLocalSender<'_, u32, Infallible> = just(())
        .then(|()| lent.iter().map(|&byte| u32::from(byte)).sum())
        .boxed_local();
    let probe = Probe::traced(&trace);
    let op = connect_and_start(sender, probe.receiver());
    assert_eq!(probe.expect_value(), 6);
    drop(op);
    buffer[0] = 9;
    assert_eq!(buffer, [9, 2, 3]);
}

#[test]
fn boxed_run_allocates_once() {
    let allocations = allocations_during(|| {
        let sender = just(20).then(|n| n + 1).boxed();
        assert_eq!(sync_wait(sender.then(|n| n * 2)), Ok(Some(42)));
    });
    assert_eq!(allocations, 1);
    let allocations = allocations_during(|| {
        let sender = just(20).then(|n| n + 1).boxed_local();
        assert_eq!(sync_wait_local(sender), Ok(Some(21)));
    });
    assert_eq!(allocations, 1);
}

#[test]
fn boxed_recursion_completes() {
    fn sum_to(n: u64) -> AnySender<'static, u64, Infallible> {
        match n {
            0 => just(0).boxed(),
            n => just(n - 1)
                .let_value(sum_to)
                .then(move |sum| sum + n)
                .boxed(),
        }
    }
    assert_eq!(sync_wait(sum_to(100)), Ok(Some(5050)));
}

#[test]
fn boxed_children_of_a_group_run_and_may_be_replaced() {
    let (child, handle) = manual::<u8, ()>();
    let mut first: AnySender<'_, u8, ()> = just(1).cast_err().boxed();
    assert!(matches!(run(first), Outcome::Value(1)));
    first = child.boxed();
    let probe = Probe::new();
    let both = when_all((first, just(2).cast_err().boxed())).boxed();
    let _op = connect_and_start(both, probe.receiver());
    probe.expect_nothing();
    handle.value(9);
    assert_eq!(probe.expect_value(), (9, 2));
}

#[test]
fn boxed_connect_panics_travels() {
    let outcome = run(NotConnectable::new().boxed_local());
    assert_eq!(panic_message(outcome), "not connectable");
}

#[test]
fn boxed_value_with_thread_bound_data_stays_local() {
    let text = Rc::new(String::from("here"));
    let sender: AnyLocalSender<'_, usize, Infallible> =
        just(Rc::clone(&text)).then(|text| text.len()).boxed_local();
    assert_eq!(sync_wait_local(sender), Ok(Some(4)));
    assert_eq!(Rc::strong_count(&text), 1);
}

#[test]
fn boxed_value_is_dropped_by_the_receiver_not_by_the_box() {
    let trace = Trace::new();
    let probe = Probe::traced(&trace);
    let op = connect_and_start(just(trace.guard("value")).boxed_local(), probe.receiver());
    let outcome = probe.outcome();
    trace.expect(&["value"]);
    assert_eq!(channel(&outcome), "value");
    drop(op);
    trace.expect(&["value"]);
    drop(outcome);
    trace.expect(&["value", "drop value"]);
}

assert_impl_all!(AnySender<'static, u8, ()>: Send, SendSender);
assert_not_impl_any!(AnySender<'static, u8, ()>: LocalSender, Clone);
assert_not_impl_any!(AnySender<'static, Rc<u8>, ()>: SendSender);
assert_impl_all!(AnyLocalSender<'static, Rc<u8>, ()>: LocalSender);
assert_not_impl_any!(AnyLocalSender<'static, u8, ()>: Send);
