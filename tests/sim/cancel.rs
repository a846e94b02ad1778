//! Races of a cancel with a result: every outcome happens, and each operation has one.

use std::cell::Cell;
use std::time::Duration;

use sendio::prelude::*;
use sendio::sim::{self, SimConfig};
use sendio::{MsgFlags, TcpStream};

use super::support::{code, memory, pair};

/// What became of a receive that was asked to stop while its data was on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    values: u32,
    stopped: u32,
    left: u32,
}

fn race(seed: u64, config: &SimConfig, seen: &Cell<Seen>) {
    sim::run(&config.clone().seed(seed), |ctx| {
        let (client, server) = pair(ctx).expect("a connection");
        let io = ctx.scheduler();
        let stop = StopSource::new();
        // Both ends of the network's latency: the stop is before, at and after the arrival.
        let ask = io
            .schedule_after(Duration::from_micros(50 + seed % 500))
            .then(|()| stop.request_stop())
            .err_into();
        let recv = server
            .recv([0; 4])
            .with_stop_token(stop.token())
            .stopped_as_optional();
        let all = when_all((client.send_all("data"), recv, ask));
        let (_, received, _) = ctx.block_on(all).expect("no error").expect("a value");
        let mut counts = seen.get();
        let mut have = 0;
        if let Some((n, bytes)) = received {
            counts.values += 1;
            assert_eq!(bytes[..n], b"data"[..n]);
            have = n;
        } else {
            counts.stopped += 1;
        }
        // What was not received is there still: no byte is lost, none comes twice.
        let rest = ctx.block_on(server.recv_exact(vec![0; 4 - have]));
        let rest = rest.expect("recv").expect("a value");
        assert_eq!(rest, b"data"[have..], "seed {seed}");
        counts.left += u32::from(have == 0);
        seen.set(counts);
    });
}

#[test]
fn cancel_that_races_with_data_loses_and_wins_and_no_byte_is_lost() {
    for config in [memory(), SimConfig::rough()] {
        let seen = Cell::new(Seen::default());
        for seed in 0..1000 {
            race(seed, &config, &seen);
        }
        let seen = seen.get();
        assert!(seen.values > 50 && seen.stopped > 50, "{seen:?}");
        assert_eq!(seen.left, seen.stopped);
    }
}

#[test]
fn cancel_late_lets_the_result_through_and_early_does_not() {
    // The stop comes a millisecond before the data.
    let run = |config: &SimConfig| {
        sim::run(config, |ctx| {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let io = ctx.local();
            let stop = StopSource::new();
            let after = |millis| io.schedule_after(Duration::from_millis(millis));
            let ask = after(1).then(|()| stop.request_stop());
            let write = after(2).let_value(|()| io.write_all(&writer, "x"));
            let read = io
                .read_some(&reader, [0; 1])
                .with_stop_token(stop.token())
                .stopped_as_optional();
            let all = ctx.block_on_local(when_all((ask, write, read)));
            all.expect("no error").expect("a value").2.is_some()
        })
    };
    let (mut late, mut in_time) = (0, 0);
    for seed in 0..100 {
        let config = SimConfig::new().seed(seed);
        late += u32::from(run(&config.clone().late_cancels(1.0)));
        in_time += u32::from(run(&config));
    }
    assert_eq!(in_time, 0, "it was stopped before there was data");
    assert!((80..100).contains(&late), "most have their data: {late}");

    // The data is there, and not taken yet, when the stop comes.
    let early = |config: &SimConfig| {
        sim::run(config, |ctx| {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let io = ctx.local();
            let stop = StopSource::new();
            let ask = io.schedule_after(Duration::from_millis(1)).then(|()| {
                std::io::Write::write_all(&mut writer, b"x").expect("write");
                stop.request_stop();
            });
            let read = io
                .read_some(&reader, [0; 1])
                .with_stop_token(stop.token())
                .stopped_as_optional();
            let both = ctx.block_on_local(when_all((ask, read)));
            both.expect("no error").expect("a value").1.is_some()
        })
    };
    let slow = |seed| {
        let config = SimConfig::new().seed(seed).early_cancels(0.5);
        config.delays(1.0, Duration::from_millis(5))
    };
    let values = (0..100).filter(|seed| early(&slow(*seed))).count();
    assert!((1..99).contains(&values), "some win, some lose: {values}");
}

#[test]
fn cancel_of_what_never_comes_always_stops() {
    for config in [memory(), SimConfig::rough().late_cancels(1.0)] {
        sim::explore(0..200, &config, |ctx| {
            let (client, server) = pair(ctx).expect("a connection");
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let io = ctx.scheduler();
            let limit = Duration::from_secs(1);
            let start = ctx.now();
            let timed_out = |result: std::io::Result<()>| {
                let error = result.expect_err("nothing comes");
                assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            };
            let recv = server.recv([0; 1]).then(|_| ()).timeout(io, limit);
            timed_out(ctx.block_on(recv).map(|_| ()));
            let read = io.read_some(&reader, [0; 1]).then(|_| ());
            timed_out(ctx.block_on(read.timeout(io, limit)).map(|_| ()));
            let listener = super::support::listener(ctx);
            let accept = listener.accept().then(|_| ()).timeout(io, limit);
            timed_out(ctx.block_on(accept).map(|_| ()));
            assert!(ctx.now() - start >= 3 * limit);
            drop(client);
        });
    }
}

#[test]
fn cancel_after_a_part_of_a_whole_is_the_part() {
    sim::explore(0..100, &memory(), |ctx| {
        let (client, server) = pair(ctx).expect("a connection");
        ctx.block_on(client.send_all("abc")).expect("send");
        let io = ctx.scheduler();
        let whole = server.recv_with([0; 8], MsgFlags::WAITALL);
        let (n, bytes) = ctx
            .block_on(whole.timeout(io, Duration::from_secs(1)))
            .expect("a part is a value")
            .expect("a value");
        assert_eq!(bytes[..n], b"abc"[..]);
    });
}

#[test]
fn cancel_of_a_connect_closes_its_socket() {
    let config = memory().latency(Duration::from_secs(1)..=Duration::from_secs(1));
    crate::common::fds::assert_fds_flat(|| {
        sim::run(&config, |ctx| {
            let listener = super::support::listener(ctx);
            let at = listener.local_endpoint().expect("an address");
            let connect = TcpStream::connect(ctx.scheduler(), at);
            let limit = Duration::from_millis(1);
            let error = ctx
                .block_on(connect.timeout(ctx.scheduler(), limit))
                .expect_err("too slow");
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        });
    });
}

#[test]
fn cancel_of_everything_at_the_end_of_a_context() {
    sim::explore(0..100, &SimConfig::rough(), |ctx| {
        let (_client, server) = pair(ctx).expect("a connection");
        let ended = Cell::new(0);
        ctx.scope_local(|scope| {
            for _ in 0..10 {
                let recv = ctx.local().recv(&server, [0; 1]).then(|_| ());
                let ended = &ended;
                scope.spawn(
                    recv.upon_error(|error| panic!("{error}"))
                        .upon_stopped(move || ended.set(ended.get() + 1)),
                );
            }
            scope.request_stop();
        });
        assert_eq!(ended.get(), 10);
    });
    sim::run(&memory(), |ctx| {
        let listener = super::support::listener(ctx);
        let report = ctx.shutdown(ctx.now() + Duration::from_secs(1));
        assert!(report.graceful);
        let refused = ctx.block_on(listener.accept().stopped_as_optional());
        assert!(matches!(refused, Ok(Some(None))));
        assert_eq!(code::<()>(Ok(())), None);
    });
}
