//! `tcp-echo`: one receive, then one send, for each connection.
//!
//! Connections come from one multishot accept. The variant `multishot` leaves one receive per
//! connection armed and takes buffers from a ring that all connections share: [`multishot`].
//!
//! # Safety
//!
//! INV: the buffer of a connection is on the heap and stays there while one of its two operations
//! is at the kernel; a connection is removed only when none is.
#![expect(unsafe_code, reason = "entries carry pointers to the buffers")]

mod multishot;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use io_uring::{cqueue, opcode, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};
use sendio_bench::serve::Control;

/// Entries of the ring: more than a turn stages for 64 connections; with more it is filled twice.
const ENTRIES: u32 = 1024;

/// What completed is in the low bits of the user data, the connection's index above.
const WHAT_BITS: u32 = 2;
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let is_multishot = match args.variant.as_str() {
        "" => false,
        "multishot" => true,
        _ => return Err(Failure::variant(args)),
    };
    let control = Control::open(args)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    control.ready(listener.local_addr()?)?;
    // The ring is closed before the connections are dropped.
    let mut connections = Slab::default();
    let mut uring = ring::build(ENTRIES)?;
    let mut ring = Ring::new(&mut uring)?;
    if is_multishot {
        return multishot::serve(&mut ring, &listener, args.buf);
    }
    accept(&mut ring, &listener)?;
    loop {
        ring.turn(1)?;
        while let Some((user_data, result, flags)) = ring.reap_with_flags() {
            let index = usize::try_from(user_data >> WHAT_BITS).unwrap_or(usize::MAX);
            match user_data & ((1 << WHAT_BITS) - 1) {
                RECEIVE => received(&mut ring, &mut connections, index, result)?,
                SEND => sent(&mut ring, &mut connections, index, result)?,
                _ => {
                    let connection = Connection {
                        socket: accepted(result)?,
                        buffer: vec![0; args.buf].into(),
                        received: 0,
                        sent: 0,
                    };
                    let index = connections.insert(connection);
                    receive(&mut ring, connections.at(index), index)?;
                    if !cqueue::more(flags) {
                        accept(&mut ring, &listener)?;
                    }
                }
            }
        }
    }
}

struct Connection {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    received: u32,
    sent: u32,
}

/// What has arrived goes back; an end or an error ends the connection.
#[inline(always)]
fn received(
    ring: &mut Ring<'_>,
    connections: &mut Slab<Connection>,
    index: usize,
    result: i32,
) -> io::Result<()> {
    let Some(received) = u32::try_from(result).ok().filter(|bytes| *bytes > 0) else {
        connections.remove(index);
        return Ok(());
    };
    let connection = connections.at(index);
    (connection.received, connection.sent) = (received, 0);
    send(ring, connection, index)
}

/// The next receive, if all was sent.
#[inline(always)]
fn sent(
    ring: &mut Ring<'_>,
    connections: &mut Slab<Connection>,
    index: usize,
    result: i32,
) -> io::Result<()> {
    let Ok(sent) = u32::try_from(result) else {
        connections.remove(index);
        return Ok(());
    };
    let connection = connections.at(index);
    connection.sent += sent;
    if connection.sent < connection.received {
        return send(ring, connection, index);
    }
    receive(ring, connection, index)
}

#[inline(always)]
fn receive(ring: &mut Ring<'_>, connection: &mut Connection, index: usize) -> io::Result<()> {
    let fd = types::Fd(connection.socket.as_raw_fd());
    let len = u32::try_from(connection.buffer.len()).unwrap_or(u32::MAX);
    let entry = opcode::Recv::new(fd, connection.buffer.as_mut_ptr(), len)
        .build()
        .user_data((index as u64) << WHAT_BITS | RECEIVE);
    // SAFETY: the buffer must stay valid and alone until the completion: it is the connection's,
    // which has nothing else at the kernel and is kept until then.
    unsafe { ring.push_on(&entry) }
}

#[inline(always)]
fn send(ring: &mut Ring<'_>, connection: &Connection, index: usize) -> io::Result<()> {
    let fd = types::Fd(connection.socket.as_raw_fd());
    let rest = &connection.buffer[connection.sent as usize..connection.received as usize];
    let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let entry = opcode::Send::new(fd, rest.as_ptr(), len)
        .flags(libc::MSG_NOSIGNAL)
        .build()
        .user_data((index as u64) << WHAT_BITS | SEND);
    // SAFETY: as for `receive`; nobody writes to the buffer meanwhile.
    unsafe { ring.push_on(&entry) }
}

fn accept(ring: &mut Ring<'_>, listener: &TcpListener) -> io::Result<()> {
    let fd = types::Fd(listener.as_raw_fd());
    let entry = opcode::AcceptMulti::new(fd).build().user_data(ACCEPT);
    // SAFETY: what the entry points to must stay valid: it points to nothing.
    unsafe { ring.push_on(&entry) }
}

/// The connection that a multishot accept delivers.
fn accepted(result: i32) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(ring::failed(result));
    }
    // SAFETY: the descriptor must be open and nobody else's: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// Connections by their index.
struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, value: T) -> usize {
        if let Some(index) = self.free.pop() {
            self.places[index] = Some(value);
            return index;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    /// The one with this index, which is in use as long as an operation of it is at the kernel.
    #[inline(always)]
    fn at(&mut self, index: usize) -> &mut T {
        match self.places.get_mut(index) {
            Some(Some(value)) => value,
            _ => unreachable!("a completion of a connection that is gone"),
        }
    }

    #[cold]
    fn remove(&mut self, index: usize) {
        self.places[index] = None;
        self.free.push(index);
    }
}
