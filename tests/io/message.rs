//! message: `send_to`, `recv_from`, `sendmsg`, `recvmsg`.
//! Method: sockets of each family and type of `std` as peers; errors that the kernel tells; stops in
//! each order.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

use sendio::ancillary::{AncillaryBuf, Rights};
use sendio::prelude::*;
use sendio::{Domain, Endpoint, Env, MsgFlags, Received, StopSource};

use super::common::files::temp_dir;
use super::common::receivers::{Probe, Trace, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::net::{udp_pair, unix_pair};
use super::support::{Held, code, context, on_each_handle, outcome_of, stopped_after};

on_each_handle! {
    fn send_to_then_recv_from_over_both_versions(io, cx) {
        for ip in ["127.0.0.1", "::1"] {
            let (left, right) = udp_pair(ip);
            let to = right.local_addr().expect("address");
            let (n, text) = cx.run(io.send_to(&left, String::from("hello"), to)).expect("send");
            assert_eq!((n, text.as_str()), (5, "hello"));
            let (received, bytes) = cx.run(io.recv_from(&right, [0; 9])).expect("receive");
            assert_eq!((received.len, &bytes[..5]), (5, &b"hello"[..]));
            assert_eq!(received.from.to_socket_addr(), left.local_addr().ok());
            assert!(!received.is_truncated() && !received.is_ancillary_truncated());
            // The endpoint that was received is one to send to.
            cx.run(io.send_to(&right, "back", received.from)).expect("send");
            let mut back = [0; 9];
            assert_eq!(left.recv(&mut back).expect("receive"), 4);
        }
    }

    fn recv_from_longer_datagram_is_truncated_and_says_so(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        left.send_to(b"truncated", right.local_addr().expect("address")).expect("send");
        left.send_to(b"whole", right.local_addr().expect("address")).expect("send");
        let (received, vec) = cx.run(io.recv_from(&right, Vec::with_capacity(5))).expect("receive");
        assert_eq!((received.len, &vec[..]), (5, &b"trunc"[..]));
        assert!(received.is_truncated());
        assert_eq!(received.raw_flags() & libc::MSG_TRUNC, libc::MSG_TRUNC);
        let (received, vec) = cx.run(io.recv_from(&right, vec)).expect("receive");
        assert_eq!((received.len, &vec[..]), (5, &b"whole"[..]));
        assert!(!received.is_truncated());
    }

    fn recv_from_empty_datagram_is_a_message(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        let to = right.local_addr().expect("address");
        assert_eq!(cx.run(io.send_to(&left, "", to)).expect("send").0, 0);
        assert_eq!(cx.run(io.sendmsg(&left, Vec::<&str>::new()).to(to)).expect("send").0, 0);
        assert_eq!(cx.run(io.send_to(&left, "next", to)).expect("send").0, 4);
        for _ in 0..2 {
            let (received, _) = cx.run(io.recv_from(&right, [0; 9])).expect("receive");
            assert_eq!((received.len, received.is_truncated()), (0, false));
            assert_eq!(received.from.to_socket_addr(), left.local_addr().ok());
        }
        // A datagram is taken by a receive without room, and cut to nothing.
        let (received, _) = cx.run(io.recv_from(&right, [0; 0])).expect("receive");
        assert_eq!((received.len, received.is_truncated()), (0, true));
    }

    fn sendmsg_then_recvmsg_gather_and_scatter(io, cx) {
        let (left, right) = UnixDatagram::pair().expect("pair");
        let parts = (*b"ab", String::from("cd"), "", vec![b'e']);
        assert_eq!(cx.run(io.sendmsg(&left, parts)).expect("send").0, 5);
        let lists = (Vec::with_capacity(2), [0; 2], vec![9_u8; 4]);
        let (received, (a, b, c)) = cx.run(io.recvmsg(&right, lists)).expect("receive");
        assert_eq!((received.len, &a[..], &b), (5, &b"ab"[..], b"cd"));
        assert_eq!(c, b"e");
        // More buffers than lie in the operation.
        assert_eq!(cx.run(io.sendmsg(&left, ["xy"; 20])).expect("send").0, 40);
        let (received, arrays) = cx.run(io.recvmsg(&right, [[0; 3]; 15])).expect("receive");
        assert_eq!(received.len, 40);
        assert_eq!(&arrays.as_flattened()[..40], "xy".repeat(20).as_bytes());
    }

    fn recvmsg_from_unix_names_of_each_kind(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("socket");
        let receiver = UnixDatagram::bind(&path).expect("bind");
        let to = Endpoint::unix(&path).expect("short");
        let unnamed = UnixDatagram::unbound().expect("socket");
        cx.run(io.send_to(&unnamed, "1", to)).expect("send");
        let (received, _) = cx.run(io.recv_from(&receiver, [0; 4])).expect("receive");
        assert!(received.from.is_unnamed());
        let sender = UnixDatagram::bind(dir.path().join("other")).expect("bind");
        cx.run(io.sendmsg(&sender, ["2"]).to(to)).expect("send");
        let (received, _) = cx.run(io.recvmsg(&receiver, [[0; 4]])).expect("receive");
        assert_eq!(received.from.unix_path(), Some(&*dir.path().join("other")));
        assert_eq!(received.from.family(), Domain::Unix);
    }

    fn recvmsg_stream_tells_no_address_and_its_end(io, cx) {
        let (mut left, right) = UnixStream::pair().expect("pair");
        left.write_all(b"bytes").expect("write");
        drop(left);
        let (received, _) = cx.run(io.recvmsg(&right, [[0; 3]])).expect("receive");
        assert_eq!((received.len, received.is_truncated()), (3, false), "the rest stays");
        assert!(received.from.is_unnamed());
        let (received, _) = cx.run(io.recvmsg(&right, [[0; 3]])).expect("receive");
        assert_eq!(received.len, 2);
        let (received, _) = cx.run(io.recvmsg(&right, [[0; 3]])).expect("receive");
        assert_eq!(received.len, 0);
    }

    fn recvmsg_over_tcp_tells_no_address(io, cx) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let left = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let (right, _) = listener.accept().expect("accept");
        cx.run(io.sendmsg(&left, ["ab", "cd"])).expect("send");
        let receive = io.recvmsg(&right, [[0; 2]; 2]).flags(MsgFlags::WAITALL);
        let (received, bytes) = cx.run(receive).expect("receive");
        assert_eq!((received.len, bytes.as_flattened()), (4, &b"abcd"[..]));
        assert_eq!(received.from.family(), Domain::Unspecified);
        let receive = io.recvmsg(&right, [[0; 2]; 2]).ancillary(AncillaryBuf::<64>::new());
        cx.run(io.sendmsg(&left, ["e"])).expect("send");
        let (received, _) = cx.run(receive.flags(MsgFlags::WAITALL)).expect("receive");
        assert_eq!(received.len, 1, "it does not wait for more");
    }

    fn recvmsg_seqpacket_keeps_the_bounds_of_messages(io, cx) {
        let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
        cx.run(io.sendmsg(&left, ["one", "two"])).expect("send");
        cx.run(io.sendmsg(&left, ["three"])).expect("send");
        let (received, _) = cx.run(io.recvmsg(&right, [[0; 4]])).expect("receive");
        assert_eq!((received.len, received.is_truncated()), (4, true));
        let (received, [bytes]) = cx.run(io.recvmsg(&right, [[0; 9]])).expect("receive");
        assert_eq!((received.len, &bytes[..5]), (5, &b"three"[..]));
        assert!(!received.is_truncated());
        drop(left);
        let (received, _) = cx.run(io.recvmsg(&right, [[0; 9]])).expect("receive");
        assert_eq!(received.len, 0);
    }

    fn message_more_buffers_than_the_kernel_takes_are_a_short_result(io, cx) {
        let (left, right) = UnixStream::pair().expect("pair");
        assert_eq!(cx.run(io.sendmsg(&left, vec!["x"; 1025])).expect("send").0, 1024);
        let (received, _) = cx.run(io.recvmsg(&right, vec![[0; 1]; 1025])).expect("receive");
        assert_eq!(received.len, 1024);
        let (left, right) = UnixDatagram::pair().expect("pair");
        left.send(&[7; 1025]).expect("send");
        let (received, _) = cx.run(io.recvmsg(&right, vec![[0; 1]; 1025])).expect("receive");
        assert_eq!((received.len, received.is_truncated()), (1024, true));
    }

    fn send_to_errors_of_the_kernel(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        let to = right.local_addr().expect("address");
        assert_eq!(code(cx.run(io.send_to(&left, vec![0; 65_508], to))), Some(libc::EMSGSIZE));
        assert_eq!(cx.run(io.send_to(&left, vec![0; 65_507], to)).expect("send").0, 65_507);
        assert_eq!(code(cx.run(io.sendmsg(&left, ["x"]))), Some(libc::EDESTADDRREQ));
        let path = Endpoint::unix("/nowhere").expect("short");
        let error = cx.run(io.send_to(&left, "x", path)).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
        let null = File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.send_to(&null, "x", to))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.recv_from(&null, [0; 1]))), Some(libc::ENOTSOCK));
        let (left, right) = UnixStream::pair().expect("pair");
        drop(right);
        assert_eq!(code(cx.run(io.sendmsg(&left, ["x"]))), Some(libc::EPIPE));
    }

    fn sendmsg_to_a_closed_port_is_refused_once(io, cx) {
        let (left, gone) = udp_pair("127.0.0.1");
        left.connect(gone.local_addr().expect("address")).expect("connect");
        drop(gone);
        cx.run(io.sendmsg(&left, ["x"])).expect("the first is on its way");
        let received = cx.run(io.recvmsg(&left, [[0; 4]]));
        assert_eq!(code(received), Some(libc::ECONNREFUSED));
        cx.run(io.sendmsg(&left, ["x"])).expect("the error was told");
        let sent = cx.run(io.sendmsg(&left, ["x"]));
        assert_eq!(code(sent), Some(libc::ECONNREFUSED));
    }

    fn message_flags_peek_and_do_not_wait(io, cx) {
        let (left, right) = UnixDatagram::pair().expect("pair");
        let empty = io.recvmsg(&right, [[0; 4]]).flags(MsgFlags::DONTWAIT);
        assert_eq!(code(cx.run(empty)), Some(libc::EAGAIN));
        let empty = io.recv_from(&right, [0; 4]).flags(MsgFlags::DONTWAIT).returning_buffer();
        assert_eq!(code(cx.run(empty).expect("value").0), Some(libc::EAGAIN));
        cx.run(io.sendmsg(&left, ["peek"]).flags(MsgFlags::DONTWAIT)).expect("send");
        for flags in [MsgFlags::PEEK, MsgFlags::NONE] {
            let (received, [bytes]) =
                cx.run(io.recvmsg(&right, [[0; 4]]).flags(flags).poll_first()).expect("receive");
            assert_eq!((received.len, &bytes), (4, b"peek"));
        }
        left.set_nonblocking(true).expect("set");
        while left.send(&[1; 1_024]).is_ok() {}
        let full = io.sendmsg(&left, ["x"]).flags(MsgFlags::DONTWAIT);
        assert_eq!(code(cx.run(full)), Some(libc::EAGAIN));
    }

    fn message_methods_of_the_handles(io, cx) {
        let here = || sendio::UdpSocket::bind(io, (Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let (left, right) = (here(), here());
        let to = right.local_endpoint().expect("address");
        cx.run(left.send_to("one", to)).expect("send");
        cx.run(left.sendmsg(["t", "wo"]).to(to)).expect("send");
        for text in ["one", "two"] {
            let (received, bytes) = cx.run(right.recv_from([0; 8])).expect("receive");
            assert_eq!(&bytes[..received.len], text.as_bytes());
            assert_eq!(received.from, left.local_endpoint().expect("address"));
        }
        // Connected, a datagram needs no address.
        cx.run(left.connect(to)).expect("connect");
        cx.run(left.sendmsg(["three"])).expect("send");
        cx.run(left.send_to("four", Endpoint::unspecified())).expect("send");
        for len in [5, 4] {
            assert_eq!(cx.run(right.recvmsg([[0; 8]])).expect("receive").0.len, len);
        }
        let (left, right) = sendio::UnixStream::pair(io).expect("pair");
        cx.run(left.sendmsg(["stream"]).ancillary(Rights([right.token()]))).expect("send");
        let receive = right.recvmsg([[0; 8]]).ancillary(AncillaryBuf::<32>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        assert_eq!((received.len, received.ancillary.fds().count()), (6, 1));
        let (left, right) = sendio::UnixDatagram::pair(io).expect("pair");
        cx.run(left.sendmsg(["datagram"])).expect("send");
        assert_eq!(cx.run(right.recv_from([0; 9])).expect("receive").0.len, 8);
        let (left, right) = sendio::UnixSeqpacket::pair(io).expect("pair");
        cx.run(left.sendmsg(["packet"])).expect("send");
        assert_eq!(cx.run(right.recvmsg([[0; 9]])).expect("receive").0.len, 6);
    }

    fn message_returning_buffer_on_each_path(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        let to = right.local_addr().expect("address");
        let (sent, text) =
            cx.run(io.send_to(&left, String::from("ab"), to).returning_buffer()).expect("value");
        assert_eq!((sent.expect("sent"), text.as_str()), (2, "ab"));
        let (sent, vec) =
            cx.run(io.sendmsg(&left, vec!["x"]).returning_buffer()).expect("value");
        assert_eq!((code(sent), vec), (Some(libc::EDESTADDRREQ), vec!["x"]));
        let receive = io.recv_from(&right, Vec::with_capacity(4)).returning_buffer();
        let (received, vec) = cx.run(receive).expect("value");
        assert_eq!(received.expect("received").len, 2);
        assert_eq!(vec, b"ab");
        let null = File::open("/dev/null").expect("open");
        let receive = io.recvmsg(&null, vec![vec![7_u8; 3]]).returning_buffer();
        let (received, list) = cx.run(receive).expect("value");
        assert_eq!((code(received), list), (Some(libc::ENOTSOCK), vec![vec![7; 3]]));
    }
}

/// A receive in progress that can be stopped, and its peer.
struct Case<'a> {
    ctx: &'a IoContext,
    source: StopSource,
    peer: UdpSocket,
    to: SocketAddr,
}

impl Case<'_> {
    fn send(&self) {
        self.peer.send_to(b"data", self.to).expect("send");
    }

    fn turn(&self) {
        self.ctx.run_some().expect("not running");
    }
}

