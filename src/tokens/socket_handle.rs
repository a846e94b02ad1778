//! An open socket that knows the context on which its operations run.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use static_assertions::{assert_impl_all, assert_not_impl_any, const_assert_eq};

use super::endpoint::{Domain, Endpoint};
use super::protocol::{
    Connection, Conversation, Datagram, Listening, Local, Protocol, Stream, Tcp, Udp,
    UnixDatagrams, UnixPackets, UnixStreams,
};
use super::socket_config::SocketConfig;
use super::socket_fd::SocketFd;
use super::socket_options::SocketOptions;
use crate::sched::io_context::handle::{Io, IoScheduler, LocalIoScheduler};
use crate::sched::io_context::io_sender::IoSender;
use crate::senders::io::accept::AcceptHandle;
use crate::senders::io::buf::{IoBuf, IoBufMut};
use crate::senders::io::close::Close;
use crate::senders::io::connect::{Connect, ConnectNew};
use crate::senders::io::file_ops::FileOps;
use crate::senders::io::msg_flags::MsgFlags;
use crate::senders::io::poll::{Poll, PollEvents};
use crate::senders::io::read::{Recv, RecvExact};
use crate::senders::io::shutdown::ShutDown;
use crate::senders::io::socket::{open_pair, open_socket};
use crate::senders::io::socket_ops::SocketOps;
use crate::senders::io::write::{SendAll, SendSome};

/// An owned socket and the handle of the context for its operations; nothing else.
///
/// `P` says what the socket speaks, and so which operations it has: [`TcpStream`], [`TcpListener`],
/// [`UdpSocket`] and the Unix ones are this type. What is known about the socket is asked of the
/// kernel: [`SocketOptions`].
///
/// The operations borrow the handle, so several may run at the same time, such as a send and a
/// receive. [`close`](Self::close) takes it: nothing of it can be pending then. Dropping the handle
/// closes the socket as well, without telling of errors.
///
/// A socket of another type (`std::net::TcpStream`, or anything else that is `AsFd`) can be used with
/// the methods of [`SocketOps`] just as well.
///
/// # Examples
///
/// The handle cannot be closed while an operation borrows it:
///
/// ```compile_fail,E0505
/// use sendio::{UnixStream, prelude::*};
///
/// let ctx = IoContext::new()?;
/// let (left, right) = UnixStream::pair(ctx.scheduler())?;
/// let receive = left.recv([0; 4]);
/// ctx.block_on(left.close())?;
/// ctx.block_on(receive)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```
/// use sendio::{UnixStream, prelude::*};
///
/// let ctx = IoContext::new()?;
/// let (left, right) = UnixStream::pair(ctx.scheduler())?;
/// ctx.block_on(right.send("done"))?;
/// let receive = left.recv([0; 4]);
/// ctx.block_on(receive)?;
/// ctx.block_on(left.close())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SocketHandle<H, P> {
    io: H,
    fd: OwnedFd,
    protocol: PhantomData<fn() -> P>,
}

