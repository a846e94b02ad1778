//! just, ready, just_error, just_stopped: senders that complete at once.
//! Method: every factory on its channel, inline; connecting and dropping do nothing.

use sendio::{Outcome, Sender, SenderExt, StopSource, just, just_error, just_stopped, ready};

use crate::common::receivers::{Probe, Trace, connect_and_start, run};

#[test]
fn just_value_arrives_inside_start_on_the_same_thread() {
    let probe = Probe::new();
    let _op = connect_and_start(just((1, "two", 3.0)), probe.receiver());
    assert_eq!(
        (probe.count(), probe.thread()),
        (1, std::thread::current().id())
    );
    assert_eq!(probe.expect_value(), (1, "two", 3.0));
}

#[test]
fn just_unit_and_borrowed_values_arrive() {
    assert!(matches!(run(just(())), Outcome::Value(())));
    let mut buffer = [1, 2];
    let Outcome::Value(lent) = run(just(&mut buffer)) else {
        panic!("a value")
    };
    lent[0] = 7;
    assert_eq!(buffer, [7, 2]);
}

#[test]
fn just_unstarted_operation_drops_value_and_completes_nothing() {
    let trace = Trace::new();
    let probe = Probe::traced(&trace);
    let op = just(trace.guard("value")).connect(probe.receiver());
    trace.expect(&[]);
    drop(op);
    probe.expect_nothing();
    trace.expect(&["drop value"]);
}

#[test]
fn just_stop_before_start_still_delivers() {
    let source = StopSource::new();
    source.request_stop();
    let probe = Probe::new();
    let env = sendio::Env::default().with_stop_token(source.token());
    let _op = connect_and_start(just(1), probe.receiver_in(env));
    assert_eq!(probe.expect_value(), 1);
}

#[test]
fn just_cloned_sender_runs_independently() {
    let sender = just(vec![1]);
    let copy = sender.clone();
    let Outcome::Value(mut first) = run(sender) else {
        panic!("a value")
    };
    first.push(2);
    assert!(matches!(run(copy), Outcome::Value(second) if second == [1]));
}

#[test]
fn ready_value_has_the_error_type_of_its_context() {
    let s = just_error::<u8, _>("no")
        .upon_error(|_| 1)
        .cast_err()
        .let_value(ready::<u8, String>);
    assert!(matches!(run(s), Outcome::Value(1)));
}

#[test]
fn just_error_error_is_the_only_completion() {
    let outcome = run(just_error::<(), _>(String::from("no")));
    assert!(matches!(outcome, Outcome::Error(text) if text == "no"));
}

#[test]
fn just_stopped_stopped_is_the_only_completion() {
    assert!(matches!(run(just_stopped::<(), ()>()), Outcome::Stopped));
}
