//! Requests on sockets of the network in memory.
//!
//! # Safety
//! INV-SLOT-1: buffers, messages and addresses of a request in flight.

#![expect(unsafe_code, reason = "the memory of requests")]

use std::net::SocketAddr;

use super::super::call::{Way, lane};
use super::super::descriptor::{Ident, Object, told};
use super::super::host::{AGAIN, Attempt, Progress, descriptor_of};
use super::super::spans::{gather, scatter, spans_of, total};
use super::stream::Stream;
use super::{Moment, Net, Ready, Socket, State, tell_address};
use crate::backend::request::Request;
use crate::tokens::endpoint::Endpoint;

/// How many connections wait in a listener.
const BACKLOG: usize = 128;

impl Net {
    /// Tries to carry out a request with at most `limit` bytes; `None` if it does not concern this
    /// network.
    ///
    /// # Safety
    ///
    /// - The request is in flight.
    pub(in super::super) unsafe fn attempt(
        &mut self,
        request: &Request,
        object: Option<Object>,
        limit: u32,
        progress: &mut Progress,
        at: &mut Moment<'_>,
    ) -> Option<Attempt> {
        let fd = match *request {
            Request::Splice { from, to, .. } => {
                let mut mine =
                    |fd| Object::of(fd).is_some_and(|object| self.socket(fd, object).is_some());
                let mine = mine(from) || mine(to);
                // As for a socket that cannot: bytes are then moved through a buffer.
                return mine.then_some(Attempt::Done(-libc::EINVAL));
            }
            _ => descriptor_of(request)?,
        };
        let ident = self.socket(fd, object?)?;
        // SAFETY: the contract is the same.
        Some(unsafe {
            match *request {
                Request::Connect { addr, len, .. } => {
                    let bytes = std::slice::from_raw_parts(addr.cast::<u8>(), len as usize);
                    let to = Endpoint::from_bytes(bytes).ok();
                    self.connect(ident, to.and_then(|to| to.to_socket_addr()), at)
                }
                Request::Accept {
                    addr, len, flags, ..
                } => self.accept(ident, (addr, len), flags, at),
                Request::Shutdown { how, .. } => self.shutdown(ident, how, at),
                Request::Poll { events, .. } => self.poll(ident, events, at),
                _ => self.transfer(ident, request, limit, progress, at),
            }
        })
    }

    /// Whether a request that waits for this network could do something now.
    pub(in super::super) fn ready(
        &mut self,
        ident: Ident,
        request: &Request,
        watch: bool,
        at: &mut Moment<'_>,
    ) -> Ready {
        if watch && let Some(&mut Stream::Connected { link, side }) = self.stream(ident) {
            self.watch_peer(link, side, at);
        }
        if let Request::Poll { events, .. } = *request {
            return match self.poll(ident, events, at) {
                Attempt::Network(next) => Ready::Later(next),
                _ => Ready::Now,
            };
        }
        let sends = lane(request).is_some_and(|(_, way)| way == Way::Out);
        let next = match self.sockets.get(&ident).map(|socket| &socket.state) {
            Some(State::Datagram(_)) if sends => return Ready::Now,
            Some(State::Datagram(datagrams)) => datagrams.next(),
            Some(State::Stream(Stream::Listening(queue))) => queue.front().map(|(at, _)| *at),
            Some(State::Stream(Stream::Connecting { at, .. })) => Some(*at),
            Some(&State::Stream(Stream::Connected { link, side })) if sends => {
                return self.send_ready(link, side, at.now);
            }
            Some(&State::Stream(Stream::Connected { link, side })) => {
                return self.recv_ready(link, side, at.now);
            }
            _ => return Ready::Now,
        };
        match next {
            Some(time) if time <= at.now => Ready::Now,
            next => Ready::Later(next),
        }
    }

    fn stream(&mut self, ident: Ident) -> Option<&mut Stream> {
        match self.sockets.get_mut(&ident) {
            Some(Socket {
                state: State::Stream(stream),
                ..
            }) => Some(stream),
            _ => None,
        }
    }

    fn connect(&mut self, ident: Ident, to: Option<SocketAddr>, at: &mut Moment<'_>) -> Attempt {
        if let Some(datagrams) = self.datagrams(ident) {
            datagrams.peer = to;
            if let Some(to) = to {
                self.bind_any(ident, to);
            }
            return Attempt::Done(0);
        }
        let Some(to) = to else {
            return Attempt::Done(-libc::EAFNOSUPPORT);
        };
        let now = at.now;
        match self.stream(ident) {
            Some(Stream::Connected { .. }) => return Attempt::Done(-libc::EISCONN),
            Some(Stream::Listening(_)) => return Attempt::Done(-libc::EINVAL),
            Some(&mut Stream::Connecting { at, refused, peer }) if at <= now => {
                return self.connected(ident, peer, refused, at);
            }
            Some(&mut Stream::Connecting { at, .. }) => return Attempt::Network(Some(at)),
            _ => {}
        }
        if self.bind_any(ident, to).is_none() {
            return Attempt::Done(-libc::EADDRNOTAVAIL);
        }
        let there = self.arrival(at);
        let back = self.arrival(at).saturating_add(there - at.now);
        let refused = at.rng.chance(self.faults.refusals);
        if let Some(stream) = self.stream(ident) {
            *stream = Stream::Connecting {
                at: back,
                refused,
                peer: to,
            };
        }
        Attempt::Network(Some(back))
    }

