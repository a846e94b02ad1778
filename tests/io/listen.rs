//! listen: sockets that take connections, through the ring.
//! Method: clients connect afterwards, and the kernel is asked whether the socket listens.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sendio::prelude::*;
use sendio::protocol::Any;
use sendio::{Cwd, Domain, SocketFd, SocketKind};

use super::bind::{address, socket, tcp};
use super::common::fds::assert_fds_flat;
use super::common::files::temp_dir;
use super::common::receivers::{Probe, connect_and_start};
use super::sockets::tcp_listener;
use super::support::{Refuses, code, context, on_each_handle, outcome_of, stopped_after};

/// Whether the socket takes connections.
fn listens(fd: &impl AsFd) -> bool {
    let token = SocketFd::<Any>::from(fd.as_fd());
    token.is_listening().expect("query")
}

/// Connects to the socket, over the Internet.
fn client_of(fd: &OwnedFd) -> TcpStream {
    let at = address(fd).to_socket_addr().expect("of the Internet");
    TcpStream::connect(at).expect("connect")
}

on_each_handle! {
    fn listen_takes_connections(io, cx) {
        for (domain, ip) in [
            (Domain::Inet, std::net::IpAddr::from(Ipv4Addr::LOCALHOST)),
            (Domain::Inet6, Ipv6Addr::LOCALHOST.into()),
        ] {
            let fd = socket(domain, SocketKind::STREAM);
            cx.run(io.bind(&fd, (ip, 0))).expect("bind");
            assert!(!listens(&fd));
            cx.run(io.listen(&fd, 8)).expect("listen");
            assert!(listens(&fd));
            let client = client_of(&fd);
            let (_server, peer) = cx.run(io.accept(&fd)).expect("accept");
            assert_eq!(peer, client.local_addr().expect("address").into());
        }
    }

    fn listen_on_unix_sockets_that_have_an_address(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("socket");
        for kind in [SocketKind::STREAM, SocketKind::SEQPACKET] {
            let fd = socket(Domain::Unix, kind);
            assert_eq!(code(cx.run(io.listen(&fd, 8))), Some(libc::EINVAL), "no address");
            cx.run(io.bind(&fd, Endpoint::unix(&path).expect("fits"))).expect("bind");
            cx.run(io.listen(&fd, 8)).expect("listen");
            if kind == SocketKind::STREAM {
                let _client = UnixStream::connect(&path).expect("connect");
                cx.run(io.accept(&fd)).expect("accept");
            }
            std::fs::remove_file(&path).expect("remove");
        }
    }

    fn listen_without_an_address_is_given_one(io, cx) {
        let fd = tcp();
        cx.run(io.listen(&fd, u32::MAX)).expect("the system bounds it");
        let port = address(&fd).port().expect("of the Internet");
        let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
        cx.run(io.accept(&fd)).expect("accept");
    }

    fn listen_again_keeps_those_that_wait(io, cx) {
        let fd = OwnedFd::from(tcp_listener());
        let client = client_of(&fd);
        cx.run(io.listen(&fd, 0)).expect("listen");
        let (_server, peer) = cx.run(io.accept(&fd)).expect("accept");
        assert_eq!(peer, client.local_addr().expect("address").into());
        cx.run(io.listen(&fd, 128)).expect("listen");
        assert!(listens(&fd));
    }

    fn listen_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let datagrams = socket(Domain::Inet, SocketKind::DATAGRAM);
        assert_eq!(code(cx.run(io.listen(&datagrams, 1))), Some(libc::EOPNOTSUPP));
        let (left, _right) = UnixStream::pair().expect("socketpair");
        assert_eq!(code(cx.run(io.listen(&left, 1))), Some(libc::EINVAL), "connected");
        let client = client_of(&OwnedFd::from(tcp_listener()));
        assert_eq!(code(cx.run(io.listen(&client, 1))), Some(libc::EINVAL), "connected");
        let file = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.listen(&file, 1))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.listen(Cwd, 1))), Some(libc::EBADF));
        let (one, other) = (tcp(), tcp());
        for fd in [&one, &other] {
            let shared = SocketFd::<Any>::from(fd.as_fd());
            shared.set_reuse_addr(true).expect("set");
        }
        cx.run(io.bind(&one, (Ipv4Addr::LOCALHOST, 0))).expect("bind");
        cx.run(io.bind(&other, address(&one))).expect("none listens yet");
        cx.run(io.listen(&one, 1)).expect("listen");
        assert_eq!(code(cx.run(io.listen(&other, 1))), Some(libc::EADDRINUSE));
        cx.run(io.listen(tcp(), 1)).expect("the loop lives");
    }
}

