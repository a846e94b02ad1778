//! shutdown, request_stop, restart and drop: how a context ends, and that it lets nothing go.
//! Method: operations of other threads and of this one are pending when the context ends; compares
//! the report, the channels, the descriptors, and buffers after the kernel must have let them go.

#![expect(
    unsafe_code,
    reason = "drops a context whose operations outlive the borrow"
)]

use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sendio::Outcome;
use sendio::prelude::*;

use crate::common::fds::assert_fds_flat;
use crate::common::pipes::Pipe;
use crate::common::race::race;
use crate::common::receivers::{Probe, connect_and_start};
use crate::common::wait::{soon, wait_until};

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

#[test]
fn context_unused_is_built_and_dropped() {
    drop(context());
    let ctx = context();
    assert!(!ctx.is_stopping());
    ctx.run_until_empty();
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn shutdown_ends_work_that_reschedules_itself_through_its_environment() {
    let ctx = context();
    let ended = AtomicBool::new(false);
    ctx.scope(|scope| {
        let ended = &ended;
        let spin = sendio::current_scheduler().schedule().repeat();
        scope.spawn(
            spin.then(|never| match never {})
                .upon_stopped(move || ended.store(true, Ordering::Relaxed)),
        );
        let report = ctx.shutdown(Instant::now());
        assert!(!report.graceful);
        assert!(ended.load(Ordering::Relaxed));
    });
}

#[test]
fn shutdown_cancels_pending_reads_and_timers_at_the_deadline() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let (read, timer) = (Probe::new(), Probe::new());
    let ops = (
        connect_and_start(io.read_some(&pipe.reader, [0; 1]), read.receiver()),
        connect_and_start(
            io.schedule_after(Duration::from_secs(3600)),
            timer.receiver(),
        ),
    );
    let begin = Instant::now();
    let report = ctx.shutdown(begin + Duration::from_millis(20));
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert!(!report.graceful);
    assert_eq!(report.cancelled, 1);
    read.expect_stopped();
    timer.expect_stopped();
    let metrics = ctx.metrics();
    assert_eq!((metrics.in_flight, metrics.timers), (0, 0));
    assert!(ctx.is_stopping());
    drop(ops);
}

#[test]
fn shutdown_lets_work_finish_before_the_deadline() {
    let ctx = context();
    let io = ctx.scheduler();
    let timer = Probe::new();
    let op = connect_and_start(
        io.schedule_after(Duration::from_millis(5)),
        timer.receiver(),
    );
    let report = ctx.shutdown(soon());
    assert!(report.graceful);
    assert_eq!(report.cancelled, 0);
    timer.expect_value();
    drop(op);
}

#[test]
fn shutdown_ends_loops_that_would_go_on_for_ever() {
    let ctx = context();
    let io = ctx.scheduler();
    let started = AtomicUsize::new(0);
    thread::scope(|threads| {
        let started = &started;
        threads.spawn(move || {
            let yields = io.yield_now().then(move |()| {
                started.fetch_or(1, Ordering::Relaxed);
            });
            assert_eq!(sync_wait(yields.repeat()), Ok(None));
        });
        threads.spawn(move || {
            let nops = io.schedule().then(move |()| {
                started.fetch_or(2, Ordering::Relaxed);
            });
            assert_eq!(sync_wait(nops.repeat()).expect("no error"), None);
        });
        threads.spawn(move || {
            let timers = io.schedule_after(Duration::ZERO).then(move |()| {
                started.fetch_or(4, Ordering::Relaxed);
            });
            assert_eq!(sync_wait(timers.repeat()).expect("no error"), None);
        });
        wait_until(soon(), "all three loops run", || {
            ctx.run_some().expect("idle");
            started.load(Ordering::Relaxed) == 7
        });
        let report = ctx.shutdown(Instant::now());
        assert!(!report.graceful);
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn shutdown_completes_what_other_threads_have_queued() {
    let ctx = context();
    let io = ctx.scheduler();
    let (queued, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                queued.fetch_add(1, Ordering::Relaxed);
                match sync_wait(io.schedule()).expect("no error") {
                    None => stopped.fetch_add(1, Ordering::Relaxed),
                    Some(()) => panic!("the loop has not run before the shutdown"),
                }
            });
        }
        wait_until(soon(), "all are about to queue", || {
            queued.load(Ordering::Relaxed) == 8
        });
        ctx.shutdown(Instant::now());
        // Who came later was refused.
    });
    assert_eq!(stopped.load(Ordering::Relaxed), 8);
}