/// How a receive ends that is started between `before` and `after`, for both handles.
fn stop_orders(
    before: impl Fn(&Case<'_>),
    after: impl Fn(&Case<'_>),
    check: impl Fn(Outcome<(Received, [u8; 8]), std::io::Error>, &UdpSocket),
) {
    fn one<H: Io>(
        ctx: &IoContext,
        io: H,
        before: &impl Fn(&Case<'_>),
        after: &impl Fn(&Case<'_>),
    ) -> (Outcome<(Received, [u8; 8]), std::io::Error>, UdpSocket) {
        let (socket, peer) = udp_pair("127.0.0.1");
        let to = socket.local_addr().expect("address");
        let source = StopSource::new();
        let case = Case {
            ctx,
            source,
            peer,
            to,
        };
        before(&case);
        let probe = Probe::new();
        let env = Env::default().with_stop_token(case.source.token());
        let op = connect_and_start(io.recv_from(&socket, [0; 8]), probe.receiver_in(env));
        after(&case);
        ctx.run_until_empty();
        drop(op);
        (probe.outcome(), socket)
    }
    let ctx = context();
    let (outcome, socket) = one(&ctx, ctx.scheduler(), &before, &after);
    check(outcome, &socket);
    let (outcome, socket) = one(&ctx, ctx.local(), &before, &after);
    check(outcome, &socket);
}

/// The datagram was delivered.
#[track_caller]
fn delivered(outcome: Outcome<(Received, [u8; 8]), std::io::Error>, _: &UdpSocket) {
    let Outcome::Value((received, bytes)) = outcome else {
        panic!("lost: {outcome:?}")
    };
    assert_eq!((received.len, &bytes[..4]), (4, &b"data"[..]));
}

/// It was stopped, and took nothing.
#[track_caller]
fn stopped(outcome: Outcome<(Received, [u8; 8]), std::io::Error>, _: &UdpSocket) {
    assert!(matches!(outcome, Outcome::Stopped), "{outcome:?}");
}

#[test]
fn recv_from_stop_before_start() {
    let before = |case: &Case<'_>| {
        case.send();
        case.source.request_stop();
    };
    stop_orders(
        before,
        |_| {},
        |outcome, socket| {
            stopped(outcome, socket);
            assert_eq!(socket.recv(&mut [0; 8]).expect("it is still there"), 4);
        },
    );
}

#[test]
fn recv_from_stop_during_submit() {
    let after = |case: &Case<'_>| {
        case.source.request_stop();
    };
    stop_orders(|_| {}, after, stopped);
}

#[test]
fn recv_from_stop_in_flight() {
    let after = |case: &Case<'_>| {
        case.turn();
        case.source.request_stop();
    };
    stop_orders(|_| {}, after, stopped);
}

#[test]
fn recv_from_stop_after_cqe() {
    let after = |case: &Case<'_>| {
        case.turn();
        case.send();
        case.source.request_stop();
    };
    stop_orders(|_| {}, after, delivered);
}