    /// The answer of the listener has come.
    fn connected(&mut self, ident: Ident, to: SocketAddr, refused: bool, now: u64) -> Attempt {
        let listens = |state: &State| matches!(state, State::Stream(Stream::Listening(_)));
        let listener = self.at_address(to, listens).filter(|_| !refused);
        let Some(listener) = listener else {
            if let Some(stream) = self.stream(ident) {
                *stream = Stream::New;
            }
            return Attempt::Done(-libc::ECONNREFUSED);
        };
        if let Some(Stream::Listening(queue)) = self.stream(listener)
            && queue.len() >= BACKLOG
        {
            return Attempt::After(AGAIN);
        }
        let Some(local) = self.bind_any(ident, to) else {
            return Attempt::Done(-libc::EADDRNOTAVAIL);
        };
        let link = self.link((ident, local), listener, now);
        if let Some(stream) = self.stream(ident) {
            *stream = Stream::Connected { link, side: 0 };
        }
        Attempt::Done(0)
    }

    /// # Safety
    ///
    /// - The place for the address is that of a request in flight.
    unsafe fn accept(
        &mut self,
        ident: Ident,
        (addr, len): (*mut libc::sockaddr, *mut libc::socklen_t),
        flags: i32,
        at: &mut Moment<'_>,
    ) -> Attempt {
        self.refresh(ident);
        let domain = self.sockets.get(&ident).map_or(0, |socket| socket.domain);
        let Some(Stream::Listening(queue)) = self.stream(ident) else {
            return Attempt::Done(-libc::EINVAL);
        };
        let Some(&(arrives, link)) = queue.front() else {
            return Attempt::Network(None);
        };
        if arrives > at.now {
            return Attempt::Network(Some(arrives));
        }
        let kind = libc::SOCK_STREAM | flags;
        // SAFETY: no memory is passed.
        let fd = told(unsafe { libc::socket(domain, kind, 0) });
        let Some(object) = Object::of(fd) else {
            return Attempt::Done(fd);
        };
        queue.pop_front();
        let state = State::Stream(Stream::Connected { link, side: 1 });
        self.insert(object.ident, fd, domain, state);
        if let Some(connection) = self.connection(link) {
            connection.accepted_by(object.ident);
            // SAFETY: the place of a request in flight (contract).
            unsafe { tell_address(connection.client, addr, len) };
        }
        Attempt::Done(fd)
    }

    fn shutdown(&mut self, ident: Ident, how: i32, at: &mut Moment<'_>) -> Attempt {
        match self.stream(ident) {
            Some(&mut Stream::Connected { link, side }) => {
                self.shut_down(link, side, how, at);
                Attempt::Done(0)
            }
            Some(Stream::Listening(_)) => {
                let fd = self.sockets.get(&ident).map_or(-1, |socket| socket.fd);
                // SAFETY: no memory is passed.
                let result = told(unsafe { libc::shutdown(fd, how) });
                if let Some(stream) = self.stream(ident) {
                    *stream = Stream::New;
                }
                Attempt::Done(result)
            }
            _ => Attempt::Done(-libc::ENOTCONN),
        }
    }

    fn poll(&mut self, ident: Ident, events: u32, at: &mut Moment<'_>) -> Attempt {
        self.refresh(ident);
        let capacity = self.capacity;
        let always = libc::POLLERR | libc::POLLHUP;
        let (mut found, mut next) = (0, None);
        let bit = |event: i16| u32::from(event.cast_unsigned());
        match self.sockets.get(&ident).map(|socket| &socket.state) {
            Some(State::Datagram(datagrams)) => {
                found = bit(libc::POLLOUT);
                match datagrams.next() {
                    Some(arrives) if arrives <= at.now => found |= bit(libc::POLLIN),
                    later => next = later,
                }
            }
            Some(State::Stream(Stream::New)) => found = bit(libc::POLLOUT | libc::POLLHUP),
            Some(State::Stream(Stream::Listening(queue))) => match queue.front() {
                Some((arrives, _)) if *arrives <= at.now => found = bit(libc::POLLIN),
                later => next = later.map(|(arrives, _)| *arrives),
            },
            Some(State::Stream(Stream::Connecting { at: back, .. })) => {
                if *back <= at.now {
                    found = bit(libc::POLLOUT);
                } else {
                    next = Some(*back);
                }
            }
            Some(&State::Stream(Stream::Connected { link, side })) => {
                if let Some(connection) = self.connection(link) {
                    found = connection.poll(side, at.now, capacity);
                    next = connection.next_change(side, at.now);
                }
            }
            Some(State::Outside) | None => {}
        }
        match found & (events | bit(always)) {
            0 => Attempt::Network(next),
            found => Attempt::Done(found.cast_signed()),
        }
    }

