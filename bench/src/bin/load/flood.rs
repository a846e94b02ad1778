//! Sends datagrams as fast as they go; what the server's socket has no room for is lost.
//!
//! # Safety
//!
//! INV: the one message lives longer than the ring is used, and nobody writes to it.
#![expect(unsafe_code, reason = "entries carry a pointer to the message")]

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, types};
use sendio_bench::args::Args;
use sendio_bench::ring::{self, Ring};

use crate::exchange::datagram_socket;

/// Datagrams that are handed to the kernel at once.
const BURST: u32 = 32;

/// The sender of a flood.
pub(crate) struct Flood {
    socket: UdpSocket,
    message: Box<[u8]>,
}

impl Flood {
    pub(crate) fn connect(args: &Args, server: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: datagram_socket(server)?,
            message: vec![1; args.size].into(),
        })
    }

    /// A ring for it, to be closed before it is dropped.
    pub(crate) fn ring() -> io::Result<IoUring> {
        ring::build(BURST)
    }

    /// Sends `ops` datagrams.
    pub(crate) fn run(&mut self, ring: &mut Ring<'_>, ops: u64) -> io::Result<()> {
        let fd = types::Fd(self.socket.as_raw_fd());
        let len = u32::try_from(self.message.len()).unwrap_or(u32::MAX);
        let mut left = ops;
        while left > 0 {
            let burst = u32::try_from(left).unwrap_or(BURST).min(BURST);
            for _ in 0..burst {
                let send = opcode::Send::new(fd, self.message.as_ptr(), len).build();
                // SAFETY: the message must stay valid until the completion: it lives longer than
                // the ring is used, and is never written to.
                unsafe { ring.push(&send) };
            }
            let mut outstanding = burst;
            while outstanding > 0 {
                ring.turn(outstanding)?;
                while let Some((_, result)) = ring.reap() {
                    if result < 0 {
                        return Err(ring::failed(result));
                    }
                    outstanding -= 1;
                }
            }
            left -= u64::from(burst);
        }
        Ok(())
    }
}