#[test]
fn recv_from_stop_after_completion() {
    let after = |case: &Case<'_>| {
        case.send();
        case.ctx.run_until_empty();
        case.source.request_stop();
    };
    stop_orders(|_| {}, after, delivered);
}

#[test]
fn recv_from_stop_twice() {
    let after = |case: &Case<'_>| {
        case.turn();
        assert!(case.source.request_stop());
        assert!(!case.source.request_stop());
        case.turn();
        assert!(!case.source.request_stop());
    };
    stop_orders(|_| {}, after, stopped);
}

#[test]
fn sendmsg_stop_in_flight_sends_nothing() {
    let ctx = context();
    let (left, mut right) = UnixStream::pair().expect("pair");
    left.set_nonblocking(true).expect("set");
    while (&left).write(&[1; 4096]).is_ok() {}
    let send = ctx.scheduler().sendmsg(&left, ["never sent"]);
    let ended = outcome_of(&ctx, when_stopped(&ctx, send));
    assert!(matches!(ended, Outcome::Value(None)), "{ended:?}");
    drop(left);
    let mut all = Vec::new();
    right.read_to_end(&mut all).expect("read");
    assert!(all.iter().all(|byte| *byte == 1));
    let before = ctx.scheduler().sendmsg(&right, ["x"]);
    assert!(matches!(stopped_after(&ctx, 0, before), Outcome::Stopped));
}

