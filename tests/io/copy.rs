//! copy: everything from one descriptor to another.
//! Method: each pair of kinds with a known pattern; targets that take no splice; copies that end in
//! the middle, whose bytes are all accounted for.
//!
//! # Safety
//! System calls without memory.

#![expect(unsafe_code, reason = "eventfd")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use sendio::prelude::*;
use sendio::{Env, Partial, StopSource, transferred};

use super::common::fds::assert_fds_flat;
use super::common::files::{assert_pattern, pattern, pattern_file, temp_dir};
use super::common::receivers::{Probe, connect_and_start};
use super::support::{code, context, on_each_handle, sealed_file, stopped_after};

/// Everything from `from`, on a thread.
fn drained(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("read");
        all
    })
}

/// Writes `bytes` to `to` and closes it, on a thread.
fn fed(mut to: impl Write + Send + 'static, bytes: Vec<u8>) {
    std::thread::spawn(move || to.write_all(&bytes).expect("write"));
}

/// Two ends of a connection over TCP.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (client, listener.accept().expect("accept").0)
}

/// What a copy that ended in the middle tells: what reached the target, and what was on the way.
#[track_caller]
fn accounts(error: &io::Error) -> (usize, Vec<u8>) {
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>());
    (
        transferred(error),
        partial.expect("an account").rest().to_vec(),
    )
}

const SIZES: [usize; 5] = [0, 1, 65_536, 65_537, 400_003];

