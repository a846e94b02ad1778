//! bind: an address of one's own, through the ring.
//! Method: the kernel is asked for the address afterwards, and peers reach the socket there.
//!
//! # Safety
//! A system call without memory.

#![expect(unsafe_code, reason = "setfsuid")]

use std::net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::{fs, thread};

use sendio::prelude::*;
use sendio::protocol::Any;
use sendio::{Cwd, Domain, SocketFd, SocketKind};

use super::common::fds::assert_fds_flat;
use super::common::files::temp_dir;
use super::common::receivers::{Probe, Trace, connect_and_start};
use super::support::{Held, Refuses, code, context, on_each_handle, outcome_of, stopped_after};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A new socket.
pub(crate) fn socket(domain: Domain, kind: SocketKind) -> OwnedFd {
    let ctx = context();
    let made = ctx.block_on(ctx.scheduler().socket(domain, kind, 0));
    made.expect("socket").expect("not stopped")
}

/// A new socket for connections of version 4.
pub(crate) fn tcp() -> OwnedFd {
    socket(Domain::Inet, SocketKind::STREAM)
}

/// Where the socket is.
pub(crate) fn address(fd: &impl AsFd) -> Endpoint {
    let token = SocketFd::<Any>::from(fd.as_fd());
    token.local_endpoint().expect("address")
}

on_each_handle! {
    fn bind_gives_an_address_of_each_family(io, cx) {
        let v4 = socket(Domain::Inet, SocketKind::DATAGRAM);
        cx.run(io.bind(&v4, ANY_PORT)).expect("bind");
        assert_eq!(address(&v4).ip(), Some(Ipv4Addr::LOCALHOST.into()));
        assert!(address(&v4).port().is_some_and(|port| port != 0), "a port was chosen");
        let v6 = socket(Domain::Inet6, SocketKind::DATAGRAM);
        cx.run(io.bind(&v6, (Ipv6Addr::LOCALHOST, 0))).expect("bind");
        assert_eq!(address(&v6).ip(), Some(Ipv6Addr::LOCALHOST.into()));
        for (fd, from) in [(&v4, "127.0.0.1:0"), (&v6, "[::1]:0")] {
            let peer = UdpSocket::bind(from).expect("bind");
            let to = address(fd).to_socket_addr().expect("of the Internet");
            peer.send_to(b"here", to).expect("send");
            assert_eq!(cx.run(io.recv(fd, [0; 8])).expect("recv").0, 4);
        }
    }

    fn bind_of_unix_sockets_by_path_by_name_and_without(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("socket");
        let at = Endpoint::unix(&path).expect("fits");
        let named = socket(Domain::Unix, SocketKind::DATAGRAM);
        cx.run(io.bind(&named, at)).expect("bind");
        assert_eq!(address(&named), at);
        let peer = UnixDatagram::unbound().expect("socket");
        peer.send_to(b"mail", &path).expect("send");
        assert_eq!(cx.run(io.recv(&named, [0; 8])).expect("recv").0, 4);
        let second = socket(Domain::Unix, SocketKind::DATAGRAM);
        assert_eq!(code(cx.run(io.bind(&second, at))), Some(libc::EADDRINUSE));
        let lost = Endpoint::unix(dir.path().join("no/socket")).expect("fits");
        assert_eq!(code(cx.run(io.bind(&second, lost))), Some(libc::ENOENT));
        let name = format!("sendio-bind-{}-{:?}", std::process::id(), thread::current().id());
        let at = Endpoint::unix_abstract(name).expect("fits");
        cx.run(io.bind(&second, at)).expect("errors leave it as it was");
        assert_eq!(address(&second), at);
        let third = socket(Domain::Unix, SocketKind::STREAM);
        assert_eq!(code(cx.run(io.bind(&third, lost))), Some(libc::ENOENT));
        cx.run(io.bind(&third, Endpoint::unix_unnamed())).expect("is given a name");
        let name = address(&third);
        assert!(name.unix_abstract_name().is_some_and(|name| !name.is_empty()), "{name}");
    }

    fn bind_and_listen_in_one_pipeline(io, cx) {
        let server = io
            .socket(Domain::Inet, SocketKind::STREAM, 0)
            .let_value(move |fd| {
                let bound = io.bind(fd.try_clone().expect("dup"), ANY_PORT);
                bound.let_value(move |()| {
                    let listening = io.listen(fd.try_clone().expect("dup"), 8);
                    listening.then(move |()| fd)
                })
            });
        let fd = cx.run(server).expect("all of them");
        let to = address(&fd).to_socket_addr().expect("of the Internet");
        let client = TcpStream::connect(to).expect("connect");
        let (_, peer) = cx.run(io.accept(&fd)).expect("accept");
        assert_eq!(peer, client.local_addr().expect("address").into());
    }

    fn bind_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let taken = std::net::TcpListener::bind(ANY_PORT).expect("bind");
        let fd = tcp();
        let at = taken.local_addr().expect("address");
        assert_eq!(code(cx.run(io.bind(&fd, at))), Some(libc::EADDRINUSE));
        let nowhere = (Ipv4Addr::new(192, 0, 2, 1), 0);
        assert_eq!(code(cx.run(io.bind(&fd, nowhere))), Some(libc::EADDRNOTAVAIL));
        let v6 = (Ipv6Addr::LOCALHOST, 0);
        assert_eq!(code(cx.run(io.bind(&fd, v6))), Some(libc::EAFNOSUPPORT));
        let short = Endpoint::unspecified();
        assert_eq!(code(cx.run(io.bind(&fd, short))), Some(libc::EINVAL));
        cx.run(io.bind(&fd, ANY_PORT)).expect("errors leave it as it was");
        assert_eq!(code(cx.run(io.bind(&fd, ANY_PORT))), Some(libc::EINVAL), "it has one");
        let file = fs::File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.bind(&file, ANY_PORT))), Some(libc::ENOTSOCK));
        assert_eq!(code(cx.run(io.bind(Cwd, ANY_PORT))), Some(libc::EBADF));
        cx.run(io.bind(tcp(), ANY_PORT)).expect("the loop lives");
    }
}

