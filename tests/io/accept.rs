//! accept: `accept` of descriptors and of handles.
//! Method: clients connect before, during and after; each connection is seen by exactly one side of a
//! race, and the descriptors are counted.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;
use sendio::{Cwd, Domain};

use super::child::alone;
use super::common::fds::assert_fds_flat;
use super::common::receivers::{Probe, Trace, connect_and_start};
use super::common::wait::{soon, wait_until};
use super::orders::{StopCase, stop_orders};
use super::sockets::{reset, tcp_listener};
use super::support::{code, context, fd_flags, on_each_handle};

/// The address at which `listener` can be reached.
fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("address")
}

on_each_handle! {
    fn accept_gives_the_socket_and_the_address_of_the_peer(io, cx) {
        for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let listener = TcpListener::bind((ip, 0)).expect("bind");
            let mut client = TcpStream::connect(address(&listener)).expect("connect");
            let (fd, peer) = cx.run(io.accept(&listener)).expect("accept");
            assert_eq!(peer, client.local_addr().expect("address").into());
            assert_eq!(peer.ip(), Some(ip));
            assert_ne!(fd_flags(&fd) & libc::FD_CLOEXEC, 0, "inherited by children");
            client.write_all(b"hi").expect("write");
            let mut bytes = [0; 2];
            TcpStream::from(fd).read_exact(&mut bytes).expect("read");
            assert_eq!(&bytes, b"hi");
        }
    }

    fn accept_waits_for_a_client_also_without_blocking_mode(io, cx) {
        let listener = tcp_listener();
        listener.set_nonblocking(true).expect("set");
        let addr = address(&listener);
        thread::scope(|threads| {
            let client = threads.spawn(move || TcpStream::connect(addr).expect("connect"));
            let (_fd, peer) = cx.run(io.accept(&listener)).expect("waits");
            let client = client.join().expect("client");
            assert_eq!(peer, client.local_addr().expect("address").into());
        });
    }

    fn accept_of_a_handle_gives_a_handle(io, cx) {
        let listener = sendio::TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let at = listener.local_endpoint().expect("address");
        let connect = sendio::TcpStream::connect(io, at);
        let (client, (server, peer)) = cx.run(when_all((connect, listener.accept()))).expect("both");
        assert_eq!(client.local_endpoint().expect("address"), peer);
        assert_eq!(server.peer_endpoint().expect("address"), peer);
        cx.run(client.send_all("through")).expect("send");
        assert_eq!(&cx.run(server.recv_exact([0; 7])).expect("recv"), b"through");
    }

    fn accept_of_unix_peers_by_name_and_without(io, cx) {
        let name = format!("sendio-accept-{}-{:?}", std::process::id(), thread::current().id());
        let at = Endpoint::unix_abstract(name).expect("fits");
        let listener = sendio::UnixListener::bind(io, at).expect("bind");
        let connect = sendio::UnixStream::connect(io, at);
        let (_client, (server, peer)) = cx.run(when_all((connect, listener.accept()))).expect("both");
        assert_eq!(peer.family(), Domain::Unix);
        assert!(peer.is_unnamed());
        assert_eq!(server.local_endpoint().expect("address"), at);
    }

    fn accept_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let file = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.accept(&file))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.accept(Cwd))), Some(libc::EBADF));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        assert_eq!(code(cx.run(io.accept(&udp))), Some(libc::EOPNOTSUPP));
        let (left, _right) = UnixStream::pair().expect("socketpair");
        assert_eq!(code(cx.run(io.accept(&left))), Some(libc::EINVAL));
        let listener = tcp_listener();
        let _client = TcpStream::connect(address(&listener)).expect("connect");
        cx.run(io.accept(&listener)).expect("the loop lives");
    }

    fn accept_of_a_connection_that_was_reset_gives_a_socket_that_tells(io, cx) {
        let listener = tcp_listener();
        reset(TcpStream::connect(address(&listener)).expect("connect"));
        let (fd, _) = cx.run(io.accept(&listener)).expect("accept");
        let error = cx.run(io.recv(&fd, [0; 1])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn accept_ends_when_the_listener_is_shut_down() {
    let ctx = context();
    let listener = tcp_listener();
    let probe = Probe::new();
    let _op = connect_and_start(ctx.scheduler().accept(&listener), probe.receiver());
    ctx.run_some().expect("not running");
    probe.expect_nothing();
    let token =
        sendio::SocketFd::<sendio::protocol::Any>::from(std::os::fd::AsFd::as_fd(&listener));
    token.shutdown(std::net::Shutdown::Both).expect("shut down");
    ctx.run_until_empty();
    assert_eq!(probe.expect_error().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn accept_value_that_nobody_takes_is_closed() {
    let ctx = context();
    let listener = tcp_listener();
    let mut client = TcpStream::connect(address(&listener)).expect("connect");
    // Dropped by the adaptor, which keeps no value.
    let accept = ctx.scheduler().accept(&listener).then(|_| ());
    ctx.block_on(accept).expect("accept");
    assert_eq!(client.read(&mut [0; 1]).expect("the end"), 0);
}

#[test]
fn accept_owner_that_panics_in_its_drop_closes_the_socket() {
    let ctx = context();
    let listener = tcp_listener();
    let mut client = TcpStream::connect(address(&listener)).expect("connect");
    let trace = Trace::new();
    let held = super::support::Held {
        file: OwnedFd::from(listener.try_clone().expect("dup")).into(),
        _guard: trace.panicking_guard("listener"),
    };
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(ctx.scheduler().accept(held), probe.receiver());
    ctx.run_until_empty();
    trace.expect(&["drop listener", "panicked"]);
    assert_eq!(probe.expect_panicked(), "listener");
    assert_eq!(client.read(&mut [0; 1]).expect("the end"), 0);
}

#[test]
fn accept_by_a_closure_that_panics_closes_the_socket() {
    let ctx = context();
    let listener = tcp_listener();
    let mut client = TcpStream::connect(address(&listener)).expect("connect");
    let accept = ctx.scheduler().accept(&listener);
    let panicking = accept.then(|_: (OwnedFd, Endpoint)| std::panic::panic_any("no"));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ctx.block_on(panicking)));
    assert!(result.is_err());
    assert_eq!(client.read(&mut [0; 1]).expect("the end"), 0);
}

/// An accept that waits for a client.
struct AcceptCase {
    listener: TcpListener,
    clients: RefCell<Vec<TcpStream>>,
}

impl StopCase for AcceptCase {
    type Value = (OwnedFd, Endpoint);
    fn new() -> Self {
        Self {
            listener: tcp_listener(),
            clients: RefCell::default(),
        }
    }
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error> {
        io.accept(&self.listener)
    }
    fn ready(&self) {
        let client = TcpStream::connect(address(&self.listener)).expect("connect");
        self.clients.borrow_mut().push(client);
    }
    fn check_value(&self, (fd, peer): Self::Value) {
        assert!(fd.as_raw_fd() > 0);
        let local = self.clients.borrow()[0].local_addr().expect("address");
        assert_eq!(peer, local.into());
    }
    fn check_stopped(&self) {
        // What comes now is still with the listener.
        self.ready();
        self.listener.accept().expect("accept");
    }
}

stop_orders! {
    AcceptCase {
        fn accept_stop_before_start;
        fn accept_stop_during_submit;
        fn accept_stop_in_flight;
        fn accept_stop_after_cqe;
        fn accept_stop_after_completion;
        fn accept_stop_twice;
    }
}

#[test]
fn accept_value_that_is_delivered_although_stop_was_requested_is_owned() {
    let ctx = context();
    let listener = tcp_listener();
    let stop = StopSource::new();
    let probe = Probe::new();
    let env = sendio::Env::default().with_stop_token(stop.token());
    let op = connect_and_start(ctx.scheduler().accept(&listener), probe.receiver_in(env));
    ctx.run_some().expect("not running");
    let mut client = TcpStream::connect(address(&listener)).expect("connect");
    stop.request_stop();
    ctx.run_until_empty();
    let (fd, _) = probe.expect_value();
    drop(op);
    client.set_nonblocking(true).expect("set");
    let open = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(open.kind(), ErrorKind::WouldBlock);
    client.set_nonblocking(false).expect("set");
    drop(fd);
    assert_eq!(client.read(&mut [0; 1]).expect("the end"), 0);
}

/// Clients connect, a few at most ahead of the accepts, which are stopped meanwhile, until so many
/// connections were accepted.
fn race<L>(connections: usize, listener: &L, client: impl Fn() + Send)
where
    L: std::os::fd::AsFd + Sync,
{
    let ctx = context();
    let io = ctx.scheduler();
    let accepted = AtomicUsize::new(0);
    let mut stopped = 0;
    thread::scope(|threads| {
        let accepted = &accepted;
        threads.spawn(move || {
            for number in 0..connections {
                wait_until(soon(), "there is demand", || {
                    // Now and then nobody waits, so that the stop has a chance.
                    let ahead = if number % 16 == 0 { 1 } else { 32 };
                    number < accepted.load(Ordering::Relaxed) + ahead
                });
                client();
            }
        });
        while accepted.load(Ordering::Relaxed) < connections {
            let stop = StopSource::new();
            let turns = io.yield_now().repeat_n(stopped % 5).cast_err();
            let asking = turns.then(|()| stop.request_stop());
            let accept = io.accept(listener).with_stop_token(stop.token());
            let both = when_all((accept.stopped_as_optional(), asking));
            let (taken, _) = ctx.block_on(both).expect("no error").expect("not stopped");
            accepted.fetch_add(usize::from(taken.is_some()), Ordering::Relaxed);
            stopped += usize::from(taken.is_none());
        }
    });
    assert!(stopped > 0, "there was no race");
}

#[test]
fn accept_raced_by_stop_loses_no_connection_and_no_descriptor() {
    let name = "accept::accept_raced_by_stop_loses_no_connection_and_no_descriptor";
    if let Some(status) = alone(name) {
        assert!(status.success());
        return;
    }
    assert_fds_flat(|| {
        let dir = super::common::files::temp_dir();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).expect("bind");
        race(10_000, &listener, || drop(UnixStream::connect(&path)));
        let listener = tcp_listener();
        let addr = address(&listener);
        // The clients close by a reset, so no port stays in use.
        race(500, &listener, || {
            reset(TcpStream::connect(addr).expect("connect"));
        });
    });
}
