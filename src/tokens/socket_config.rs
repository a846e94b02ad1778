//! [`SocketConfig`]: what a new socket is told before it is bound or connected.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::endpoint::Endpoint;
use super::protocol::{Any, Connection, Datagram, Protocol};
use super::socket_fd::SocketFd;
use super::socket_options::SocketOptions;
use super::sockopt;
use crate::senders::io::socket::open_socket;

/// How many connections wait to be accepted at most, unless told otherwise: Linux's own limit since
/// 5.4 (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// What a new socket is told before it is bound or connected.
///
/// What is not said is left as the kernel has it, except that a listener may bind an address that
/// old connections still have ([`reuse_addr`](Self::reuse_addr)).
///
/// # Examples
///
/// ```
/// use sendio::{SocketConfig, SocketOptions, TcpListener, TcpStream, prelude::*};
/// use std::net::Ipv4Addr;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let any = (Ipv4Addr::LOCALHOST, 0);
/// let server = SocketConfig::new().backlog(16).reuse_port(true);
/// let listener = TcpListener::bind_with(io, any, &server)?;
///
/// let client = SocketConfig::new().nodelay(true).local(any);
/// let connect = TcpStream::connect_with(io, listener.local_endpoint()?, &client);
/// let stream = ctx.block_on(connect)?.unwrap();
/// assert!(stream.nodelay()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct SocketConfig {
    backlog: Option<u32>,
    reuse_addr: Option<bool>,
    reuse_port: Option<bool>,
    only_v6: Option<bool>,
    nodelay: Option<bool>,
    keepalive: Option<bool>,
    broadcast: Option<bool>,
    send_buffer_size: Option<usize>,
    recv_buffer_size: Option<usize>,
    local: Option<Endpoint>,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $ty:ty;)+) => {$(
        $(#[$doc])*
        pub const fn $name(mut self, $name: $ty) -> Self {
            self.$name = Some($name);
            self
        }
    )+};
}

impl SocketConfig {
    /// Nothing is said.
    pub const fn new() -> Self {
        Self {
            backlog: None,
            reuse_addr: None,
            reuse_port: None,
            only_v6: None,
            nodelay: None,
            keepalive: None,
            broadcast: None,
            send_buffer_size: None,
            recv_buffer_size: None,
            local: None,
        }
    }

    settings! {
        /// How many connections wait to be accepted at most; 4096, within the system's limit.
        backlog: u32;
        /// See [`SocketOptions::reuse_addr`]. On for listeners unless this says no.
        reuse_addr: bool;
        /// See [`SocketOptions::reuse_port`].
        reuse_port: bool;
        /// See [`SocketOptions::only_v6`].
        only_v6: bool;
        /// See [`SocketOptions::nodelay`]. What a listener accepts has it from the listener.
        nodelay: bool;
        /// See [`SocketOptions::keepalive`]. What a listener accepts has it from the listener.
        keepalive: bool;
        /// See [`SocketOptions::broadcast`].
        broadcast: bool;
        /// See [`SocketOptions::send_buffer_size`].
        send_buffer_size: usize;
        /// See [`SocketOptions::recv_buffer_size`].
        recv_buffer_size: usize;
    }

    /// The address that a socket is bound to before it is connected.
    pub fn local(mut self, local: impl Into<Endpoint>) -> Self {
        self.local = Some(local.into());
        self
    }

    /// A listener at `at`.
    pub(crate) fn listening<P: Connection>(&self, at: &Endpoint) -> io::Result<OwnedFd> {
        let reuse_addr = self.reuse_addr.or(Some(true));
        let fd = Self {
            reuse_addr,
            ..*self
        }
        .made::<P>(at)?;
        sockopt::bind(fd.as_fd(), at)?;
        sockopt::listen(fd.as_fd(), self.backlog.unwrap_or(BACKLOG))?;
        Ok(fd)
    }

    /// A socket for datagrams at `at`.
    pub(crate) fn bound<P: Datagram>(&self, at: &Endpoint) -> io::Result<OwnedFd> {
        let fd = self.made::<P>(at)?;
        sockopt::bind(fd.as_fd(), at)?;
        Ok(fd)
    }

    /// A socket that can be connected to `peer`.
    pub(crate) fn connecting<P: Protocol>(&self, peer: &Endpoint) -> io::Result<OwnedFd> {
        let fd = self.made::<P>(peer)?;
        if let Some(local) = &self.local {
            sockopt::bind(fd.as_fd(), local)?;
        }
        Ok(fd)
    }

    /// A socket for addresses like `like`, with everything said but its own address.
    fn made<P: Protocol>(&self, like: &Endpoint) -> io::Result<OwnedFd> {
        let domain = like.family();
        if !P::speaks(domain) {
            return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
        }
        let fd = open_socket(domain, P::KIND, P::NUMBER)?;
        self.apply(fd.as_fd())?;
        Ok(fd)
    }

    fn apply(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let socket = SocketFd::<'_, Any>::from(fd);
        each(self.reuse_addr, |on| socket.set_reuse_addr(on))?;
        each(self.reuse_port, |on| socket.set_reuse_port(on))?;
        each(self.only_v6, |on| socket.set_only_v6(on))?;
        each(self.nodelay, |on| socket.set_nodelay(on))?;
        each(self.keepalive, |on| socket.set_keepalive(on))?;
        each(self.broadcast, |on| socket.set_broadcast(on))?;
        each(self.send_buffer_size, |size| {
            socket.set_send_buffer_size(size)
        })?;
        each(self.recv_buffer_size, |size| {
            socket.set_recv_buffer_size(size)
        })
    }
}

/// Sets an option if something is said about it.
fn each<T>(said: Option<T>, set: impl FnOnce(T) -> io::Result<()>) -> io::Result<()> {
    said.map_or(Ok(()), set)
}
