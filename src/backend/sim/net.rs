//! The network in memory: TCP and UDP between the sockets of a run.
//!
//! A socket is a real one, which is bound and told to listen for real, so that plain calls (`bind`,
//! `listen`, options, `getsockname`) do what they do. But it is never connected, and no byte passes
//! through it: connections and datagrams are here (`stream`, `datagram`), and requests are carried out
//! on them (`requests`).
//!
//! Sockets are found by what is behind their number. That one was closed by a plain `close` is found out
//! when somebody waits for it, by looking for it.
//!
//! # Safety
//! System calls without memory, or with memory of the caller's frame. INV-OPEN-1: sockets made here.

#![expect(unsafe_code, reason = "socket, bind and getsockopt of placeholders")]

mod datagram;
mod requests;
mod stream;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{BorrowedFd, RawFd};

use super::config::SimConfig;
use super::descriptor::{self, Ident, Object, open_numbers, socket_number};
use super::faults::Faults;
use super::rng::Rng;
use crate::tokens::endpoint::Endpoint;
use crate::tokens::sockopt;
use datagram::Datagrams;
use stream::{Connection, Stream};

/// The number of a connection.
type Link = u64;

/// The network of a run.
#[derive(Debug)]
pub(super) struct Net {
    sockets: BTreeMap<Ident, Socket>,
    born: u64,
    links: BTreeMap<Link, Connection>,
    next: Link,
    capacity: usize,
    latency: (u64, u64),
    faults: Faults,
    /// Sockets that may be gone are looked for when there are so many.
    sweep_at: usize,
}

/// A socket of the run.
#[derive(Debug)]
struct Socket {
    /// The how many-th socket of the run it is.
    born: u64,
    /// Where it was seen last.
    fd: RawFd,
    domain: i32,
    local: Option<SocketAddr>,
    state: State,
}

#[derive(Debug)]
enum State {
    Stream(Stream),
    Datagram(Datagrams),
    /// Connected for real, or of another family.
    Outside,
}

/// Whether a request can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// It can: there is something, the end, or an error.
    Now,
    /// Not before something happens, which may be at this time.
    Later(Option<u64>),
}

/// What an attempt needs to know beside the network.
pub(super) struct Moment<'a> {
    pub(super) now: u64,
    pub(super) rng: &'a mut Rng,
}

