//! Connections: bytes in order, bounded, with the ends that a connection may have.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::super::descriptor::Ident;
use super::{Link, Moment, Net, Ready, Socket, State};

/// What a stream socket is.
#[derive(Debug)]
pub(super) enum Stream {
    New,
    /// Connections that arrive wait here, with the time at which they do.
    Listening(VecDeque<(u64, Link)>),
    /// The answer comes at this time.
    Connecting {
        at: u64,
        refused: bool,
        peer: SocketAddr,
    },
    Connected {
        link: Link,
        side: usize,
    },
}

impl Stream {
    pub(super) const fn listening() -> Self {
        Self::Listening(VecDeque::new())
    }
}

/// A connection between two sockets.
#[derive(Debug)]
pub(super) struct Connection {
    /// The sockets of both sides; none for one that was not accepted yet.
    ends: [Option<Ident>; 2],
    /// The listener, until it is accepted.
    waits_in: Option<Ident>,
    pub(super) client: SocketAddr,
    /// What goes from a side to the other one.
    ways: [Way; 2],
    /// When it breaks, for each side.
    reset: [Option<u64>; 2],
    /// Who was told.
    told: [bool; 2],
    /// Whose socket is not open any more.
    gone: [bool; 2],
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Way {
    parts: VecDeque<(u64, VecDeque<u8>)>,
    len: usize,
    /// When the last part arrives: none overtakes another.
    last: u64,
    /// When the end arrives.
    fin: Option<u64>,
    /// The receiver does not want any more.
    deaf: bool,
}

/// An amount of bytes, or an error.
type Moved = Result<usize, i32>;

impl Connection {
    /// Whether any side is still known.
    pub(super) fn is_known(&self, sockets: &BTreeMap<Ident, Socket>) -> bool {
        let mut all = self.ends.iter().chain([&self.waits_in]).flatten();
        all.any(|ident| sockets.contains_key(ident))
    }

    pub(super) const fn accepted_by(&mut self, ident: Ident) {
        self.ends[1] = Some(ident);
        self.waits_in = None;
    }

    fn breaks(&self, side: usize, now: u64) -> bool {
        self.reset[side].is_some_and(|at| at <= now)
    }

    /// The error of a broken connection: told once to each side, then it is over.
    fn broken(&mut self, side: usize, sends: bool) -> Moved {
        match (std::mem::replace(&mut self.told[side], true), sends) {
            (false, _) => Err(libc::ECONNRESET),
            (true, true) => Err(libc::EPIPE),
            (true, false) => Ok(0),
        }
    }

    fn recv_ready(&self, side: usize, now: u64) -> Ready {
        let way = &self.ways[1 - side];
        let next = way.parts.front().map(|(at, _)| *at);
        let times = [next, way.fin, self.reset[side]];
        let soonest = times.into_iter().flatten().min();
        match soonest {
            _ if way.deaf => Ready::Now,
            Some(at) if at <= now => Ready::Now,
            soonest => Ready::Later(soonest),
        }
    }

    fn send_ready(&self, side: usize, now: u64, capacity: usize) -> Ready {
        let way = &self.ways[side];
        if way.fin.is_some() || self.breaks(side, now) || way.len < capacity {
            return Ready::Now;
        }
        Ready::Later(self.reset[side])
    }

    /// Takes up to `max` bytes that have arrived.
    fn take(&mut self, side: usize, max: usize, now: u64, peek: bool) -> Vec<u8> {
        let way = &mut self.ways[1 - side];
        let mut bytes = Vec::new();
        if peek {
            let there = way.parts.iter().take_while(|(at, _)| *at <= now);
            bytes.extend(there.flat_map(|(_, part)| part).take(max));
            return bytes;
        }
        while let Some((at, part)) = way.parts.front_mut()
            && *at <= now
            && bytes.len() < max
        {
            let count = part.len().min(max - bytes.len());
            bytes.extend(part.drain(..count));
            if part.is_empty() {
                way.parts.pop_front();
            }
        }
        way.len -= bytes.len();
        bytes
    }

    /// What a poll says.
    pub(super) fn poll(&self, side: usize, now: u64, capacity: usize) -> u32 {
        let mut found = 0;
        if self.recv_ready(side, now) == Ready::Now {
            found |= libc::POLLIN;
        }
        if self.send_ready(side, now, capacity) == Ready::Now {
            found |= libc::POLLOUT;
        }
        let ended = self.ways[1 - side].fin.is_some_and(|at| at <= now);
        let broken = self.breaks(side, now);
        if ended || broken {
            found |= libc::POLLRDHUP;
        }
        if broken && !self.told[side] {
            found |= libc::POLLERR;
        }
        if broken || (ended && self.ways[side].fin.is_some()) {
            found |= libc::POLLHUP;
        }
        u32::from(found.cast_unsigned())
    }

