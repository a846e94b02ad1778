//! `tcp-echo --variant multishot`: one receive per connection stays armed; the kernel chooses a
//! buffer of a shared ring when something has arrived, and gets it back when that was sent.
//!
//! The answers of a connection are sent one after the other. A connection whose receive ended for
//! want of buffers receives again when one comes back.
//!
//! # Safety
//!
//! INV: a buffer is the kernel's while it is in the ring or being sent, and nobody writes to it in
//! between.
#![expect(unsafe_code, reason = "entries carry pointers to the buffers")]

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{cqueue, opcode, types};
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::ring::Ring;

use super::{RECEIVE, SEND, Slab, WHAT_BITS, accept, accepted};
use crate::buffer_ring::{BufferRing, GROUP};

/// Buffers that the connections share.
const BUFFERS: u16 = 1024;

struct Connection {
    socket: OwnedFd,
    /// What has arrived and was not sent whole; the first is at the kernel.
    answers: VecDeque<Answer>,
    armed: bool,
    over: bool,
}

/// The bytes of a buffer that are still to be sent.
struct Answer {
    buffer: u16,
    from: u32,
    to: u32,
}

/// What the server has.
struct Server<'r, 'k> {
    ring: &'r mut Ring<'k>,
    buffers: BufferRing,
    connections: Slab<Connection>,
    /// Connections whose receive found no buffer.
    starved: Vec<usize>,
}

pub(super) fn serve(
    ring: &mut Ring<'_>,
    listener: &TcpListener,
    buf: usize,
) -> Result<Report, Failure> {
    let buffers = BufferRing::register(ring, BUFFERS, buf)?;
    accept(ring, listener)?;
    let mut server = Server {
        ring,
        buffers,
        connections: Slab::default(),
        starved: Vec::new(),
    };
    loop {
        server.ring.turn(1)?;
        while let Some((user_data, result, flags)) = server.ring.reap_with_flags() {
            let index = usize::try_from(user_data >> WHAT_BITS).unwrap_or(usize::MAX);
            match user_data & ((1 << WHAT_BITS) - 1) {
                RECEIVE => server.received(index, result, flags)?,
                SEND => server.sent(index, result)?,
                _ => {
                    let index = server.connections.insert(Connection {
                        socket: accepted(result)?,
                        answers: VecDeque::with_capacity(4),
                        armed: false,
                        over: false,
                    });
                    server.arm(index)?;
                    if !cqueue::more(flags) {
                        accept(server.ring, listener)?;
                    }
                }
            }
        }
        server.buffers.publish();
    }
}

impl Server<'_, '_> {
    #[inline(always)]
    fn received(&mut self, index: usize, result: i32, flags: u32) -> io::Result<()> {
        let connection = self.connections.at(index);
        connection.armed = cqueue::more(flags);
        if let (Ok(to @ 1..), Some(buffer)) = (u32::try_from(result), cqueue::buffer_select(flags))
        {
            connection.answers.push_back(Answer {
                buffer,
                from: 0,
                to,
            });
            if connection.answers.len() == 1 {
                self.send(index)?;
            }
            let connection = self.connections.at(index);
            return if connection.armed {
                Ok(())
            } else {
                self.arm(index)
            };
        }
        if result == -libc::ENOBUFS {
            self.starved.push(index);
            return Ok(());
        }
        connection.over = true;
        self.remove_if_over(index);
        Ok(())
    }

    #[inline(always)]
    fn sent(&mut self, index: usize, result: i32) -> io::Result<()> {
        let connection = self.connections.at(index);
        let Some(answer) = connection.answers.front_mut() else {
            unreachable!("a send of nothing")
        };
        match u32::try_from(result) {
            Ok(sent) => answer.from += sent,
            Err(_) => {
                connection.over = true;
                answer.from = answer.to;
            }
        }
        if answer.from == answer.to {
            self.buffers.give_back(answer.buffer);
            connection.answers.pop_front();
            if let Some(starved) = self.starved.pop() {
                self.buffers.publish();
                self.arm(starved)?;
            }
        }
        if self.connections.at(index).answers.is_empty() {
            self.remove_if_over(index);
            return Ok(());
        }
        self.send(index)
    }

    #[inline(always)]
    fn send(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connections.at(index);
        let answer = &connection.answers[0];
        let fd = types::Fd(connection.socket.as_raw_fd());
        let address = self.buffers.address(answer.buffer, answer.from);
        let entry = opcode::Send::new(fd, address, answer.to - answer.from)
            .flags(libc::MSG_NOSIGNAL)
            .build()
            .user_data((index as u64) << WHAT_BITS | SEND);
        // SAFETY: the buffer must stay valid and unchanged until the completion: it comes back to
        // the ring only then.
        unsafe { self.ring.push_on(&entry) }
    }

    fn arm(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connections.at(index);
        connection.armed = true;
        let fd = types::Fd(connection.socket.as_raw_fd());
        let entry = opcode::RecvMulti::new(fd, GROUP)
            .build()
            .user_data((index as u64) << WHAT_BITS | RECEIVE);
        // SAFETY: what the entry points to must stay valid: it points to nothing.
        unsafe { self.ring.push_on(&entry) }
    }

    /// Drops a connection that has nothing at the kernel and will have nothing.
    fn remove_if_over(&mut self, index: usize) {
        let connection = self.connections.at(index);
        if connection.over && !connection.armed && connection.answers.is_empty() {
            self.connections.remove(index);
        }
    }
}
