//! send: `send`, `send_with`, `send_all`.
//! Method: the other end counts and compares what arrives, reads slowly, or goes away.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;

use sendio::prelude::*;
use sendio::{Cwd, MsgFlags, transferred};

use super::common::files::{assert_pattern, pattern};
use super::common::receivers::{Probe, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::orders::{StopCase, stop_orders};
use super::sockets::{drain, fill, reset, tcp_pair, unix_pair};
use super::support::{code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn send_each_kind_of_buffer_arrives(io, cx) {
        let (left, mut right) = tcp_pair();
        assert_eq!(cx.run(io.send(&left, "text")).expect("send"), (4, "text"));
        cx.run(io.send(&left, *b"array")).expect("send");
        cx.run(io.send(&left, vec![b'v'; 3])).expect("send");
        cx.run(io.send_all(&left, std::sync::Arc::<[u8]>::from(*b"arc"))).expect("send");
        cx.run(io.send_all(&left, String::from("!").slice(..))).expect("send");
        drop(left);
        let mut all = String::new();
        right.read_to_string(&mut all).expect("read");
        assert_eq!(all, "textarrayvvvarc!");
    }

    fn send_of_nothing_is_an_empty_datagram_and_nothing_on_a_stream(io, cx) {
        let (left, right) = UnixDatagram::pair().expect("socketpair");
        assert_eq!(cx.run(io.send(&left, "")).expect("send").0, 0);
        cx.run(io.send(&left, "x")).expect("send");
        assert_eq!(right.recv(&mut [0; 8]).expect("recv"), 0);
        assert_eq!(right.recv(&mut [0; 8]).expect("recv"), 1);
        let (left, right) = unix_pair();
        assert_eq!(cx.run(io.send(&left, "")).expect("send").0, 0);
        assert_eq!(cx.run(io.send_all(&left, "")).expect("send"), "");
        assert_eq!(drain(&right), 0);
    }

    fn send_with_flags_holds_back_marks_and_does_not_wait(io, cx) {
        let (left, right) = unix_pair();
        let filled = fill(&left);
        let now = cx.run(io.send_with(&left, [1; 4096], MsgFlags::DONTWAIT));
        assert_eq!(now.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(drain(&right), filled);
        let (left, mut right) = tcp_pair();
        cx.run(io.send_with(&left, "held", MsgFlags::MORE)).expect("send");
        cx.run(io.send_with(&left, "back", MsgFlags::EOR | MsgFlags::DONTROUTE)).expect("send");
        let mut bytes = [0; 8];
        right.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"heldback");
        cx.run(io.send_with(&left, "u!", MsgFlags::OOB)).expect("send");
        cx.run(io.poll(&right, sendio::PollEvents::PRI)).expect("poll");
        let (n, urgent) = cx.run(io.recv_with(&right, [0; 1], MsgFlags::OOB)).expect("recv");
        assert_eq!((n, &urgent), (1, b"!"));
    }

    fn send_goes_without_blocking_mode_and_waits_for_room(io, cx) {
        let (left, right) = unix_pair();
        let filled = fill(&left);
        left.set_nonblocking(true).expect("set");
        thread::scope(|threads| {
            let reader = threads.spawn(|| {
                let mut received = 0;
                while received < filled + 10_000 {
                    received += (&right).read(&mut [0; 4096]).expect("read");
                }
                received
            });
            cx.run(io.send_all(&left, [2; 10_000]).poll_first()).expect("waits for room");
            assert_eq!(reader.join().expect("reader"), filled + 10_000);
        });
    }

    fn send_where_nobody_receives_is_broken_pipe(io, cx) {
        let (left, right) = unix_pair();
        drop(right);
        for _ in 0..2 {
            assert_eq!(code(cx.run(io.send(&left, "x"))), Some(libc::EPIPE));
            let error = cx.run(io.send_all(&left, "x")).unwrap_err();
            assert_eq!((error.kind(), transferred(&error)), (ErrorKind::BrokenPipe, 0));
        }
        let (left, _right) = tcp_pair();
        left.shutdown(std::net::Shutdown::Write).expect("shut down");
        assert_eq!(code(cx.run(io.send(&left, "x"))), Some(libc::EPIPE));
    }

    fn send_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let file = File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.send(&file, "x"))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.send_all(&file, "x"))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.send(Cwd, "x"))), Some(libc::EBADF));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
        assert_eq!(code(cx.run(io.send(&udp, "x"))), Some(libc::EDESTADDRREQ));
        udp.connect(udp.local_addr().expect("address")).expect("connect");
        assert_eq!(code(cx.run(io.send(&udp, vec![0; 70_000]))), Some(libc::EMSGSIZE));
        assert_eq!(cx.run(io.send(&udp, "ok")).expect("the loop lives").0, 2);
    }

    fn send_gives_the_buffer_back_on_every_path(io, cx) {
        let (left, right) = unix_pair();
        let (result, buf) = cx.run(io.send(&left, vec![1; 3]).returning_buffer()).expect("value");
        assert_eq!((result.expect("send"), buf), (3, vec![1; 3]));
        let stop = StopSource::new();
        stop.request_stop();
        let stopped = io.send_all(&left, vec![2; 3]).returning_buffer();
        let (result, buf) = cx.run(stopped.with_stop_token(stop.token())).expect("value");
        assert_eq!((code(result), buf), (Some(libc::ECANCELED), vec![2; 3]));
        drop(right);
        let (result, buf) = cx.run(io.send_all(&left, vec![3; 3]).returning_buffer()).expect("value");
        assert_eq!((code(result), buf), (Some(libc::EPIPE), vec![3; 3]));
    }
}

