//! [`SocketKind`].

/// What kind of socket it is: its type in `socket(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketKind(i32);

impl SocketKind {
    /// A stream of bytes, in order. `SOCK_STREAM`.
    pub const STREAM: Self = Self(libc::SOCK_STREAM);
    /// Messages, each by itself. `SOCK_DGRAM`.
    pub const DATAGRAM: Self = Self(libc::SOCK_DGRAM);
    /// Messages, in order. `SOCK_SEQPACKET`.
    pub const SEQPACKET: Self = Self(libc::SOCK_SEQPACKET);
    /// Packets of a protocol. `SOCK_RAW`.
    pub const RAW: Self = Self(libc::SOCK_RAW);

    /// The kind with this number.
    pub const fn from_raw(kind: i32) -> Self {
        Self(kind)
    }

    /// The number of the kind.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}
