//! The AIO backend: batches, a full context, what the kernel refuses, direct files beside sockets.
//! Method: contexts on this backend, whatever the default one is; files that are open with `O_DIRECT`,
//! and the counts of system calls.

#![expect(unsafe_code, reason = "dup2 and poll(2), and numbers without a file")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sendio::backends::Aio;
use sendio::prelude::*;
use sendio::{BackendKind, Env, IoContextBuilder, PollEvents, StopSource};

use crate::common::fds::assert_fds_flat;
use crate::common::files::{assert_pattern, pattern, pattern_file, temp_dir};
use crate::common::receivers::{Probe, connect_and_start};
use crate::common::wait::{soon, wait_until};

const PAGE: usize = 4096;

/// A buffer that direct files accept.
#[repr(C, align(4096))]
#[derive(Clone)]
struct Page([u8; PAGE]);

fn pages(count: usize) -> Vec<Page> {
    vec![Page([0; PAGE]); count]
}

fn builder() -> IoContextBuilder<Aio> {
    IoContextBuilder::new()
}

fn context() -> IoContext<Aio> {
    builder().build().expect("an AIO context")
}

fn direct(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .expect("a file system with O_DIRECT")
}

/// A direct file of so many pages of pattern 1, of which nothing is in memory: what is, is written back
/// by the first read.
fn direct_file(dir: &Path, pages: usize) -> File {
    let path = pattern_file(dir, "direct", 1, pages * PAGE);
    forget_pages(&File::open(&path).expect("open"));
    direct(&path)
}

fn forget_pages(file: &File) {
    file.sync_all().expect("synced");
    // SAFETY: no memory is passed.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

fn offset(page: usize) -> u64 {
    (page * PAGE) as u64
}

/// Whether the descriptor of `ctx` becomes readable within `millis`.
fn is_readable(ctx: &IoContext<Aio>, millis: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: ctx.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&raw mut poll, 1, millis) == 1 }
}

/// A descriptor without a file.
fn no_file() -> BorrowedFd<'static> {
    // SAFETY: for the kernel it is a number; nothing here closes it.
    unsafe { BorrowedFd::borrow_raw(999_999) }
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

// ---- batches -----------------------------------------------------------------------------------

#[test]
fn aio_transfers_of_one_turn_are_one_system_call() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 64);
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(64);
    let probes: Vec<_> = (0..64).map(|_| Probe::new()).collect();
    let ops: Vec<_> = (bufs.iter_mut().zip(&probes).enumerate())
        .map(|(page, (buf, probe))| {
            let read = io.read_at(&file, &mut buf.0[..], offset(page));
            connect_and_start(read, probe.receiver())
        })
        .collect();
    let before = ctx.metrics();
    assert_eq!(before.in_flight, 64);
    ctx.run_some().expect("idle");
    assert_eq!(ctx.metrics().enters - before.enters, 1);
    // Completions are in memory: no call looks for them.
    wait_until(soon(), "the reads", || {
        ctx.run_some().expect("idle");
        ctx.metrics().in_flight == 0
    });
    assert!(
        ctx.metrics().enters - before.enters < 8,
        "{:?}",
        ctx.metrics()
    );
    for (page, probe) in probes.iter().enumerate() {
        let (n, buf) = probe.expect_value();
        assert_eq!(n, PAGE);
        assert_pattern(buf, 1, offset(page));
    }
    drop(ops);
}

#[test]
fn aio_more_transfers_than_places_all_complete() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 512);
    for entries in [1, 8, 64] {
        let ctx = builder().entries(entries).build().expect("a context");
        let io = ctx.scheduler();
        let mut bufs = pages(512);
        let (mut socket, mut peer) = UnixStream::pair().expect("a pair");
        ctx.scope(|scope| {
            for (page, buf) in bufs.iter_mut().enumerate() {
                let read = io.read_exact_at(&file, &mut buf.0[..], offset(page));
                scope.spawn(read.then(drop).upon_error(|error| panic!("{error}")));
            }
            // What waits for a socket is served meanwhile.
            let echo = io.recv_exact(&socket, [0; 1]).then(drop);
            scope.spawn(echo.upon_error(|error| panic!("{error}")));
            peer.write_all(b"x").expect("write");
        });
        for (page, buf) in bufs.iter().enumerate() {
            assert_pattern(&buf.0, 1, offset(page));
        }
        assert_eq!(ctx.metrics().in_flight, 0);
        socket.set_nonblocking(true).expect("set");
        assert!(socket.read(&mut [0; 1]).is_err(), "it was taken");
    }
}

