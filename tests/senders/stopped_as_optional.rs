//! stopped_as_optional: makes `None` of *stopped*.
//! Method: what becomes of each channel; the environment.

use sendio::SenderExt;

use crate::mapping::{environment_reaches_child, table};

#[test]
fn stopped_as_optional_each_channel_stopped_becomes_none() {
    let outcomes = table(|s| s.stopped_as_optional());
    assert_eq!(
        outcomes,
        ["value Some(1)", "error 2", "value None", "panicked three"]
    );
}

#[test]
fn stopped_as_optional_tuple_value_is_one_some() {
    let outcomes = table(|s| s.then(|n| (n, 'x')).stopped_as_optional());
    assert_eq!(outcomes[0], "value Some((1, 'x'))");
}

#[test]
fn stopped_as_optional_environment_is_that_of_the_receiver() {
    environment_reaches_child(|child| child.stopped_as_optional());
}
