//! splice: bytes through pipes.
//! Method: files, pipes and sockets as either end; stops in each order; the kernel's worker threads
//! counted while one waits.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use sendio::io::Splice;
use sendio::prelude::*;
use sendio::{Env, StopSource};

use super::common::files::{assert_pattern, pattern_file, temp_dir};
use super::common::receivers::{Probe, connect_and_start};
use super::support::{code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn splice_between_file_and_pipe_at_offsets(io, cx) {
        let dir = temp_dir();
        let source = File::open(pattern_file(dir.path(), "s", 1, 10_000)).expect("open");
        let target = tempfile::tempfile().expect("temporary file");
        let (reader, writer) = io::pipe().expect("pipe");
        let moved = cx.run(io.splice(&source, &writer, 5_000).from_offset(100)).expect("splice");
        assert_eq!(moved, 5_000);
        let moved = cx.run(io.splice(&reader, &target, 9_999).to_offset(3)).expect("splice");
        assert_eq!(moved, 5_000);
        let bytes = fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&target)));
        let bytes = bytes.expect("read");
        assert_eq!(bytes.len(), 5_003);
        assert_pattern(&bytes[3..], 1, 100);
        // At the descriptor's own position, which moves on.
        for offset in [0, 1_000] {
            assert_eq!(cx.run(io.splice(&source, &writer, 1_000)).expect("splice"), 1_000);
            let mut bytes = [0; 1_000];
            (&reader).read_exact(&mut bytes).expect("read");
            assert_pattern(&bytes, 1, offset);
        }
        assert_eq!(cx.run(io.splice(&source, &writer, 10).from_offset(10_000)).expect("splice"), 0);
    }

    fn splice_between_socket_and_pipe(io, cx) {
        let (mut left, right) = UnixStream::pair().expect("pair");
        let (reader, writer) = io::pipe().expect("pipe");
        left.write_all(b"through").expect("write");
        assert_eq!(cx.run(io.splice(&right, &writer, 100)).expect("splice"), 7);
        assert_eq!(cx.run(io.splice(&reader, &right, 3).more()).expect("splice"), 3);
        assert_eq!(cx.run(io.splice(&reader, &right, 100)).expect("splice"), 4);
        let mut bytes = [0; 7];
        left.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"through");
        drop(left);
        assert_eq!(cx.run(io.splice(&right, &writer, 100)).expect("splice"), 0, "the end");
        drop(writer);
        assert_eq!(cx.run(io.splice(&reader, &right, 100)).expect("splice"), 0, "the end");
    }

    fn splice_of_what_cannot_be_spliced_is_an_error(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        let (reader, writer) = io::pipe().expect("pipe");
        (&writer).write_all(b"stays").expect("write");
        assert_eq!(code(cx.run(io.splice(&file, &file, 10))), Some(libc::EINVAL));
        let offset_in_pipe = io.splice(&reader, &file, 10).from_offset(0);
        assert_eq!(code(cx.run(offset_in_pipe)), Some(libc::ESPIPE));
        let too_far = io.splice(&reader, &file, 10).to_offset(u64::MAX);
        assert_eq!(code(cx.run(too_far)), Some(libc::EINVAL));
        let read_only = File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.splice(&reader, &read_only, 10))), Some(libc::EBADF));
        let (left, right) = UnixStream::pair().expect("pair");
        drop(right);
        assert_eq!(code(cx.run(io.splice(&reader, &left, 10))), Some(libc::EPIPE));
        assert_eq!(cx.run(io.splice(&reader, &file, 10)).expect("splice"), 5);
    }

    fn splice_waits_for_bytes_and_for_room(io, cx) {
        let (mut left, right) = UnixStream::pair().expect("pair");
        right.set_nonblocking(true).expect("set");
        let (reader, writer) = io::pipe().expect("pipe");
        let write = std::thread::spawn(move || {
            std::thread::yield_now();
            left.write_all(b"late").expect("write");
            left
        });
        assert_eq!(cx.run(io.splice(&right, &writer, 100)).expect("splice"), 4);
        let mut left = write.join().expect("write");
        let mut full = 0;
        while let Ok(n) = (&right).write(&[7; 4096]) {
            full += n;
        }
        let read = std::thread::spawn(move || {
            std::thread::yield_now();
            let mut bytes = vec![0; full + 4];
            left.read_exact(&mut bytes).expect("read");
            bytes
        });
        assert_eq!(cx.run(io.splice(&reader, &right, 100)).expect("splice"), 4);
        assert_eq!(&read.join().expect("read")[full..], b"late");
    }
}