impl Net {
    pub(super) fn new(config: &SimConfig) -> Self {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            sockets: BTreeMap::new(),
            born: 0,
            links: BTreeMap::new(),
            next: 0,
            capacity: config.socket_buffer,
            latency: (nanos(config.latency.0), nanos(config.latency.1)),
            faults: config.faults.clone(),
            sweep_at: 64,
        }
    }

    /// When something that is sent now arrives.
    fn arrival(&self, at: &mut Moment<'_>) -> u64 {
        let (low, high) = self.latency;
        at.now.saturating_add(at.rng.between(low, high))
    }

    /// The socket behind a number, if it is one of this network.
    fn socket(&mut self, fd: RawFd, object: Object) -> Option<Ident> {
        if !object.is_socket() {
            return None;
        }
        let ident = object.ident;
        if let Some(socket) = self.sockets.get_mut(&ident) {
            socket.fd = fd;
        } else {
            self.adopt(ident, fd);
        }
        let socket = self.sockets.get(&ident)?;
        (!matches!(socket.state, State::Outside)).then_some(ident)
    }

    /// Takes a socket in that was made elsewhere.
    fn adopt(&mut self, ident: Ident, fd: RawFd) {
        self.sweep();
        let domain = socket_number(fd, libc::SO_DOMAIN).unwrap_or(libc::AF_UNSPEC);
        let kind = socket_number(fd, libc::SO_TYPE);
        let peer = peer_of(fd);
        let state = match kind {
            _ if !matches!(domain, libc::AF_INET | libc::AF_INET6) => State::Outside,
            Some(libc::SOCK_STREAM) if peer.is_none() => State::Stream(Stream::New),
            Some(libc::SOCK_DGRAM) => State::Datagram(Datagrams::new(peer)),
            _ => State::Outside,
        };
        self.insert(ident, fd, domain, state);
        self.refresh(ident);
    }

    fn insert(&mut self, ident: Ident, fd: RawFd, domain: i32, state: State) {
        self.born += 1;
        let socket = Socket {
            born: self.born,
            fd,
            domain,
            local: None,
            state,
        };
        self.sockets.insert(ident, socket);
    }

    /// Looks at what plain calls have done to a socket.
    fn refresh(&mut self, ident: Ident) {
        let Some(socket) = self.sockets.get_mut(&ident) else {
            return;
        };
        if matches!(socket.state, State::Outside) {
            return;
        }
        if socket.local.is_none() {
            socket.local = local_of(socket.fd);
        }
        if let State::Stream(stream @ Stream::New) = &mut socket.state
            && socket_number(socket.fd, libc::SO_ACCEPTCONN) == Some(1)
        {
            *stream = Stream::listening();
        }
    }

    /// Forgets sockets that are not open any more, now and then.
    fn sweep(&mut self) {
        if self.sockets.len() < self.sweep_at {
            return;
        }
        let open: Vec<Ident> = open_numbers()
            .into_iter()
            .filter_map(|fd| Some(Object::of(fd)?.ident))
            .collect();
        let gone = self.sockets.keys().filter(|ident| !open.contains(ident));
        let gone: Vec<Ident> = gone.copied().collect();
        for ident in gone {
            self.sockets.remove(&ident);
        }
        let sockets = &self.sockets;
        self.links.retain(|_, link| link.is_known(sockets));
        self.sweep_at = (self.sockets.len() * 2).max(64);
    }

    /// Whether a socket is still open anywhere.
    fn is_open(&mut self, ident: Ident) -> bool {
        let Some(socket) = self.sockets.get_mut(&ident) else {
            return false;
        };
        match descriptor::find(ident, socket.fd) {
            Some(fd) => {
                socket.fd = fd;
                true
            }
            None => {
                self.sockets.remove(&ident);
                false
            }
        }
    }

    /// The open socket with this address that `fits`; sockets that nobody has used yet are looked for.
    fn at_address(&mut self, addr: SocketAddr, fits: fn(&State) -> bool) -> Option<Ident> {
        if let Some(ident) = self.known_at(addr, fits) {
            return Some(ident);
        }
        for fd in open_numbers() {
            if let Some(object) = Object::of(fd)
                && object.is_socket()
                && !self.sockets.contains_key(&object.ident)
            {
                self.adopt(object.ident, fd);
            }
        }
        self.known_at(addr, fits)
    }

    fn known_at(&mut self, addr: SocketAddr, fits: fn(&State) -> bool) -> Option<Ident> {
        let fresh = self.sockets.iter().filter(|(_, socket)| socket.is_fresh());
        let fresh: Vec<Ident> = fresh.map(|(ident, _)| *ident).collect();
        for ident in fresh {
            self.refresh(ident);
        }
        let mut found: Vec<(bool, u64, Ident)> = self
            .sockets
            .iter()
            .filter(|(_, socket)| fits(&socket.state))
            .filter_map(|(ident, socket)| {
                let local = socket.local?;
                let exact = local.ip() == addr.ip();
                let any = local.ip().is_unspecified() || addr.ip().is_unspecified();
                (local.port() == addr.port() && (exact || any)).then_some((
                    !exact,
                    socket.born,
                    *ident,
                ))
            })
            .collect();
        found.sort_unstable();
        found
            .into_iter()
            .map(|(_, _, ident)| ident)
            .find(|ident| self.is_open(*ident))
    }

    /// Gives a socket an address of its own, if it has none.
    fn bind_any(&mut self, ident: Ident, peer: SocketAddr) -> Option<SocketAddr> {
        self.refresh(ident);
        let socket = self.sockets.get_mut(&ident)?;
        if socket.local.is_none() {
            let any: SocketAddr = match (peer, socket.domain) {
                (SocketAddr::V4(_), libc::AF_INET) => (Ipv4Addr::LOCALHOST, 0).into(),
                _ if peer.ip().is_loopback() => (Ipv6Addr::LOCALHOST, 0).into(),
                _ => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            // SAFETY: the number was that of an open descriptor when the request came; if it is not
            //         any more, the call fails.
            let fd = unsafe { BorrowedFd::borrow_raw(socket.fd) };
            sockopt::bind(fd, &any.into()).ok()?;
            socket.local = local_of(socket.fd);
        }
        socket.local
    }
}

impl Socket {
    /// Whether plain calls may still change what it is.
    const fn is_fresh(&self) -> bool {
        matches!(self.state, State::Stream(Stream::New))
            || (self.local.is_none() && matches!(self.state, State::Datagram(_)))
    }
}

/// The Internet address that a socket is bound to.
fn local_of(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: as in `bind_any`.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let addr = sockopt::local_endpoint(fd).ok()?.to_socket_addr()?;
    (addr.port() != 0).then_some(addr)
}

/// The Internet address that a socket is connected to for real.
fn peer_of(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: as in `bind_any`.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    sockopt::peer_endpoint(fd).ok()?.to_socket_addr()
}

/// Writes an address where a request wants it, as the kernel does: as much as there is room for.
///
/// # Safety
///
/// - `place` is good for writing as many bytes as `len` says, which may be written too; or null.
unsafe fn tell_address(addr: SocketAddr, place: *mut libc::sockaddr, len: *mut libc::socklen_t) {
    if place.is_null() || len.is_null() {
        return;
    }
    let endpoint = Endpoint::from(addr);
    let bytes = endpoint.as_bytes();
    // SAFETY: there is room for as many (contract).
    unsafe {
        let room = (*len as usize).min(bytes.len());
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), room);
        *len = endpoint.socklen();
    }
}