#[test]
fn bind_without_permission_is_an_error() {
    let dir = temp_dir();
    let at = Endpoint::unix(dir.path().join("socket")).expect("fits");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).expect("set");
    let ctx = context();
    let fd = socket(Domain::Unix, SocketKind::STREAM);
    // SAFETY: no memory is passed. It is this thread's alone, and without effect unless it is root's.
    unsafe { libc::setfsuid(65534) };
    let refused = ctx.block_on(ctx.scheduler().bind(&fd, at));
    assert_eq!(code(refused), Some(libc::EACCES));
    // SAFETY: as above.
    unsafe { libc::setfsuid(libc::geteuid()) };
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("set");
    let bound = ctx.block_on(ctx.scheduler().bind(&fd, at));
    assert_eq!(bound.expect("bind"), Some(()));
}

#[test]
fn bind_stop_before_start_leaves_the_socket() {
    let ctx = context();
    let fd = tcp();
    let bind = ctx.scheduler().bind(&fd, ANY_PORT);
    assert!(matches!(stopped_after(&ctx, 0, bind), Outcome::Stopped));
    assert_eq!(address(&fd).port(), Some(0));
    let bound = ctx.block_on(ctx.scheduler().bind(&fd, ANY_PORT));
    assert_eq!(bound.expect("bind"), Some(()));
}

#[test]
fn bind_stop_during_submit_is_told_as_it_happened() {
    let ctx = context();
    let fd = tcp();
    let stop = StopSource::new();
    let probe = Probe::new();
    let env = sendio::Env::default().with_stop_token(stop.token());
    let sender = ctx.scheduler().bind(&fd, ANY_PORT);
    let _op = connect_and_start(sender, probe.receiver_in(env));
    stop.request_stop();
    ctx.run_until_empty();
    let bound = address(&fd).port() != Some(0);
    match probe.outcome() {
        Outcome::Value(()) => assert!(bound),
        Outcome::Stopped => assert!(!bound),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bind_owner_is_closed_on_every_path() {
    assert_fds_flat(|| {
        let ctx = context();
        let io = ctx.scheduler();
        ctx.block_on(io.bind(tcp(), ANY_PORT)).expect("bind");
        drop(io.bind(tcp(), ANY_PORT));
        assert!(
            ctx.block_on(io.bind(tcp(), (Ipv6Addr::LOCALHOST, 0)))
                .is_err()
        );
        stopped_after(&ctx, 0, io.bind(tcp(), ANY_PORT));
    });
}

#[test]
fn bind_owner_that_panics_is_told_on_the_panic_channel() {
    let ctx = context();
    let refused = outcome_of(&ctx, ctx.scheduler().bind(Refuses, ANY_PORT));
    assert!(matches!(refused, Outcome::Panicked(_)));
    let held = Held {
        file: fs::File::open("/dev/null").expect("open"),
        _guard: Trace::new().panicking_guard("fd"),
    };
    let dropped = outcome_of(&ctx, ctx.scheduler().bind(held, ANY_PORT));
    assert!(matches!(dropped, Outcome::Panicked(_)));
}
