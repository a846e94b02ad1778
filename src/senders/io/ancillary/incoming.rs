//! Ancillary data that was received: the room for it, which owns the descriptors in it.
//!
//! # Safety
//! INV-ANC-1: descriptor numbers in the filled part of the room were made by the kernel for this
//! process when the message was received, and have no other owner. Each is taken out of the bytes,
//! which then say -1, before an `OwnedFd` is made of it, so it is owned once.

#![expect(
    unsafe_code,
    reason = "owns the descriptors that the kernel put into control bytes"
)]

use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::SystemTime;

use super::kinds::{Credentials, PacketInfoV4, PacketInfoV6, SegmentSize, time_from_bytes};
use super::walk::{Raw, is_rights, numbers, split_first, take_number};

mod sealed {
    /// Keeps [`AncillaryRoom`](super::AncillaryRoom) closed.
    pub trait Sealed {}
}

/// Where ancillary data of a received message goes: an [`AncillaryBuf`], by value or as `&mut`, or `()`
/// for none.
pub trait AncillaryRoom: sealed::Sealed {
    /// Lets go of what an earlier message left, and closes its descriptors.
    #[doc(hidden)]
    fn clear(&mut self);

    /// The room, at its present address: good while the value is at rest, as for a buffer.
    #[doc(hidden)]
    fn room(&mut self) -> *mut [u8];

    /// Records that the kernel used the first `len` bytes, and owns the descriptors in them.
    ///
    /// # Safety
    ///
    /// - The kernel filled the room with the control data of one message, successfully, and said that
    ///   it used `len` bytes; this is called once for it (INV-ANC-1).
    #[doc(hidden)]
    unsafe fn set_used(&mut self, len: usize);
}

/// Room for `N` bytes of ancillary data, and, after a message was received, its ancillary data.
///
/// Descriptors in it are owned by it from the moment they arrive: [`messages`](Self::messages) hands
/// them out as [`OwnedFd`]s, and those that nobody took are closed when it is dropped or used for
/// another message. They are close-on-exec.
///
/// How much room is needed: each message takes 16 bytes and its data, rounded up to 8. 128 bytes are
/// enough for 28 descriptors, or for packet info, a segment size and a timestamp together. With too
/// little, the kernel drops the rest, and
/// [`is_ancillary_truncated`](crate::Received::is_ancillary_truncated) is true.
///
/// # Examples
///
/// See [`Rights`](super::Rights).
#[repr(C, align(8))] // Where messages begin in it suits their headers.
pub struct AncillaryBuf<const N: usize = 128> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> AncillaryBuf<N> {
    /// Room without data.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            used: 0,
        }
    }

    /// The messages that were received. Descriptors can be taken once; the rest may be read again.
    pub fn messages(&mut self) -> AncillaryMessages<'_> {
        AncillaryMessages {
            rest: &mut self.bytes[..self.used],
        }
    }

    /// Whether no ancillary data came.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// All descriptors that were received and not taken yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::ancillary::AncillaryBuf;
    ///
    /// assert_eq!(AncillaryBuf::<64>::new().fds().count(), 0);
    /// ```
    pub fn fds(&mut self) -> impl Iterator<Item = OwnedFd> + '_ {
        self.messages()
            .filter_map(|message| match message {
                AncillaryMessage::Rights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
    }
}

impl<const N: usize> Default for AncillaryBuf<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for AncillaryBuf<N> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<const N: usize> fmt::Debug for AncillaryBuf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AncillaryBuf")
            .field("room", &N)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for () {}

impl AncillaryRoom for () {
    fn clear(&mut self) {}

    fn room(&mut self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(std::ptr::null_mut(), 0)
    }

    unsafe fn set_used(&mut self, _: usize) {}
}

impl<const N: usize> sealed::Sealed for AncillaryBuf<N> {}

impl<const N: usize> AncillaryRoom for AncillaryBuf<N> {
    fn clear(&mut self) {
        if self.used > 0 {
            self.fds().for_each(drop);
            self.used = 0;
        }
    }