#[test]
fn listen_stop_before_start_leaves_the_socket() {
    let ctx = context();
    let fd = tcp();
    let listen = ctx.scheduler().listen(&fd, 8);
    assert!(matches!(stopped_after(&ctx, 0, listen), Outcome::Stopped));
    assert!(!listens(&fd));
    let listening = ctx.block_on(ctx.scheduler().listen(&fd, 8));
    assert_eq!(listening.expect("listen"), Some(()));
}

#[test]
fn listen_stop_during_submit_is_told_as_it_happened() {
    let ctx = context();
    let fd = tcp();
    let stop = StopSource::new();
    let probe = Probe::new();
    let env = sendio::Env::default().with_stop_token(stop.token());
    let _op = connect_and_start(ctx.scheduler().listen(&fd, 8), probe.receiver_in(env));
    stop.request_stop();
    ctx.run_until_empty();
    match probe.outcome() {
        Outcome::Value(()) => assert!(listens(&fd)),
        Outcome::Stopped => assert!(!listens(&fd)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn listen_owner_is_closed_on_every_path() {
    assert_fds_flat(|| {
        let ctx = context();
        let io = ctx.scheduler();
        ctx.block_on(io.listen(tcp(), 8)).expect("listen");
        drop(io.listen(tcp(), 8));
        let datagrams = socket(Domain::Inet, SocketKind::DATAGRAM);
        assert!(ctx.block_on(io.listen(datagrams, 8)).is_err());
        stopped_after(&ctx, 0, io.listen(tcp(), 8));
    });
}

#[test]
fn listen_owner_that_panics_is_told_on_the_panic_channel() {
    let ctx = context();
    let refused = outcome_of(&ctx, ctx.scheduler().listen(Refuses, 8));
    assert!(matches!(refused, Outcome::Panicked(_)));
}

#[test]
fn refuse_new_keeps_those_that_wait_and_takes_no_more() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let listener = std::net::TcpListener::bind(at).expect("bind");
        let at = listener.local_addr().expect("address");
        let mut clients: Vec<_> = (0..20)
            .map(|_| TcpStream::connect(at).expect("connect"))
            .collect();
        let token = SocketFd::<Any>::from(listener.as_fd());
        token.refuse_new().expect("it is one of TCP");
        // It is not answered: neither connected nor refused.
        let late = TcpStream::connect_timeout(&at, Duration::from_millis(50));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        clients[0].write_all(b"early").expect("connected");
        for _ in 0..20 {
            let (mut server, _) = listener.accept().expect("accept");
            server.write_all(b"served").expect("connected");
        }
        listener.set_nonblocking(true).expect("set");
        let nobody = listener.accept().expect_err("nobody is left");
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
        drop(listener);
        for mut client in clients.drain(1..) {
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("an orderly end");
            assert_eq!(answer, "served");
        }
        let refused = TcpStream::connect(at).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn refuse_new_of_other_sockets_is_not_supported() {
    let dir = temp_dir();
    let unix = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("bind");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let file = std::fs::File::open("/dev/null").expect("open");
    for (fd, error) in [
        (unix.as_fd(), libc::EOPNOTSUPP),
        (udp.as_fd(), libc::EOPNOTSUPP),
        (file.as_fd(), libc::ENOTSOCK),
    ] {
        let refused = SocketFd::<Any>::from(fd).refuse_new();
        assert_eq!(code(refused), Some(error));
    }
}
