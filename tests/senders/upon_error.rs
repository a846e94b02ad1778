//! upon_error: makes a value of the error.
//! Method: the laws of `mapping`, then what becomes of each channel.

use std::convert::Infallible;

use sendio::{Sender, SenderExt, just};

use crate::common::receivers::run;
use crate::mapping::table;

crate::mapping::closure_laws!("error", |child, hook| child.upon_error(move |e| {
    hook();
    e
}));

#[test]
fn upon_error_each_channel_error_becomes_value() {
    let outcomes = table(|s| s.upon_error(|e| e + 10));
    assert_eq!(
        outcomes,
        ["value 1", "value 12", "stopped", "panicked three"]
    );
}

#[test]
fn upon_error_child_cannot_fail_changes_nothing() {
    fn infallible<S: Sender<Error = Infallible>>(sender: S) -> S {
        sender
    }
    let s = infallible(just(1).upon_error(|never| match never {}));
    assert!(matches!(run(s), sendio::Outcome::Value(1)));
}