// ---- what is refused -----------------------------------------------------------------------------

#[test]
fn aio_refused_requests_end_with_their_errors_and_the_others_go_on() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 2);
    let (pipe, _writer) = io::pipe().expect("a pipe");
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(2);
    let (first, last) = bufs.split_at_mut(1);
    let syncs: Vec<_> = (0..3).map(|_| Probe::new()).collect();
    let reads = [Probe::new(), Probe::new()];
    let ops = (
        connect_and_start(io.fsync(no_file()), syncs[0].receiver()),
        connect_and_start(
            io.read_at(&file, &mut first[0].0[..], 0),
            reads[0].receiver(),
        ),
        connect_and_start(io.fsync(&pipe), syncs[1].receiver()),
        connect_and_start(io.fdatasync(&file), syncs[2].receiver()),
        connect_and_start(
            io.read_at(&file, &mut last[0].0[..], offset(1)),
            reads[1].receiver(),
        ),
    );
    ctx.run_until_empty();
    assert_eq!(syncs[0].expect_error().raw_os_error(), Some(libc::EBADF));
    assert_eq!(syncs[1].expect_error().raw_os_error(), Some(libc::EINVAL));
    syncs[2].expect_value();
    for probe in &reads {
        assert_eq!(probe.expect_value().0, PAGE);
    }
    drop(ops);
}

#[test]
fn aio_misaligned_transfers_are_invalid() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 4);
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(2);
    let buf = &mut bufs[0].0;
    for (len, offset) in [(100, 0), (PAGE, 1)] {
        let read = ctx.block_on(io.read_at(&file, &mut buf[..len], offset));
        assert_eq!(code(read.map(drop)), Some(libc::EINVAL));
        let write = ctx.block_on(io.write_at(&file, &buf[..len], offset));
        assert_eq!(code(write.map(drop)), Some(libc::EINVAL));
    }
    let read = ctx.block_on(io.read_at(&file, &mut buf[..], u64::MAX - 1));
    assert_eq!(code(read.map(drop)), Some(libc::EINVAL));
    let n = ctx.block_on(io.read_at(&file, &mut buf[..], offset(1)).then(|(n, _)| n));
    assert_eq!(n.expect("aligned"), Some(PAGE));
    let end = ctx.block_on(io.read_at(&file, &mut buf[..], offset(4)).then(|(n, _)| n));
    assert_eq!(end.expect("the end"), Some(0));
}

#[test]
fn aio_options_of_a_ring_are_unsupported() {
    let error = builder()
        .sqpoll(Duration::from_millis(1))
        .build()
        .map(drop)
        .expect_err("no ring");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("sqpoll"), "{error}");
    let error = builder().entries(0).build().map(drop).expect_err("none");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

// ---- transfers -----------------------------------------------------------------------------------

#[test]
fn aio_writes_extend_and_overwrite_and_are_synced() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 0);
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(32);
    for (page, buf) in bufs.iter_mut().enumerate() {
        buf.0.copy_from_slice(&pattern(2, offset(page), PAGE));
    }
    // The first round extends the file, the second one overwrites it.
    for round in 0..2 {
        ctx.scope(|scope| {
            for (page, buf) in bufs.iter().enumerate() {
                let write = io.write_all_at(&file, &buf.0[..], offset(page)).then(drop);
                scope.spawn(write.upon_error(|error| panic!("{error}")));
            }
        });
        ctx.block_on(io.fdatasync(&file)).expect("synced");
        ctx.block_on(io.fsync(&file)).expect("synced");
        let found = std::fs::read(dir.path().join("direct")).expect("read");
        assert_eq!(found.len(), 32 * PAGE, "round {round}");
        assert_pattern(&found, 2, 0);
    }
    // Vectored, both ways.
    let (left, right) = bufs.split_at_mut(16);
    let out = [&left[3].0[..], &left[4].0[..]];
    let written = ctx.block_on(io.writev_at(&file, out, 0).then(|(n, _)| n));
    assert_eq!(written.expect("written"), Some(2 * PAGE));
    let (a, b) = right.split_at_mut(8);
    let places = [&mut a[0].0[..], &mut b[0].0[..]];
    let got = ctx.block_on(io.readv_at(&file, places, 0).then(|(n, _)| n));
    assert_eq!(got.expect("read"), Some(2 * PAGE));
    assert_pattern(&right[0].0, 2, offset(3));
    assert_pattern(&right[8].0, 2, offset(4));
}