/// A connection over the Internet.
///
/// # Examples
///
/// ```
/// use sendio::{SocketOptions, TcpListener, TcpStream, prelude::*};
/// use std::net::Ipv4Addr;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let listener = TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0))?;
/// let connect = TcpStream::connect(io, listener.local_endpoint()?);
/// let (client, (server, peer)) = ctx.block_on(when_all((connect, listener.accept())))?.unwrap();
/// assert_eq!(client.local_endpoint()?, peer);
///
/// ctx.block_on(client.send_all("question"))?;
/// let question = ctx.block_on(server.recv_exact([0; 8]))?.unwrap();
/// assert_eq!(&question, b"question");
/// ctx.block_on(server.close())?;
/// let (n, _) = ctx.block_on(client.recv([0; 8]))?.unwrap();
/// assert_eq!(n, 0, "the end");
/// # Ok::<(), std::io::Error>(())
/// ```
pub type TcpStream<H> = SocketHandle<H, Tcp>;
/// Takes connections over the Internet; see [`TcpStream`].
pub type TcpListener<H> = SocketHandle<H, Listening<Tcp>>;
/// Datagrams over the Internet.
///
/// # Examples
///
/// ```
/// use sendio::{SocketOptions, UdpSocket, prelude::*};
/// use std::net::Ipv6Addr;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let here = UdpSocket::bind(io, (Ipv6Addr::LOCALHOST, 0))?;
/// let there = UdpSocket::bind(io, (Ipv6Addr::LOCALHOST, 0))?;
/// ctx.block_on(here.connect(there.local_endpoint()?))?;
/// ctx.block_on(here.send("news"))?;
/// let (n, bytes) = ctx.block_on(there.recv([0; 16]))?.unwrap();
/// assert_eq!(&bytes[..n], b"news");
/// # Ok::<(), std::io::Error>(())
/// ```
pub type UdpSocket<H> = SocketHandle<H, Udp>;
/// A connection within one machine, as a stream of bytes; see [`TcpStream`].
pub type UnixStream<H> = SocketHandle<H, UnixStreams>;
/// Takes connections within one machine.
///
/// Binding to a path makes a file, which stays when the socket is closed.
///
/// # Examples
///
/// ```
/// use sendio::{UnixListener, UnixStream, prelude::*};
///
/// let dir = tempfile::tempdir()?;
/// let path = Endpoint::unix(dir.path().join("socket"))?;
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let listener = UnixListener::bind(io, path)?;
/// let connect = UnixStream::connect(io, path);
/// let (_client, (_server, peer)) = ctx.block_on(when_all((connect, listener.accept())))?.unwrap();
/// assert!(peer.is_unnamed());
/// # Ok::<(), std::io::Error>(())
/// ```
pub type UnixListener<H> = SocketHandle<H, Listening<UnixStreams>>;
/// Datagrams within one machine; see [`UdpSocket`].
pub type UnixDatagram<H> = SocketHandle<H, UnixDatagrams>;
/// A connection within one machine that keeps messages apart.
pub type UnixSeqpacket<H> = SocketHandle<H, UnixPackets>;
/// Takes connections of [`UnixSeqpacket`].
pub type UnixSeqpacketListener<H> = SocketHandle<H, Listening<UnixPackets>>;

const_assert_eq!(
    size_of::<TcpStream<IoScheduler<'_>>>(),
    size_of::<(&(), OwnedFd)>()
);
assert_impl_all!(TcpStream<IoScheduler<'static>>: Send, Sync);
assert_not_impl_any!(TcpStream<LocalIoScheduler<'static>>: Send, Sync);

impl<H, P> SocketHandle<H, P> {
    /// A handle that owns the socket `fd`, with operations on the context of `io`.
    ///
    /// What the socket speaks is not checked; the kernel refuses what does not fit.
    pub const fn new(io: H, fd: OwnedFd) -> Self {
        Self {
            io,
            fd,
            protocol: PhantomData,
        }
    }

    /// The socket as a token.
    pub fn token(&self) -> SocketFd<'_, P> {
        SocketFd::from(self.fd.as_fd())
    }
}

impl<H: Io, P: Protocol> SocketHandle<H, P> {
    /// The same socket as a handle with operations on the context of `io`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{UnixStream, prelude::*};
    ///
    /// let ctx = IoContext::new()?;
    /// let (left, right) = std::os::unix::net::UnixStream::pair()?;
    /// let left = UnixStream::from_std(ctx.scheduler(), left);
    /// ctx.block_on(left.send_all("over"))?;
    /// let left: std::os::unix::net::UnixStream = left.into_std();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(io: H, socket: P::Std) -> Self {
        Self::new(io, socket.into())
    }

    /// The same socket as the type of `std`.
    pub fn into_std(self) -> P::Std {
        P::Std::from(self.fd)
    }

    /// The handle of the context.
    pub const fn io(&self) -> H {
        self.io
    }

    /// See [`SocketOps::poll`].
    pub fn poll(&self, events: PollEvents) -> IoSender<H, Poll<BorrowedFd<'_>>> {
        self.io.poll(self.fd.as_fd(), events)
    }

    /// Another handle to the same socket. `dup(2)`; does not go through the ring, and does not block.
    ///
    /// # Errors
    /// The kernel's, mostly that the process may not open more descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.io, self.fd.try_clone()?))
    }

    /// A sender that closes the socket and tells of errors. Operations borrow the handle, so none can
    /// be pending: the peer sees the end as soon as this has completed, unless there is another
    /// handle to the socket.
    pub fn close(self) -> IoSender<H, Close> {
        self.io.close(self.fd)
    }
}

