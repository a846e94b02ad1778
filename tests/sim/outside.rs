//! The world outside: real descriptors, real time, other threads; what is never going to happen.

use std::io::Write;
use std::time::{Duration, Instant};

use sendio::IoContextBuilder;
use sendio::backends::Sim;
use sendio::prelude::*;
use sendio::sim::{self, SimConfig};

use super::support::{Ctx, code, memory, pair};

#[test]
fn outside_a_context_without_configuration_has_real_time_and_threads() {
    let ctx = IoContextBuilder::<Sim>::new().build().expect("a context");
    assert_eq!(ctx.backend_report().name(), "sim");
    let io = ctx.scheduler();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let pause = Duration::from_millis(20);
    let start = Instant::now();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            std::thread::park_timeout(pause);
            writer.write_all(b"late").expect("write");
        });
        let read = ctx.block_on(io.read_exact(&reader, [0; 4])).expect("read");
        assert_eq!(&read.expect("a value"), b"late");
        ctx.block_on(io.schedule_after(pause)).expect("a timer");
        assert!(start.elapsed() >= pause);
        threads
            .spawn(move || assert_eq!(sync_wait(io.schedule().then(|()| 1)).ok(), Some(Some(1))));
        threads.spawn(|| {
            std::thread::park_timeout(pause);
            io.request_stop();
        });
        ctx.run();
    });
}

#[test]
fn outside_in_virtual_time_other_threads_are_waited_for_if_they_take_part() {
    sim::run(&SimConfig::new().threads(), |ctx| {
        let io = ctx.scheduler();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        std::thread::scope(|threads| {
            threads.spawn(move || {
                std::thread::park_timeout(Duration::from_millis(5));
                writer.write_all(b"x").expect("write");
            });
            let read = ctx.block_on(io.read_exact(&reader, [0; 1])).expect("read");
            assert_eq!(&read.expect("a value"), b"x");
        });
    });
}

#[test]
fn outside_what_can_never_complete_is_a_deadlock() {
    sim::run(&memory(), |ctx| {
        let (_client, server) = pair(ctx).expect("a connection");
        let recv = ctx.block_on(server.recv([0; 1]));
        assert_eq!(code(recv), Some(libc::EDEADLK));
        let listener = super::support::listener(ctx);
        assert_eq!(code(ctx.block_on(listener.accept())), Some(libc::EDEADLK));
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let read = ctx.block_on(ctx.scheduler().read_some(&reader, [0; 1]));
        assert_eq!(code(read), Some(libc::EDEADLK));
        // It goes on after that.
        let answer = super::support::echo_once(ctx, b"alive").expect("an echo");
        assert_eq!(answer, b"alive");
    });
}

#[test]
fn outside_bad_configurations_are_refused_with_their_reason() {
    let refused = |config: SimConfig, reason: &str| {
        let error = sim::context(&config).expect_err(reason);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(reason), "{error}");
    };
    refused(SimConfig::new().loss(1.5), "loss");
    refused(SimConfig::new().errors(-0.1), "errors");
    refused(SimConfig::new().interrupts(f64::NAN), "interrupts");
    refused(SimConfig::new().full_queue(1.0), "full_queue");
    refused(SimConfig::new().socket_buffer(0), "socket_buffer");
    refused(SimConfig::new().fail_nth(sim::Call::Read, 0, 5), "fail_nth");
    refused(
        SimConfig::new().fail_nth(sim::Call::Read, 1, 0),
        "error number",
    );
    refused(
        SimConfig::new().errors_of(sim::Call::Read, 0.1, 5000),
        "error number",
    );
    let empty = Duration::from_secs(2)..=Duration::from_secs(1);
    refused(SimConfig::new().latency(empty), "latency");
    let builder = IoContextBuilder::<Sim>::new().iopoll(true);
    let error = builder.build().expect_err("no devices");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn outside_no_descriptor_is_left() {
    crate::common::fds::assert_fds_flat(|| {
        sim::explore(
            0..20,
            &SimConfig::rough().file("/in", [1; 50]),
            |ctx: &Ctx| {
                super::support::copy_file(ctx, "/in", "/out").expect("a copy");
                super::support::echo_once(ctx, b"bytes").expect("an echo");
            },
        );
    });
}
