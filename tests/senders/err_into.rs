//! err_into: converts the error with `Into`.
//! Method: what becomes of each channel; the environment.

use sendio::{Outcome, SenderExt, just_error};

use crate::common::receivers::run;
use crate::mapping::{environment_reaches_child, table};

#[test]
fn err_into_each_channel_error_is_converted() {
    let outcomes = table(|s| s.err_into::<u64>());
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn err_into_conversion_panics_travels() {
    #[derive(Debug)]
    struct Never;
    impl From<u8> for Never {
        fn from(_: u8) -> Self {
            panic!("no conversion")
        }
    }
    let outcome = run(just_error::<(), _>(1_u8).err_into::<Never>());
    assert!(matches!(&outcome, Outcome::Panicked(_)), "{outcome:?}");
}

#[test]
fn err_into_environment_is_that_of_the_receiver() {
    environment_reaches_child(|child| child.err_into::<u64>());
}