on_each_handle! {
    fn copy_from_file_to_each_kind(io, cx) {
        let dir = temp_dir();
        for size in SIZES {
            let source = || File::open(pattern_file(dir.path(), "s", 1, size)).expect("open");
            let target = tempfile::tempfile().expect("temporary file");
            assert_eq!(cx.run(io.copy(source(), &target)).expect("copy"), size as u64);
            let bytes = fs::read(format!("/proc/self/fd/{}", target.as_raw_fd())).expect("read");
            assert_eq!(bytes.len(), size);
            assert_pattern(&bytes, 1, 0);
            let (socket, peer) = tcp_pair();
            let read = drained(peer);
            assert_eq!(cx.run(io.copy(source(), socket)).expect("copy"), size as u64);
            let bytes = read.join().expect("read");
            assert_eq!(bytes.len(), size);
            assert_pattern(&bytes, 1, 0);
            let (reader, writer) = io::pipe().expect("pipe");
            let read = drained(reader);
            assert_eq!(cx.run(io.copy(source(), writer)).expect("copy"), size as u64);
            assert_eq!(read.join().expect("read"), bytes);
        }
    }

    fn copy_from_socket_and_pipe_to_each_kind(io, cx) {
        for size in SIZES {
            let bytes = pattern(1, 0, size);
            let (socket, peer) = tcp_pair();
            let (other, end) = UnixStream::pair().expect("pair");
            fed(peer, bytes.clone());
            let read = drained(end);
            assert_eq!(cx.run(io.copy(socket, other)).expect("copy"), size as u64);
            assert_eq!(read.join().expect("read"), bytes);
            let (socket, peer) = UnixStream::pair().expect("pair");
            socket.set_nonblocking(true).expect("set");
            fed(peer, bytes.clone());
            let mut target = tempfile::tempfile().expect("temporary file");
            assert_eq!(cx.run(io.copy(socket, &target)).expect("copy"), size as u64);
            target.rewind().expect("seek");
            assert_eq!(drained(target).join().expect("read"), bytes);
            let (reader, writer) = io::pipe().expect("pipe");
            let (other_reader, other_writer) = io::pipe().expect("pipe");
            fed(writer, bytes.clone());
            let read = drained(other_reader);
            assert_eq!(cx.run(io.copy(reader, other_writer)).expect("copy"), size as u64);
            assert_eq!(read.join().expect("read"), bytes);
        }
    }

    fn copy_between_non_blocking_sockets_with_a_slow_reader(io, cx) {
        let bytes = pattern(1, 0, 3_000_000);
        let (socket, peer) = tcp_pair();
        let (other, end) = UnixStream::pair().expect("pair");
        socket.set_nonblocking(true).expect("set");
        other.set_nonblocking(true).expect("set");
        fed(peer, bytes.clone());
        let read = drained(end);
        assert_eq!(cx.run(io.copy(socket, other)).expect("copy"), 3_000_000);
        assert!(read.join().expect("read") == bytes);
    }

    fn copy_parts_at_offsets(io, cx) {
        let dir = temp_dir();
        let source = File::open(pattern_file(dir.path(), "s", 1, 200_000)).expect("open");
        let target = tempfile::tempfile().expect("temporary file");
        let copy = io.copy(&source, &target).from_offset(1_000).to_offset(5).at_most(150_000);
        assert_eq!(cx.run(copy).expect("copy"), 150_000);
        let bytes = fs::read(format!("/proc/self/fd/{}", target.as_raw_fd())).expect("read");
        assert_eq!(bytes.len(), 150_005);
        assert_pattern(&bytes[5..], 1, 1_000);
        assert_eq!(cx.run(io.copy(&source, &target).at_most(0)).expect("copy"), 0);
        let beyond = io.copy(&source, &target).from_offset(1 << 40);
        assert_eq!(cx.run(beyond).expect("copy"), 0);
        let invalid = io.copy(&source, &target).from_offset(u64::MAX);
        assert_eq!(code(cx.run(invalid)), Some(libc::EINVAL));
    }

    fn copy_without_splice_reads_and_writes(io, cx) {
        assert_fds_flat(|| {
            let dir = temp_dir();
            let path = dir.path().join("log");
            let append = || File::options().append(true).create(true).open(&path).expect("open");
            // A file that is appended to takes no splice: what is in the pipe then goes first.
            let source = File::open(pattern_file(dir.path(), "s", 1, 200_000)).expect("open");
            assert_eq!(cx.run(io.copy(&source, append())).expect("copy"), 200_000);
            let (reader, writer) = io::pipe().expect("pipe");
            let more = pattern(1, 0, 100_000);
            fed(writer, more.clone());
            assert_eq!(cx.run(io.copy(reader, append()).at_most(90_000)).expect("copy"), 90_000);
            let bytes = fs::read(&path).expect("read");
            assert_pattern(&bytes[..200_000], 1, 0);
            assert!(bytes[200_000..] == more[..90_000]);
            // A counter that gives no splice.
            // SAFETY: no memory is passed; the descriptor is new and ours.
            let event = unsafe { OwnedFd::from_raw_fd(libc::eventfd(5, libc::EFD_CLOEXEC)) };
            let (left, mut right) = UnixStream::pair().expect("pair");
            assert_eq!(cx.run(io.copy(event, &left).at_most(8)).expect("copy"), 8);
            let mut counter = [0; 8];
            right.read_exact(&mut counter).expect("read");
            assert_eq!(u64::from_ne_bytes(counter), 5);
        });
    }

    fn copy_errors_account_for_every_byte(io, cx) {
        assert_fds_flat(|| {
            let bytes = pattern(1, 0, 10_000);
            let feed = || {
                let (socket, mut peer) = UnixStream::pair().expect("pair");
                peer.write_all(&bytes).expect("write");
                socket
            };
            // Nobody reads the target.
            let (target, peer) = UnixStream::pair().expect("pair");
            drop(peer);
            let error = cx.run(io.copy(feed(), &target)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            let (given, rest) = accounts(&error);
            assert_eq!(given, 0);
            assert!(!rest.is_empty() && bytes.starts_with(&rest));
            // A device without room.
            let full = File::options().write(true).open("/dev/full").expect("open");
            let error = cx.run(io.copy(feed(), &full)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let (given, rest) = accounts(&error);
            assert!(given == 0 && !rest.is_empty() && bytes.starts_with(&rest));
            // A file that can hold a part.
            let sealed = sealed_file(4_096);
            let error = cx.run(io.copy(feed(), &sealed).to_offset(0)).unwrap_err();
            let (given, rest) = accounts(&error);
            assert_eq!(given, 4_096);
            assert!(bytes[4_096..].starts_with(&rest));
            // Nothing happened.
            let read_only = File::open("/dev/null").expect("open");
            let (reader, _writer) = io::pipe().expect("pipe");
            (&_writer).write_all(b"x").expect("write");
            assert_eq!(code(cx.run(io.copy(&reader, &read_only))), Some(libc::EBADF));
            let directory = File::open("/").expect("open");
            assert_eq!(code(cx.run(io.copy(&directory, &target))), Some(libc::EISDIR));
        });
    }
}

#[test]
fn copy_stop_before_start_and_before_the_first_byte_is_stopped() {
    let ctx = context();
    assert_fds_flat(|| {
        let (_left, right) = UnixStream::pair().expect("pair");
        let target = tempfile::tempfile().expect("temporary file");
        let copy = || ctx.local().copy(&right, &target);
        assert!(matches!(stopped_after(&ctx, 0, copy()), Outcome::Stopped));
        let source = StopSource::new();
        let env = Env::default().with_stop_token(source.token());
        let probe = Probe::new();
        let op = connect_and_start(copy(), probe.receiver_in(env));
        ctx.run_some().expect("not running");
        source.request_stop();
        ctx.run_until_empty();
        drop(op);
        probe.expect_stopped();
    });
}

/// Copies `bytes` to a socket that is full after some, is stopped there, and loses none.
fn stopped_in_the_middle(nonblocking: bool) {
    let ctx = context();
    assert_fds_flat(|| {
        let bytes = pattern(1, 0, 2_000_000);
        let (socket, peer) = UnixStream::pair().expect("pair");
        let (target, mut end) = UnixStream::pair().expect("pair");
        target.set_nonblocking(nonblocking).expect("set");
        let sender = {
            let bytes = bytes.clone();
            let mut peer = peer.try_clone().expect("dup");
            std::thread::spawn(move || peer.write_all(&bytes))
        };
        let source = StopSource::new();
        let env = Env::default().with_stop_token(source.token());
        let probe = Probe::new();
        let op = connect_and_start(ctx.local().copy(&socket, &target), probe.receiver_in(env));
        let mut quiet = 0;
        let mut seen = 0;
        // Until nothing has moved for a while: the target is full.
        super::common::wait::wait_until(super::common::wait::soon(), "the target is full", || {
            ctx.run_some().expect("not running");
            let unread = queued(&end);
            quiet = if unread == seen && unread > 0 {
                quiet + 1
            } else {
                0
            };
            seen = unread;
            quiet > 2_000
        });
        source.request_stop();
        ctx.run_until_empty();
        drop(op);
        let error = probe.expect_error();
        let (given, rest) = accounts(&error);
        drop(target);
        let mut arrived = Vec::new();
        end.read_to_end(&mut arrived).expect("read");
        assert_eq!(arrived.len(), given);
        // What is left in the source follows what was on the way.
        drop(peer);
        let left = drained(socket).join().expect("read");
        sender.join().expect("no panic").expect("write");
        arrived.extend(rest);
        arrived.extend(left);
        assert!(arrived == bytes, "{} of {}", arrived.len(), bytes.len());
    });
}

/// How many bytes wait to be read.
fn queued(socket: &UnixStream) -> i32 {
    let mut unread = 0;
    // SAFETY: the number is written during the call.
    let told = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut unread) };
    assert_eq!(told, 0, "ioctl");
    unread
}

