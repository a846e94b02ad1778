//! Ancillary data that is sent: typed values, encoded when the operation starts.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use libc::c_int;
use smallvec::SmallVec;

use super::kinds::{Credentials, PacketInfoV4, PacketInfoV6, SegmentSize};
use super::walk::{HEADER, header, padded};

mod sealed {
    /// Keeps the traits of this module closed: what is encoded names descriptors.
    pub trait Sealed {}
}

/// Ancillary data to be sent beside a message: [`Rights`], [`Credentials`], [`PacketInfoV4`],
/// [`PacketInfoV6`], [`SegmentSize`], an `Option` of one, or a tuple of up to four.
///
/// It is encoded into the operation when that starts (no heap up to 128 bytes: headers take 16 each),
/// held while the operation runs, and dropped before it completes.
///
/// # Examples
///
/// ```
/// use sendio::ancillary::{Ancillary, Credentials, Rights};
///
/// fn sendable(_: &impl Ancillary) {}
///
/// let file = std::fs::File::open("Cargo.toml")?;
/// sendable(&Rights([&file]));
/// sendable(&(Rights([file]), None::<Credentials>));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Ancillary: sealed::Sealed {
    #[doc(hidden)]
    fn encode(&self, out: &mut ControlBytes);
}

/// Descriptors to be sent over a Unix socket: `SCM_RIGHTS`.
///
/// The list is an array, a slice or a vector of anything that is [`AsFd`], borrowed or owned. The
/// receiver gets descriptors of its own; those given here are held until the operation has completed.
/// The kernel takes at most 253 of them (`EINVAL`), and at least one byte has to go with them on a
/// stream. An empty list sends nothing.
///
/// # Examples
///
/// ```
/// use sendio::ancillary::{AncillaryBuf, AncillaryMessage, Rights};
/// use sendio::prelude::*;
/// use std::{fs::File, io::Read, os::unix::net::UnixStream};
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let (left, right) = UnixStream::pair()?;
/// let file = File::open("Cargo.toml")?;
/// ctx.block_on(io.sendmsg(&left, ["here"]).ancillary(Rights([file])))?;
///
/// let receive = io.recvmsg(&right, [[0; 4]]).ancillary(AncillaryBuf::<64>::new());
/// let (mut received, [bytes]) = ctx.block_on(receive)?.unwrap();
/// assert_eq!(&bytes, b"here");
/// for message in received.ancillary.messages() {
///     let AncillaryMessage::Rights(fds) = message else { continue };
///     for fd in fds {
///         let mut start = [0; 9];
///         File::from(fd).read_exact(&mut start)?;
///         assert_eq!(&start, b"[workspac");
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rights<L>(pub L);

/// A list of descriptors: an array, a slice or a vector of anything that is [`AsFd`].
pub trait FdList: sealed::Sealed {
    #[doc(hidden)]
    fn each(&self, f: &mut dyn FnMut(RawFd));
}

/// Control bytes as the kernel takes them.
pub struct ControlBytes(SmallVec<[u8; 128]>);

impl ControlBytes {
    pub(crate) fn new() -> Self {
        Self(SmallVec::new())
    }

    /// The bytes; good until the value is moved, borrowed mutably or dropped.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds one message with the data that `add` adds, or none if it adds nothing.
    fn push(&mut self, level: c_int, kind: c_int, add: impl FnOnce(&mut SmallVec<[u8; 128]>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; HEADER]);
        add(&mut self.0);
        let len = self.0.len() - start;
        if len == HEADER {
            self.0.truncate(start);
            return;
        }
        self.0[start..start + HEADER].copy_from_slice(&header(len, level, kind));
        let end = padded(self.0.len());
        self.0.resize(end, 0);
    }
}

impl fmt::Debug for ControlBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControlBytes").field(&self.0.len()).finish()
    }
}

/// Implements `FdList` for types that deref to a slice.
macro_rules! fd_list {
    ($([$($generics:tt)*] $list:ty),+ $(,)?) => {$(
        impl<F: AsFd, $($generics)*> sealed::Sealed for $list {}

        impl<F: AsFd, $($generics)*> FdList for $list {
            fn each(&self, f: &mut dyn FnMut(RawFd)) {
                // The owners are at rest in `self` until the operation has completed, so the
                // numbers stay theirs.
                self.iter().for_each(|owner| f(owner.as_fd().as_raw_fd()));
            }
        }
    )+};
}

fd_list!([const N: usize] [F; N], [] &[F], [] Vec<F>, [] Box<[F]>);

impl<L: FdList> sealed::Sealed for Rights<L> {}

impl<L: FdList> Ancillary for Rights<L> {
    fn encode(&self, out: &mut ControlBytes) {
        out.push(libc::SOL_SOCKET, libc::SCM_RIGHTS, |bytes| {
            self.0
                .each(&mut |fd| bytes.extend_from_slice(&fd.to_ne_bytes()));
        });
    }
}

/// Implements `Ancillary` for a kind of fixed size.
macro_rules! ancillary {
    ($($Kind:ty: $level:expr, $kind:expr, $bytes:expr;)+) => {$(
        impl sealed::Sealed for $Kind {}

        impl Ancillary for $Kind {
            fn encode(&self, out: &mut ControlBytes) {
                let bytes: fn(Self) -> _ = $bytes;
                out.push($level, $kind, |out| out.extend_from_slice(&bytes(*self)));
            }
        }
    )+};
}

ancillary! {
    Credentials: libc::SOL_SOCKET, libc::SCM_CREDENTIALS, Self::to_bytes;
    PacketInfoV4: libc::IPPROTO_IP, libc::IP_PKTINFO, Self::to_bytes;
    PacketInfoV6: libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, Self::to_bytes;
    SegmentSize: libc::SOL_UDP, libc::UDP_SEGMENT, |size| size.0.to_ne_bytes();
}

impl<A: Ancillary> sealed::Sealed for Option<A> {}

impl<A: Ancillary> Ancillary for Option<A> {
    fn encode(&self, out: &mut ControlBytes) {
        if let Some(ancillary) = self {
            ancillary.encode(out);
        }
    }
}

/// Implements `Ancillary` for a tuple.
macro_rules! ancillary_tuple {
    ($($part:ident $index:tt),*) => {
        impl<$($part: Ancillary),*> sealed::Sealed for ($($part,)*) {}

        impl<$($part: Ancillary),*> Ancillary for ($($part,)*) {
            fn encode(&self, out: &mut ControlBytes) {
                let _ = &out;
                $(self.$index.encode(out);)*
            }
        }
    };
}

ancillary_tuple!();
ancillary_tuple!(A 0);
ancillary_tuple!(A 0, B 1);
ancillary_tuple!(A 0, B 1, C 2);
ancillary_tuple!(A 0, B 1, C 2, D 3);
