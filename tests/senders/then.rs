//! then: continues the value with a function.
//! Method: the laws of `mapping`, then what becomes of each channel.

use sendio::{SenderExt, just, just_error, just_stopped};

use crate::common::receivers::{Probe, connect_and_start, run};
use crate::mapping::table;

crate::mapping::closure_laws!("value", |child, hook| child.then(move |n| {
    hook();
    n
}));

#[test]
fn then_each_channel_value_changes_and_others_pass() {
    let outcomes = table(|s| s.then(|n| format!("<{n}>")));
    assert_eq!(
        outcomes,
        ["value \"<1>\"", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn then_tuple_and_unit_values_pass_like_any_other() {
    let s = just((2, "b")).then(|(n, text)| text.repeat(n)).then(drop);
    let probe = Probe::new();
    let _op = connect_and_start(s, probe.receiver());
    probe.expect_value();
}

#[test]
fn then_closure_is_not_called_for_error_and_stopped() {
    let never = |()| -> u8 { panic!("called") };
    assert!(matches!(
        run(just_error::<(), _>(4).then(never)),
        sendio::Outcome::Error(4)
    ));
    assert!(matches!(
        run(just_stopped::<(), ()>().then(never)),
        sendio::Outcome::Stopped
    ));
}

#[test]
fn then_child_inline_completes_inside_start_on_the_same_thread() {
    let probe = Probe::new();
    let _op = connect_and_start(just(1).then(|n| n + 1), probe.receiver());
    assert_eq!(
        (probe.count(), probe.thread()),
        (1, std::thread::current().id())
    );
}

#[test]
fn then_cloned_sender_runs_twice_independently() {
    let s = just(1).then(|n| n + 1);
    let copy = s.clone();
    assert!(matches!(run(s), sendio::Outcome::Value(2)));
    assert!(matches!(run(copy), sendio::Outcome::Value(2)));
}
