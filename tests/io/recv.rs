//! recv: `recv`, `recv_with`, `recv_exact`.
//! Method: the other end of a connection sends in known pieces, ends or resets it; the bytes, the
//! counts and the buffers are compared on every path.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;
use sendio::{Cwd, MsgFlags, Partial, transferred};

use super::common::files::{assert_pattern, pattern};
use super::common::receivers::{Probe, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::orders::{StopCase, stop_orders};
use super::sockets::{drain, reset, tcp_pair, unix_pair};
use super::support::{Refuses, code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn recv_gives_what_there_is_then_the_end(io, cx) {
        let (left, mut right) = tcp_pair();
        right.write_all(b"some").expect("write");
        let (n, bytes) = cx.run(io.recv(&left, [0; 16])).expect("recv");
        assert_eq!(&bytes[..n], b"some");
        drop(right);
        for _ in 0..2 {
            let (n, vec) = cx.run(io.recv(&left, vec![7; 4])).expect("recv");
            assert_eq!((n, vec.len()), (0, 0));
        }
    }

    fn recv_waits_for_data_also_without_blocking_mode(io, cx) {
        let (left, mut right) = unix_pair();
        left.set_nonblocking(true).expect("set");
        thread::scope(|threads| {
            threads.spawn(move || right.write_all(b"late").expect("write"));
            let (n, _) = cx.run(io.recv(&left, [0; 4])).expect("waits");
            assert!(n > 0);
        });
    }

    fn recv_without_room_leaves_the_socket_alone(io, cx) {
        let (left, mut right) = unix_pair();
        assert_eq!(cx.run(io.recv(&left, [0; 0])).expect("does not wait"), (0, [0; 0]));
        assert_eq!(cx.run(io.recv_exact(&left, [0; 0])).expect("does not wait"), [0; 0]);
        right.write_all(b"x").expect("write");
        assert_eq!(cx.run(io.recv(&left, Vec::new())).expect("recv"), (0, Vec::new()));
        assert_eq!(cx.run(io.recv(&left, [0; 4])).expect("recv").0, 1, "still there");
        let (left, right) = UnixDatagram::pair().expect("socketpair");
        right.send(b"whole").expect("send");
        assert_eq!(cx.run(io.recv(&left, [0; 0])).expect("recv").0, 0);
        assert_eq!(cx.run(io.recv(&left, [0; 8])).expect("recv").0, 5, "not thrown away");
    }

    fn recv_with_flags_peeks_waits_for_all_and_does_not_wait(io, cx) {
        let (left, mut right) = tcp_pair();
        let now = io.recv_with(&left, [0; 4], MsgFlags::DONTWAIT);
        assert_eq!(cx.run(now).unwrap_err().kind(), ErrorKind::WouldBlock);
        right.write_all(b"abcd").expect("write");
        for flags in [MsgFlags::PEEK, MsgFlags::PEEK | MsgFlags::WAITALL] {
            let (n, bytes) = cx.run(io.recv_with(&left, [0; 8], flags)).expect("recv");
            assert_eq!(&bytes[..n], b"abcd", "{flags:?}");
        }
        let (n, _) = cx.run(io.recv_with(&left, [0; 8], MsgFlags::DONTWAIT)).expect("recv");
        assert_eq!(n, 4);
        thread::scope(|threads| {
            threads.spawn(move || {
                for byte in pattern(3, 0, 100) {
                    right.write_all(&[byte]).expect("write");
                    thread::yield_now();
                }
            });
            let all = io.recv_with(&left, [0; 100], MsgFlags::WAITALL);
            let (n, bytes) = cx.run(all).expect("recv");
            assert_eq!(n, 100);
            assert_pattern(&bytes, 3, 0);
        });
    }

    fn recv_poll_first_waits_then_receives(io, cx) {
        let (left, right) = unix_pair();
        let waiting = io.recv(&left, [0; 8]).poll_first();
        let sending = io.send(&right, "after");
        let ((n, bytes), _) = cx.run(when_all((waiting, sending))).expect("both");
        assert_eq!(&bytes[..n], b"after");
        cx.run(io.send(&right, "before")).expect("send");
        let exact = io.recv_exact(&left, [0; 6]).poll_first().returning_buffer();
        let (result, bytes) = cx.run(exact).expect("always a value");
        assert_eq!((result.expect("recv"), &bytes), (6, b"before"));
    }

    fn recv_of_datagrams_takes_one_and_cuts_it(io, cx) {
        let (left, right) = UnixDatagram::pair().expect("socketpair");
        for datagram in [&b"first"[..], b"", b"third"] {
            right.send(datagram).expect("send");
        }
        let (n, bytes) = cx.run(io.recv(&left, [0; 3])).expect("recv");
        assert_eq!((n, &bytes), (3, b"fir"));
        assert_eq!(cx.run(io.recv(&left, [0; 3])).expect("an empty one").0, 0);
        let (n, bytes) = cx.run(io.recv(&left, [0; 8])).expect("recv");
        assert_eq!(&bytes[..n], b"third");
    }

    fn recv_exact_fed_one_byte_at_a_time_fills_the_buffer(io, cx) {
        let (left, mut right) = tcp_pair();
        right.set_nodelay(true).expect("set");
        thread::scope(|threads| {
            threads.spawn(move || {
                for byte in pattern(4, 0, 2000) {
                    right.write_all(&[byte]).expect("write");
                }
            });
            let bytes = cx.run(io.recv_exact(&left, vec![0; 2000].into_boxed_slice()));
            assert_pattern(&bytes.expect("recv"), 4, 0);
        });
    }

    fn recv_exact_end_in_the_middle_says_how_much(io, cx) {
        let (left, mut right) = tcp_pair();
        right.write_all(b"abc").expect("write");
        drop(right);
        let mut buffer = [0; 8];
        let error = cx.run(io.recv_exact(&left, &mut buffer[..])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(transferred(&error), 3);
        assert_eq!(&buffer[..3], b"abc");
        let error = cx.run(io.recv_exact(&left, [0; 8])).unwrap_err();
        assert_eq!((error.kind(), transferred(&error)), (ErrorKind::UnexpectedEof, 0));
    }

    fn recv_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let file = File::open("/dev/zero").expect("open");
        assert_eq!(code(cx.run(io.recv(&file, [0; 4]))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.recv_exact(&file, [0; 4]))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.recv(Cwd, [0; 4]))), Some(libc::EBADF));
        let unconnected = socket_of(sendio::SocketKind::STREAM);
        assert_eq!(code(cx.run(io.recv(&unconnected, [0; 4]))), Some(libc::ENOTCONN));
        let (left, mut right) = unix_pair();
        right.write_all(b"ok").expect("write");
        assert_eq!(cx.run(io.recv(&left, [0; 2])).expect("the loop lives"), (2, *b"ok"));
    }

    fn recv_owner_that_panics_is_told_on_the_panic_channel(io, cx) {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cx.run(io.recv(Refuses, [0; 4])).map(|_| ())
        }));
        let payload = panicked.expect_err("resumed by the consumer");
        assert_eq!(payload.downcast_ref(), Some(&"no descriptor for you"));
    }

    fn recv_gives_the_buffer_back_on_every_path(io, cx) {
        let (left, mut right) = unix_pair();
        right.write_all(b"yes").expect("write");
        let (result, bytes) = cx.run(io.recv(&left, vec![0; 8]).returning_buffer()).expect("value");
        assert_eq!((result.expect("recv"), &bytes[..]), (3, &b"yes"[..]));
        let not = File::open("/dev/null").expect("open");
        let (result, bytes) = cx.run(io.recv(not, vec![5; 8]).returning_buffer()).expect("value");
        assert_eq!(code(result), Some(libc::ENOTSOCK));
        assert_eq!(bytes, [5; 8]);
        let stop = StopSource::new();
        stop.request_stop();
        let stopped = io.recv(&left, vec![6; 8]).returning_buffer();
        let (result, bytes) = cx.run(stopped.with_stop_token(stop.token())).expect("value");
        assert_eq!(code(result), Some(libc::ECANCELED));
        assert_eq!(bytes, [6; 8]);
        right.write_all(b"ab").expect("write");
        drop(right);
        let exact = io.recv_exact(&left, vec![0; 8].into_boxed_slice()).returning_buffer();
        let (result, bytes) = cx.run(exact).expect("value");
        assert_eq!(transferred(&result.unwrap_err()), 2);
        assert_eq!(&bytes[..2], b"ab");
    }
}

