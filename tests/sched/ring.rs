//! io_context: small queues, overflow, limits, interruptions and resource limits.
//! Method: more work than the rings hold, signals that interrupt every wait, and child processes with
//! tight limits; everything completes once, or the set-up fails with the kernel's code.

#![expect(unsafe_code, reason = "timers of the process and its limits")]

use std::io;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sendio::BackendKind;
use sendio::prelude::*;

use crate::child::in_child;
use crate::common::backends::lacking;
use crate::common::pipes::Pipe;
use crate::common::receivers::{Probe, connect_and_start};

/// What has no ring.
const NO_RING: [BackendKind; 3] = [BackendKind::Aio, BackendKind::Epoll, BackendKind::Sim];

fn nops(ctx: &IoContext, count: usize) -> usize {
    let io = ctx.scheduler();
    let ended = AtomicUsize::new(0);
    ctx.scope(|scope| {
        for _ in 0..count {
            let nop = io.schedule().then(|()| {
                ended.fetch_add(1, Ordering::Relaxed);
            });
            scope.spawn(nop.upon_error(|error| panic!("{error}")));
        }
    });
    ended.load(Ordering::Relaxed)
}

#[test]
fn ten_thousand_nops_pass_through_four_entries() {
    for entries in [1, 4] {
        let ctx = IoContext::builder()
            .entries(entries)
            .build()
            .expect("a ring");
        assert_eq!(nops(&ctx, 10_000), 10_000);
        assert_eq!(ctx.metrics().in_flight, 0);
    }
}

#[test]
fn completions_that_overflow_the_queue_are_all_delivered() {
    if lacking(&NO_RING, "a queue of completions that can be too small") {
        return;
    }
    let builder = IoContext::builder().entries(4).completion_entries(8);
    let ctx = builder.build().expect("a ring");
    assert_eq!(nops(&ctx, 5000), 5000);
    // Reads that wait, then are all ready at once: far more than the queue holds.
    let io = ctx.scheduler();
    let pipes: Vec<Pipe> = (0..500).map(|_| Pipe::new()).collect();
    let probes: Vec<_> = pipes.iter().map(|_| Probe::new()).collect();
    let ops: Vec<_> = pipes
        .iter()
        .zip(&probes)
        .map(|(pipe, probe)| {
            connect_and_start(io.read_some(&pipe.reader, [0; 2]), probe.receiver())
        })
        .collect();
    while ctx.run_some().expect("idle") > 0 {}
    assert_eq!(ctx.metrics().in_flight, 500);
    pipes.iter().for_each(|pipe| pipe.fill(b"go"));
    ctx.run_until_empty();
    for probe in &probes {
        assert_eq!(probe.expect_value(), (2, *b"go"));
    }
    assert!(ctx.metrics().overflows > 0, "the queue was too small");
    drop(ops);
    // A wake-up still arrives: the poll was armed again if the overflow ended it.
    std::thread::scope(|threads| {
        for _ in 0..100 {
            threads.spawn(move || io.request_stop());
            ctx.run();
            ctx.restart();
        }
    });
}

#[test]
fn in_flight_limit_keeps_the_rest_waiting_in_order() {
    let ctx = IoContext::builder()
        .in_flight_limit(1)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let probes: Vec<_> = (0..50).map(|_| Probe::new()).collect();
    let ops: Vec<_> = probes
        .iter()
        .map(|probe| connect_and_start(io.read_some(&pipe.reader, [0; 1]), probe.receiver()))
        .collect();
    let bytes: Vec<u8> = (0..50).collect();
    pipe.fill(&bytes);
    while !probes.iter().all(|probe| probe.count() == 1) {
        ctx.run_some().expect("idle");
        assert!(ctx.metrics().in_flight <= 1);
    }
    for (probe, byte) in probes.iter().zip(bytes) {
        assert_eq!(probe.expect_value(), (1, [byte]));
    }
    drop(ops);
}

#[test]
fn in_flight_limit_backlog_stops_without_the_kernel() {
    let ctx = IoContext::builder()
        .in_flight_limit(1)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let source = sendio::StopSource::new();
    let env = || sendio::Env::default().with_stop_token(source.token());
    let (first, second) = (Probe::new(), Probe::new());
    let ops = (
        connect_and_start(io.read_some(&pipe.reader, [0; 1]), first.receiver()),
        connect_and_start(
            io.read_some(&pipe.reader, [0; 1]),
            second.receiver_in(env()),
        ),
    );
    ctx.run_some().expect("idle");
    source.request_stop();
    ctx.run_some().expect("idle");
    second.expect_stopped();
    first.expect_nothing();
    assert_eq!(ctx.metrics().cancels, 0);
    // The backlog is cancelled with everything else at the end.
    let third = Probe::new();
    let op = connect_and_start(io.read_some(&pipe.reader, [0; 1]), third.receiver());
    let report = ctx.shutdown(Instant::now());
    assert_eq!(report.cancelled, 1);
    first.expect_stopped();
    third.expect_stopped();
    drop((ops, op));
}