#[test]
fn aio_number_that_becomes_another_file_is_noticed() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 2);
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(1);
    let mut read = |at: u64, len: usize| {
        let read = io.read_at(&file, &mut bufs[0].0[..len], at);
        ctx.block_on(read.then(|(n, buf)| buf[..n].to_vec()))
            .expect("read")
            .expect("not stopped")
    };
    assert_pattern(&read(offset(1), PAGE), 1, offset(1));
    let replace = |by: BorrowedFd<'_>| {
        // SAFETY: both are open; what the number was is closed, and the number stays ours.
        let number = unsafe { libc::dup2(by.as_raw_fd(), file.as_raw_fd()) };
        assert_eq!(number, file.as_raw_fd());
    };
    // A file that is not direct, of which some is in memory and some is not.
    let path = pattern_file(dir.path(), "buffered", 3, 3 * PAGE);
    let buffered = File::open(path).expect("open");
    forget_pages(&buffered);
    replace(buffered.as_fd());
    for at in [0, 5, offset(1) + 7, offset(2)] {
        assert_pattern(&read(at, 1000), 3, at);
    }
    // A file without `RWF_NOWAIT`, after a direct one again.
    replace(direct(&dir.path().join("direct")).as_fd());
    assert_pattern(&read(0, PAGE), 1, 0);
    replace(File::open("/proc/self/cmdline").expect("proc").as_fd());
    assert!(!read(0, 100).is_empty());
    // A pipe, which is waited for.
    replace(direct(&dir.path().join("direct")).as_fd());
    assert_pattern(&read(0, PAGE), 1, 0);
    let (pipe, mut writer) = io::pipe().expect("a pipe");
    replace(pipe.as_fd());
    let other = thread::spawn(move || writer.write_all(b"late").expect("write"));
    assert_eq!(read(0, 100), b"late");
    other.join().expect("no panic");
}

// ---- cancellation --------------------------------------------------------------------------------

#[test]
fn aio_stop_takes_back_what_waits_and_not_what_the_kernel_has() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 200);
    let ctx = builder().entries(8).build().expect("a context");
    let io = ctx.scheduler();
    let source = StopSource::new();
    let env = || Env::default().with_stop_token(source.token());
    let mut bufs = pages(200);
    let probes: Vec<_> = (0..200).map(|_| Probe::new()).collect();
    let ops: Vec<_> = (bufs.iter_mut().zip(&probes).enumerate())
        .map(|(page, (buf, probe))| {
            let read = io.read_at(&file, &mut buf.0[..], offset(page));
            connect_and_start(read, probe.receiver_in(env()))
        })
        .collect();
    source.request_stop();
    ctx.run_until_empty();
    let (mut read, mut stopped) = (0, 0);
    for (page, probe) in probes.iter().enumerate() {
        match probe.outcome() {
            Outcome::Value((n, buf)) => {
                assert_eq!(n, PAGE);
                assert_pattern(buf, 1, offset(page));
                read += 1;
            }
            Outcome::Stopped => stopped += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read + stopped, 200);
    assert!(
        read > 0 && stopped > 0,
        "{read} were read, {stopped} stopped"
    );
    drop(ops);
}

