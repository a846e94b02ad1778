//! Messages as methods of sockets that know their context.

use std::os::fd::{AsFd, BorrowedFd};

use super::endpoint::Endpoint;
use super::protocol::{Conversation, Datagram};
use super::socket_handle::SocketHandle;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::senders::io::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use crate::senders::io::message::{RecvFrom, RecvMsg, SendMsg, SendTo};
use crate::senders::io::message_ops::MessageOps;

impl<H: Io, P: Conversation> SocketHandle<H, P> {
    /// See [`MessageOps::sendmsg`].
    pub fn sendmsg<B: IoBufs>(&self, bufs: B) -> IoSender<H, SendMsg<BorrowedFd<'_>, B>> {
        self.io().sendmsg(self.as_fd(), bufs)
    }

    /// See [`MessageOps::recvmsg`].
    pub fn recvmsg<B: IoBufsMut>(&self, bufs: B) -> IoSender<H, RecvMsg<BorrowedFd<'_>, B>> {
        self.io().recvmsg(self.as_fd(), bufs)
    }
}

impl<H: Io, P: Datagram> SocketHandle<H, P> {
    /// See [`MessageOps::send_to`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::{SocketOptions, UdpSocket, prelude::*};
    /// use std::net::Ipv4Addr;
    ///
    /// let ctx = IoContext::new()?;
    /// let here = UdpSocket::bind(ctx.scheduler(), (Ipv4Addr::LOCALHOST, 0))?;
    /// let there = UdpSocket::bind(ctx.scheduler(), (Ipv4Addr::LOCALHOST, 0))?;
    /// ctx.block_on(here.send_to("hello", there.local_endpoint()?))?;
    /// let (received, bytes) = ctx.block_on(there.recv_from([0; 16]))?.unwrap();
    /// assert_eq!(&bytes[..received.len], b"hello");
    /// assert_eq!(received.from, here.local_endpoint()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to<B: IoBuf>(
        &self,
        buf: B,
        to: impl Into<Endpoint>,
    ) -> IoSender<H, SendTo<BorrowedFd<'_>, B>> {
        self.io().send_to(self.as_fd(), buf, to)
    }

    /// See [`MessageOps::recv_from`].
    pub fn recv_from<B: IoBufMut>(&self, buf: B) -> IoSender<H, RecvFrom<BorrowedFd<'_>, B>> {
        self.io().recv_from(self.as_fd(), buf)
    }
}