    /// When something may change that a poll tells of.
    pub(super) fn next_change(&self, side: usize, now: u64) -> Option<u64> {
        let way = &self.ways[1 - side];
        let next = way.parts.front().map(|(at, _)| *at);
        let times = [next, way.fin, self.reset[side]];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }
}

impl Net {
    /// The client's side of a new connection, which arrives at the listener at `arrives`.
    pub(super) fn link(
        &mut self,
        client: (Ident, SocketAddr),
        listener: Ident,
        arrives: u64,
    ) -> Link {
        let link = self.next;
        self.next += 1;
        let connection = Connection {
            ends: [Some(client.0), None],
            waits_in: Some(listener),
            client: client.1,
            ways: [Way::default(), Way::default()],
            reset: [None; 2],
            told: [false; 2],
            gone: [false; 2],
        };
        self.links.insert(link, connection);
        if let Some(Socket {
            state: State::Stream(Stream::Listening(queue)),
            ..
        }) = self.sockets.get_mut(&listener)
        {
            queue.push_back((arrives, link));
        }
        link
    }

    pub(super) fn connection(&mut self, link: Link) -> Option<&mut Connection> {
        self.links.get_mut(&link)
    }

    /// Lets the end of the other side arrive, if it was closed: with a reset if it left bytes unread.
    pub(super) fn watch_peer(&mut self, link: Link, side: usize, at: &mut Moment<'_>) {
        let Some(connection) = self.links.get(&link) else {
            return;
        };
        let (other, listener) = (connection.ends[1 - side], connection.waits_in);
        if connection.gone[1 - side] {
            return;
        }
        let is_open = match (other, listener) {
            (Some(ident), _) | (None, Some(ident)) => self.is_open(ident),
            (None, None) => false,
        };
        if is_open {
            return;
        }
        let arrival = self.arrival(at);
        let Some(connection) = self.links.get_mut(&link) else {
            return;
        };
        let arrival = arrival.max(connection.ways[1 - side].last);
        let unread = connection.ways[side].len > 0 || other.is_none();
        if connection.ways[1 - side].fin.is_none() {
            connection.ways[1 - side].fin = Some(arrival);
        }
        if unread && connection.reset[side].is_none() {
            connection.reset[side] = Some(arrival);
        }
        connection.gone[1 - side] = true;
    }

    /// Breaks a connection now, with the probability of the configuration.
    fn may_break(&mut self, link: Link, at: &mut Moment<'_>) {
        if at.rng.chance(self.faults.resets)
            && let Some(connection) = self.links.get_mut(&link)
        {
            for reset in &mut connection.reset {
                reset.get_or_insert(at.now);
            }
        }
    }

    pub(super) fn send_ready(&self, link: Link, side: usize, now: u64) -> Ready {
        match self.links.get(&link) {
            Some(connection) => connection.send_ready(side, now, self.capacity),
            None => Ready::Now,
        }
    }

    pub(super) fn recv_ready(&self, link: Link, side: usize, now: u64) -> Ready {
        match self.links.get(&link) {
            Some(connection) => connection.recv_ready(side, now),
            None => Ready::Now,
        }
    }

    /// Sends what there is room for.
    pub(super) fn send(
        &mut self,
        link: Link,
        side: usize,
        bytes: &[u8],
        at: &mut Moment<'_>,
    ) -> Moved {
        self.may_break(link, at);
        let (capacity, arrival) = (self.capacity, self.arrival(at));
        self.watch_peer(link, side, at);
        let Some(connection) = self.links.get_mut(&link) else {
            return Err(libc::EPIPE);
        };
        if connection.breaks(side, at.now) {
            return connection.broken(side, true);
        }
        let nobody = connection.gone[1 - side];
        let way = &mut connection.ways[side];
        if way.fin.is_some() {
            return Err(libc::EPIPE);
        }
        if nobody {
            // The bytes leave, and the answer is that there is nobody.
            connection.reset[side].get_or_insert(arrival);
            return Ok(bytes.len());
        }
        let count = bytes.len().min(capacity.saturating_sub(way.len));
        if count > 0 {
            way.last = way.last.max(arrival);
            way.len += count;
            way.parts
                .push_back((way.last, bytes[..count].iter().copied().collect()));
        }
        Ok(count)
    }

    /// Takes what has arrived; zero is the end.
    pub(super) fn recv(
        &mut self,
        link: Link,
        side: usize,
        max: usize,
        peek: bool,
        at: &mut Moment<'_>,
    ) -> Result<Vec<u8>, i32> {
        self.may_break(link, at);
        let Some(connection) = self.links.get_mut(&link) else {
            return Ok(Vec::new());
        };
        let bytes = connection.take(side, max, at.now, peek);
        if bytes.is_empty() && connection.breaks(side, at.now) {
            return connection.broken(side, false).map(|_| bytes);
        }
        Ok(bytes)
    }

    /// Ends one direction or both.
    pub(super) fn shut_down(&mut self, link: Link, side: usize, how: i32, at: &mut Moment<'_>) {
        let arrival = self.arrival(at);
        let Some(connection) = self.links.get_mut(&link) else {
            return;
        };
        if matches!(how, libc::SHUT_WR | libc::SHUT_RDWR) {
            let way = &mut connection.ways[side];
            let arrival = arrival.max(way.last);
            way.fin.get_or_insert(arrival);
        }
        if matches!(how, libc::SHUT_RD | libc::SHUT_RDWR) {
            connection.ways[1 - side].deaf = true;
        }
    }
}