    /// Sends or receives.
    ///
    /// # Safety
    ///
    /// - The request is in flight, and moves bytes.
    unsafe fn transfer(
        &mut self,
        ident: Ident,
        request: &Request,
        limit: u32,
        progress: &mut Progress,
        at: &mut Moment<'_>,
    ) -> Attempt {
        let (flags, sends) = match *request {
            Request::Send { flags, .. } | Request::SendMsg { flags, .. } => (flags, true),
            Request::Recv { flags, .. } | Request::RecvMsg { flags, .. } => (flags, false),
            Request::Write { .. } | Request::Writev { .. } => (0, true),
            _ => (0, false),
        };
        if flags & libc::MSG_OOB != 0 {
            return Attempt::Done(-libc::EOPNOTSUPP);
        }
        let waits = |next| {
            if flags & libc::MSG_DONTWAIT == 0 {
                Attempt::Network(next)
            } else {
                Attempt::Done(-libc::EAGAIN)
            }
        };
        // SAFETY: in flight (contract).
        let spans = unsafe { spans_of(request, progress.bytes, limit) };
        if self.datagrams(ident).is_some() {
            // SAFETY: in flight (contract).
            return unsafe { self.datagram(ident, request, flags, sends, at) }
                .unwrap_or_else(waits);
        }
        let Some(&mut Stream::Connected { link, side }) = self.stream(ident) else {
            let errno = if sends { libc::EPIPE } else { libc::ENOTCONN };
            return Attempt::Done(-errno);
        };
        let ready = if sends {
            self.send_ready(link, side, at.now)
        } else {
            self.recv_ready(link, side, at.now)
        };
        if let Ready::Later(next) = ready {
            return waits(next);
        }
        let peek = flags & libc::MSG_PEEK != 0;
        let moved = if sends {
            // SAFETY: memory to be read, of a request in flight.
            self.send(link, side, &unsafe { gather(&spans) }, at)
        } else {
            let received = self.recv(link, side, total(&spans), peek, at);
            // SAFETY: memory to be written, of a request in flight.
            received.map(|bytes| unsafe { scatter(&spans, &bytes) })
        };
        let moved = match moved {
            Ok(moved) => moved,
            Err(_) if progress.bytes > 0 => 0,
            Err(errno) => return Attempt::Done(-errno),
        };
        progress.bytes += u32::try_from(moved).unwrap_or(0);
        let wants_all = flags & libc::MSG_WAITALL != 0 && !peek;
        if wants_all && moved > 0 && moved < total(&spans) {
            return Attempt::Network(Some(at.now));
        }
        if let Request::RecvMsg { msg, .. } = *request {
            // SAFETY: the kernel writes these of a request in flight.
            unsafe {
                (*msg).msg_namelen = 0;
                (*msg).msg_controllen = 0;
                (*msg).msg_flags = 0;
            }
        }
        Attempt::Done(i32::try_from(progress.bytes).unwrap_or(i32::MAX))
    }

    /// Sends or receives a datagram; when the next one comes, if it has to wait.
    ///
    /// # Safety
    ///
    /// - The request is in flight, and moves bytes.
    unsafe fn datagram(
        &mut self,
        ident: Ident,
        request: &Request,
        flags: i32,
        sends: bool,
        at: &mut Moment<'_>,
    ) -> Result<Attempt, Option<u64>> {
        // SAFETY: in flight (contract); a message of one may be read.
        let (spans, to) = unsafe {
            let to = match *request {
                Request::SendMsg { msg, .. } if !(*msg).msg_name.is_null() => {
                    let len = (*msg).msg_namelen as usize;
                    let bytes = std::slice::from_raw_parts((*msg).msg_name.cast::<u8>(), len);
                    Endpoint::from_bytes(bytes).ok()
                }
                _ => None,
            };
            (spans_of(request, 0, u32::MAX), to)
        };
        if sends {
            let to = to.and_then(|to| to.to_socket_addr());
            // SAFETY: memory to be read, of a request in flight.
            let bytes = unsafe { gather(&spans) };
            return Ok(Attempt::Done(self.send_datagram(ident, to, bytes, at)));
        }
        self.refresh(ident);
        let peek = flags & libc::MSG_PEEK != 0;
        let Some(datagrams) = self.datagrams(ident) else {
            return Ok(Attempt::Done(-libc::EBADF));
        };
        let Some(datagram) = datagrams.take(at.now, peek) else {
            return Err(datagrams.next());
        };
        // SAFETY: memory to be written, of a request in flight, as the kernel does.
        let copied = unsafe {
            let copied = scatter(&spans, &datagram.bytes);
            if let Request::RecvMsg { msg, .. } = *request {
                let truncated = copied < datagram.bytes.len();
                (*msg).msg_flags = if truncated { libc::MSG_TRUNC } else { 0 };
                (*msg).msg_controllen = 0;
                let name = (*msg).msg_name.cast();
                tell_address(datagram.from, name, &raw mut (*msg).msg_namelen);
            }
            copied
        };
        Ok(Attempt::Done(i32::try_from(copied).unwrap_or(i32::MAX)))
    }
}