impl<H: Io, P: Conversation> SocketHandle<H, P> {
    /// See [`SocketOps::send`].
    pub fn send<B: IoBuf>(&self, buf: B) -> IoSender<H, SendSome<BorrowedFd<'_>, B>> {
        self.io.send(self.fd.as_fd(), buf)
    }

    /// See [`SocketOps::send_with`].
    pub fn send_with<B: IoBuf>(
        &self,
        buf: B,
        flags: MsgFlags,
    ) -> IoSender<H, SendSome<BorrowedFd<'_>, B>> {
        self.io.send_with(self.fd.as_fd(), buf, flags)
    }

    /// See [`SocketOps::recv`].
    pub fn recv<B: IoBufMut>(&self, buf: B) -> IoSender<H, Recv<BorrowedFd<'_>, B>> {
        self.io.recv(self.fd.as_fd(), buf)
    }

    /// See [`SocketOps::recv_with`].
    pub fn recv_with<B: IoBufMut>(
        &self,
        buf: B,
        flags: MsgFlags,
    ) -> IoSender<H, Recv<BorrowedFd<'_>, B>> {
        self.io.recv_with(self.fd.as_fd(), buf, flags)
    }

    /// See [`SocketOps::shutdown`].
    pub fn shutdown(&self, how: Shutdown) -> IoSender<H, ShutDown<BorrowedFd<'_>>> {
        self.io.shutdown(self.fd.as_fd(), how)
    }
}

impl<H: Io, P: Stream> SocketHandle<H, P> {
    /// See [`SocketOps::send_all`].
    pub fn send_all<B: IoBuf>(&self, buf: B) -> IoSender<H, SendAll<BorrowedFd<'_>, B>> {
        self.io.send_all(self.fd.as_fd(), buf)
    }

    /// See [`SocketOps::recv_exact`].
    pub fn recv_exact<B: IoBufMut>(&self, buf: B) -> IoSender<H, RecvExact<BorrowedFd<'_>, B>> {
        self.io.recv_exact(self.fd.as_fd(), buf)
    }
}

