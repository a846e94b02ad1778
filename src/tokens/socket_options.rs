//! What a socket can be asked and told: options, addresses, its last error.
//!
//! Nothing is remembered; each call asks the kernel, and none of them blocks.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use libc::c_int;

use super::endpoint::{Domain, Endpoint};
use super::socket_fd::SocketKind;
use super::sockopt::{self, Opt, get_int, set_int, set_size};

const DOMAIN: Opt = Opt(libc::SOL_SOCKET, libc::SO_DOMAIN);
const KIND: Opt = Opt(libc::SOL_SOCKET, libc::SO_TYPE);
const PROTOCOL: Opt = Opt(libc::SOL_SOCKET, libc::SO_PROTOCOL);
const LISTENS: Opt = Opt(libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
const ERROR: Opt = Opt(libc::SOL_SOCKET, libc::SO_ERROR);
const REUSE_ADDR: Opt = Opt(libc::SOL_SOCKET, libc::SO_REUSEADDR);
const REUSE_PORT: Opt = Opt(libc::SOL_SOCKET, libc::SO_REUSEPORT);
const KEEPALIVE: Opt = Opt(libc::SOL_SOCKET, libc::SO_KEEPALIVE);
const BROADCAST: Opt = Opt(libc::SOL_SOCKET, libc::SO_BROADCAST);
const SEND_BUFFER: Opt = Opt(libc::SOL_SOCKET, libc::SO_SNDBUF);
const RECV_BUFFER: Opt = Opt(libc::SOL_SOCKET, libc::SO_RCVBUF);
const NODELAY: Opt = Opt(libc::IPPROTO_TCP, libc::TCP_NODELAY);
const KEEP_IDLE: Opt = Opt(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE);
const KEEP_INTERVAL: Opt = Opt(libc::IPPROTO_TCP, libc::TCP_KEEPINTVL);
const KEEP_COUNT: Opt = Opt(libc::IPPROTO_TCP, libc::TCP_KEEPCNT);
const TTL: Opt = Opt(libc::IPPROTO_IP, libc::IP_TTL);
const HOPS: Opt = Opt(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS);
const ONLY_V6: Opt = Opt(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);

/// What a socket can be asked and told, on tokens and handles of sockets. `getsockopt(2)`,
/// `setsockopt(2)`, `getsockname(2)`, `getpeername(2)`.
///
/// # Errors
/// All return the kernel's error: `ENOPROTOOPT` or `EOPNOTSUPP` where the protocol does not have the
/// option, `ENOTSOCK` if the descriptor is not a socket.
///
/// # Examples
///
/// ```
/// use sendio::{SocketOptions, TcpListener, prelude::*};
/// use std::net::Ipv4Addr;
///
/// let ctx = IoContext::new()?;
/// let listener = TcpListener::bind(ctx.scheduler(), (Ipv4Addr::LOCALHOST, 0))?;
/// assert!(listener.is_listening()?);
/// assert!(listener.reuse_addr()?);
/// assert_ne!(listener.local_endpoint()?.port(), Some(0));
///
/// listener.set_nodelay(true)?; // what it accepts from now on has it too
/// assert!(listener.nodelay()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait SocketOptions: AsFd {
    /// The address that the socket is bound to; a port that the kernel chose is in it.
    fn local_endpoint(&self) -> io::Result<Endpoint> {
        sockopt::local_endpoint(self.as_fd())
    }

    /// The address that the socket is connected to; `NotConnected` if it is not.
    fn peer_endpoint(&self) -> io::Result<Endpoint> {
        sockopt::peer_endpoint(self.as_fd())
    }

    /// The domain of its addresses. `SO_DOMAIN`.
    fn domain(&self) -> io::Result<Domain> {
        let number = get_int(self.as_fd(), DOMAIN)?;
        Ok(u16::try_from(number).map_or(Domain::Unspecified, Domain::from_raw))
    }

    /// Its kind: stream, datagram or another. `SO_TYPE`.
    fn socket_kind(&self) -> io::Result<SocketKind> {
        get_int(self.as_fd(), KIND).map(SocketKind::from_raw)
    }

    /// The number of its protocol, such as `IPPROTO_TCP`. `SO_PROTOCOL`.
    fn protocol(&self) -> io::Result<c_int> {
        get_int(self.as_fd(), PROTOCOL)
    }

    /// Whether it accepts connections. `SO_ACCEPTCONN`.
    fn is_listening(&self) -> io::Result<bool> {
        get_flag(self, LISTENS)
    }

    /// Takes the error that waits to be told, if there is one. `SO_ERROR`.
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        let code = get_int(self.as_fd(), ERROR)?;
        Ok((code != 0).then(|| io::Error::from_raw_os_error(code)))
    }

    /// Whether small pieces are sent at once instead of being collected. `TCP_NODELAY`.
    fn nodelay(&self) -> io::Result<bool> {
        get_flag(self, NODELAY)
    }

    /// Sets what [`nodelay`](Self::nodelay) gets.
    fn set_nodelay(&self, on: bool) -> io::Result<()> {
        set_flag(self, NODELAY, on)
    }

    /// Whether the kernel checks now and then if a silent peer is alive. `SO_KEEPALIVE`.
    fn keepalive(&self) -> io::Result<bool> {
        get_flag(self, KEEPALIVE)
    }

    /// Sets what [`keepalive`](Self::keepalive) gets.
    fn set_keepalive(&self, on: bool) -> io::Result<()> {
        set_flag(self, KEEPALIVE, on)
    }

    /// Switches keepalive on: the peer is asked after `idle`, then every `interval`, `count` times.
    /// Rounded up to whole seconds. `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`.
    fn set_keepalive_times(&self, idle: Duration, interval: Duration, count: u8) -> io::Result<()> {
        let fd = self.as_fd();
        set_int(fd, KEEP_IDLE, sockopt::whole_seconds(idle))?;
        set_int(fd, KEEP_INTERVAL, sockopt::whole_seconds(interval))?;
        set_int(fd, KEEP_COUNT, count.into())?;
        self.set_keepalive(true)
    }

    /// How long closing waits for what was not sent yet; `None` if it does not wait and the kernel
    /// goes on by itself. `SO_LINGER`.
    fn linger(&self) -> io::Result<Option<Duration>> {
        sockopt::linger(self.as_fd())
    }

    /// Sets what [`linger`](Self::linger) gets, in whole seconds, rounded up. With zero, closing
    /// resets the connection. With more, closing blocks: then close by the sender.
    fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        sockopt::set_linger(self.as_fd(), linger)
    }

    /// Whether an address may be bound that old connections still have. `SO_REUSEADDR`.
    fn reuse_addr(&self) -> io::Result<bool> {
        get_flag(self, REUSE_ADDR)
    }

    /// Sets what [`reuse_addr`](Self::reuse_addr) gets; before the socket is bound.
    fn set_reuse_addr(&self, on: bool) -> io::Result<()> {
        set_flag(self, REUSE_ADDR, on)
    }

    /// Whether several sockets may be bound to one address and share what comes. `SO_REUSEPORT`.
    fn reuse_port(&self) -> io::Result<bool> {
        get_flag(self, REUSE_PORT)
    }

    /// Sets what [`reuse_port`](Self::reuse_port) gets; before the socket is bound.
    fn set_reuse_port(&self, on: bool) -> io::Result<()> {
        set_flag(self, REUSE_PORT, on)
    }

    /// How many bytes the kernel keeps that were not sent yet; twice what was set. `SO_SNDBUF`.
    fn send_buffer_size(&self) -> io::Result<usize> {
        get_size(self, SEND_BUFFER)
    }

    /// Sets what [`send_buffer_size`](Self::send_buffer_size) gets, within the system's limits.
    fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        set_size(self.as_fd(), SEND_BUFFER, bytes)
    }

    /// How many bytes the kernel keeps that were not received yet; twice what was set. `SO_RCVBUF`.
    fn recv_buffer_size(&self) -> io::Result<usize> {
        get_size(self, RECV_BUFFER)
    }

    /// Sets what [`recv_buffer_size`](Self::recv_buffer_size) gets, within the system's limits.
    fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        set_size(self.as_fd(), RECV_BUFFER, bytes)
    }

    /// Whether datagrams to broadcast addresses may be sent. `SO_BROADCAST`.
    fn broadcast(&self) -> io::Result<bool> {
        get_flag(self, BROADCAST)
    }

    /// Sets what [`broadcast`](Self::broadcast) gets.
    fn set_broadcast(&self, on: bool) -> io::Result<()> {
        set_flag(self, BROADCAST, on)
    }

    /// How many routers a packet passes at most. `IP_TTL`, or `IPV6_UNICAST_HOPS`.
    fn ttl(&self) -> io::Result<u32> {
        let ttl = get_int(self.as_fd(), hops_option(self.domain()?))?;
        Ok(ttl.unsigned_abs())
    }

    /// Sets what [`ttl`](Self::ttl) gets; 1 to 255.
    fn set_ttl(&self, hops: u8) -> io::Result<()> {
        set_int(self.as_fd(), hops_option(self.domain()?), hops.into())
    }

    /// Whether a socket of version 6 takes no part in version 4. `IPV6_V6ONLY`.
    fn only_v6(&self) -> io::Result<bool> {
        get_flag(self, ONLY_V6)
    }

    /// Sets what [`only_v6`](Self::only_v6) gets; before the socket is bound.
    fn set_only_v6(&self, on: bool) -> io::Result<()> {
        set_flag(self, ONLY_V6, on)
    }
}

fn get_flag(socket: &(impl AsFd + ?Sized), opt: Opt) -> io::Result<bool> {
    Ok(get_int(socket.as_fd(), opt)? != 0)
}

fn set_flag(socket: &(impl AsFd + ?Sized), opt: Opt, on: bool) -> io::Result<()> {
    set_int(socket.as_fd(), opt, on.into())
}

fn get_size(socket: &(impl AsFd + ?Sized), opt: Opt) -> io::Result<usize> {
    let size = get_int(socket.as_fd(), opt)?;
    Ok(usize::try_from(size).unwrap_or(0))
}

const fn hops_option(domain: Domain) -> Opt {
    match domain {
        Domain::Inet6 => HOPS,
        _ => TTL,
    }
}
