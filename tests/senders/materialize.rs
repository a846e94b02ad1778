//! materialize: makes one value of value, error and *stopped*, and back.
//! Method: what becomes of each channel; the environment.

use sendio::SenderExt;

use crate::mapping::{environment_reaches_child, table};

#[test]
fn materialize_each_channel_but_the_panic_becomes_value() {
    let outcomes = table(|s| s.materialize());
    assert_eq!(
        outcomes,
        [
            "value Value(1)",
            "value Error(2)",
            "value Stopped",
            "panicked three"
        ]
    );
}

#[test]
fn dematerialize_after_materialize_changes_nothing() {
    let outcomes = table(|s| s.materialize().dematerialize());
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn dematerialize_child_stopped_by_itself_is_stopped() {
    let outcomes = table(|s| {
        s.upon_error(|e| e)
            .then(sendio::Materialized::<u32, u32>::Value)
            .dematerialize()
    });
    assert_eq!(
        outcomes,
        ["value 1", "value 2", "stopped", "panicked three"]
    );
}

#[test]
fn materialize_environment_is_that_of_the_receiver() {
    environment_reaches_child(|child| child.materialize().dematerialize());
}