/// How many worker threads the kernel runs for rings of this thread.
fn workers() -> usize {
    let own = fs::read_link("/proc/thread-self").expect("this thread");
    let own = own
        .file_name()
        .expect("a number")
        .to_string_lossy()
        .into_owned();
    let tasks = fs::read_dir("/proc/self/task").expect("tasks");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == format!("iou-wrk-{own}"))
        .count()
}

#[test]
fn splice_that_waits_occupies_no_worker_and_stops() {
    let ctx = context();
    let (_left, right) = UnixStream::pair().expect("pair");
    let (reader, writer) = io::pipe().expect("pipe");
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let (first, second) = (Probe::new(), Probe::new());
    let from_socket = ctx.local().splice(&right, &writer, 10);
    let _one = connect_and_start(from_socket, first.receiver_in(env));
    let from_pipe = ctx.local().splice(&reader, &right, 10);
    let _two = connect_and_start(from_pipe, second.receiver_in(env));
    for _ in 0..100 {
        ctx.run_some().expect("not running");
    }
    assert_eq!(workers(), 0);
    source.request_stop();
    ctx.run_until_empty();
    first.expect_stopped();
    second.expect_stopped();
}

/// How a splice from `right` ends; `before` and `after` run around its start.
fn stop_orders(
    before: impl Fn(&UnixStream, &StopSource),
    after: impl Fn(&IoContext, &UnixStream, &StopSource),
    moved: Option<usize>,
) {
    let ctx = context();
    let (left, right) = UnixStream::pair().expect("pair");
    let (_reader, writer) = io::pipe().expect("pipe");
    let source = StopSource::new();
    before(&left, &source);
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let splice: sendio::io::IoSender<_, Splice<_, _>> = ctx.local().splice(&right, &writer, 10);
    let op = connect_and_start(splice, probe.receiver_in(env));
    after(&ctx, &left, &source);
    ctx.run_until_empty();
    drop(op);
    match probe.outcome() {
        Outcome::Value(n) => assert_eq!(Some(n), moved),
        Outcome::Stopped => assert_eq!(None, moved),
        other => panic!("{other:?}"),
    }
    // What was not moved is still there.
    drop(left);
    let mut rest = Vec::new();
    (&right).read_to_end(&mut rest).expect("read");
    assert!(rest.is_empty() || moved.is_none());
}

fn send(mut socket: &UnixStream) {
    socket.write_all(b"data").expect("write");
}

#[test]
fn splice_stop_before_start() {
    let before = |left: &UnixStream, source: &StopSource| {
        send(left);
        source.request_stop();
    };
    stop_orders(before, |_, _, _| {}, None);
}

#[test]
fn splice_stop_during_submit() {
    let after = |_: &IoContext, _: &UnixStream, source: &StopSource| {
        source.request_stop();
    };
    stop_orders(|_, _| {}, after, None);
}

#[test]
fn splice_stop_in_flight() {
    let after = |ctx: &IoContext, _: &UnixStream, source: &StopSource| {
        ctx.run_some().expect("not running");
        source.request_stop();
    };
    stop_orders(|_, _| {}, after, None);
}

#[test]
fn splice_stop_after_completion() {
    let after = |ctx: &IoContext, left: &UnixStream, source: &StopSource| {
        send(left);
        ctx.run_until_empty();
        source.request_stop();
    };
    stop_orders(|_, _| {}, after, Some(4));
}

#[test]
fn splice_stop_twice() {
    let after = |ctx: &IoContext, _: &UnixStream, source: &StopSource| {
        ctx.run_some().expect("not running");
        source.request_stop();
        ctx.run_some().expect("not running");
        source.request_stop();
    };
    stop_orders(|_, _| {}, after, None);
}

#[test]
fn splice_stop_after_poll_moves_nothing() {
    let ctx = context();
    let (mut left, right) = UnixStream::pair().expect("pair");
    let (_reader, writer) = io::pipe().expect("pipe");
    left.write_all(b"data").expect("write");
    // Full: it waits for room after it has seen that there are bytes.
    let nonblocking = std::os::fd::AsRawFd::as_raw_fd(&writer);
    let mut filler = File::options()
        .write(true)
        .open(format!("/proc/self/fd/{nonblocking}"))
        .expect("the same pipe");
    filler.write_all(&[0; 65_536]).expect("fill");
    let splice = ctx.local().splice(&right, &writer, 10);
    assert!(matches!(stopped_after(&ctx, 1, splice), Outcome::Stopped));
    let mut bytes = [0; 4];
    (&right).read_exact(&mut bytes).expect("still there");
    assert_eq!(&bytes, b"data");
}
