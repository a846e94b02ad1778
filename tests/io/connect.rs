//! connect: `connect` of sockets, and of handles that make their socket.
//! Method: listeners that accept, refuse, or have no room; the descriptors are counted.

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use sendio::prelude::*;
use sendio::{
    Cwd, Domain, PollEvents, SocketConfig, SocketKind, TcpStream, UnixListener, UnixStream,
};

use super::child::alone;
use super::common::fds::assert_fds_flat;
use super::common::files::temp_dir;
use super::common::receivers::{Probe, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::orders::{Order, StopCase, run_in_order};
use super::sockets::tcp_listener;
use super::support::{code, context, on_each_handle};

/// A port at which nobody listens.
fn nobody() -> Endpoint {
    let listener = tcp_listener();
    listener.local_addr().expect("address").into()
}

/// A listener without room for more than one that waits, which does, and a socket that will wait.
struct Crowded {
    listener: UnixListener<IoScheduler<'static>>,
    at: Endpoint,
    _first: std::os::unix::net::UnixStream,
    _dir: tempfile::TempDir,
}

impl Crowded {
    fn new() -> Self {
        let ctx: &'static IoContext = Box::leak(Box::new(context()));
        let dir = temp_dir();
        let path = dir.path().join("s");
        let at = Endpoint::unix(&path).expect("fits");
        let config = SocketConfig::new().backlog(0);
        let listener = UnixListener::bind_with(ctx.scheduler(), at, &config).expect("bind");
        let first = std::os::unix::net::UnixStream::connect(&path).expect("connect");
        Self {
            listener,
            at,
            _first: first,
            _dir: dir,
        }
    }

    fn accept(&self) {
        let listener = self.listener.try_clone().expect("dup").into_std();
        listener.accept().expect("accept");
    }

    /// Whether somebody waits to be accepted.
    fn is_awaited(&self) -> bool {
        let ctx = context();
        let now = ctx.scheduler().poll(&self.listener, PollEvents::IN);
        let now = now.timeout(ctx.scheduler(), Duration::ZERO);
        ctx.block_on(now).is_ok()
    }
}

on_each_handle! {
    fn connect_makes_a_connection(io, cx) {
        for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let listener = TcpListener::bind((ip, 0)).expect("bind");
            let at = listener.local_addr().expect("address");
            let domain = Endpoint::from(at).family();
            for nonblocking in [0, libc::SOCK_NONBLOCK] {
                let kind = SocketKind::from_raw(libc::SOCK_STREAM | nonblocking);
                let socket = cx.run(io.socket(domain, kind, 0)).expect("socket");
                cx.run(io.connect(&socket, at)).expect("connect");
                let (_server, peer) = listener.accept().expect("accept");
                let client = std::net::TcpStream::from(socket);
                assert_eq!(client.local_addr().expect("address"), peer);
                let again = cx.run(io.connect(&client, at));
                assert_eq!(code(again), Some(libc::EISCONN));
            }
        }
    }

    fn connect_refused_unreachable_and_bad_input_are_errors(io, cx) {
        for nonblocking in [0, libc::SOCK_NONBLOCK] {
            let kind = SocketKind::from_raw(libc::SOCK_STREAM | nonblocking);
            let socket = cx.run(io.socket(Domain::Inet, kind, 0)).expect("socket");
            let error = cx.run(io.connect(&socket, nobody())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        let error = cx.run(TcpStream::connect(io, nobody())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let socket = || cx.run(io.socket(Domain::Inet, SocketKind::STREAM, 0)).expect("socket");
        let v6 = Endpoint::from((Ipv6Addr::LOCALHOST, 1));
        assert_eq!(code(cx.run(io.connect(socket(), v6))), Some(libc::EAFNOSUPPORT));
        let broadcast = Endpoint::from((Ipv4Addr::BROADCAST, 1));
        assert!(cx.run(io.connect(socket(), broadcast)).is_err());
        let file = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.connect(&file, v6))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.connect(Cwd, v6))), Some(libc::EBADF));
        let dir = temp_dir();
        let nowhere = Endpoint::unix(dir.path().join("s")).expect("fits");
        let error = cx.run(UnixStream::connect(io, nowhere)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(code(cx.run(UnixStream::connect(io, v6))), Some(libc::EAFNOSUPPORT));
        assert_eq!(code(cx.run(TcpStream::connect(io, nowhere))), Some(libc::EAFNOSUPPORT));
        let truncated = Endpoint::from_bytes(&v6.as_bytes()[..7]).expect("fits");
        assert_eq!(code(cx.run(TcpStream::connect(io, truncated))), Some(libc::EINVAL));
    }

    fn connect_that_somebody_began_is_waited_for(io, cx) {
        let listener = tcp_listener();
        let at = Endpoint::from(listener.local_addr().expect("address"));
        for at in [at, nobody()] {
            let kind = SocketKind::from_raw(libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
            let socket = cx.run(io.socket(Domain::Inet, kind, 0)).expect("socket");
            let begun = super::support::connect_now(&socket, at.as_bytes());
            assert_eq!(code(begun), Some(libc::EINPROGRESS));
            let result = cx.run(io.connect(&socket, at));
            match result {
                Ok(()) => drop(listener.accept().expect("accept")),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
        }
    }

    fn connect_of_datagrams_chooses_a_peer_and_none(io, cx) {
        let here = sendio::UdpSocket::bind(io, (Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let there = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let at = Endpoint::from(there.local_addr().expect("address"));
        cx.run(here.connect(at)).expect("connect");
        assert_eq!(here.peer_endpoint().expect("connected"), at);
        cx.run(here.send("news")).expect("send");
        assert_eq!(there.recv(&mut [0; 8]).expect("recv"), 4);
        cx.run(here.connect(Endpoint::unspecified())).expect("connect");
        assert_eq!(code(here.peer_endpoint()), Some(libc::ENOTCONN));
    }

    fn connect_with_a_config_binds_and_sets_before(io, cx) {
        let listener = tcp_listener();
        let at = listener.local_addr().expect("address");
        let from = (Ipv4Addr::new(127, 0, 0, 2), 0);
        let config = SocketConfig::new().local(from).nodelay(true).keepalive(true);
        let stream = cx.run(TcpStream::connect_with(io, at, &config)).expect("connect");
        let (_server, peer) = listener.accept().expect("accept");
        assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, 2));
        assert!(stream.nodelay().expect("query") && stream.keepalive().expect("query"));
        let taken = SocketConfig::new().local(at);
        let error = cx.run(TcpStream::connect_with(io, at, &taken)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
}

#[test]
fn connect_to_a_crowded_listener_waits_for_room() {
    let ctx = context();
    let crowded = Crowded::new();
    let probe = Probe::new();
    let connect = UnixStream::connect(ctx.scheduler(), crowded.at);
    let _op = connect_and_start(connect, probe.receiver());
    for _ in 0..300 {
        ctx.run_some().expect("not running");
    }
    probe.expect_nothing();
    crowded.accept();
    ctx.run_until_empty();
    let stream = probe.expect_value();
    crowded.accept();
    assert_eq!(stream.peer_endpoint().expect("connected"), crowded.at);
}

#[test]
fn connect_to_a_crowded_listener_without_blocking_mode_is_would_block() {
    let ctx = context();
    let io = ctx.scheduler();
    let crowded = Crowded::new();
    let kind = SocketKind::from_raw(libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    let socket = ctx.block_on(io.socket(Domain::Unix, kind, 0));
    let socket = socket.expect("socket").expect("not stopped");
    let before = ctx.metrics().submitted;
    let error = ctx.block_on(io.connect(&socket, crowded.at)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(ctx.metrics().submitted, before + 1, "asked once");
}

#[test]
fn connect_past_its_deadline_is_timed_out_and_leaves_no_descriptor() {
    let name = "connect::connect_past_its_deadline_is_timed_out_and_leaves_no_descriptor";
    if let Some(status) = alone(name) {
        assert!(status.success());
        return;
    }
    let ctx = context();
    let io = ctx.scheduler();
    let crowded = Crowded::new();
    assert_fds_flat(|| {
        for millis in [0, 1, 5] {
            let connect = UnixStream::connect(io, crowded.at);
            let connect = connect.timeout(io, Duration::from_millis(millis));
            let error = ctx.block_on(connect).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        for _ in 0..100 {
            assert!(ctx.block_on(TcpStream::connect(io, nobody())).is_err());
            drop(TcpStream::connect(io, nobody()));
            let probe = Probe::new();
            drop(TcpStream::connect(io, nobody()).connect(probe.receiver()));
        }
        let stop = StopSource::new();
        stop.request_stop();
        let never = TcpStream::connect(io, nobody()).with_stop_token(stop.token());
        assert!(ctx.block_on(never).expect("no error").is_none());
    });
}

#[test]
fn connect_address_is_taken_when_it_starts() {
    let ctx = context();
    let listener = tcp_listener();
    let at = listener.local_addr().expect("address");
    // Moved around between connect and start.
    let sender = Box::new(TcpStream::connect(ctx.scheduler(), at));
    let nested = just(()).cast_err().let_value(move |()| *sender);
    let stream = ctx.block_on(nested).expect("connect").expect("not stopped");
    let (mut server, _) = listener.accept().expect("accept");
    drop(stream);
    assert_eq!(server.read(&mut [0; 1]).expect("the end"), 0);
}

/// A connect that waits for room at its listener.
struct ConnectCase {
    crowded: Crowded,
    socket: OwnedFd,
}

impl StopCase for ConnectCase {
    type Value = ();
    fn new() -> Self {
        let ctx = context();
        let socket = ctx.scheduler().socket(Domain::Unix, SocketKind::STREAM, 0);
        let socket = ctx.block_on(socket).expect("socket");
        Self {
            crowded: Crowded::new(),
            socket: socket.expect("not stopped"),
        }
    }
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error> {
        io.connect(self.socket.as_fd(), self.crowded.at)
    }
    fn ready(&self) {
        self.crowded.accept();
    }
    fn check_value(&self, (): Self::Value) {
        self.crowded.accept();
    }
    fn check_stopped(&self) {
        self.crowded.accept();
        assert!(!self.crowded.is_awaited(), "it has connected");
    }
}

#[test]
fn connect_stop_before_start() {
    run_in_order::<ConnectCase>(Order::BeforeStart);
}

#[test]
fn connect_stop_during_submit() {
    run_in_order::<ConnectCase>(Order::DuringSubmit);
}

#[test]
fn connect_stop_in_flight() {
    run_in_order::<ConnectCase>(Order::InFlight);
}

#[test]
fn connect_stop_after_completion() {
    run_in_order::<ConnectCase>(Order::AfterCompletion);
}

#[test]
fn connect_stop_twice() {
    run_in_order::<ConnectCase>(Order::Twice);
}

#[test]
fn connect_stop_after_cqe() {
    let ctx = context();
    let io = ctx.scheduler();
    let listener = tcp_listener();
    let at = listener.local_addr().expect("address");
    let stop = StopSource::new();
    // Both complete in one turn; the first asks the second to stop, whose result is there already.
    let first = TcpStream::connect(io, at).then(|stream| {
        assert!(stop.request_stop());
        stream
    });
    let second = TcpStream::connect(io, at).with_stop_token(stop.token());
    let both = when_all((first, second.stopped_as_optional()));
    let (_, second) = ctx.block_on(both).expect("connect").expect("not stopped");
    assert!(second.is_some(), "a connection was lost");
}

#[test]
fn connect_waits_until_it_is_decided() {
    // A connection over the Internet whose listener has no room: the handshake goes on and on.
    let ctx = context();
    let io = ctx.scheduler();
    let config = SocketConfig::new().backlog(0);
    let any = (Ipv4Addr::LOCALHOST, 0);
    let listener = sendio::TcpListener::bind_with(io, any, &config).expect("bind");
    let at = listener.local_endpoint().expect("address");
    let mut connected = Vec::new();
    let waiting = loop {
        let probe = Probe::new();
        let op = connect_and_start(TcpStream::connect(io, at), probe.receiver());
        for _ in 0..20 {
            ctx.run_some().expect("not running");
        }
        if probe.count() == 0 {
            break (probe, op);
        }
        connected.push(probe.expect_value());
        assert!(connected.len() < 16, "it takes them all");
    };
    for _ in 0..connected.len() {
        ctx.block_on(listener.accept()).expect("accept");
    }
    // The next try of the kernel finds room, after a second or so.
    wait_until(soon(), "the handshake is repeated", || {
        ctx.run_some().expect("not running");
        waiting.0.count() > 0
    });
    assert_eq!(
        waiting.0.expect_value().peer_endpoint().expect("connected"),
        at
    );
}
