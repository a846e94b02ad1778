//! shutdown and close of sockets: what the peer sees.
//! Method: the peer reads and writes after each.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use sendio::prelude::*;
use sendio::{Cwd, SocketFd, UnixStream};

use super::common::receivers::{Probe, connect_and_start};
use super::sockets::{tcp_listener, tcp_pair, unix_pair};
use super::support::{code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn shutdown_write_lets_the_peer_read_to_the_end(io, cx) {
        let (mut left, mut right) = tcp_pair();
        cx.run(io.send_all(&left, "last words")).expect("send");
        cx.run(io.shutdown(&left, Shutdown::Write)).expect("shut down");
        let mut words = String::new();
        right.read_to_string(&mut words).expect("read");
        assert_eq!(words, "last words");
        assert_eq!(cx.run(io.send(&left, "more")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        right.write_all(b"answer").expect("the other direction is open");
        let mut answer = [0; 6];
        left.read_exact(&mut answer).expect("read");
    }

    fn shutdown_of_each_direction(io, cx) {
        let (left, right) = UnixStream::pair(io).expect("pair");
        cx.run(left.shutdown(Shutdown::Read)).expect("shut down");
        assert_eq!(cx.run(left.recv([0; 1])).expect("recv").0, 0);
        assert_eq!(cx.run(right.send("x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        cx.run(right.shutdown(Shutdown::Both)).expect("shut down");
        assert_eq!(cx.run(left.send("x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        cx.run(left.shutdown(Shutdown::Both)).expect("again is no error");
        left.token().shutdown(Shutdown::Both).expect("nor at once");
    }

    fn shutdown_bad_input_is_an_error(io, cx) {
        let listener = tcp_listener();
        let not_connected = sendio::UdpSocket::bind(io, ([127, 0, 0, 1], 0)).expect("bind");
        let error = cx.run(not_connected.shutdown(Shutdown::Both)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let file = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.shutdown(&file, Shutdown::Both))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.shutdown(Cwd, Shutdown::Both))), Some(libc::EBADF));
        cx.run(io.shutdown(&listener, Shutdown::Both)).expect("a listener can");
    }

    fn close_of_a_socket_ends_the_connection(io, cx) {
        let (left, right) = UnixStream::pair(io).expect("pair");
        cx.run(left.send("last words")).expect("send");
        let clone = left.try_clone().expect("dup");
        cx.run(left.close()).expect("close");
        cx.run(clone.send("and more")).expect("another handle keeps it open");
        cx.run(clone.close()).expect("close");
        let (n, _) = cx.run(right.recv([0; 32])).expect("recv");
        assert_eq!(n, 18);
        assert_eq!(cx.run(right.recv([0; 32])).expect("recv").0, 0);
    }
}

#[test]
fn shutdown_stop_before_start() {
    let ctx = context();
    let (left, mut right) = unix_pair();
    let shutdown = ctx.scheduler().shutdown(&left, Shutdown::Both);
    assert!(matches!(stopped_after(&ctx, 0, shutdown), Outcome::Stopped));
    right.write_all(b"x").expect("still open");
}

#[test]
fn shutdown_stop_during_submit_is_told_as_it_happened() {
    for _ in 0..200 {
        let ctx = context();
        let (left, mut right) = unix_pair();
        let stop = StopSource::new();
        let probe = Probe::new();
        let env = sendio::Env::default().with_stop_token(stop.token());
        let sender = ctx.scheduler().shutdown(&left, Shutdown::Both);
        let _op = connect_and_start(sender, probe.receiver_in(env));
        stop.request_stop();
        ctx.run_until_empty();
        let open = right.write(b"x").is_ok();
        match probe.outcome() {
            Outcome::Value(()) => assert!(!open),
            Outcome::Stopped => assert!(open),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn shutdown_stop_after_completion() {
    let ctx = context();
    let (left, mut right) = unix_pair();
    let stop = StopSource::new();
    let shutdown = ctx.scheduler().shutdown(&left, Shutdown::Both);
    let ended = ctx.block_on(shutdown.with_stop_token(stop.token()));
    assert_eq!(ended.expect("shut down"), Some(()));
    stop.request_stop();
    assert_eq!(right.read(&mut [0; 1]).expect("the end"), 0);
}

#[test]
fn close_right_after_a_receive_was_cancelled_is_seen_by_the_peer() {
    let ctx = context();
    let io = ctx.scheduler();
    for _ in 0..100 {
        let (left, mut right) = unix_pair();
        let left = UnixStream::from_std(io, left);
        let stop = StopSource::new();
        let turns = io.yield_now().repeat_n(3).cast_err();
        let asking = turns.then(|()| stop.request_stop());
        let recv = left.recv([0; 8]).with_stop_token(stop.token());
        let both = when_all((recv.stopped_as_optional(), asking));
        let (received, _) = ctx.block_on(both).expect("no error").expect("not stopped");
        assert!(received.is_none());
        ctx.block_on(left.close()).expect("close");
        right.set_nonblocking(true).expect("set");
        assert_eq!(right.read(&mut [0; 1]).expect("the end, at once"), 0);
    }
}

#[test]
fn shutdown_of_a_token_is_seen_by_the_peer() {
    let (left, mut right) = unix_pair();
    let token = SocketFd::<sendio::protocol::UnixStreams>::from(std::os::fd::AsFd::as_fd(&left));
    token.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(right.read(&mut [0; 1]).expect("the end"), 0);
}
