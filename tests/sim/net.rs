//! The network in memory, as programs see it: connections with their ends, datagrams with their losses.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown};
use std::time::Duration;

use sendio::prelude::*;
use sendio::sim::{self, SimConfig};
use sendio::{MsgFlags, PollEvents, TcpListener, TcpStream, UdpSocket};

use super::support::{Ctx, code, echo_once, listener, memory, pair};

#[test]
fn net_connections_are_told_the_address_of_their_peer() {
    sim::explore(0..50, &memory(), |ctx| {
        let io = ctx.scheduler();
        let any6 = (Ipv6Addr::LOCALHOST, 0);
        for listener in [
            listener(ctx),
            TcpListener::bind(io, any6).expect("an address"),
        ] {
            let at = listener.local_endpoint().expect("an address");
            let both = when_all((TcpStream::connect(io, at), listener.accept()));
            let (client, (_, peer)) = ctx.block_on(both).expect("no error").expect("a value");
            assert_eq!(client.local_endpoint().expect("an address"), peer);
        }
    });
}

#[test]
fn net_refuses_where_nobody_listens() {
    sim::run(&memory(), |ctx| {
        let io = ctx.scheduler();
        let gone = listener(ctx).local_endpoint().expect("an address");
        let connect = ctx.block_on(TcpStream::connect(io, gone));
        assert_eq!(code(connect), Some(libc::ECONNREFUSED));
        let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let at = bound.local_addr().expect("an address");
        let connect = ctx.block_on(TcpStream::connect(io, at));
        assert!(connect.is_ok(), "one of std's listens too");
    });
    let refusing = memory().refusals(1.0);
    sim::run(&refusing, |ctx| {
        let listener = listener(ctx);
        let at = listener.local_endpoint().expect("an address");
        let connect = ctx.block_on(TcpStream::connect(ctx.scheduler(), at));
        assert_eq!(code(connect), Some(libc::ECONNREFUSED));
    });
}

#[test]
fn net_ends_of_connections_are_seen() {
    sim::explore(0..100, &SimConfig::rough(), |ctx| {
        // Half of it ends: the other half goes on.
        let (client, server) = pair(ctx).expect("a connection");
        ctx.block_on(client.shutdown(Shutdown::Write))
            .expect("ends");
        let end = ctx.block_on(server.recv([0; 4])).expect("recv");
        assert_eq!(end.expect("a value").0, 0);
        ctx.block_on(server.send_all("more")).expect("send");
        let more = ctx.block_on(client.recv_exact([0; 4])).expect("recv");
        assert_eq!(&more.expect("a value"), b"more");
        assert_eq!(code(ctx.block_on(client.send("x"))), Some(libc::EPIPE));

        // It is dropped: what was sent arrives, then the end.
        let (client, server) = pair(ctx).expect("a connection");
        ctx.block_on(client.send_all("last")).expect("send");
        drop(client);
        let last = ctx.block_on(server.recv_exact([0; 4])).expect("recv");
        assert_eq!(&last.expect("a value"), b"last");
        let end = ctx.block_on(server.recv([0; 4])).expect("recv");
        assert_eq!(end.expect("a value").0, 0);

        // It is dropped with bytes unread: a reset.
        let (client, server) = pair(ctx).expect("a connection");
        ctx.block_on(server.send_all("unread")).expect("send");
        drop(client);
        let recv = ctx.block_on(server.recv([0; 4]));
        assert_eq!(code(recv), Some(libc::ECONNRESET));

        // A receive waits already when the other end is dropped.
        let (client, server) = pair(ctx).expect("a connection");
        let io = ctx.local();
        let late = io
            .schedule_after(Duration::from_millis(5))
            .then(move |()| drop(client))
            .err_into();
        let both = when_all((io.recv(&server, [0; 4]), late));
        let ((n, _), ()) = ctx.block_on_local(both).expect("recv").expect("a value");
        assert_eq!(n, 0);
    });
}

#[test]
fn net_sending_to_nobody_fails_after_a_while() {
    sim::run(&memory(), |ctx| {
        let (client, server) = pair(ctx).expect("a connection");
        drop(server);
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.extend(code(ctx.block_on(client.send("x"))));
            ctx.block_on(ctx.scheduler().schedule_after(Duration::from_millis(1)))
                .expect("time");
        }
        assert_eq!(codes.first(), Some(&libc::ECONNRESET), "{codes:?}");
        assert!(codes.len() >= 3 && codes[1..].iter().all(|code| *code == libc::EPIPE));
    });
}

#[test]
fn net_resets_at_random_are_errors_and_nothing_hangs() {
    let config = SimConfig::rough().resets(0.02);
    let (good, bad) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    sim::explore(0..300, &config, |ctx| match echo_once(ctx, &[1; 500]) {
        Ok(bytes) => {
            assert_eq!(bytes, [1; 500]);
            good.set(good.get() + 1);
        }
        Err(error) => {
            let kinds = [
                ErrorKind::ConnectionReset,
                ErrorKind::BrokenPipe,
                ErrorKind::UnexpectedEof,
            ];
            assert!(kinds.contains(&error.kind()), "{error}");
            bad.set(bad.get() + 1);
        }
    });
    assert!(good.get() > 10 && bad.get() > 10, "{good:?} {bad:?}");
}