/// A socket that is not connected.
fn socket_of(kind: sendio::SocketKind) -> std::os::fd::OwnedFd {
    let ctx = context();
    let socket = ctx.scheduler().socket(sendio::Domain::Inet, kind, 0);
    ctx.block_on(socket).expect("socket").expect("not stopped")
}

#[test]
fn recv_exact_of_64_kib_in_single_bytes_is_one_completion() {
    let ctx = context();
    let (left, mut right) = unix_pair();
    const LEN: usize = 1 << 16;
    thread::scope(|threads| {
        threads.spawn(move || {
            for byte in pattern(5, 0, LEN) {
                right.write_all(&[byte]).expect("write");
            }
        });
        let buffer = vec![0; LEN].into_boxed_slice();
        let bytes = ctx.block_on(ctx.scheduler().recv_exact(&left, buffer));
        assert_pattern(&bytes.expect("recv").expect("not stopped"), 5, 0);
    });
}

#[test]
fn recv_after_a_reset_is_connection_reset_with_the_count() {
    let ctx = context();
    let io = ctx.scheduler();
    let (left, right) = tcp_pair();
    reset(right);
    let error = ctx.block_on(io.recv(&left, [0; 4])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let (left, mut right) = tcp_pair();
    right.write_all(b"abc").expect("write");
    let probe = Probe::new();
    let before = ctx.metrics().submitted;
    let _op = connect_and_start(io.recv_exact(&left, [0; 8]), probe.receiver());
    wait_until(soon(), "the first three are taken", || {
        ctx.run_some().expect("not running");
        ctx.metrics().submitted > before + 1
    });
    reset(right);
    ctx.run_until_empty();
    let error = probe.expect_error();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(transferred(&error), 3);
}

#[test]
fn recv_on_a_datagram_socket_tells_that_nobody_is_there() {
    let ctx = context();
    let io = ctx.scheduler();
    let here = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let gone = UdpSocket::bind("127.0.0.1:0").expect("bind");
    here.connect(gone.local_addr().expect("address"))
        .expect("connect");
    drop(gone);
    ctx.block_on(io.send(&here, "hello?")).expect("send");
    let error = ctx.block_on(io.recv(&here, [0; 4])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn recv_ends_when_this_side_is_shut_down() {
    let ctx = context();
    let (left, _right) = tcp_pair();
    let probe = Probe::new();
    let _op = connect_and_start(ctx.scheduler().recv(&left, [0; 4]), probe.receiver());
    ctx.run_some().expect("not running");
    probe.expect_nothing();
    left.shutdown(std::net::Shutdown::Both).expect("shut down");
    ctx.run_until_empty();
    assert_eq!(probe.expect_value().0, 0);
}

#[test]
fn recv_two_at_a_time_lose_and_double_nothing() {
    let ctx = context();
    let io = ctx.scheduler();
    let (left, mut right) = unix_pair();
    let sent = pattern(6, 0, 64);
    right.write_all(&sent).expect("write");
    let both = when_all((io.recv_exact(&left, [0; 32]), io.recv_exact(&left, [0; 32])));
    let (a, b) = ctx.block_on(both).expect("recv").expect("not stopped");
    let mut got = [a, b].concat();
    let mut sent = sent;
    got.sort_unstable();
    sent.sort_unstable();
    assert_eq!(got, sent);
    assert_eq!(drain(&left), 0);
}

/// A receive that waits for four bytes.
struct Waits {
    left: UnixStream,
    right: RefCell<UnixStream>,
}

impl Waits {
    fn new() -> Self {
        let (left, right) = unix_pair();
        Self {
            left,
            right: RefCell::new(right),
        }
    }

    fn send(&self) {
        self.right.borrow_mut().write_all(b"data").expect("write");
    }

    /// Nothing was taken before.
    fn expect_data(&self) {
        self.send();
        let mut bytes = [0; 8];
        let n = (&self.left).read(&mut bytes).expect("read");
        assert_eq!(&bytes[..n], b"data");
    }
}

/// Cases of receives that differ in what is received, and how it is looked at.
macro_rules! receives {
    ($($case:ident: $value:ty, |$io:ident, $socket:ident| $sender:expr, $bytes:expr;)+) => {$(
        struct $case(Waits);

        impl StopCase for $case {
            type Value = $value;
            fn new() -> Self {
                Self(Waits::new())
            }
            fn sender<H: Io>(&self, $io: H) -> impl Sender<Value = $value, Error = io::Error> {
                let $socket = &self.0.left;
                $sender
            }
            fn ready(&self) {
                self.0.send();
            }
            fn check_value(&self, value: $value) {
                let bytes: fn(&$value) -> &[u8] = $bytes;
                assert_eq!(bytes(&value), b"data");
            }
            fn check_stopped(&self) {
                self.0.expect_data();
            }
        }
    )+};
}

receives! {
    RecvCase: (usize, [u8; 8]), |io, socket| io.recv(socket, [0; 8]), |(n, bytes)| &bytes[..*n];
    ExactCase: [u8; 4], |io, socket| io.recv_exact(socket, [0; 4]), |bytes| bytes;
    PollFirstCase: (usize, [u8; 8]), |io, socket| io.recv(socket, [0; 8]).poll_first(),
        |(n, bytes)| &bytes[..*n];
}

stop_orders! {
    RecvCase {
        fn recv_stop_before_start;
        fn recv_stop_during_submit;
        fn recv_stop_in_flight;
        fn recv_stop_after_cqe;
        fn recv_stop_after_completion;
        fn recv_stop_twice;
    }
    ExactCase {
        fn recv_exact_stop_before_start;
        fn recv_exact_stop_during_submit;
        fn recv_exact_stop_in_flight;
        fn recv_exact_stop_after_cqe;
        fn recv_exact_stop_after_completion;
        fn recv_exact_stop_twice;
    }
    PollFirstCase {
        fn recv_poll_first_stop_before_start;
        fn recv_poll_first_stop_during_submit;
        fn recv_poll_first_stop_in_flight;
        fn recv_poll_first_stop_after_cqe;
        fn recv_poll_first_stop_after_completion;
        fn recv_poll_first_stop_twice;
    }
}

#[test]
fn recv_exact_between_parts_stop_in_flight_says_how_much() {
    let ctx = context();
    let (left, mut right) = unix_pair();
    right.write_all(b"abc").expect("write");
    let mut buffer = [0; 8];
    let recv = ctx.scheduler().recv_exact(&left, &mut buffer[..]);
    let Outcome::Error(error) = stopped_after(&ctx, 1, recv) else {
        panic!("bytes were lost in a plain stop")
    };
    assert_eq!(transferred(&error), 3);
    let partial = error.get_ref().and_then(|inner| inner.downcast_ref());
    let cause = partial.and_then(Partial::cause).expect("a cause");
    assert_eq!(cause.raw_os_error(), Some(libc::ECANCELED));
    assert_eq!(&buffer[..3], b"abc");
}

#[test]
fn recv_raced_by_stop_loses_no_byte() {
    let ctx = context();
    let io = ctx.scheduler();
    let (left, right) = unix_pair();
    const BYTES: usize = 2000;
    let (mut delivered, mut stopped) = (0, 0);
    let seen = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            for sent in 0..BYTES {
                // Now and then there is nothing to receive, so that the stop has a chance.
                while sent % 16 == 0 && seen.load(Ordering::Acquire) < sent {
                    thread::yield_now();
                }
                (&right).write_all(b"x").expect("write");
                thread::yield_now();
            }
        });
        while delivered < BYTES {
            let stop = StopSource::new();
            let turns = io.yield_now().repeat_n(stopped % 7).cast_err();
            let asking = turns.then(|()| stop.request_stop());
            let recv = io.recv(&left, [0; 1]).with_stop_token(stop.token());
            let both = when_all((recv.stopped_as_optional(), asking));
            let (received, _) = ctx.block_on(both).expect("no error").expect("not stopped");
            delivered += received.map_or(0, |(n, _)| n);
            stopped += usize::from(received.is_none());
            seen.store(delivered, Ordering::Release);
        }
    });
    assert_eq!(delivered, BYTES);
    assert_eq!(drain(&left), 0);
    assert!(stopped > 0, "there was no race");
}
