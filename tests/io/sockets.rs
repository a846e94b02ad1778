//! What the tests of sockets share: connected pairs, full buffers, resets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sendio::protocol::Tcp;
use sendio::{SocketFd, SocketOptions};

/// A listener of `std` on a free port.
pub(crate) fn tcp_listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind")
}

/// A connection of `std` over the loopback.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = tcp_listener();
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (client, listener.accept().expect("accept").0)
}

/// A connection of `std` within this machine.
pub(crate) fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("socketpair")
}

/// Closes so that the peer sees a reset.
pub(crate) fn reset(stream: TcpStream) {
    let token = SocketFd::<Tcp>::from(stream.as_fd());
    token.set_linger(Some(Duration::ZERO)).expect("linger");
    drop(stream);
}

/// Sends until there is no more room: how many bytes.
pub(crate) fn fill(stream: &UnixStream) -> usize {
    let mut sent = 0;
    stream.set_nonblocking(true).expect("set");
    loop {
        match (&*stream).write(&[1; 4096]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).expect("set");
    sent
}

/// Receives what there is: how many bytes.
pub(crate) fn drain(stream: &UnixStream) -> usize {
    let mut received = 0;
    stream.set_nonblocking(true).expect("set");
    loop {
        match (&*stream).read(&mut [0; 4096]) {
            Ok(0) => break,
            Ok(n) => received += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).expect("set");
    received
}