#[test]
fn run_takes_all_that_was_queued_before_the_request() {
    // More than one turn takes.
    const OPS: usize = 2000;
    let ctx = IoContext::builder().turn_limit(16).build().expect("a ring");
    let io = ctx.scheduler();
    let probes: Vec<_> = (0..OPS).map(|_| Probe::new()).collect();
    thread::scope(|threads| {
        let probes = &probes;
        let starter = threads.spawn(move || {
            let (mut nops, mut timers) = (Vec::new(), Vec::new());
            for (i, probe) in probes.iter().enumerate() {
                if i % 2 == 0 {
                    nops.push(connect_and_start(io.schedule(), probe.receiver()));
                } else {
                    let timer = io.schedule_after(Duration::from_secs(60));
                    timers.push(connect_and_start(timer, probe.receiver()));
                }
            }
            io.request_stop();
            probes.iter().for_each(Probe::expect_stopped);
        });
        wait_until(soon(), "the stop was requested", || ctx.is_stopping());
        ctx.run();
        starter.join().expect("the starter");
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn request_stop_a_thousand_times_is_one_request() {
    let ctx = context();
    let io = ctx.scheduler();
    for _ in 0..100 {
        thread::scope(|threads| {
            let firsts = threads.spawn(move || {
                let firsts = race(4, |_| (0..10).filter(|_| io.request_stop()).count());
                firsts.into_iter().sum::<usize>()
            });
            ctx.run();
            assert_eq!(firsts.join().expect("the requesters"), 1);
        });
        ctx.restart();
    }
    assert_eq!(ctx.block_on(io.schedule()).expect("no error"), Some(()));
}

#[test]
fn request_stop_races_schedules_and_nothing_is_lost() {
    let ctx = context();
    let io = ctx.scheduler();
    for _ in 0..300 {
        let ended = AtomicUsize::new(0);
        let finished = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                race(4, |index| {
                    for _ in 0..5 {
                        if index == 3 {
                            io.request_stop();
                        }
                        sync_wait(io.schedule()).expect("no error");
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                });
                finished.store(true, Ordering::Release);
            });
            ctx.run();
            // In flight stays in flight: the rest is waited for.
            wait_until(soon(), "all schedules end", || {
                ctx.run_until_empty();
                finished.load(Ordering::Acquire)
            });
        });
        assert_eq!(ended.load(Ordering::Relaxed), 20);
        ctx.restart();
    }
}

#[test]
fn restart_a_thousand_times_leaves_descriptors_and_threads_flat() {
    let threads = || std::fs::read_dir("/proc/self/task").expect("tasks").count();
    let before = threads();
    assert_fds_flat(|| {
        for round in 0..1000 {
            let ctx = context();
            let io = ctx.scheduler();
            thread::scope(|threads| {
                if round % 10 == 0 {
                    threads.spawn(move || sync_wait(io.schedule()).expect("no error"));
                    threads.spawn(move || io.request_stop());
                    ctx.run();
                    ctx.run_until_empty();
                    ctx.shutdown(Instant::now());
                } else {
                    ctx.block_on(io.schedule()).expect("no error");
                }
            });
        }
    });
    wait_until(soon(), "no thread is left", || threads() <= before);
}

#[test]
fn drop_gives_the_place_in_the_table_of_rings_back() {
    // A thread can register 16 rings.
    for _ in 0..40 {
        drop(context());
    }
    let ring = io_uring::IoUring::new(2).expect("a ring");
    let mut submitter = ring.submitter();
    submitter.register_ring_fd().expect("a free place");
    submitter.unregister_ring_fd().expect("it was registered");
}

#[test]
fn run_until_empty_is_repeatable_and_ignores_the_wake_poll() {
    let ctx = context();
    let io = ctx.scheduler();
    for _ in 0..10 {
        // A sleep, which arms the poll, ended by a timer.
        ctx.block_on(io.schedule_after(Duration::from_micros(100)))
            .expect("no error");
        ctx.run_until_empty();
        assert!(!ctx.is_stopping());
    }
}

#[test]
fn reads_into_memory_in_flight_at_the_shutdown_change_nothing_later() {
    let dir = crate::common::files::temp_dir();
    let len = 8 << 20;
    let path = crate::common::files::pattern_file(dir.path(), "direct", 7, len);
    let direct = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path);
    // Without O_DIRECT on this file system the reads go through the page cache.
    let file = direct.unwrap_or_else(|_| std::fs::File::open(&path).expect("open"));
    for _ in 0..40 {
        let ctx = context();
        let io = ctx.scheduler();
        let mut memory = vec![0_u8; len + 4096];
        let aligned = memory.as_ptr().align_offset(4096);
        let probe = Probe::new();
        let buf = &mut memory[aligned..aligned + len];
        let op = connect_and_start(io.read_at(file.as_fd(), buf, 0), probe.receiver());
        ctx.run_some().expect("idle");
        let report = ctx.shutdown(Instant::now());
        assert!(report.cancelled <= 1);
        match probe.outcome() {
            Outcome::Value((n, buf)) => {
                crate::common::files::assert_pattern(&buf[..n.min(8192)], 7, 0);
            }
            Outcome::Stopped => {}
            other => panic!("{other:?}"),
        }
        drop((op, probe));
        drop(ctx);
        memory.fill(0xA5);
        for _ in 0..20 {
            thread::yield_now();
        }
        assert!(
            memory.iter().all(|&byte| byte == 0xA5),
            "written after the end"
        );
    }
}

#[test]
fn drop_with_started_operations_completes_them_stopped() {
    let pipe = Pipe::new();
    let (read, timer, nop) = (Probe::new(), Probe::new(), Probe::new());
    let ctx = NonNull::from(Box::leak(Box::new(context())));
    // SAFETY: leaked, so alive; freed below, when nothing borrows it any more: its drop completes
    //         the operations, which are not started again.
    let io = unsafe { ctx.as_ref() }.scheduler();
    let ops = (
        connect_and_start(io.read_some(&pipe.reader, [0; 1]), read.receiver()),
        connect_and_start(io.schedule_after(Duration::MAX), timer.receiver()),
        connect_and_start(io.schedule(), nop.receiver()),
    );
    // SAFETY: it came from a box, and is dropped once.
    drop(unsafe { Box::from_raw(ctx.as_ptr()) });
    read.expect_stopped();
    timer.expect_stopped();
    nop.expect_value();
    drop(ops);
}
