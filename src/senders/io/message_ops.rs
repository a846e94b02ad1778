//! The operations of an I/O context that move messages, as methods of its handles.

use std::os::fd::AsFd;

use super::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use super::message::{RecvFrom, RecvMsg, SendMsg, SendTo};
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::tokens::endpoint::Endpoint;

/// Operations on messages: with addresses, several buffers, and [ancillary data](crate::ancillary).
///
/// What [`FileOps`](crate::FileOps) says of all operations holds here too. Besides:
///
/// - **Addresses** are [`Endpoint`]s, or what converts into one, such as
///   [`SocketAddr`](std::net::SocketAddr). They lie in the operation.
/// - **Truncation**: a datagram that is longer than the buffers is cut, as in Linux everywhere;
///   [`Received::is_truncated`](crate::Received::is_truncated) tells.
/// - **Empty datagrams** are messages like others: a length of 0. On a stream 0 is the end.
/// - **Signals**: sending to a peer that is gone is the error `BrokenPipe`, never `SIGPIPE`.
/// - **Cancellation**: a message that was received is delivered, also when stop was requested; a
///   receive that was stopped has taken nothing. Descriptors are owned from the first instant, and
///   closed if nobody takes them.
/// - **Allocation**: none for up to 8 buffers and 128 bytes of ancillary data that is sent; one each
///   beyond that. `IORING_OP_SENDMSG` and `IORING_OP_RECVMSG`, since Linux 5.3.
pub trait MessageOps: Io {
    /// Sends one datagram to an address: `(bytes sent, buffer)`. `sendto(2)`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it is too long for the protocol, and those of the network.
    ///
    /// It waits for room at a Unix receiver that has none, unless the socket has `O_NONBLOCK` and is not
    /// connected to that receiver: then the error is `WouldBlock`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::net::UdpSocket;
    ///
    /// let (left, right) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let send = io.send_to(&left, "hello", right.local_addr()?);
    /// let receive = io.recv_from(&right, [0; 16]);
    /// let (_, (received, bytes)) = ctx.block_on(when_all((send, receive)))?.unwrap();
    /// assert_eq!(&bytes[..received.len], b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn send_to<F: AsFd, B: IoBuf>(
        self,
        fd: F,
        buf: B,
        to: impl Into<Endpoint>,
    ) -> IoSender<Self, SendTo<F, B>> {
        IoSender::new(self, SendTo::new(fd, buf, to.into()))
    }

    /// Receives one datagram, and who sent it: `(`[`Received`](crate::Received)`, buffer)`.
    /// `recvfrom(2)`.
    ///
    /// # Examples
    ///
    /// See [`Received`](crate::Received).
    fn recv_from<F: AsFd, B: IoBufMut>(self, fd: F, buf: B) -> IoSender<Self, RecvFrom<F, B>> {
        IoSender::new(self, RecvFrom::new(fd, buf))
    }

    /// Sends several buffers as one message: `(bytes sent, buffers)`. `sendmsg(2)`.
    ///
    /// [`to`](IoSender::to) gives it an address, [`ancillary`](crate::io::SendMsg) what goes beside
    /// it. On a stream it sends as much as goes at once. Of more than 1,024 buffers (`IOV_MAX`) the
    /// first 1,024 take part.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let send = io.sendmsg(&socket, (*b"head", "body")).to(socket.local_addr()?);
    /// assert_eq!(ctx.block_on(send)?.unwrap().0, 8);
    /// let (received, (head, body)) = ctx.block_on(io.recvmsg(&socket, ([0; 4], [0; 9])))?.unwrap();
    /// assert_eq!((received.len, &head, &body[..4]), (8, b"head", &b"body"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn sendmsg<F: AsFd, B: IoBufs>(self, fd: F, bufs: B) -> IoSender<Self, SendMsg<F, B>> {
        IoSender::new(self, SendMsg::new(fd, bufs))
    }

    /// Receives one message into several buffers: `(`[`Received`](crate::Received)`, buffers)`.
    /// `recvmsg(2)`.
    ///
    /// Without [`ancillary`](crate::io::RecvMsg) the kernel drops what came beside it. Of more than
    /// 1,024 buffers (`IOV_MAX`) the first 1,024 take part.
    ///
    /// # Examples
    ///
    /// See [`sendmsg`](Self::sendmsg), and [`Rights`](crate::ancillary::Rights) for descriptors.
    fn recvmsg<F: AsFd, B: IoBufsMut>(self, fd: F, bufs: B) -> IoSender<Self, RecvMsg<F, B>> {
        IoSender::new(self, RecvMsg::new(fd, bufs))
    }
}

impl<H: Io> MessageOps for H {}
