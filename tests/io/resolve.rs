//! resolve: the addresses of names.
//! Method: names that need no network.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::thread;

use sendio::prelude::*;

use super::common::receivers::{Probe, connect_and_start};
use super::support::{context, on_each_handle};

on_each_handle! {
    fn resolve_names_and_addresses(io, cx) {
        let found = cx.run(io.resolve("127.0.0.1", 80)).expect("an address");
        assert_eq!(found, [Endpoint::from((Ipv4Addr::LOCALHOST, 80))]);
        let found = cx.run(io.resolve("::1", 0)).expect("an address");
        assert_eq!(found, ["[::1]:0".parse().expect("valid")]);
        let found = cx.run(io.resolve("localhost", 443)).expect("a name");
        assert!(found.iter().all(|at| at.port() == Some(443)));
        assert!(found.iter().any(|at| at.ip().is_some_and(|ip| ip.is_loopback())), "{found:?}");
    }

    fn resolve_bad_name_is_an_error(io, cx) {
        let error = cx.run(io.resolve("a\0b", 80)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(cx.run(io.resolve("x".repeat(300), 80)).is_err());
    }

    fn resolve_many_at_once_all_complete(io, cx) {
        let many: Vec<_> = (1..=50).map(|port| io.resolve("127.0.0.1", port)).collect();
        let found = cx.run(when_all(many)).expect("addresses");
        let ports: Vec<_> = found.iter().map(|at| at[0].port()).collect();
        assert!(ports.into_iter().eq((1..=50).map(Some)));
    }
}

#[test]
fn resolve_completes_on_the_thread_of_the_context() {
    let ctx = context();
    let here = thread::current().id();
    let there = Cell::new(None);
    let resolve = ctx.local().resolve("127.0.0.1", 1);
    let noting = resolve.then(|_| there.set(Some(thread::current().id())));
    ctx.block_on_local(noting).expect("an address");
    assert_eq!(there.get(), Some(here));
}

#[test]
fn resolve_stop_before_start() {
    let ctx = context();
    let stop = StopSource::new();
    stop.request_stop();
    let resolve = ctx.scheduler().resolve("127.0.0.1", 1);
    let stopped = ctx.block_on(resolve.with_stop_token(stop.token()));
    assert_eq!(stopped.expect("no error"), None);
}

#[test]
fn resolve_unstarted_does_nothing() {
    let ctx = context();
    drop(ctx.scheduler().resolve("127.0.0.1", 1));
    let probe = Probe::new();
    drop(
        ctx.scheduler()
            .resolve("127.0.0.1", 1)
            .connect(probe.receiver()),
    );
}

#[test]
fn resolve_stop_after_completion() {
    let ctx = context();
    let stop = StopSource::new();
    let probe = Probe::new();
    let env = sendio::Env::default().with_stop_token(stop.token());
    let resolve = ctx.scheduler().resolve("127.0.0.1", 1);
    let _op = connect_and_start(resolve, probe.receiver_in(env));
    super::common::wait::wait_until(super::common::wait::soon(), "it is found", || {
        ctx.run_some().expect("not running");
        probe.count() > 0
    });
    stop.request_stop();
    assert_eq!(probe.expect_value().len(), 1);
}
