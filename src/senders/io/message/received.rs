//! What is known about a received message besides its bytes.

use libc::c_int;

use crate::tokens::endpoint::Endpoint;

/// A message that was received: how long it is, whom it is from, and whether all of it is here.
///
/// # Examples
///
/// A datagram that is longer than the buffer loses its end, and says so:
///
/// ```
/// use sendio::prelude::*;
/// use std::net::UdpSocket;
///
/// let (socket, peer) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
/// peer.send_to(b"hello", socket.local_addr()?)?;
/// let ctx = IoContext::new()?;
/// let (received, bytes) = ctx.block_on(ctx.scheduler().recv_from(&socket, [0; 4]))?.unwrap();
/// assert_eq!((received.len, &bytes), (4, b"hell"));
/// assert!(received.is_truncated());
/// assert_eq!(received.from.to_socket_addr(), Some(peer.local_addr()?));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Received<A = ()> {
    /// How many bytes are in the buffers.
    pub len: usize,
    /// The sender's address. A stream tells none, and a Unix socket without a name neither:
    /// [`Endpoint::is_unnamed`].
    pub from: Endpoint,
    /// The ancillary data, in the room that was given for it.
    pub ancillary: A,
    pub(super) flags: c_int,
}

impl<A> Received<A> {
    /// Whether the message was longer than the buffers, and its end is lost: `MSG_TRUNC`.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.flags & libc::MSG_TRUNC != 0
    }

    /// Whether there was more ancillary data than room for it: `MSG_CTRUNC`. Descriptors among the
    /// rest were closed by the kernel.
    #[must_use]
    pub const fn is_ancillary_truncated(&self) -> bool {
        self.flags & libc::MSG_CTRUNC != 0
    }

    /// Whether the message ends here, on a socket that keeps the bounds of messages on a connection:
    /// `MSG_EOR`.
    #[must_use]
    pub const fn is_end_of_record(&self) -> bool {
        self.flags & libc::MSG_EOR != 0
    }

    /// All flags of `recvmsg(2)` that the kernel returned.
    #[must_use]
    pub const fn raw_flags(&self) -> i32 {
        self.flags
    }
}