#[test]
fn send_all_of_16_mib_to_a_slow_reader_arrives_once_and_in_order() {
    const LEN: usize = 16 << 20;
    let ctx = context();
    let (left, mut right) = tcp_pair();
    let sent = pattern(7, 0, LEN);
    thread::scope(|threads| {
        let reader = threads.spawn(move || {
            let mut received = Vec::with_capacity(LEN);
            let mut piece = vec![0; 65_521];
            loop {
                let n = right.read(&mut piece).expect("read");
                if n == 0 {
                    break received;
                }
                received.extend_from_slice(&piece[..n]);
                thread::yield_now();
            }
        });
        let send = ctx.scheduler().send_all(&left, &sent[..]);
        ctx.block_on(send).expect("send").expect("not stopped");
        drop(left);
        let received = reader.join().expect("reader");
        assert_eq!(received.len(), LEN);
        assert_pattern(&received, 7, 0);
    });
}

/// Starts to send more than fits, and waits until a part was taken.
fn part_of(ctx: &IoContext, left: &TcpStream, then: impl FnOnce()) -> io::Error {
    let probe = Probe::new();
    let before = ctx.metrics().submitted;
    let send = ctx.scheduler().send_all(left, vec![9; 64 << 20]);
    let _op = connect_and_start(send, probe.receiver());
    wait_until(soon(), "a part was taken", || {
        ctx.run_some().expect("not running");
        ctx.metrics().submitted > before + 1
    });
    then();
    ctx.run_until_empty();
    probe.expect_error()
}

#[test]
fn send_all_reset_in_the_middle_says_how_much() {
    let ctx = context();
    let (left, right) = tcp_pair();
    let error = part_of(&ctx, &left, || reset(right));
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(transferred(&error) > 0);
}

#[test]
fn send_all_between_parts_stop_in_flight_says_how_much() {
    let ctx = context();
    let (left, right) = unix_pair();
    let send = ctx.scheduler().send_all(&left, vec![1; 8 << 20]);
    let Outcome::Error(error) = stopped_after(&ctx, 1, send) else {
        panic!("bytes were sent, and a plain stop does not say so")
    };
    assert!(transferred(&error) > 0);
    assert_eq!(drain(&right), transferred(&error));
}

/// A send that waits for room.
struct SendCase {
    left: UnixStream,
    right: UnixStream,
    filled: usize,
    drained: Cell<usize>,
}

impl StopCase for SendCase {
    type Value = (usize, [u8; 100]);
    fn new() -> Self {
        let (left, right) = unix_pair();
        let filled = fill(&left);
        Self {
            left,
            right,
            filled,
            drained: Cell::new(0),
        }
    }
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error> {
        io.send(&self.left, [2; 100])
    }
    fn ready(&self) {
        self.drained.set(drain(&self.right));
    }
    fn check_value(&self, (n, _): Self::Value) {
        let drained = self.drained.get() + drain(&self.right);
        assert_eq!(drained, self.filled + n);
    }
    fn check_stopped(&self) {
        assert_eq!(drain(&self.right), self.filled, "something was sent");
    }
}

/// A send of everything that waits for room.
struct SendAllCase(SendCase);

impl StopCase for SendAllCase {
    type Value = [u8; 100];
    fn new() -> Self {
        Self(SendCase::new())
    }
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error> {
        io.send_all(&self.0.left, [2; 100])
    }
    fn ready(&self) {
        self.0.ready();
    }
    fn check_value(&self, value: Self::Value) {
        self.0.check_value((100, value));
    }
    fn check_stopped(&self) {
        self.0.check_stopped();
    }
}

stop_orders! {
    SendCase {
        fn send_stop_before_start;
        fn send_stop_during_submit;
        fn send_stop_in_flight;
        fn send_stop_after_cqe;
        fn send_stop_after_completion;
        fn send_stop_twice;
    }
    SendAllCase {
        fn send_all_stop_before_start;
        fn send_all_stop_during_submit;
        fn send_all_stop_in_flight;
        fn send_all_stop_after_cqe;
        fn send_all_stop_after_completion;
        fn send_all_stop_twice;
    }
}
