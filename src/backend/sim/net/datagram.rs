//! Datagrams: each by itself, lost, doubled and out of order as the seed has it.

use std::net::SocketAddr;

use super::super::descriptor::Ident;
use super::{Moment, Net, Socket, State};

/// How many datagrams wait for a receiver; what comes then is lost.
const WAITING_MAX: usize = 256;
/// The most bytes that one has.
const PAYLOAD_MAX: usize = 65_507;

/// What a socket for datagrams has.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) peer: Option<SocketAddr>,
    /// By the time at which they arrive.
    arriving: Vec<Datagram>,
}

#[derive(Clone, Debug)]
pub(super) struct Datagram {
    at: u64,
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl Datagrams {
    pub(super) const fn new(peer: Option<SocketAddr>) -> Self {
        Self {
            peer,
            arriving: Vec::new(),
        }
    }

    /// When the next one is there, if one is on its way.
    pub(super) fn next(&self) -> Option<u64> {
        let mine = |datagram: &&Datagram| self.accepts(datagram.from);
        Some(self.arriving.iter().find(mine)?.at)
    }

    fn accepts(&self, from: SocketAddr) -> bool {
        self.peer.is_none_or(|peer| peer == from)
    }

    /// The first datagram, if it has arrived.
    pub(super) fn take(&mut self, now: u64, peek: bool) -> Option<Datagram> {
        let peer = self.peer;
        let mine = |datagram: &Datagram| peer.is_none_or(|peer| peer == datagram.from);
        let index = self.arriving.iter().position(mine)?;
        if self.arriving[index].at > now {
            return None;
        }
        if peek {
            return Some(self.arriving[index].clone());
        }
        Some(self.arriving.remove(index))
    }

    fn push(&mut self, datagram: Datagram) {
        if self.arriving.len() >= WAITING_MAX || !self.accepts(datagram.from) {
            return;
        }
        let at = datagram.at;
        let index = self.arriving.partition_point(|other| other.at <= at);
        self.arriving.insert(index, datagram);
    }
}

impl Net {
    pub(super) fn datagrams(&mut self, ident: Ident) -> Option<&mut Datagrams> {
        match self.sockets.get_mut(&ident) {
            Some(Socket {
                state: State::Datagram(datagrams),
                ..
            }) => Some(datagrams),
            _ => None,
        }
    }

    /// Sends a datagram; the result is that of the request.
    pub(super) fn send_datagram(
        &mut self,
        ident: Ident,
        to: Option<SocketAddr>,
        bytes: Vec<u8>,
        at: &mut Moment<'_>,
    ) -> i32 {
        let peer = self.datagrams(ident).and_then(|datagrams| datagrams.peer);
        let Some(to) = to.or(peer) else {
            return -libc::EDESTADDRREQ;
        };
        if bytes.len() > PAYLOAD_MAX {
            return -libc::EMSGSIZE;
        }
        let Some(from) = self.bind_any(ident, to) else {
            return -libc::EADDRNOTAVAIL;
        };
        let from = seen_as(from, to);
        let sent = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        if at.rng.chance(self.faults.loss) {
            return sent;
        }
        let copies = 1 + usize::from(at.rng.chance(self.faults.duplicates));
        let receives = |state: &State| matches!(state, State::Datagram(_));
        let Some(receiver) = self.at_address(to, receives) else {
            return sent;
        };
        for _ in 0..copies {
            let datagram = Datagram {
                at: self.arrival(at),
                from,
                bytes: bytes.clone(),
            };
            if let Some(datagrams) = self.datagrams(receiver) {
                datagrams.push(datagram);
            }
        }
        sent
    }
}

/// The address that the receiver sees: that of a socket bound to any is the one it was sent from.
fn seen_as(from: SocketAddr, to: SocketAddr) -> SocketAddr {
    if from.ip().is_unspecified() {
        return SocketAddr::new(to.ip(), from.port());
    }
    from
}