#[test]
fn turn_limit_of_one_makes_progress_with_everything() {
    let ctx = IoContext::builder()
        .turn_limit(1)
        .entries(2)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    assert_eq!(nops(&ctx, 1000), 1000);
    let pipe = Pipe::new();
    ctx.scope(|scope| {
        for _ in 0..50 {
            let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
            scope.spawn(read.upon_error(|_| ()));
            scope.spawn(
                io.schedule_after(Duration::from_millis(1))
                    .upon_error(|_| ()),
            );
            scope.spawn(io.yield_now());
        }
        let stop = io.schedule_after(Duration::from_millis(5)).then(|()| {
            scope.request_stop();
        });
        scope.spawn(stop.upon_error(|_| ()));
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn read_of_a_nonblocking_pipe_waits_for_data() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&pipe.reader);
    // SAFETY: the descriptor is open and ours; no memory is passed.
    let result = unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(result, 0);
    let probe = Probe::new();
    let op = connect_and_start(io.read_some(&pipe.reader, [0; 1]), probe.receiver());
    ctx.run_some().expect("idle");
    probe.expect_nothing();
    pipe.fill(b"x");
    ctx.run_until_empty();
    assert_eq!(probe.expect_value(), (1, *b"x"));
    drop(op);
}

/// Interrupts the process every 100 microseconds while it lives.
struct Interruptions;

static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn interrupted(_: libc::c_int) {
    INTERRUPTED.fetch_add(1, Ordering::Relaxed);
}

fn set_timer(micros: libc::suseconds_t) {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: micros,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: a valid value, read by the call; the old one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

impl Interruptions {
    fn begin() -> Self {
        let handler: extern "C" fn(libc::c_int) = interrupted;
        // SAFETY: zeroes are a valid `sigaction`; the handler touches one atomic, and stays.
        unsafe {
            let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as *const () as libc::sighandler_t;
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        }
        set_timer(100);
        Self
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        set_timer(0);
    }
}

#[test]
fn interruptions_by_signals_shorten_no_wait_and_lose_nothing() {
    limited("interrupted", || ());
}

fn interrupted_child() {
    let ctx = IoContext::builder().spin(false).build().expect("a ring");
    let io = ctx.scheduler();
    let _interruptions = Interruptions::begin();
    let begin = Instant::now();
    ctx.block_on(io.schedule_after(Duration::from_millis(50)))
        .expect("no error");
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "the rest is waited for, not all again"
    );
    assert_eq!(nops(&ctx, 10_000), 10_000);
    std::thread::scope(|threads| {
        threads.spawn(move || {
            for _ in 0..2000 {
                sync_wait(io.schedule()).expect("no error");
            }
            io.request_stop();
        });
        ctx.run();
    });
    assert!(INTERRUPTED.load(Ordering::Relaxed) > 100);
}

/// Runs `body` of this name in a child process whose limits `limit` has set.
fn limited(body: &str, limit: fn()) {
    in_child("ring", body, |command| {
        // SAFETY: between fork and exec only `setrlimit` and `setuid` are called.
        unsafe {
            command.pre_exec(move || {
                limit();
                Ok(())
            });
        }
    });
}

#[test]
#[ignore = "the body of tests that need a process of their own"]
fn child() {
    match std::env::var("SENDIO_CHILD").as_deref() {
        Ok("interrupted") => interrupted_child(),
        Ok("descriptors") => descriptors_child(),
        Ok("memory") => memory_child(),
        other => panic!("started by other tests only: {other:?}"),
    }
}

fn set_limit(resource: libc::__rlimit_resource_t, value: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: a valid value, read by the call.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

#[test]
fn set_up_without_descriptors_fails_with_the_kernels_code() {
    limited("descriptors", || ());
}

fn descriptors_child() {
    let used = crate::common::fds::fd_count();
    let highest = *crate::common::fds::open_fds().keys().max().expect("some") as usize;
    for limit in 0..highest + 8 {
        set_soft_descriptors(limit);
        match IoContext::new() {
            Ok(ctx) => assert_eq!(nops(&ctx, 100), 100),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}"),
        }
    }
    set_soft_descriptors(0);
    let error = IoContext::new().expect_err("no descriptor is left");
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    set_soft_descriptors(highest + 64);
    assert_eq!(nops(&IoContext::new().expect("descriptors again"), 10), 10);
    assert_eq!(
        crate::common::fds::fd_count(),
        used,
        "failed set-ups leave nothing open"
    );
}

fn set_soft_descriptors(count: usize) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a valid place for the answer, then a valid value.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = count as libc::rlim_t;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

#[test]
fn set_up_without_locked_memory_works_or_fails_with_the_kernels_code() {
    limited("memory", || {
        set_limit(libc::RLIMIT_MEMLOCK, 0);
        // SAFETY: no memory is passed; without privileges the limit counts.
        unsafe { libc::setuid(65534) };
    });
}

fn memory_child() {
    match IoContext::new() {
        Ok(ctx) => assert_eq!(nops(&ctx, 1000), 1000),
        Err(error) => assert!(
            matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EPERM)),
            "{error}"
        ),
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    for builder in [
        IoContext::builder().entries(0),
        IoContext::builder().entries(65_536),
        IoContext::builder().entries(64).completion_entries(32),
        IoContext::builder().in_flight_limit(0),
        IoContext::builder().turn_limit(0),
    ] {
        let error = builder.build().expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn polling_kernel_thread_falls_asleep_and_is_woken() {
    if lacking(&NO_RING, "a thread of the kernel that submits") {
        return;
    }
    let builder = IoContext::builder()
        .entries(4)
        .sqpoll(Duration::from_millis(1));
    let ctx = builder.build().expect("a ring");
    let io = ctx.scheduler();
    for _ in 0..5 {
        assert_eq!(nops(&ctx, 500), 500);
        ctx.block_on(io.schedule_after(Duration::from_millis(10)))
            .expect("no error");
    }
    let pipe = Pipe::new();
    ctx.scope(|scope| {
        let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
        scope.spawn(read.upon_error(|_| ()));
        let stop = io.schedule_after(Duration::from_millis(10)).then(|()| {
            scope.request_stop();
        });
        scope.spawn(stop.upon_error(|_| ()));
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}
