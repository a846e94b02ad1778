//! Virtual time: it stands still while something can be done, and jumps when not.

use std::time::{Duration, Instant};

use sendio::prelude::*;
use sendio::sim::{self, SimConfig};

use super::support::{memory, pair};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn time_an_hour_takes_none() {
    let real = Instant::now();
    sim::run(&SimConfig::new(), |ctx| {
        for hours in 1..=1000 {
            let before = ctx.now();
            ctx.block_on(ctx.scheduler().schedule_after(HOUR))
                .expect("no error")
                .expect("a value");
            assert_eq!(ctx.now() - before, HOUR, "hour {hours}");
        }
    });
    assert!(real.elapsed() < Duration::from_secs(30), "1000 hours");
}

#[test]
fn time_a_timeout_of_an_hour_ends_what_never_comes() {
    let real = Instant::now();
    sim::run(&memory(), |ctx| {
        let (client, _server) = pair(ctx).expect("a connection");
        let before = ctx.now();
        let never = client.recv([0; 1]).timeout(ctx.scheduler(), HOUR);
        let error = ctx.block_on(never).expect_err("nothing comes");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert!(ctx.now() - before >= HOUR);
    });
    assert!(real.elapsed() < Duration::from_secs(30));
}

#[test]
fn time_timers_and_data_come_in_order() {
    for seed in 0..100 {
        let config = memory()
            .seed(seed)
            .latency(Duration::from_millis(10)..=Duration::from_millis(20));
        sim::run(&config, |ctx| {
            let (client, server) = pair(ctx).expect("a connection");
            let start = ctx.now();
            let io = ctx.local();
            let send = io.send(&client, "x");
            let recv = io.recv(&server, [0; 1]).then(|_| ctx.now() - start);
            let too_soon = io
                .schedule_after(Duration::from_millis(9))
                .then(|()| ctx.now() - start)
                .err_into();
            let all = ctx.block_on_local(when_all((send, recv, too_soon)));
            let (_, arrived, timer) = all.expect("no error").expect("a value");
            assert!(timer < arrived, "{timer:?} {arrived:?}");
            assert!(arrived <= Duration::from_millis(20), "{arrived:?}");
        });
    }
}

#[test]
fn time_stands_still_while_there_is_something_to_do() {
    sim::run(&memory().file("/in", [0; 1000]), |ctx| {
        let start = ctx.now();
        super::support::copy_file(ctx, "/in", "/out").expect("a copy");
        assert_eq!(ctx.now(), start);
    });
}

#[test]
fn time_in_a_foreign_loop_jumps_too() {
    use std::os::fd::{AsFd, AsRawFd};
    sim::run(&SimConfig::new(), |ctx| {
        assert!(ctx.as_fd().as_raw_fd() >= 0);
        let start = ctx.now();
        ctx.scope(|scope| {
            let nap = ctx.scheduler().schedule_after(HOUR);
            scope.spawn(nap.upon_error(|error| panic!("{error}")));
        });
        assert!(ctx.now() - start >= HOUR);
    });
}