#[test]
fn copy_stop_in_flight_to_a_full_socket_loses_nothing() {
    stopped_in_the_middle(true);
}

#[test]
fn copy_stop_in_flight_to_a_full_blocking_socket_loses_nothing() {
    stopped_in_the_middle(false);
}

#[test]
fn copy_stop_in_flight_without_splice_loses_nothing() {
    let ctx = context();
    // SAFETY: no memory is passed; the descriptor is new and ours.
    let event = unsafe { OwnedFd::from_raw_fd(libc::eventfd(5, libc::EFD_CLOEXEC)) };
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let probe = Probe::new();
    let (left, right) = UnixStream::pair().expect("pair");
    left.set_nonblocking(true).expect("set");
    // Full: the eight bytes of the counter are on the way when it is stopped.
    while (&left).write(&[1; 4_096]).is_ok() {}
    let op = connect_and_start(ctx.local().copy(&event, &left), probe.receiver_in(env));
    let mut poll = libc::pollfd {
        fd: event.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    super::common::wait::wait_until(super::common::wait::soon(), "the counter was read", || {
        ctx.run_some().expect("not running");
        // SAFETY: one entry, read and written during the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 0 }
    });
    source.request_stop();
    ctx.run_until_empty();
    drop(op);
    let (given, rest) = accounts(&probe.expect_error());
    assert_eq!((given, rest), (0, 5_u64.to_ne_bytes().to_vec()));
    drop(right);
}

#[test]
fn copy_stop_after_completion_changes_nothing() {
    let ctx = context();
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let (file, target) = (File::open("Cargo.toml"), tempfile::tempfile());
    let probe = Probe::new();
    let copy = ctx
        .local()
        .copy(file.expect("open"), target.expect("temporary file"));
    let op = connect_and_start(copy, probe.receiver_in(env));
    ctx.run_until_empty();
    source.request_stop();
    source.request_stop();
    drop(op);
    let len = fs::metadata("Cargo.toml").expect("metadata").len();
    assert_eq!(probe.expect_value(), len);
}