#[test]
fn net_a_full_connection_holds_the_sender_back() {
    sim::explore(0..50, &memory().socket_buffer(100), |ctx| {
        let (client, server) = pair(ctx).expect("a connection");
        let sent = ctx.block_on(client.send([1; 300])).expect("send");
        assert_eq!(sent.expect("a value").0, 100);
        let limit = Duration::from_secs(1);
        let more = client.send([1; 1]).timeout(ctx.scheduler(), limit);
        let error = ctx.block_on(more).expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let dontwait = client.send_with([1; 1], MsgFlags::DONTWAIT);
        assert_eq!(code(ctx.block_on(dontwait)), Some(libc::EAGAIN));
        let both = when_all((client.send_all([2; 250]), server.recv_exact(vec![0; 350])));
        let (_, bytes) = ctx.block_on(both).expect("no error").expect("a value");
        assert_eq!(bytes[..100], [1; 100]);
        assert_eq!(bytes[100..], [2; 250]);
    });
}

#[test]
fn net_flags_peek_and_wait_for_all() {
    sim::explore(0..50, &memory(), |ctx| {
        let (client, server) = pair(ctx).expect("a connection");
        let first = client.send_all("abc");
        let later = ctx
            .scheduler()
            .schedule_after(Duration::from_secs(1))
            .err_into()
            .let_value(|()| client.send_all("def"));
        let peek = server.recv_with([0; 2], MsgFlags::PEEK);
        let whole = server.recv_with([0; 6], MsgFlags::WAITALL);
        let all = when_all((
            first,
            later,
            peek.let_value(|seen| whole.then(move |all| (seen, all))),
        ));
        let (_, _, ((n, seen), (m, all))) = ctx.block_on(all).expect("no error").expect("a value");
        assert_eq!((n, &seen), (2, b"ab"));
        assert_eq!((m, &all), (6, b"abcdef"));
    });
}

#[test]
fn net_polls_tell_what_is_ready() {
    sim::explore(0..50, &memory(), |ctx| {
        let io = ctx.scheduler();
        let listener = listener(ctx);
        let at = listener.local_endpoint().expect("an address");
        let both = when_all((TcpStream::connect(io, at), listener.poll(PollEvents::IN)));
        let (client, ready) = ctx.block_on(both).expect("no error").expect("a value");
        assert_eq!(ready, PollEvents::IN);
        let accepted = ctx.block_on(listener.accept()).expect("accept");
        let (server, _) = accepted.expect("a value");
        let out = ctx.block_on(server.poll(PollEvents::OUT | PollEvents::IN));
        assert_eq!(out.expect("poll"), Some(PollEvents::OUT));
        let both = when_all((server.poll(PollEvents::IN), client.send_all("x")));
        assert_eq!(
            ctx.block_on(both).expect("no error").expect("a value").0,
            PollEvents::IN
        );
        drop(client);
        let gone = ctx.block_on(server.poll(PollEvents::RDHUP)).expect("poll");
        assert!(gone.expect("a value").contains(PollEvents::RDHUP));
    });
}

fn datagrams(ctx: &Ctx, count: u8) -> Vec<u8> {
    let io = ctx.scheduler();
    let any = (Ipv4Addr::LOCALHOST, 0);
    let (left, right) = (
        UdpSocket::bind(io, any).expect("bind"),
        UdpSocket::bind(io, any).expect("bind"),
    );
    let to = right.local_endpoint().expect("an address");
    for n in 0..count {
        let sent = ctx.block_on(io.send_to(&left, [n; 4], to)).expect("send");
        assert_eq!(sent.expect("a value").0, 4);
    }
    let from = left.local_endpoint().expect("an address");
    let mut received = Vec::new();
    loop {
        let recv = io.recv_from(&right, [0; 8]);
        let next = ctx.block_on(recv.timeout(io, Duration::from_secs(1)));
        match next {
            Ok(value) => {
                let (message, bytes) = value.expect("a value");
                assert_eq!((message.len, message.from), (4, from));
                assert_eq!(bytes[..4], [bytes[0]; 4]);
                received.push(bytes[0]);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return received;
            }
        }
    }
}

#[test]
fn net_datagrams_are_lost_doubled_and_out_of_order_as_asked_for() {
    let sent: Vec<u8> = (0..20).collect();
    let (mut orders, mut lost, mut doubled) = (BTreeSet::new(), 0, 0);
    for seed in 0..50 {
        let whole = sim::run(&memory().seed(seed), |ctx| datagrams(ctx, 20));
        let mut sorted = whole.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, sent, "all of them, once");
        orders.insert(whole);
        let lossy = sim::run(&memory().seed(seed).loss(0.2), |ctx| datagrams(ctx, 20));
        lost += 20 - lossy.len();
        let twice = memory().seed(seed).duplicates(0.2);
        doubled += sim::run(&twice, |ctx| datagrams(ctx, 20)).len() - 20;
    }
    assert!(orders.len() > 40, "they overtake each other");
    assert!((100..300).contains(&lost), "{lost} of 1000 lost");
    assert!((100..300).contains(&doubled), "{doubled} of 1000 doubled");
}

#[test]
fn net_datagrams_that_do_not_fit_are_truncated_and_without_target_refused() {
    sim::run(&memory(), |ctx| {
        let io = ctx.scheduler();
        let any = (Ipv4Addr::LOCALHOST, 0);
        let left = UdpSocket::bind(io, any).expect("bind");
        let right = UdpSocket::bind(io, any).expect("bind");
        assert_eq!(code(ctx.block_on(left.send("x"))), Some(libc::EDESTADDRREQ));
        let to = right.local_endpoint().expect("an address");
        ctx.block_on(left.connect(to)).expect("connect");
        ctx.block_on(left.send("too long")).expect("send");
        let received = ctx.block_on(io.recv_from(&right, [0; 3])).expect("recv");
        let (message, bytes) = received.expect("a value");
        assert!(message.is_truncated());
        assert_eq!(&bytes, b"too");
        let large = ctx.block_on(left.send(vec![0; 70_000]));
        assert_eq!(code(large), Some(libc::EMSGSIZE));
    });
}