    fn room(&mut self) -> *mut [u8] {
        &raw mut self.bytes
    }

    unsafe fn set_used(&mut self, len: usize) {
        self.used = len.min(N);
    }
}

impl<R: AncillaryRoom> sealed::Sealed for &mut R {}

impl<R: AncillaryRoom> AncillaryRoom for &mut R {
    fn clear(&mut self) {
        R::clear(self);
    }

    fn room(&mut self) -> *mut [u8] {
        R::room(self)
    }

    unsafe fn set_used(&mut self, len: usize) {
        // SAFETY: the contract is the room's own, passed on.
        unsafe { R::set_used(self, len) };
    }
}

/// One message of ancillary data that was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum AncillaryMessage<'a> {
    /// Descriptors: `SCM_RIGHTS`.
    Rights(ReceivedFds<'a>),
    /// Who sent it: `SCM_CREDENTIALS`.
    Credentials(Credentials),
    /// Where an IPv4 datagram went: `IP_PKTINFO`.
    PacketInfoV4(PacketInfoV4),
    /// Where an IPv6 datagram went: `IPV6_PKTINFO`.
    PacketInfoV6(PacketInfoV6),
    /// The buffer holds datagrams of this size: `UDP_GRO`.
    SegmentSize(SegmentSize),
    /// When it arrived: `SO_TIMESTAMPNS`.
    Timestamp(SystemTime),
    /// Another message, or one whose data was cut short.
    Other {
        /// Which protocol it belongs to, for example `SOL_SOCKET`.
        level: i32,
        /// What it is there.
        kind: i32,
        /// Its data.
        data: &'a [u8],
    },
}

/// The messages in an [`AncillaryBuf`].
#[derive(Debug)]
pub struct AncillaryMessages<'a> {
    rest: &'a mut [u8],
}

impl<'a> Iterator for AncillaryMessages<'a> {
    type Item = AncillaryMessage<'a>;

    fn next(&mut self) -> Option<AncillaryMessage<'a>> {
        split_first(&mut self.rest).map(AncillaryMessage::from_raw)
    }
}

impl FusedIterator for AncillaryMessages<'_> {}

impl<'a> AncillaryMessage<'a> {
    fn from_raw(raw: Raw<'a>) -> Self {
        let Raw { level, kind, data } = raw;
        if is_rights(level, kind) {
            return Self::Rights(ReceivedFds { numbers: data });
        }
        let bytes = &*data;
        let known = match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                Credentials::from_bytes(bytes).map(Self::Credentials)
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                time_from_bytes(bytes).map(Self::Timestamp)
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                PacketInfoV4::from_bytes(bytes).map(Self::PacketInfoV4)
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                PacketInfoV6::from_bytes(bytes).map(Self::PacketInfoV6)
            }
            (libc::SOL_UDP, libc::UDP_GRO) => SegmentSize::from_bytes(bytes).map(Self::SegmentSize),
            _ => None,
        };
        known.unwrap_or(Self::Other { level, kind, data })
    }
}

/// Descriptors of one message, each to be taken once; those that are left are closed with this.
pub struct ReceivedFds<'a> {
    numbers: &'a mut [u8],
}

impl Iterator for ReceivedFds<'_> {
    type Item = OwnedFd;

    fn next(&mut self) -> Option<OwnedFd> {
        let number = take_number(self.numbers)?;
        // SAFETY: the kernel made it for us, and it was in the bytes until now: nobody else owns it
        //         (INV-ANC-1).
        Some(unsafe { OwnedFd::from_raw_fd(number) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = numbers(self.numbers);
        (len, Some(len))
    }
}

impl ExactSizeIterator for ReceivedFds<'_> {}
impl FusedIterator for ReceivedFds<'_> {}

impl Drop for ReceivedFds<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl fmt::Debug for ReceivedFds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceivedFds").field(&self.len()).finish()
    }
}
