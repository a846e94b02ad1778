//! What sockets speak, as types: the markers of [`SocketFd`](crate::SocketFd) and
//! [`SocketHandle`](crate::SocketHandle), and what is known about each.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use libc::c_int;

use super::endpoint::Domain;
use super::socket_fd::SocketKind;

mod sealed {
    /// Keeps the traits closed.
    pub trait Sealed {}
}

/// Something that sockets speak.
pub trait Protocol: sealed::Sealed + Sized + 'static {
    /// The kind of its sockets.
    const KIND: SocketKind;
    /// Its number in `socket(2)`; 0 for the usual one.
    const NUMBER: c_int;
    /// The type of its sockets in `std`, or `OwnedFd` where there is none.
    type Std: From<OwnedFd> + Into<OwnedFd>;

    /// Whether its sockets can have addresses of this domain.
    #[must_use]
    fn speaks(domain: Domain) -> bool;
}

/// A protocol whose sockets send and receive: all but those that listen.
pub trait Conversation: Protocol {}

/// A conversation that is one stream of bytes, without boundaries.
pub trait Stream: Conversation {}

/// A conversation in single messages, each by itself.
pub trait Datagram: Conversation {}

/// A conversation that begins with a connection to a listener.
pub trait Connection: Conversation {
    /// The type of its listeners in `std`, or `OwnedFd` where there is none.
    type StdListener: From<OwnedFd> + Into<OwnedFd>;
}

/// A conversation within one machine.
pub trait Local: Conversation {}

/// Nothing is known: a socket that is only asked.
#[derive(Clone, Copy, Debug)]
pub enum Any {}

/// Connections over the Internet.
#[derive(Clone, Copy, Debug)]
pub enum Tcp {}

/// Datagrams over the Internet.
#[derive(Clone, Copy, Debug)]
pub enum Udp {}

/// Connections within one machine: streams.
#[derive(Clone, Copy, Debug)]
pub enum UnixStreams {}

/// Datagrams within one machine.
#[derive(Clone, Copy, Debug)]
pub enum UnixDatagrams {}

/// Connections within one machine: messages, in order.
#[derive(Clone, Copy, Debug)]
pub enum UnixPackets {}

/// Listeners for connections of `P`.
#[derive(Clone, Copy, Debug)]
pub struct Listening<P>(
    std::convert::Infallible,
    std::marker::PhantomData<fn() -> P>,
);

fn is_internet(domain: Domain) -> bool {
    matches!(domain, Domain::Inet | Domain::Inet6)
}

fn is_unix(domain: Domain) -> bool {
    domain == Domain::Unix
}

macro_rules! protocols {
    ($($marker:ident: $kind:ident, $number:expr, $std:ty, $speaks:ident;)+) => {$(
        impl sealed::Sealed for $marker {}
        impl Conversation for $marker {}
        impl Protocol for $marker {
            const KIND: SocketKind = SocketKind::$kind;
            const NUMBER: c_int = $number;
            type Std = $std;
            fn speaks(domain: Domain) -> bool {
                $speaks(domain)
            }
        }
    )+};
}

protocols! {
    Tcp: STREAM, libc::IPPROTO_TCP, TcpStream, is_internet;
    Udp: DATAGRAM, libc::IPPROTO_UDP, UdpSocket, is_internet;
    UnixStreams: STREAM, 0, UnixStream, is_unix;
    UnixDatagrams: DATAGRAM, 0, UnixDatagram, is_unix;
    UnixPackets: SEQPACKET, 0, OwnedFd, is_unix;
}

impl Stream for Tcp {}
impl Stream for UnixStreams {}
impl Datagram for Udp {}
impl Datagram for UnixDatagrams {}
impl Local for UnixStreams {}
impl Local for UnixDatagrams {}
impl Local for UnixPackets {}

impl Connection for Tcp {
    type StdListener = TcpListener;
}

impl Connection for UnixStreams {
    type StdListener = UnixListener;
}

impl Connection for UnixPackets {
    type StdListener = OwnedFd;
}

impl<P> sealed::Sealed for Listening<P> {}

impl<P: Connection> Protocol for Listening<P> {
    const KIND: SocketKind = P::KIND;
    const NUMBER: c_int = P::NUMBER;
    type Std = P::StdListener;

    fn speaks(domain: Domain) -> bool {
        P::speaks(domain)
    }
}
