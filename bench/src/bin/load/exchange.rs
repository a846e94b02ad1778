//! Clients that send a message, wait for its echo, and send the next.
//!
//! Sending and receiving are one chain at the kernel, so that an exchange costs this side one
//! completion, and a turn of the loop costs one system call however many exchanges it takes on.
//!
//! # Safety
//!
//! INV: descriptors and buffers of a client lie on the heap for as long as the ring is used: clients
//! are not removed, and the ring is closed before they are dropped. Between the push
//! of an exchange and its completion the buffers are the kernel's.
#![expect(unsafe_code, reason = "entries carry pointers to the buffers")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use io_uring::{IoUring, opcode, squeue, types};
use sendio_bench::args::Args;
use sendio_bench::latency::Latencies;
use sendio_bench::ring::{self, Ring};

/// The most exchanges of a run whose time is kept.
const SAMPLES_MAX: u64 = 1 << 20;
/// The most exchanges that a ring takes on at once; further ones wait their turn.
const RING_MAX: u32 = 4096;
/// The bit of the user data that tells a failed send from an echo.
const SENT: u64 = 1 << 63;

/// All clients of a run.
pub(crate) struct Exchange {
    clients: Vec<Client>,
    waits_for_all: i32,
}

struct Client {
    socket: OwnedFd,
    message: Box<[u8]>,
    echo: Box<[u8]>,
    begun: Instant,
}

impl Exchange {
    /// Connects `--conns` clients: datagram sockets for `udp-echo`, connections otherwise.
    pub(crate) fn connect(args: &Args, server: SocketAddr) -> io::Result<Self> {
        let datagrams = args.workload == "udp-echo";
        let mut exchange = Self {
            clients: Vec::with_capacity(args.conns as usize),
            waits_for_all: if datagrams { 0 } else { libc::MSG_WAITALL },
        };
        for _ in 0..args.conns {
            let socket = if datagrams {
                datagram_socket(server)?.into()
            } else {
                TcpStream::connect(server)?.into()
            };
            exchange.add(socket, args.size);
        }
        Ok(exchange)
    }

    /// One client more, with messages of `size` bytes.
    pub(crate) fn add(&mut self, socket: OwnedFd, size: usize) {
        self.clients.push(Client {
            socket,
            message: (0..=u8::MAX).cycle().take(size).collect(),
            echo: vec![0; size].into(),
            begun: Instant::now(),
        });
    }

    /// A ring for them, to be closed before they are dropped.
    pub(crate) fn ring(&self) -> io::Result<IoUring> {
        let clients = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        ring::build(clients.min(RING_MAX) * 2)
    }

    /// How many clients there are.
    pub(crate) const fn len(&self) -> usize {
        self.clients.len()
    }

    /// Makes `ops` exchanges, one at a time on every connection; answers how long they took.
    pub(crate) fn run(&mut self, ring: &mut Ring<'_>, ops: u64) -> io::Result<Latencies> {
        self.run_on(ring, 0..self.clients.len(), ops)
    }

    /// As [`run`](Self::run), on some of the clients.
    pub(crate) fn run_on(
        &mut self,
        ring: &mut Ring<'_>,
        some: Range<usize>,
        ops: u64,
    ) -> io::Result<Latencies> {
        let clients = &mut self.clients[some];
        let flags = self.waits_for_all;
        let kept = usize::try_from(ops.min(SAMPLES_MAX)).unwrap_or(0);
        let mut latencies = Latencies::with_capacity(kept);
        let (mut begun, mut ended) = (0, 0);
        let now = Instant::now();
        for (index, client) in (0_u64..).zip(clients.iter_mut()) {
            if begun < ops {
                begin(ring, client, index, begun, flags, now)?;
                begun += 1;
            }
        }
        while ended < ops {
            ring.turn(1)?;
            let now = Instant::now();
            while let Some((index, result)) = ring.reap() {
                let at = usize::try_from(index & !SENT).unwrap_or(usize::MAX);
                let client = &mut clients[at];
                client.check(index & SENT != 0, result)?;
                let nanos = now.duration_since(client.begun).as_nanos();
                latencies.record(u64::try_from(nanos).unwrap_or(u64::MAX));
                ended += 1;
                if begun < ops {
                    begin(ring, client, index, begun, flags, now)?;
                    begun += 1;
                }
            }
        }
        Ok(latencies)
    }
}

/// Sends the next message of a client, and receives its echo after that.
#[inline]
fn begin(
    ring: &mut Ring<'_>,
    client: &mut Client,
    index: u64,
    number: u64,
    flags: i32,
    now: Instant,
) -> io::Result<()> {
    client.begun = now;
    // No two messages in a row are the same, so that an old echo is found out.
    for (byte, of_number) in client.message.iter_mut().zip(number.to_ne_bytes()) {
        *byte = of_number;
    }
    let fd = types::Fd(client.socket.as_raw_fd());
    let len = u32::try_from(client.message.len()).unwrap_or(u32::MAX);
    let send = opcode::Send::new(fd, client.message.as_ptr(), len)
        .flags(flags | libc::MSG_NOSIGNAL)
        .build()
        .flags(squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS)
        .user_data(index | SENT);
    let receive = opcode::Recv::new(fd, client.echo.as_mut_ptr(), len)
        .flags(flags)
        .build()
        .user_data(index);
    // SAFETY: the buffers must stay valid and alone until the completion: they live longer than the
    // ring is used, and the client begins again only after its echo was reaped. A chain is not cut:
    // entries come in pairs, and a ring has an even number.
    unsafe {
        ring.push_on(&send)?;
        ring.push(&receive);
    }
    Ok(())
}

impl Client {
    /// Whether this completion is an echo as it should be.
    #[inline]
    fn check(&self, sending: bool, result: i32) -> io::Result<()> {
        if sending || result < 0 {
            return Err(ring::failed(result.min(0)));
        }
        if usize::try_from(result) == Ok(self.echo.len()) && self.echo == self.message {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "not the echo of {} bytes: {result}",
            self.message.len()
        )))
    }
}

/// A datagram socket that talks to `server` alone.
pub(crate) fn datagram_socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(server)?;
    Ok(socket)
}