#[test]
fn aio_shutdown_waits_for_what_the_kernel_has() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 256);
    for _ in 0..10 {
        let ctx = context();
        let mut bufs = pages(256);
        // SAFETY: pages are bytes, without gaps.
        let all =
            unsafe { std::slice::from_raw_parts_mut(bufs.as_mut_ptr().cast::<u8>(), 256 * PAGE) };
        let probe = Probe::new();
        let read = ctx.scheduler().read_at(&file, &mut *all, 0);
        let op = connect_and_start(read, probe.receiver());
        ctx.run_some().expect("idle");
        let _ = ctx.shutdown(Instant::now());
        let (n, _) = probe.expect_value();
        assert!(n > 0);
        drop((op, probe));
        drop(ctx);
        all.fill(7);
        for _ in 0..20 {
            thread::yield_now();
        }
        assert!(all.iter().all(|&byte| byte == 7), "written after the end");
    }
}

// ---- beside other work ---------------------------------------------------------------------------

#[test]
fn aio_wakes_timers_and_sockets_are_seen_while_transfers_are_under_way() {
    const ROUNDS: usize = 200;
    let dir = temp_dir();
    let file = direct_file(dir.path(), 64);
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let mut bufs = pages(4);
    thread::scope(|threads| {
        let peer = threads.spawn(move || {
            for _ in 0..ROUNDS {
                there.write_all(b"ping").expect("write");
                let mut answer = [0; 4];
                there.read_exact(&mut answer).expect("read");
                assert_eq!(&answer, b"ping");
            }
        });
        let remote = threads.spawn(|| {
            for _ in 0..ROUNDS {
                sync_wait(io.schedule()).expect("no error").expect("runs");
            }
        });
        let busy = StopSource::new();
        let token = busy.token();
        ctx.scope(|scope| {
            for (page, buf) in bufs.iter_mut().enumerate() {
                let file = &file;
                let reads = repeat_with(&mut buf.0[..], move |buf| {
                    io.read_exact_at(file, buf, offset(page)).then(move |buf| {
                        if token.stop_requested() {
                            std::ops::ControlFlow::Break(())
                        } else {
                            std::ops::ControlFlow::Continue(buf)
                        }
                    })
                });
                scope.spawn(reads.upon_error(|error: io::Error| panic!("{error}")));
            }
            let here = &here;
            let echo = just(0).cast_err::<io::Error>().let_value(move |_| {
                io.recv_exact(here, [0; 4])
                    .let_value(move |bytes| io.send_all(here, bytes).then(drop))
                    .repeat_n(ROUNDS)
            });
            scope.spawn(echo.upon_error(|error| panic!("{error}")));
            let ticks = io
                .schedule_after(Duration::from_micros(300))
                .repeat_n(ROUNDS);
            scope.spawn(ticks.upon_error(|error| panic!("{error}")));
            let (peer, remote, busy) = (&peer, &remote, &busy);
            let watch = io
                .schedule_after(Duration::from_millis(1))
                .then(move |()| {
                    let over = peer.is_finished() && remote.is_finished();
                    if over {
                        busy.request_stop();
                    }
                    over
                })
                .repeat_until();
            scope.spawn(watch.then(drop).upon_error(|error| panic!("{error}")));
        });
    });
    for (page, buf) in bufs.iter().enumerate() {
        assert_pattern(&buf.0, 1, offset(page));
    }
}

#[test]
fn aio_sleeps_without_calls_while_nothing_happens() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 1);
    let ctx = context();
    let io = ctx.scheduler();
    let (left, _right) = UnixStream::pair().expect("a pair");
    let mut bufs = pages(1);
    let probe = Probe::new();
    let op = connect_and_start(io.recv(&left, [0; 1]), probe.receiver());
    // A transfer arms the poll of the epoll set, and leaves it armed.
    let read = io.read_exact_at(&file, &mut bufs[0].0[..], 0).then(drop);
    ctx.block_on(read).expect("read");
    let before = ctx.metrics().enters;
    ctx.block_on(io.schedule_after(Duration::from_millis(50)))
        .expect("no error");
    let calls = ctx.metrics().enters - before;
    assert!(calls < 10, "{calls} calls in a sleep");
    ctx.shutdown(Instant::now());
    probe.expect_stopped();
    drop(op);
}