/// `sender`, asked to stop when it has been at the kernel for some turns; `None` if it did.
fn when_stopped<'a, S>(
    ctx: &'a IoContext,
    sender: S,
) -> impl Sender<Value = Option<S::Value>, Error = std::io::Error> + use<'a, S>
where
    S: Sender<Error = std::io::Error>,
{
    let turns = ctx.local().yield_now().repeat_n(10).cast_err();
    let stop = turns.let_value(|()| just_stopped());
    when_all((sender.stopped_as_optional(), stop))
        .then(|(value, ())| value)
        .stopped_as_optional()
        .then(Option::flatten)
}

#[test]
fn message_drops_descriptor_before_it_completes() {
    let ctx = context();
    let (left, right) = unix_pair(libc::SOCK_DGRAM);
    let trace = Trace::new();
    let held = |fd| Held {
        file: File::from(fd),
        _guard: trace.guard("fd"),
    };
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(ctx.local().sendmsg(held(left), ["x"]), probe.receiver());
    ctx.run_until_empty();
    assert_eq!(probe.expect_value().0, 1);
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(ctx.local().recvmsg(held(right), [[0; 1]]), probe.receiver());
    ctx.run_until_empty();
    assert_eq!(probe.expect_value().0.len, 1);
    trace.expect(&["drop fd", "value", "drop fd", "value"]);
}

