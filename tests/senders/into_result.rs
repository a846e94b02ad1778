//! into_result: makes one `Result` of value and error.
//! Method: what becomes of each channel; the environment.

use sendio::SenderExt;

use crate::mapping::{environment_reaches_child, table};

#[test]
fn into_result_each_channel_error_becomes_value() {
    let outcomes = table(|s| s.into_result());
    assert_eq!(
        outcomes,
        ["value Ok(1)", "value Err(2)", "stopped", "panicked three"]
    );
}

#[test]
fn into_result_then_try_then_gives_the_error_back() {
    let outcomes = table(|s| s.into_result().cast_err().try_then(|result| result));
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn into_result_environment_is_that_of_the_receiver() {
    environment_reaches_child(|child| child.into_result());
}
