//! [`SocketFd`]: a borrowed socket that answers questions about itself; [`SocketKind`].
//!
//! # Safety
//!
//! The number is that of an open descriptor for the lifetime, as for [`BasicFd`]. What the socket
//! speaks is a hint for the type system: the kernel refuses what does not fit.

#![expect(unsafe_code, reason = "a token of a raw number")]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use static_assertions::{assert_impl_all, const_assert_eq};

use super::endpoint::Endpoint;
use super::fd::BasicFd;
use super::protocol::{Any, Tcp};
use super::socket_options::SocketOptions;
use super::sockopt;

/// A socket, borrowed for `'fd`: a `Copy` token of 4 bytes that does not close it.
///
/// `P` says what it speaks ([`protocol`](crate::protocol)); it is not checked, and nothing is
/// stored: [`SocketOptions`] asks the kernel.
///
/// # Examples
///
/// ```
/// use sendio::protocol::Tcp;
/// use sendio::{Domain, SocketFd, SocketKind, SocketOptions};
/// use std::os::fd::AsFd;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let token = SocketFd::<Tcp>::from(listener.as_fd());
/// assert_eq!(token.domain()?, Domain::Inet);
/// assert_eq!(token.socket_kind()?, SocketKind::STREAM);
/// assert_eq!(token.local_endpoint()?, listener.local_addr()?.into());
/// assert!(token.peer_endpoint().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[repr(transparent)]
pub struct SocketFd<'fd, P = Any> {
    fd: BasicFd<'fd>,
    protocol: PhantomData<fn() -> P>,
}

