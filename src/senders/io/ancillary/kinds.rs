//! What ancillary data can say, both ways.

use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Who a process is: `SCM_CREDENTIALS`.
///
/// Received on a Unix socket with `SO_PASSCRED`. The kernel checks what is sent: a process without
/// privileges can only name itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// By which interface and addresses an IPv4 datagram goes: `IP_PKTINFO`.
///
/// Received on a socket with the option `IP_PKTINFO`. Sent, it chooses the interface (0: any) and, by
/// [`local`](Self::local), the source address; [`destination`](Self::destination) is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfoV4 {
    /// The index of the interface.
    pub interface: u32,
    /// The address of this machine: answers to what was received go out from it.
    pub local: Ipv4Addr,
    /// The destination in the header, which may be a multicast or broadcast address.
    pub destination: Ipv4Addr,
}

/// By which interface and address an IPv6 datagram goes: `IPV6_PKTINFO`.
///
/// Received on a socket with the option `IPV6_RECVPKTINFO`: the destination in the header. Sent, it
/// chooses the interface (0: any) and the source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfoV6 {
    /// The index of the interface.
    pub interface: u32,
    /// The address of this machine.
    pub address: Ipv6Addr,
}

/// The size of the datagrams that one buffer holds: `UDP_SEGMENT` when sent, `UDP_GRO` when received.
///
/// Sent, the kernel cuts the buffer into datagrams of that size, the last one shorter. Received on
/// a socket with the option `UDP_GRO`, the buffer holds several datagrams that came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize(pub u16);

// The structures of the kernel, as bytes in their order; `None` if the length is not theirs.

/// Reads the next number of `bytes`.
fn next<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

impl Credentials {
    pub(super) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.pid.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.uid.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.gid.to_ne_bytes());
        bytes
    }

    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        Some(Self {
            pid: i32::from_ne_bytes(next(&mut bytes)?),
            uid: u32::from_ne_bytes(next(&mut bytes)?),
            gid: u32::from_ne_bytes(next(&mut bytes)?),
        })
    }
}

impl PacketInfoV4 {
    pub(super) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.interface.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.local.octets());
        bytes[8..].copy_from_slice(&self.destination.octets());
        bytes
    }

    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        Some(Self {
            interface: u32::from_ne_bytes(next(&mut bytes)?),
            local: Ipv4Addr::from_octets(next(&mut bytes)?),
            destination: Ipv4Addr::from_octets(next(&mut bytes)?),
        })
    }
}

impl PacketInfoV6 {
    pub(super) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.address.octets());
        bytes[16..].copy_from_slice(&self.interface.to_ne_bytes());
        bytes
    }

    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        Some(Self {
            address: Ipv6Addr::from_octets(next(&mut bytes)?),
            interface: u32::from_ne_bytes(next(&mut bytes)?),
        })
    }
}

impl SegmentSize {
    /// As the kernel tells it: an `int`.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let size = i32::from_ne_bytes(next(&mut bytes)?);
        u16::try_from(size).ok().map(Self)
    }
}

/// The seconds and nanoseconds of a `timespec`.
pub(super) fn time_from_bytes(mut bytes: &[u8]) -> Option<std::time::SystemTime> {
    let seconds = libc::time_t::from_ne_bytes(next(&mut bytes)?);
    let nanoseconds = libc::c_long::from_ne_bytes(next(&mut bytes)?);
    let whole = std::time::Duration::from_secs(u64::try_from(seconds).ok()?);
    let part = std::time::Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
    std::time::UNIX_EPOCH.checked_add(whole.checked_add(part)?)
}

static_assertions::const_assert_eq!(size_of::<libc::ucred>(), 12);
static_assertions::const_assert_eq!(size_of::<libc::in_pktinfo>(), 12);
static_assertions::const_assert_eq!(size_of::<libc::in6_pktinfo>(), 20);
