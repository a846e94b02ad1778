//! socket: sockets as tokens and handles; what they can be asked and told.
//! Method: what is set is asked again, of this crate and of `std`.
//!
//! # Safety
//! Numbers of descriptors that are open.

#![expect(unsafe_code, reason = "raw descriptors")]

use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use sendio::prelude::*;
use sendio::protocol::{Any, Listening, Protocol, Tcp, Udp, UnixPackets, UnixStreams};
use sendio::{
    BasicFd, Domain, SocketConfig, SocketFd, SocketHandle, SocketKind, TcpListener, TcpStream,
    UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream,
};

use super::common::files::temp_dir;
use super::sockets::{tcp_listener, tcp_pair, unix_pair};
use super::support::{code, context, fd_flags, on_each_handle, stopped_after};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

on_each_handle! {
    fn socket_makes_each_kind(io, cx) {
        for (domain, kind) in [
            (Domain::Inet, SocketKind::STREAM),
            (Domain::Inet6, SocketKind::DATAGRAM),
            (Domain::Unix, SocketKind::SEQPACKET),
        ] {
            let fd = cx.run(io.socket(domain, kind, 0)).expect("socket");
            let token = SocketFd::<Any>::from(fd.as_fd());
            assert_eq!(token.domain().expect("query"), domain);
            assert_eq!(token.socket_kind().expect("query"), kind);
            assert!(!token.is_listening().expect("query"));
            assert_ne!(fd_flags(&fd) & libc::FD_CLOEXEC, 0, "inherited by children");
        }
        let error = cx.run(io.socket(Domain::Other(77), SocketKind::STREAM, 0));
        assert_eq!(code(error), Some(libc::EAFNOSUPPORT));
        let error = cx.run(io.socket(Domain::Inet, SocketKind::STREAM, 250));
        assert_eq!(code(error), Some(libc::EPROTONOSUPPORT));
    }

    fn socket_that_was_made_is_bound_and_listens(io, cx) {
        let fd = cx.run(io.socket(Domain::Inet, SocketKind::STREAM, 0)).expect("socket");
        let token = SocketFd::<Tcp>::from(fd.as_fd());
        token.bind(ANY_PORT).expect("bind");
        let again = token.bind(ANY_PORT).expect_err("it has an address");
        assert_eq!(again.kind(), ErrorKind::InvalidInput);
        token.listen(8).expect("listen");
        assert!(token.is_listening().expect("query"));
        let connect = TcpStream::connect(io, token.local_endpoint().expect("address"));
        let (client, (server, _)) = cx.run(when_all((connect, io.accept(&fd)))).expect("both");
        cx.run(client.send_all("hello")).expect("send");
        assert_eq!(&cx.run(io.recv_exact(&server, [0; 5])).expect("recv"), b"hello");
        // Those that wait stay when it is told to take no more.
        let waits = cx.run(TcpStream::connect(io, token.local_endpoint().expect("address")));
        token.listen(0).expect("listen");
        let (server, _) = cx.run(io.accept(&fd)).expect("accept");
        cx.run(waits.expect("connected").send_all("late")).expect("send");
        assert_eq!(&cx.run(io.recv_exact(&server, [0; 4])).expect("recv"), b"late");
        let fd = cx.run(io.socket(Domain::Inet, SocketKind::DATAGRAM, 0)).expect("socket");
        let error = SocketFd::<Any>::from(fd.as_fd()).listen(1).expect_err("datagrams");
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
    }

    fn socket_handles_of_each_kind_talk(io, cx) {
        let (left, right) = UnixStream::pair(io).expect("pair");
        cx.run(left.send_all("stream")).expect("send");
        assert_eq!(&cx.run(right.recv_exact([0; 6])).expect("recv"), b"stream");
        let (left, right) = UnixDatagram::pair(io).expect("pair");
        cx.run(left.send("one")).expect("send");
        cx.run(left.send("two")).expect("send");
        assert_eq!(cx.run(right.recv([0; 32])).expect("recv").0, 3);
        let (left, right) = UnixSeqpacket::pair(io).expect("pair");
        cx.run(left.send("four")).expect("send");
        cx.run(left.send("four")).expect("send");
        assert_eq!(cx.run(right.recv([0; 32])).expect("recv").0, 4);
        let dir = temp_dir();
        let at = |name| Endpoint::unix(dir.path().join(name)).expect("fits");
        let listener = UnixSeqpacketListener::bind(io, at("p")).expect("bind");
        let connect = UnixSeqpacket::connect(io, at("p"));
        let (left, (right, _)) = cx.run(when_all((connect, listener.accept()))).expect("both");
        cx.run(left.send("packet")).expect("send");
        assert_eq!(cx.run(right.recv([0; 32])).expect("recv").0, 6);
        let bound = UnixDatagram::bind(io, at("d")).expect("bind");
        let unbound = UnixDatagram::unbound(io).expect("socket");
        cx.run(unbound.connect(at("d"))).expect("connect");
        cx.run(unbound.send("mail")).expect("send");
        assert_eq!(cx.run(bound.recv([0; 32])).expect("recv").0, 4);
        let v6 = UdpSocket::bind(io, (Ipv6Addr::LOCALHOST, 0)).expect("bind");
        cx.run(v6.connect(v6.local_endpoint().expect("address"))).expect("connect");
        cx.run(v6.send("self")).expect("send");
        assert_eq!(cx.run(v6.recv([0; 32])).expect("recv").0, 4);
    }

    fn socket_bind_tells_what_is_wrong(io, _cx) {
        let taken = TcpListener::bind(io, ANY_PORT).expect("bind");
        let at = taken.local_endpoint().expect("address");
        let error = TcpListener::bind(io, at).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let nowhere = Endpoint::from((Ipv4Addr::new(192, 0, 2, 1), 0));
        let error = TcpListener::bind(io, nowhere).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let unix = Endpoint::unix_unnamed();
        assert_eq!(code(TcpListener::bind(io, unix).map(|_| ())), Some(libc::EAFNOSUPPORT));
        assert_eq!(code(UdpSocket::bind(io, unix).map(|_| ())), Some(libc::EAFNOSUPPORT));
        assert_eq!(code(UnixListener::bind(io, at).map(|_| ())), Some(libc::EAFNOSUPPORT));
        let nothing = Endpoint::unspecified();
        assert_eq!(code(UdpSocket::bind(io, nothing).map(|_| ())), Some(libc::EAFNOSUPPORT));
        let named = UnixListener::bind(io, unix).expect("is given a name");
        let name = named.local_endpoint().expect("address");
        assert!(name.unix_abstract_name().is_some_and(|name| !name.is_empty()), "{name}");
    }

    fn socket_listener_may_take_an_address_of_old_connections(io, cx) {
        let listener = TcpListener::bind(io, ANY_PORT).expect("bind");
        let at = listener.local_endpoint().expect("address");
        let connect = TcpStream::connect(io, at);
        let (client, (server, _)) = cx.run(when_all((connect, listener.accept()))).expect("both");
        cx.run(server.close()).expect("closes first, and so waits");
        drop((client, listener));
        TcpListener::bind(io, at).expect("reuse_addr is on");
        let without = SocketConfig::new().reuse_addr(false);
        let error = TcpListener::bind_with(io, at, &without).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    fn socket_config_is_applied(io, _cx) {
        let config = SocketConfig::new()
            .backlog(7)
            .reuse_port(true)
            .nodelay(true)
            .keepalive(true)
            .send_buffer_size(20_000)
            .recv_buffer_size(30_000);
        let listener = TcpListener::bind_with(io, ANY_PORT, &config).expect("bind");
        assert!(listener.reuse_port().expect("query") && listener.reuse_addr().expect("query"));
        assert!(listener.nodelay().expect("query") && listener.keepalive().expect("query"));
        assert_eq!(listener.send_buffer_size().expect("query"), 40_000);
        assert_eq!(listener.recv_buffer_size().expect("query"), 60_000);
        let at = listener.local_endpoint().expect("address");
        TcpListener::bind_with(io, at, &config).expect("shares the port");
        let only = SocketConfig::new().only_v6(true);
        let v6 = TcpListener::bind_with(io, (Ipv6Addr::UNSPECIFIED, 0), &only).expect("bind");
        assert!(v6.only_v6().expect("query"));
        let udp = SocketConfig::new().broadcast(true);
        let udp = UdpSocket::bind_with(io, ANY_PORT, &udp).expect("bind");
        assert!(udp.broadcast().expect("query") && !udp.reuse_addr().expect("query"));
        let wrong = SocketConfig::new().only_v6(true);
        assert!(TcpListener::bind_with(io, ANY_PORT, &wrong).is_err());
    }

    fn socket_handles_come_from_std_and_go_back(io, cx) {
        fn there_and_back<H: Io, P: Protocol>(io: H, std: P::Std) -> SocketHandle<H, P> {
            let back = SocketHandle::<H, P>::from_std(io, std).into_std();
            SocketHandle::from_std(io, back)
        }
        let (left, right) = tcp_pair();
        let left = there_and_back::<_, Tcp>(io, left);
        cx.run(left.send_all("x")).expect("send");
        let right: TcpStream<_> = there_and_back(io, right);
        assert_eq!(cx.run(right.recv([0; 4])).expect("recv").0, 1);
        there_and_back::<_, Listening<Tcp>>(io, tcp_listener());
        there_and_back::<_, Udp>(io, std::net::UdpSocket::bind("127.0.0.1:0").expect("bind"));
        there_and_back::<_, UnixStreams>(io, unix_pair().0);
        let packets = UnixSeqpacket::pair(io).expect("pair").0;
        there_and_back::<_, UnixPackets>(io, packets.into());
        let number = left.as_raw_fd();
        assert_eq!(left.token().native_handle(), number);
        assert_eq!(left.io(), io);
        let owned = OwnedFd::from(left);
        assert_eq!(owned.as_raw_fd(), number);
        let raw = TcpStream::new(io, owned).into_raw_fd();
        // SAFETY: the handle has just given it up.
        drop(unsafe { OwnedFd::from_raw_fd(raw) });
    }
}

#[test]
fn socket_stop_before_start() {
    let ctx = context();
    let socket = ctx.scheduler().socket(Domain::Inet, SocketKind::STREAM, 0);
    assert!(matches!(stopped_after(&ctx, 0, socket), Outcome::Stopped));
}

#[test]
fn socket_token_is_a_copy_that_names_its_descriptor() {
    let (left, right) = unix_pair();
    let token = SocketFd::<UnixStreams>::from(left.as_fd());
    let same = token;
    assert_eq!(token, same);
    assert_ne!(token, SocketFd::from(right.as_fd()));
    let state = RandomState::new();
    assert_eq!(state.hash_one(token), state.hash_one(same));
    assert_eq!(token.native_handle(), left.as_raw_fd());
    assert_eq!(token.as_raw_fd(), left.as_raw_fd());
    assert_eq!(BasicFd::from(token), token.as_basic());
    assert_eq!(BorrowedFd::from(token).as_raw_fd(), left.as_raw_fd());
    assert!(token.is_valid());
    assert_eq!(
        format!("{token:?}"),
        format!("SocketFd({})", left.as_raw_fd())
    );
    // SAFETY: `left` stays open to the end of the test.
    assert_eq!(unsafe { SocketFd::from_raw(left.as_raw_fd()) }, token);
    let ctx = context();
    let sent = ctx
        .block_on(ctx.scheduler().send(token, "x"))
        .expect("send");
    assert_eq!(sent, Some((1, "x")));
}

#[test]
fn socket_options_are_what_was_set() {
    let (left, _right) = tcp_pair();
    let socket = SocketFd::<Tcp>::from(left.as_fd());
    assert_eq!(socket.protocol().expect("query"), libc::IPPROTO_TCP);
    assert_eq!(socket.domain().expect("query"), Domain::Inet);
    assert_eq!(
        socket.local_endpoint().expect("query"),
        left.local_addr().expect("query").into()
    );
    assert_eq!(
        socket.peer_endpoint().expect("query"),
        left.peer_addr().expect("query").into()
    );
    for on in [true, false] {
        socket.set_nodelay(on).expect("set");
        assert_eq!(left.nodelay().expect("query"), on);
        assert_eq!(socket.nodelay().expect("query"), on);
        socket.set_keepalive(on).expect("set");
        assert_eq!(socket.keepalive().expect("query"), on);
        socket.set_reuse_addr(on).expect("set");
        assert_eq!(socket.reuse_addr().expect("query"), on);
        socket.set_reuse_port(on).expect("set");
        assert_eq!(socket.reuse_port().expect("query"), on);
        socket.set_broadcast(on).expect("set");
        assert_eq!(socket.broadcast().expect("query"), on);
    }
    let half = Duration::from_millis(1500);
    socket.set_keepalive_times(half, half, 3).expect("set");
    assert!(socket.keepalive().expect("query"));
    assert_eq!(socket.linger().expect("query"), None);
    socket.set_linger(Some(half)).expect("set");
    assert_eq!(
        socket.linger().expect("query"),
        Some(Duration::from_secs(2))
    );
    socket.set_linger(None).expect("set");
    assert_eq!(socket.linger().expect("query"), None);
    socket.set_ttl(9).expect("set");
    assert_eq!(
        (socket.ttl().expect("query"), left.ttl().expect("query")),
        (9, 9)
    );
    assert_eq!(code(socket.set_ttl(0)), Some(libc::EINVAL));
    socket
        .set_send_buffer_size(usize::MAX)
        .expect("as much as there is");
    socket.set_recv_buffer_size(10_000).expect("set");
    assert_eq!(socket.recv_buffer_size().expect("query"), 20_000);
    assert!(socket.only_v6().is_err(), "that is for version 6");
}

#[test]
fn socket_options_of_version_6_and_of_no_socket() {
    let listener = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("bind");
    let socket = SocketFd::<Any>::from(listener.as_fd());
    assert!(socket.is_listening().expect("query"));
    socket.set_ttl(8).expect("set");
    assert_eq!(socket.ttl().expect("query"), 8);
    assert_eq!(code(socket.peer_endpoint()), Some(libc::ENOTCONN));
    let (left, _right) = unix_pair();
    let unix = SocketFd::<Any>::from(left.as_fd());
    assert_eq!(code(unix.nodelay()), Some(libc::EOPNOTSUPP));
    assert!(unix.local_endpoint().expect("query").is_unnamed());
    let file = std::fs::File::open("/dev/null").expect("open");
    let file = SocketFd::<Any>::from(file.as_fd());
    for result in [
        file.domain().map(|_| ()),
        file.local_endpoint().map(|_| ()),
        file.peer_endpoint().map(|_| ()),
        file.take_error().map(|_| ()),
        file.set_linger(None),
        file.set_nodelay(true),
    ] {
        assert_eq!(code(result), Some(libc::ENOTSOCK));
    }
}

#[test]
fn socket_take_error_takes_it() -> io::Result<()> {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let here = std::net::UdpSocket::bind("127.0.0.1:0")?;
    here.connect(gone.local_addr()?)?;
    drop(gone);
    here.send(b"hello?")?;
    let token = SocketFd::<Udp>::from(here.as_fd());
    let error = token.take_error()?.expect("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(token.take_error()?.is_none());
    Ok(())
}

#[test]
fn socket_handle_of_any_thread_is_used_on_another() {
    let ctx = context();
    let (left, right) = StdUnixStream::pair().expect("socketpair");
    let io = ctx.scheduler();
    std::thread::scope(|threads| {
        let stream = UnixStream::from_std(io, left);
        threads.spawn(move || {
            sync_wait(stream.send_all("from afar")).expect("send");
            io.request_stop();
        });
        ctx.run();
    });
    let received = ctx.scheduler().recv(&right, [0; 16]);
    ctx.restart();
    assert_eq!(
        ctx.block_on(received)
            .expect("recv")
            .expect("not stopped")
            .0,
        9
    );
}
