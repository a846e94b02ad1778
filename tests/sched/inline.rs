//! `Inline`: IL-1. Method: the thread and the moment of the completion.

use std::thread;

use sendio::prelude::*;

use crate::common::receivers::{Probe, channel, connect_and_start, run};

#[test]
fn inline_completes_inside_start() {
    for sender in [Inline.schedule(), Inline.transfer()] {
        let probe = Probe::new();
        let _op = connect_and_start(sender, probe.receiver());
        assert_eq!(probe.count(), 1);
        assert_eq!(probe.thread(), thread::current().id());
        probe.expect_value();
    }
}

#[test]
fn inline_ignores_a_requested_stop() {
    let source = StopSource::new();
    source.request_stop();
    assert_eq!(
        channel(&run(Inline.schedule().with_stop_token(source.token()))),
        "value"
    );
}

#[test]
fn inline_offers_no_scheduler_of_its_own() {
    assert!(Inline.scheduler_ref().is_none());
}
