//! The operations of an I/O context on sockets, as methods of its handles.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;

use super::accept::Accept;
use super::bind::Bind;
use super::buf::{IoBuf, IoBufMut};
use super::connect::Connect;
use super::listen::Listen;
use super::msg_flags::MsgFlags;
use super::poll::{Poll, PollEvents};
use super::read::{Read, ReadExact, Recv, RecvExact};
use super::resolve::{Resolve, lookup};
use super::shutdown::ShutDown;
use super::socket::Socket;
use super::transfer::MsgOptions;
use super::write::{SendAll, SendSome, Write, WriteAll};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::senders::concept::scheduler::{IntoError, Scheduler};
use crate::senders::concept::sender::Sender;
use crate::senders::ext::SenderExt;
use crate::tokens::endpoint::{Domain, Endpoint};
use crate::tokens::socket_fd::SocketKind;

/// Operations on sockets.
///
/// Every method makes a sender; nothing happens before a consumer starts it. What is said of
/// [`FileOps`](crate::FileOps) about descriptors, buffers, errors, lengths, cancellation and threads
/// holds here too. Besides:
///
/// - **Waiting**: an operation waits until it can be done, also on a socket with `O_NONBLOCK`;
///   [`MsgFlags::DONTWAIT`] says otherwise.
/// - **Signals**: none raises `SIGPIPE`; to send where nobody receives is the error `BrokenPipe`.
/// - **Close**: a descriptor that is borrowed by an operation cannot be closed in safe code. To end
///   operations that wait, request stop, or shut the connection down.
/// - **Descriptors that are no sockets**: `ENOTSOCK`, except for [`poll`](Self::poll) and
///   [`FileOps::close`](crate::FileOps::close), which take any.
///
/// [`TcpStream`](crate::TcpStream), [`TcpListener`](crate::TcpListener),
/// [`UdpSocket`](crate::UdpSocket) and their Unix kin have these operations as their own methods.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use std::net::{TcpListener, TcpStream};
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let serve = io
///     .accept(&listener)
///     .let_value(|(socket, _peer)| io.recv(socket, [0; 16]));
/// let both = when_all((serve, io.send_all(&client, "hello")));
/// let ((n, bytes), _) = ctx.block_on(both)?.unwrap();
/// assert_eq!(&bytes[..n], b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait SocketOps: Io {
    /// Makes a socket, close-on-exec: its descriptor. `socket(2)`, through the ring.
    ///
    /// The types of sockets make their own; this is for domains that they do not know. Since Linux
    /// 5.19, before that `InvalidInput`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{Domain, SocketKind, prelude::*};
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let socket = io.socket(Domain::Unix, SocketKind::DATAGRAM, 0);
    /// let fd = ctx.block_on(socket)?.unwrap();
    /// ctx.block_on(io.close(fd))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn socket(self, domain: Domain, kind: SocketKind, protocol: i32) -> IoSender<Self, Socket> {
        IoSender::new(self, Socket::new(domain, kind, protocol))
    }

    /// Gives the socket an address of its own. `bind(2)`, through the ring; man page `bind(2)`.
    ///
    /// The handles bind theirs as they are made, and [`SocketFd::bind`](crate::SocketFd::bind) does it at
    /// once; this is for a step of a pipeline. Port 0 is one that is free, and
    /// [`local_endpoint`](crate::SocketOptions::local_endpoint) tells which. A Unix path becomes a file,
    /// which stays when the socket is closed.
    ///
    /// Since Linux 6.11; before, the context makes the system call on its thread.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`; `PermissionDenied` (`EACCES`) for a port below 1024, or a Unix
    /// path in a directory that may not be written; `InvalidInput` if the socket has an address, or the
    /// length of the address does not fit; `EAFNOSUPPORT` for an address of another family; `NotFound`
    /// for a Unix path in a directory that is not there.
    ///
    /// # Cancellation
    /// A stop before it starts leaves the socket as it is; after that the result decides.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{Domain, SocketFd, SocketKind, SocketOptions, prelude::*};
    /// use std::{net::Ipv4Addr, os::fd::AsFd};
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let made = io.socket(Domain::Inet, SocketKind::STREAM, 0);
    /// let socket = ctx.block_on(made)?.expect("nobody asks it to stop");
    /// let bound = io.bind(&socket, (Ipv4Addr::LOCALHOST, 0));
    /// ctx.block_on(bound.let_value(|()| io.listen(&socket, 128)))?;
    /// let listener: SocketFd<'_> = socket.as_fd().into();
    /// assert!(listener.is_listening()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn bind<F: AsFd>(self, socket: F, at: impl Into<Endpoint>) -> IoSender<Self, Bind<F>> {
        IoSender::new(self, Bind::new(socket, at.into()))
    }

    /// Takes connections, of which at most `backlog` wait to be accepted, and one more; the system
    /// bounds it (`net.core.somaxconn`). On a socket that listens this changes how many.
    /// `listen(2)`, through the ring; man page `listen(2)`.
    ///
    /// [`SocketFd::listen`](crate::SocketFd::listen) does it at once. An Internet socket without an
    /// address gets one that is free. Since Linux 6.11; before, the context makes the system call on its
    /// thread.
    ///
    /// # Errors
    /// `Unsupported` (`EOPNOTSUPP`) for sockets without connections, `AddrInUse`; `InvalidInput` if the
    /// socket is connected, or is a Unix one without an address.
    ///
    /// # Cancellation
    /// As for [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// See [`bind`](Self::bind).
    fn listen<F: AsFd>(self, socket: F, backlog: u32) -> IoSender<Self, Listen<F>> {
        IoSender::new(self, Listen::new(socket, backlog))
    }

    /// Connects the socket to `peer`. `connect(2)`.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `NetworkUnreachable`, `AddrNotAvailable` and others of the
    /// kernel; `NotFound` or `ConnectionRefused` for a Unix path, and `WouldBlock` for a Unix socket
    /// with `O_NONBLOCK` whose listener has no room. After an error, or a stop, the socket should be
    /// closed: an attempt may still be under way.
    ///
    /// # Cancellation
    /// Ends the waiting, not the attempt of the kernel; closing the socket does.
    fn connect<F: AsFd>(self, socket: F, peer: impl Into<Endpoint>) -> IoSender<Self, Connect<F>> {
        IoSender::new(self, Connect::new(socket, peer.into()))
    }

    /// Takes the next connection of a listener: `(new socket, address of the peer)`. `accept4(2)`,
    /// close-on-exec.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` without a free descriptor: the connection stays with the listener, and to
    /// try again at once fails again, so wait until something was closed. `ConnectionAborted` and
    /// other errors of the network belong to the one connection. `InvalidInput` if the socket does
    /// not listen, or does so no longer.
    ///
    /// # Cancellation
    /// A connection that was taken is delivered, also if stop was requested meanwhile, and closed if
    /// nobody takes the value. One that was not stays with the listener.
    fn accept<F: AsFd>(self, listener: F) -> IoSender<Self, Accept<F>> {
        IoSender::new(self, Accept::new(listener))
    }

    /// Sends as much as goes at once: `(bytes sent, buffer)`. `send(2)`.
    ///
    /// An empty buffer is an empty datagram; on a stream it sends nothing.
    ///
    /// # Errors
    /// `BrokenPipe` or `ConnectionReset` if the peer is gone, `NotConnected`, `EDESTADDRREQ`;
    /// `EMSGSIZE` for a datagram that is too long.
    fn send<F: AsFd, B: IoBuf>(self, socket: F, buf: B) -> IoSender<Self, SendSome<F, B>> {
        self.send_with(socket, buf, MsgFlags::NONE)
    }

    /// Sends with flags; see [`send`](Self::send).
    fn send_with<F: AsFd, B: IoBuf>(
        self,
        socket: F,
        buf: B,
        flags: MsgFlags,
    ) -> IoSender<Self, SendSome<F, B>> {
        IoSender::new(self, Write::new(socket, buf, MsgOptions::new(flags)))
    }

    /// Receives what there is, and waits until there is something: `(bytes received, buffer)`, 0 at
    /// the end of a stream. `recv(2)`.
    ///
    /// One call takes one datagram; what does not fit in the buffer is lost. A buffer without room
    /// receives nothing: it completes with 0 and leaves the socket alone. To wait for data without
    /// taking it, [`poll`](Self::poll).
    ///
    /// # Errors
    /// `ConnectionReset`; `ConnectionRefused` on a datagram socket whose peer is not there;
    /// `NotConnected`; `WouldBlock` with [`MsgFlags::DONTWAIT`].
    fn recv<F: AsFd, B: IoBufMut>(self, socket: F, buf: B) -> IoSender<Self, Recv<F, B>> {
        self.recv_with(socket, buf, MsgFlags::NONE)
    }

    /// Receives with flags; see [`recv`](Self::recv).
    fn recv_with<F: AsFd, B: IoBufMut>(
        self,
        socket: F,
        buf: B,
        flags: MsgFlags,
    ) -> IoSender<Self, Recv<F, B>> {
        IoSender::new(self, Read::new(socket, buf, MsgOptions::new(flags)))
    }

    /// Sends the whole buffer over a stream, with as many sends as it takes: the buffer.
    ///
    /// If it ends in the middle, by an error, a stop (the error `ECANCELED`) or a timeout around it (the
    /// error `TimedOut`), [`transferred`](crate::transferred) says how much was sent. Two at a time on one socket may be
    /// mixed up.
    fn send_all<F: AsFd, B: IoBuf>(self, socket: F, buf: B) -> IoSender<Self, SendAll<F, B>> {
        IoSender::new(self, WriteAll::new(socket, buf, MsgOptions::default()))
    }

    /// Fills the whole buffer from a stream, with as many receives as it takes: the buffer. The end
    /// of the stream before that is [`std::io::ErrorKind::UnexpectedEof`].
    ///
    /// The whole of a `Vec` is its capacity; [`slice_mut`](crate::IoBufMutExt::slice_mut) says less.
    /// After an error, or a stop in the middle (the error `ECANCELED`; with a timeout around it,
    /// `TimedOut`), the buffer holds what
    /// [`transferred`](crate::transferred) counts. Two at a time on one socket may each get a part.
    fn recv_exact<F: AsFd, B: IoBufMut>(
        self,
        socket: F,
        buf: B,
    ) -> IoSender<Self, RecvExact<F, B>> {
        IoSender::new(self, ReadExact::new(socket, buf, MsgOptions::default()))
    }

    /// Ends the connection in one direction or both; the descriptor stays open. `shutdown(2)`.
    ///
    /// The peer reads the end after what was sent before. Operations that wait on this side in a
    /// direction that was shut down complete: receives with 0.
    ///
    /// # Errors
    /// `NotConnected`.
    fn shutdown<F: AsFd>(self, socket: F, how: Shutdown) -> IoSender<Self, ShutDown<F>> {
        IoSender::new(self, ShutDown::new(socket, how))
    }

    /// Waits until the descriptor is ready for one of `events`: what it is ready for. Any descriptor
    /// that `poll(2)` knows; regular files are always ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{PollEvents, prelude::*};
    /// use std::io::Write;
    ///
    /// let ctx = IoContext::new()?;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"x")?;
    /// let ready = ctx.block_on(ctx.scheduler().poll(&reader, PollEvents::IN))?;
    /// assert_eq!(ready, Some(PollEvents::IN));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn poll<F: AsFd>(self, fd: F, events: PollEvents) -> IoSender<Self, Poll<F>> {
        IoSender::new(self, Poll::new(fd, events))
    }

    /// The addresses of `host`, each with `port`: a name, or an address as text. `getaddrinfo(3)`.
    ///
    /// The lookup blocks, so it runs on a thread for lookups, of which there are at most 16 in the
    /// process; what comes beyond that waits. It completes on the context's thread.
    ///
    /// # Errors
    /// Those of the resolver; that of the system if it gives no thread.
    ///
    /// # Cancellation
    /// A lookup that has begun is waited for, however long it takes, and its result delivered; one
    /// that waits for a thread completes stopped when its turn comes. So a timeout does not end it
    /// early.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let found = ctx.block_on(ctx.scheduler().resolve("127.0.0.1", 80))?;
    /// assert_eq!(found, Some(vec!["127.0.0.1:80".parse().unwrap()]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn resolve(self, host: impl Into<String>, port: u16) -> Resolve<Self>
    where
        Self: Scheduler<Transfer: Sender<Error: IntoError<io::Error>>>,
    {
        lookup(host.into(), port).continues_on(self)
    }
}

impl<H: Io> SocketOps for H {}