const_assert_eq!(size_of::<SocketFd<'static, Tcp>>(), 4);
const_assert_eq!(size_of::<Option<SocketFd<'static, Tcp>>>(), 4);
assert_impl_all!(SocketFd<'static, Tcp>: Send, Sync, Copy);

impl<'fd, P> SocketFd<'fd, P> {
    const fn of(fd: BasicFd<'fd>) -> Self {
        Self {
            fd,
            protocol: PhantomData,
        }
    }

    /// The token of a descriptor number.
    ///
    /// # Safety
    ///
    /// - `fd` is an open descriptor, and stays open for `'fd`. In particular it is not -1.
    pub const unsafe fn from_raw(fd: RawFd) -> Self {
        // SAFETY: the contract is the same.
        Self::of(unsafe { BasicFd::from_raw(fd) })
    }

    /// The descriptor number, for calls that this crate does not make.
    pub fn native_handle(self) -> RawFd {
        self.fd.native_handle()
    }

    /// This token without what the socket speaks.
    pub const fn as_basic(self) -> BasicFd<'fd> {
        self.fd
    }

    /// This token as `std`'s.
    pub const fn as_borrowed(self) -> BorrowedFd<'fd> {
        self.fd.as_borrowed()
    }

    /// Whether the kernel knows the number as an open descriptor; see [`BasicFd::is_valid`].
    pub fn is_valid(self) -> bool {
        self.fd.is_valid()
    }

    /// Gives the socket an address of its own. `bind(2)`; does not block. The handles bind theirs:
    /// [`SocketHandle::bind`](crate::SocketHandle::bind). For pipelines there is
    /// [`SocketOps::bind`](crate::SocketOps::bind).
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` for a port below 1024; `InvalidInput` if
    /// the socket has an address, or is of another family.
    pub fn bind(self, at: impl Into<Endpoint>) -> io::Result<()> {
        sockopt::bind(self.as_borrowed(), &at.into())
    }

    /// Takes connections, of which at most `backlog` wait to be accepted, and one more; on a socket
    /// that listens this changes how many. `listen(2)`; does not block. For pipelines there is
    /// [`SocketOps::listen`](crate::SocketOps::listen).
    ///
    /// A server that ends says [`refuse_new`](Self::refuse_new), accepts those that wait, and then
    /// closes. Where that is not supported it says `listen(0)`, by which no more than one client comes
    /// for each that is accepted.
    ///
    /// # Errors
    /// `Unsupported` (`EOPNOTSUPP`) for sockets without connections, `AddrInUse`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use sendio::{Domain, SocketFd, SocketKind};
    /// use std::{net::Ipv4Addr, os::fd::AsFd};
    ///
    /// let ctx = IoContext::new()?;
    /// let made = ctx.scheduler().socket(Domain::Inet, SocketKind::STREAM, 0);
    /// let listener = ctx.block_on(made)?.expect("nobody asks it to stop");
    /// let token: SocketFd<'_> = listener.as_fd().into();
    /// token.bind((Ipv4Addr::LOCALHOST, 0))?;
    /// token.listen(128)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn listen(self, backlog: u32) -> io::Result<()> {
        sockopt::listen(self.as_borrowed(), backlog)
    }

    /// A TCP listener: takes no new connections. Those that were made, or begun, can be accepted as
    /// before. A client that comes now waits, asks again after a second, and is refused when the
    /// listener is closed by then; or finds another listener of the same address. For a server that
    /// ends, since closing a listener resets the clients that wait in it. It cannot be taken back.
    ///
    /// `SO_ATTACH_FILTER` (man page `socket(7)`), with a filter for packets that begin a connection; it
    /// replaces a filter that the socket has. Does not block.
    ///
    /// # Errors
    /// `Unsupported` (`EOPNOTSUPP`) for other sockets; `ENOMEM`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{TcpListener, prelude::*};
    /// use std::{net::Ipv4Addr, time::Duration};
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.local();
    /// let listener = TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0))?;
    /// // The server ends: who waits is served.
    /// listener.token().refuse_new()?;
    /// let next = || listener.accept().timeout(io, Duration::from_millis(10));
    /// while let Ok(Some((_connection, _peer))) = ctx.block_on_local(next()) {}
    /// drop(listener);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refuse_new(self) -> io::Result<()> {
        sockopt::drop_connection_requests(self.as_borrowed())
    }

    /// Ends the connection in one direction or both, at once. `shutdown(2)`; does not block. For
    /// pipelines there is [`SocketOps::shutdown`](crate::SocketOps::shutdown).
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn shutdown(self, how: Shutdown) -> io::Result<()> {
        sockopt::shutdown(self.as_borrowed(), how)
    }
}

impl<P> SocketOptions for SocketFd<'_, P> {}

impl<P> Clone for SocketFd<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for SocketFd<'_, P> {}

impl<P> fmt::Debug for SocketFd<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketFd")
            .field(&self.native_handle())
            .finish()
    }
}

impl<P> PartialEq for SocketFd<'_, P> {
    fn eq(&self, other: &Self) -> bool {
        self.fd == other.fd
    }
}

impl<P> Eq for SocketFd<'_, P> {}

impl<P> Hash for SocketFd<'_, P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fd.hash(state);
    }
}

impl<'fd, P> From<BorrowedFd<'fd>> for SocketFd<'fd, P> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Self::of(fd.into())
    }
}

impl<'fd, P> From<SocketFd<'fd, P>> for BorrowedFd<'fd> {
    fn from(socket: SocketFd<'fd, P>) -> Self {
        socket.as_borrowed()
    }
}

impl<'fd, P> From<SocketFd<'fd, P>> for BasicFd<'fd> {
    fn from(socket: SocketFd<'fd, P>) -> Self {
        socket.fd
    }
}

impl<P> AsFd for SocketFd<'_, P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_borrowed()
    }
}

impl<P> AsRawFd for SocketFd<'_, P> {
    fn as_raw_fd(&self) -> RawFd {
        self.native_handle()
    }
}

/// What kind of socket it is: its type in `socket(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketKind(i32);

impl SocketKind {
    /// A stream of bytes, in order. `SOCK_STREAM`.
    pub const STREAM: Self = Self(libc::SOCK_STREAM);
    /// Messages, each by itself. `SOCK_DGRAM`.
    pub const DATAGRAM: Self = Self(libc::SOCK_DGRAM);
    /// Messages, in order. `SOCK_SEQPACKET`.
    pub const SEQPACKET: Self = Self(libc::SOCK_SEQPACKET);
    /// Packets of a protocol. `SOCK_RAW`.
    pub const RAW: Self = Self(libc::SOCK_RAW);

    /// The kind with this number; flags such as `SOCK_NONBLOCK` may be in it.
    pub const fn from_raw(kind: i32) -> Self {
        Self(kind)
    }

    /// The number of the kind.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}