#[test]
fn aio_sleeps_after_a_wake_that_the_poll_of_a_transfer_has_seen() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 1);
    let ctx = context();
    let io = ctx.scheduler();
    let mut bufs = pages(1);
    for nested in [false, true] {
        // The poll is armed, and stays so.
        let read = io.read_exact_at(&file, &mut bufs[0].0[..], 0).then(drop);
        ctx.block_on(read).expect("read");
        if nested {
            let _ = ctx.as_fd();
            ctx.run_some().expect("idle");
        }
        thread::scope(|threads| {
            let hop = threads.spawn(|| sync_wait(io.schedule()).expect("no error"));
            wait_until(soon(), "the hop", || {
                if nested {
                    ctx.run_some().expect("idle");
                } else {
                    let tick = io.schedule_after(Duration::from_millis(1));
                    ctx.block_on(tick).expect("no error");
                }
                hop.is_finished()
            });
        });
        if nested {
            wait_until(soon(), "the descriptor is quiet", || {
                ctx.run_some().expect("idle");
                !is_readable(&ctx, 20)
            });
        }
        let before = ctx.metrics();
        let idle = io.schedule_after(Duration::from_millis(50));
        ctx.block_on(idle).expect("no error");
        let turns = ctx.metrics().turns - before.turns;
        assert!(turns < 20, "{turns} turns in a sleep");
    }
}

#[test]
fn aio_descriptor_is_readable_for_transfers_and_quiet_without() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 8);
    let ctx = context();
    let io = ctx.scheduler();
    let readable = |millis| is_readable(&ctx, millis);
    let quiet = || {
        wait_until(soon(), "the descriptor is quiet", || {
            ctx.run_some().expect("idle");
            !readable(0)
        });
    };
    let mut bufs = pages(8);
    quiet();
    for (page, buf) in bufs.iter_mut().enumerate() {
        let probe = Probe::new();
        let read = io.read_at(&file, &mut buf.0[..], offset(page));
        let op = connect_and_start(read, probe.receiver());
        ctx.run_some().expect("idle");
        while probe.count() == 0 {
            assert!(readable(10_000), "nothing makes the descriptor readable");
            ctx.run_some().expect("idle");
        }
        assert_eq!(probe.expect_value().0, PAGE);
        drop(op);
        quiet();
    }
}

#[test]
fn aio_many_contexts_leave_nothing_behind() {
    let dir = temp_dir();
    let file = direct_file(dir.path(), 1);
    assert_fds_flat(|| {
        let contexts: Vec<_> = (0..30).map(|_| context()).collect();
        for ctx in &contexts {
            let mut bufs = pages(1);
            let read = ctx.scheduler().read_exact_at(&file, &mut bufs[0].0[..], 0);
            ctx.block_on(read.then(drop)).expect("read");
            let report = ctx.backend_report();
            assert_eq!(report.kind(), Some(BackendKind::Aio));
            assert!(report.to_string().contains("256 places"), "{report}");
        }
    });
}

// ---- in other loops --------------------------------------------------------------------------

#[test]
fn aio_loop_in_a_loop_in_a_loop_wakes_the_outermost() {
    let (inner, outer) = (context(), context());
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let (read, told) = (Probe::new(), Probe::new());
    let below = connect_and_start(inner.scheduler().recv(&there, [0; 1]), read.receiver());
    let watched = inner.as_fd();
    inner.run_some().expect("idle");
    let poll = outer.scheduler().poll(watched, PollEvents::IN);
    let above = connect_and_start(poll, told.receiver());
    outer.run_some().expect("idle");
    let mut poll = libc::pollfd {
        fd: outer.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    outer.run_some().expect("idle");
    here.write_all(b"x").expect("write");
    // SAFETY: one pollfd.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1);
    wait_until(soon(), "the outer loop is told of the inner one", || {
        outer.run_some().expect("idle");
        told.count() == 1
    });
    assert!(told.expect_value().contains(PollEvents::IN));
    inner.run_until_empty();
    assert_eq!(read.expect_value(), (1, *b"x"));
    drop((below, above));
}
