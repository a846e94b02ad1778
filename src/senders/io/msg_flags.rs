//! [`MsgFlags`]: how a socket sends or receives.

use std::io;
use std::ops::{BitOr, BitOrAssign};

use libc::c_int;

/// Flags of one send or receive: `send(2)`, `recv(2)`.
///
/// Every send has `MSG_NOSIGNAL` besides, so none raises `SIGPIPE`. A flag that makes no sense for a
/// direction is not passed on. Flags with which the kernel would use a buffer after the completion,
/// or not fill what it counts (`MSG_ZEROCOPY`, `MSG_TRUNC` of a receive), cannot be given.
///
/// # Examples
///
/// ```
/// use sendio::MsgFlags;
/// use sendio::prelude::*;
/// use std::os::unix::net::UnixStream;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let (left, right) = UnixStream::pair()?;
/// let empty = ctx.block_on(io.recv_with(&left, [0; 4], MsgFlags::DONTWAIT));
/// assert_eq!(empty.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
///
/// ctx.block_on(io.send(&right, "news"))?;
/// for flags in [MsgFlags::PEEK, MsgFlags::PEEK | MsgFlags::WAITALL, MsgFlags::NONE] {
///     let (n, bytes) = ctx.block_on(io.recv_with(&left, [0; 4], flags))?.unwrap();
///     assert_eq!((n, &bytes), (4, b"news"));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MsgFlags(c_int);

impl MsgFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Receives without taking the data away.
    #[doc(alias = "MSG_PEEK")]
    pub const PEEK: Self = Self(libc::MSG_PEEK);
    /// Goes on until the whole buffer is transferred, or an error, the end, or a stop comes; then the
    /// count may be less. Sends do so since Linux 5.19. Streams only, and not while peeking.
    ///
    /// The kernel does not tell of an error that comes after a part, such as a reset of the
    /// connection; [`recv_exact`](crate::SocketOps::recv_exact) and
    /// [`send_all`](crate::SocketOps::send_all) do, and therefore go on by themselves.
    #[doc(alias = "MSG_WAITALL")]
    pub const WAITALL: Self = Self(libc::MSG_WAITALL);
    /// Does not wait: `WouldBlock` instead.
    #[doc(alias = "MSG_DONTWAIT")]
    pub const DONTWAIT: Self = Self(libc::MSG_DONTWAIT);
    /// Urgent data: sends the last byte as such, or receives it.
    #[doc(alias = "MSG_OOB")]
    pub const OOB: Self = Self(libc::MSG_OOB);
    /// More follows at once: what is sent may be held back to be sent together.
    #[doc(alias = "MSG_MORE")]
    pub const MORE: Self = Self(libc::MSG_MORE);
    /// Sends to hosts of the local network only.
    #[doc(alias = "MSG_DONTROUTE")]
    pub const DONTROUTE: Self = Self(libc::MSG_DONTROUTE);
    /// Sends a datagram as a sign that the peer is alive.
    #[doc(alias = "MSG_CONFIRM")]
    pub const CONFIRM: Self = Self(libc::MSG_CONFIRM);
    /// Ends a record, on sockets that have records.
    #[doc(alias = "MSG_EOR")]
    pub const EOR: Self = Self(libc::MSG_EOR);

    const RECV: Self = Self(Self::PEEK.0 | Self::WAITALL.0 | Self::DONTWAIT.0 | Self::OOB.0);
    const SEND: Self = Self(
        Self::WAITALL.0
            | Self::DONTWAIT.0
            | Self::OOB.0
            | Self::MORE.0
            | Self::DONTROUTE.0
            | Self::CONFIRM.0
            | Self::EOR.0,
    );

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As the kernel takes them for a receive.
    #[inline]
    pub(crate) const fn for_recv(self) -> c_int {
        let flags = self.0 & Self::RECV.0;
        if flags & Self::PEEK.0 == 0 {
            flags
        } else {
            // A ring goes on behind what it has peeked at, and finds the same bytes again.
            flags & !Self::WAITALL.0
        }
    }

    /// As the kernel takes them for a send.
    #[inline]
    pub(crate) const fn for_send(self) -> c_int {
        self.0 & Self::SEND.0 | libc::MSG_NOSIGNAL
    }

    /// Whether the error is what was asked for instead of waiting.
    #[inline]
    pub(crate) fn is_answer(self, error: &io::Error) -> bool {
        self.contains(Self::DONTWAIT) && error.raw_os_error() == Some(libc::EAGAIN)
    }
}

impl BitOr for MsgFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for MsgFlags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}
