//! io_context: work from other threads, the wake-up of a loop that sleeps, and the bound.
//! Method: many producers against one loop that goes to sleep as often as it can; a wake-up that is
//! lost is a test that does not end.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sendio::StopSource;
use sendio::prelude::*;

use crate::common::pipes::Pipe;
use crate::common::race::race;
use crate::common::receivers::{Probe, connect_and_start};
use crate::common::wait::{soon, wait_until};

/// Runs the loop of `ctx` here while `producers` run elsewhere; stops it when they have ended.
fn run_with(ctx: &IoContext, producers: impl FnOnce() + Send) {
    let io = ctx.scheduler();
    thread::scope(|threads| {
        threads.spawn(move || {
            producers();
            io.request_stop();
        });
        ctx.run();
    });
    ctx.restart();
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn producer_that_queues_as_the_loop_goes_to_sleep_is_never_lost() {
    const ROUNDS: usize = 100_000;
    let ctx = IoContext::builder().spin(false).build().expect("a ring");
    let io = ctx.scheduler();
    run_with(&ctx, || {
        for _ in 0..ROUNDS {
            assert_eq!(sync_wait(io.yield_now()), Ok(Some(())));
        }
    });
    assert!(ctx.metrics().wakes > 0, "it has slept");
}

#[test]
fn sixty_four_threads_schedule_onto_one_loop() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let home = thread::current().id();
    let count = AtomicUsize::new(0);
    run_with(&ctx, || {
        race(64, |_| {
            for _ in 0..100 {
                let id = sync_wait(io.schedule().then(|()| thread::current().id()));
                assert_eq!(id.expect("a NOP succeeds"), Some(home));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    assert_eq!(count.load(Ordering::Relaxed), 6400);
}

#[test]
fn a_million_schedules_of_eight_threads_all_run() {
    const EACH: usize = 125_000;
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let count = AtomicUsize::new(0);
    ctx.scope(|scope| {
        let count = &count;
        let producers = AtomicUsize::new(8);
        thread::scope(|threads| {
            for _ in 0..8 {
                let producers = &producers;
                threads.spawn(move || {
                    for _ in 0..EACH {
                        let schedule = io.schedule().then(move |()| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                        scope.spawn(schedule.upon_error(|error| panic!("{error}")));
                        // Not faster than the loop: a million blocks at once say nothing more.
                        while scope.len() > 10_000 {
                            thread::yield_now();
                        }
                    }
                    producers.fetch_sub(1, Ordering::Relaxed);
                });
            }
            while producers.load(Ordering::Relaxed) > 0 {
                ctx.run_some().expect("idle");
            }
        });
    });
    assert_eq!(count.load(Ordering::Relaxed), 8 * EACH);
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn remote_limit_reached_is_would_block_and_recovers() {
    let ctx = IoContext::builder()
        .remote_limit(4)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    for _ in 0..3 {
        let started = AtomicBool::new(false);
        thread::scope(|threads| {
            let starter = threads.spawn(|| {
                let probes: Vec<_> = (0..6).map(|_| Probe::new()).collect();
                let ops: Vec<_> = probes
                    .iter()
                    .enumerate()
                    .map(|(i, probe)| {
                        let timer = io.schedule_after(Duration::ZERO);
                        if i % 2 == 0 {
                            (
                                Some(connect_and_start(io.schedule(), probe.receiver())),
                                None,
                            )
                        } else {
                            (None, Some(connect_and_start(timer, probe.receiver())))
                        }
                    })
                    .collect();
                for probe in &probes[4..] {
                    let error = probe.expect_error();
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                }
                started.store(true, Ordering::Release);
                wait_until(soon(), "the first four have completed", || {
                    probes[..4].iter().all(|probe| probe.count() == 1)
                });
                for probe in &probes[..4] {
                    probe.expect_value();
                }
                // What always fits: a transfer, which is no new work.
                drop(ops);
            });
            // Runs only when all six were started: the last two were rejected inline.
            wait_until(soon(), "all six were started", || {
                started.load(Ordering::Acquire) || starter.is_finished()
            });
            wait_until(soon(), "the starter has ended", || {
                ctx.run_some().expect("idle");
                starter.is_finished()
            });
            starter.join().expect("the starter");
        });
    }
    // On the loop's own thread there is no bound.
    for _ in 0..100 {
        assert_eq!(ctx.block_on(io.schedule()).expect("no error"), Some(()));
    }
}

#[test]
fn remote_limit_does_not_hold_up_transfers_and_stop_requests() {
    let ctx = IoContext::builder()
        .remote_limit(1)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    let (pipe, source) = (Pipe::new(), StopSource::new());
    let started = AtomicBool::new(false);
    thread::scope(|threads| {
        let (token, reader, started) = (source.token(), &pipe.reader, &started);
        let waiting = threads.spawn(move || {
            let read = io.read_some(reader, [0; 1]).with_stop_token(token);
            started.store(true, Ordering::Release);
            sync_wait(read).expect("no error")
        });
        wait_until(soon(), "the read is in flight", || {
            ctx.run_some().expect("idle");
            started.load(Ordering::Acquire) && ctx.metrics().in_flight == 1
        });
        let hops: Vec<_> = (0..8)
            .map(|_| threads.spawn(move || sync_wait(just(()).continues_on(io))))
            .collect();
        source.request_stop();
        wait_until(soon(), "all have ended", || {
            ctx.run_some().expect("idle");
            waiting.is_finished() && hops.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        assert!(waiting.join().expect("no panic").is_none());
        for hop in hops {
            assert_eq!(hop.join().expect("no panic"), Ok(Some(())));
        }
    });
}

#[test]
fn remote_starts_race_their_stop_and_each_ends_once() {
    const ROUNDS: usize = 5000;
    let ctx = IoContext::builder().spin(false).build().expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    run_with(&ctx, || {
        for round in 0..ROUNDS {
            let source = StopSource::new();
            let ended = thread::scope(|threads| {
                threads.spawn(|| source.request_stop());
                if round % 2 == 0 {
                    let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
                    sync_wait(read.with_stop_token(source.token()))
                } else {
                    let timer = io.schedule_after(Duration::from_secs(3600));
                    sync_wait(timer.with_stop_token(source.token()))
                }
            });
            assert_eq!(ended.expect("no error"), None);
        }
    });
    assert_eq!(ctx.metrics().timers, 0);
}

#[test]
fn results_of_two_loops_cross_without_loss() {
    let here = IoContext::new().expect("a ring");
    let mine = here.scheduler();
    let rounds = AtomicUsize::new(0);
    thread::scope(|threads| {
        let rounds = &rounds;
        threads.spawn(move || {
            let there = IoContext::new().expect("a ring");
            let theirs = there.scheduler();
            for _ in 0..2000 {
                let round = there.block_on(
                    theirs
                        .schedule()
                        .continues_on(mine)
                        .then(|()| thread::current().id())
                        .continues_on(theirs)
                        .then(|id| (id, thread::current().id())),
                );
                let (first, second) = round.expect("no error").expect("not stopped");
                assert_ne!(first, second);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            mine.request_stop();
        });
        here.run();
    });
    assert_eq!(rounds.load(Ordering::Relaxed), 2000);
}

#[test]
fn empty_remote_operation_completes_on_the_loop_thread() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let home = thread::current().id();
    let pipe = Pipe::new();
    run_with(&ctx, || {
        let nothing = io.read_exact(&pipe.reader, [0; 0]);
        let id = sync_wait(nothing.then(|_| thread::current().id()));
        assert_eq!(id.expect("nothing to read"), Some(home));
        let invalid = io.open("a\0b", sendio::OpenOptions::new().read(true));
        let id = sync_wait(invalid.then(drop).upon_error(|error| {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(thread::current().id(), home);
        }));
        assert_eq!(id, Ok(Some(())));
    });
}
