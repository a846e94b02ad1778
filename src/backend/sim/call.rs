//! [`Call`]: the kinds of requests, by the names of the system calls.

use std::fmt;
use std::os::fd::RawFd;

use crate::backend::request::{CURRENT_POSITION, Request};

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A kind of request: what a fault is made for, and what a trace tells of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Call {
            $($(#[$doc])* $name,)+
        }

        impl Call {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name of the system call.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

calls! {
    /// Nothing is asked for: `schedule`.
    Nop = "nop",
    /// `read`, `read_at`.
    Read = "read",
    /// `write`, `write_at`.
    Write = "write",
    /// Reads into several buffers.
    Readv = "readv",
    /// Writes from several buffers.
    Writev = "writev",
    /// `fsync` and `fdatasync`.
    Fsync = "fsync",
    /// `fallocate`.
    Fallocate = "fallocate",
    /// `ftruncate`.
    Ftruncate = "ftruncate",
    /// `open`.
    Open = "open",
    /// `unlink`, and removing directories.
    Unlink = "unlink",
    /// `rename`.
    Rename = "rename",
    /// `mkdir`.
    MakeDir = "mkdir",
    /// `close`.
    Close = "close",
    /// `stat`.
    Statx = "statx",
    /// `sendmsg`, `send_to`.
    SendMsg = "sendmsg",
    /// `recvmsg`, `recv_from`.
    RecvMsg = "recvmsg",
    /// `splice`, and `copy` where it splices.
    Splice = "splice",
    /// `socket`.
    Socket = "socket",
    /// `bind`.
    Bind = "bind",
    /// `listen`.
    Listen = "listen",
    /// `connect`.
    Connect = "connect",
    /// `accept`.
    Accept = "accept",
    /// `send`.
    Send = "send",
    /// `recv`.
    Recv = "recv",
    /// `shutdown`.
    Shutdown = "shutdown",
    /// `poll`.
    Poll = "poll",
}

/// Which way a request moves bytes on its descriptor: requests of one descriptor and way are served
/// in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    In,
    Out,
}

impl Call {
    pub(super) const fn of(request: &Request) -> Self {
        match request {
            Request::Nop => Self::Nop,
            Request::Read { .. } => Self::Read,
            Request::Write { .. } => Self::Write,
            Request::Readv { .. } => Self::Readv,
            Request::Writev { .. } => Self::Writev,
            Request::Fsync { .. } => Self::Fsync,
            Request::Fallocate { .. } => Self::Fallocate,
            Request::Ftruncate { .. } => Self::Ftruncate,
            Request::Open { .. } | Request::OpenHow { .. } => Self::Open,
            Request::Unlink { .. } => Self::Unlink,
            Request::Rename { .. } => Self::Rename,
            Request::MakeDir { .. } => Self::MakeDir,
            Request::Close { .. } => Self::Close,
            Request::Statx { .. } => Self::Statx,
            Request::SendMsg { .. } => Self::SendMsg,
            Request::RecvMsg { .. } => Self::RecvMsg,
            Request::Splice { .. } => Self::Splice,
            Request::Socket { .. } => Self::Socket,
            Request::Bind { .. } => Self::Bind,
            Request::Listen { .. } => Self::Listen,
            Request::Connect { .. } => Self::Connect,
            Request::Accept { .. } => Self::Accept,
            Request::Send { .. } => Self::Send,
            Request::Recv { .. } => Self::Recv,
            Request::Shutdown { .. } => Self::Shutdown,
            Request::Poll { .. } => Self::Poll,
        }
    }

    /// Whether a result of zero or more is the number of a new descriptor, which says nothing about
    /// the run: other tests of the process have descriptors too.
    pub(super) const fn makes_descriptor(self) -> bool {
        matches!(self, Self::Open | Self::Socket | Self::Accept)
    }
}

/// The descriptor of a request that moves bytes or takes connections, and which way; `None` for what is
/// not in line with others of its descriptor: at an offset, or to a receiver of its own.
pub(super) const fn line(request: &Request) -> Option<(RawFd, Way)> {
    match *request {
        Request::Read { offset, .. }
        | Request::Write { offset, .. }
        | Request::Readv { offset, .. }
        | Request::Writev { offset, .. }
            if offset != CURRENT_POSITION =>
        {
            None
        }
        Request::SendMsg {
            on_worker: true, ..
        } => None,
        _ => lane(request),
    }
}

/// The descriptor of a request that moves bytes or takes connections, and which way.
pub(super) const fn lane(request: &Request) -> Option<(RawFd, Way)> {
    match *request {
        Request::Read { fd, .. }
        | Request::Readv { fd, .. }
        | Request::RecvMsg { fd, .. }
        | Request::Recv { fd, .. }
        | Request::Accept { fd, .. } => Some((fd, Way::In)),
        Request::Write { fd, .. }
        | Request::Writev { fd, .. }
        | Request::SendMsg { fd, .. }
        | Request::Send { fd, .. } => Some((fd, Way::Out)),
        _ => None,
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
