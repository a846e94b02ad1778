//! cast_err: gives a sender that cannot fail an error type.
//! Method: each channel that is left.

use std::convert::Infallible;

use sendio::{Outcome, SenderExt, just, just_stopped};

use crate::common::manual::manual;
use crate::common::receivers::{Probe, connect_and_start, run};

#[test]
fn cast_err_value_stopped_and_panic_pass() {
    assert!(matches!(
        run(just(1).cast_err::<String>()),
        Outcome::Value(1)
    ));
    let stopped = just_stopped::<(), Infallible>().cast_err::<String>();
    assert!(matches!(run(stopped), Outcome::Stopped));
    let (child, handle) = manual::<u8, Infallible>();
    let probe = Probe::<u8, String>::new();
    let _op = connect_and_start(child.cast_err(), probe.receiver());
    handle.panicked("three");
    assert_eq!(probe.expect_panicked(), "three");
}