#[test]
fn message_moved_before_its_start_uses_its_last_address() {
    let ctx = context();
    let (left, right) = udp_pair("127.0.0.1");
    let send = ctx
        .local()
        .sendmsg(&left, [*b"moved"])
        .to(right.local_addr().expect("address"));
    let senders: Vec<_> = vec![Box::new(send)];
    let send = *senders.into_iter().next().expect("one");
    ctx.block_on_local(send).expect("send");
    let receive = Box::new(ctx.local().recvmsg(&right, [[0; 8]]));
    let receive = vec![*receive].pop().expect("one");
    let (received, [bytes]) = ctx
        .block_on_local(receive)
        .expect("receive")
        .expect("not stopped");
    assert_eq!((received.len, &bytes[..5]), (5, &b"moved"[..]));
}

#[test]
fn send_to_a_full_receiver_stops_whenever_it_is_asked() {
    let dir = temp_dir();
    let path = dir.path().join("full");
    let _receiver = UnixDatagram::bind(&path).expect("bind");
    let sender = UnixDatagram::unbound().expect("socket");
    sender.set_nonblocking(true).expect("set");
    while sender.send_to(b"x", &path).is_ok() {}
    let to = Endpoint::unix(&path).expect("short");
    sender.set_nonblocking(false).expect("set");
    for turns in (0..40).chain([100, 1_000]) {
        let ctx = context();
        let source = StopSource::new();
        let env = Env::default().with_stop_token(source.token());
        let probe = Probe::new();
        let send = ctx.local().send_to(&sender, "y", to);
        let op = connect_and_start(send, probe.receiver_in(env));
        (0..turns).for_each(|_| {
            ctx.run_some().expect("not running");
        });
        probe.expect_nothing();
        source.request_stop();
        wait_until(soon(), "it has stopped", || {
            ctx.run_some().expect("not running");
            probe.count() == 1
        });
        drop(op);
        probe.expect_stopped();
    }
}

#[test]
fn send_to_a_full_receiver_from_a_nonblocking_socket_would_block() {
    let dir = temp_dir();
    let path = dir.path().join("full");
    let _receiver = UnixDatagram::bind(&path).expect("bind");
    let sender = UnixDatagram::unbound().expect("socket");
    sender.set_nonblocking(true).expect("set");
    while sender.send_to(b"x", &path).is_ok() {}
    let ctx = context();
    let to = Endpoint::unix(&path).expect("short");
    let before = ctx.metrics().submitted;
    let error = ctx.block_on_local(ctx.local().send_to(&sender, "y", to));
    assert_eq!(
        error.expect_err("full").kind(),
        std::io::ErrorKind::WouldBlock
    );
    assert!(
        ctx.metrics().submitted <= before + 4,
        "two tries, and no more"
    );
}