impl<H: Io, P: Connection> SocketHandle<H, Listening<P>> {
    /// A listener at this address; port 0 is one that is free. Does not go through the ring, and does
    /// not block.
    ///
    /// An old connection with the same address is no hindrance; see
    /// [`SocketConfig::reuse_addr`].
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`; `EAFNOSUPPORT` for an address of another
    /// domain; `EMFILE` and `ENFILE` without a free descriptor.
    pub fn bind(io: H, at: impl Into<Endpoint>) -> io::Result<Self> {
        Self::bind_with(io, at, &SocketConfig::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind), and those of the options.
    pub fn bind_with(io: H, at: impl Into<Endpoint>, config: &SocketConfig) -> io::Result<Self> {
        Ok(Self::new(io, config.listening::<P>(&at.into())?))
    }

    /// Takes the next connection: `(socket, address of the peer)`. See [`SocketOps::accept`].
    pub fn accept(&self) -> IoSender<H, AcceptHandle<H, P, BorrowedFd<'_>>> {
        IoSender::new(self.io, AcceptHandle::new(self.io, self.fd.as_fd()))
    }
}

impl<H: Io, P: Datagram> SocketHandle<H, P> {
    /// A socket at this address; port 0 is one that is free. Does not go through the ring, and does
    /// not block.
    ///
    /// # Errors
    /// As for a listener.
    pub fn bind(io: H, at: impl Into<Endpoint>) -> io::Result<Self> {
        Self::bind_with(io, at, &SocketConfig::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    /// As for a listener.
    pub fn bind_with(io: H, at: impl Into<Endpoint>, config: &SocketConfig) -> io::Result<Self> {
        Ok(Self::new(io, config.bound::<P>(&at.into())?))
    }

    /// Takes datagrams of this peer only, and sends to it; of any peer again, if `peer` is
    /// [`Endpoint::unspecified`]. See [`SocketOps::connect`].
    pub fn connect(&self, peer: impl Into<Endpoint>) -> IoSender<H, Connect<BorrowedFd<'_>>> {
        self.io.connect(self.fd.as_fd(), peer)
    }
}

/// The names `connect` and `unbound` each mean two things; so they are made type by type.
macro_rules! connections {
    ($($protocol:ident),+) => {$(
        impl<H: Io> SocketHandle<H, $protocol> {
            /// Makes a socket and connects it. `socket(2)`, `connect(2)`.
            ///
            /// # Errors
            /// As for [`SocketOps::connect`]; `EAFNOSUPPORT` for an address of another domain,
            /// `EMFILE` and `ENFILE` without a free descriptor.
            ///
            /// # Cancellation
            /// The socket belongs to the operation and is closed before it completes, unless it
            /// completes with the handle.
            pub fn connect(
                io: H,
                peer: impl Into<Endpoint>,
            ) -> IoSender<H, ConnectNew<H, $protocol>> {
                Self::connect_with(io, peer, &SocketConfig::new())
            }

            /// As [`connect`](Self::connect), with options.
            pub fn connect_with(
                io: H,
                peer: impl Into<Endpoint>,
                config: &SocketConfig,
            ) -> IoSender<H, ConnectNew<H, $protocol>> {
                IoSender::new(io, ConnectNew::new(io, peer.into(), *config))
            }
        }
    )+};
}

connections!(Tcp, UnixStreams, UnixPackets);

impl<H: Io, P: Local> SocketHandle<H, P> {
    /// Two sockets that are connected with each other. `socketpair(2)`.
    ///
    /// # Errors
    /// `EMFILE` and `ENFILE` without free descriptors.
    pub fn pair(io: H) -> io::Result<(Self, Self)> {
        let (left, right) = open_pair(Domain::Unix, P::KIND, P::NUMBER)?;
        Ok((Self::new(io, left), Self::new(io, right)))
    }
}

impl<H: Io> SocketHandle<H, UnixDatagrams> {
    /// A socket without an address: it can send, and be connected.
    ///
    /// # Errors
    /// `EMFILE` and `ENFILE` without a free descriptor.
    pub fn unbound(io: H) -> io::Result<Self> {
        let fd = open_socket(Domain::Unix, UnixDatagrams::KIND, UnixDatagrams::NUMBER)?;
        Ok(Self::new(io, fd))
    }
}

impl<H, P> SocketOptions for SocketHandle<H, P> {}

impl<H: fmt::Debug, P> fmt::Debug for SocketHandle<H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketHandle")
            .field("io", &self.io)
            .field("fd", &self.fd)
            .finish()
    }
}

impl<H, P> From<SocketHandle<H, P>> for OwnedFd {
    fn from(socket: SocketHandle<H, P>) -> Self {
        socket.fd
    }
}

impl<H, P> AsFd for SocketHandle<H, P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<H, P> AsRawFd for SocketHandle<H, P> {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl<H, P> IntoRawFd for SocketHandle<H, P> {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}
