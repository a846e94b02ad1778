//! [`Endpoint`]: the address of a socket, as the kernel takes and gives it.
//!
//! The bytes are those of a `sockaddr`, in a place that every family fits in. They are kept in one
//! form: nothing but zeroes behind the address, an Internet address without its padding's content, a
//! path with one NUL at its end. So equal addresses have equal bytes.
//!
//! What the kernel wrote is looked at within the length that the kernel told, and within the place,
//! whichever is less.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::mem::offset_of;
use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use libc::{c_int, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t};
use static_assertions::{assert_impl_all, const_assert, const_assert_eq};

/// How many bytes an address has at most.
const ROOM: usize = size_of::<libc::sockaddr_storage>();
/// Where the address begins, behind the family.
const FAMILY: usize = size_of::<libc::sa_family_t>();
const FAMILY_LEN: socklen_t = 2;
const V4_LEN: usize = size_of::<sockaddr_in>();
/// Where padding begins.
const V4_END: usize = offset_of!(sockaddr_in, sin_zero);
const V6_LEN: usize = size_of::<sockaddr_in6>();
/// How many bytes a path or an abstract name has at most: with its NUL it fills `sun_path`.
const NAME_MAX: usize = size_of::<sockaddr_un>() - FAMILY - 1;

const_assert_eq!(FAMILY, FAMILY_LEN as usize);
const_assert_eq!(offset_of!(sockaddr_in, sin_port), 2);
const_assert_eq!(offset_of!(sockaddr_in, sin_addr), 4);
const_assert_eq!(V4_LEN, 16);
const_assert_eq!(offset_of!(sockaddr_in6, sin6_port), 2);
const_assert_eq!(offset_of!(sockaddr_in6, sin6_flowinfo), 4);
const_assert_eq!(offset_of!(sockaddr_in6, sin6_addr), 8);
const_assert_eq!(offset_of!(sockaddr_in6, sin6_scope_id), 24);
const_assert_eq!(V6_LEN, 28);
const_assert_eq!(offset_of!(sockaddr_un, sun_path), FAMILY);
const_assert!(align_of::<Room>() >= align_of::<libc::sockaddr_storage>());
assert_impl_all!(Endpoint: Copy, Send, Sync);

/// A place for every address.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Room([u8; ROOM]);

/// The kind of addresses that a socket has: its domain, or address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Domain {
    /// None: an endpoint without an address. `AF_UNSPEC`.
    Unspecified,
    /// Sockets of one machine, by path or abstract name. `AF_UNIX`.
    Unix,
    /// Internet, version 4. `AF_INET`.
    Inet,
    /// Internet, version 6. `AF_INET6`.
    Inet6,
    /// Another one, by its number in Linux.
    Other(u16),
}

impl Domain {
    /// The domain with this number (`AF_INET`, ...).
    #[inline]
    pub const fn from_raw(family: u16) -> Self {
        match family as c_int {
            libc::AF_UNSPEC => Self::Unspecified,
            libc::AF_UNIX => Self::Unix,
            libc::AF_INET => Self::Inet,
            libc::AF_INET6 => Self::Inet6,
            _ => Self::Other(family),
        }
    }

    /// The number of the domain (`AF_INET`, ...).
    pub const fn as_raw(self) -> c_int {
        match self {
            Self::Unspecified => libc::AF_UNSPEC,
            Self::Unix => libc::AF_UNIX,
            Self::Inet => libc::AF_INET,
            Self::Inet6 => libc::AF_INET6,
            Self::Other(family) => family as c_int,
        }
    }
}

/// The address of a socket: Internet address and port, path, abstract name, or none.
///
/// A `Copy` value that holds the bytes of a `sockaddr`, made of the address types of `std`.
///
/// # Examples
///
/// ```
/// use sendio::{Domain, Endpoint};
/// use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
///
/// let web = Endpoint::from((Ipv4Addr::LOCALHOST, 80));
/// assert_eq!(web.to_string(), "127.0.0.1:80");
/// assert_eq!(web, "127.0.0.1:80".parse()?);
/// assert_eq!(web.family(), Domain::Inet);
/// assert_eq!(web.to_socket_addr(), Some(SocketAddr::from(([127, 0, 0, 1], 80))));
///
/// let any = Endpoint::from((Ipv6Addr::UNSPECIFIED, 0));
/// assert_eq!((any.port(), any.family()), (Some(0), Domain::Inet6));
///
/// let path = Endpoint::unix("/run/service.sock")?;
/// assert_eq!(path.unix_path(), Some("/run/service.sock".as_ref()));
/// let name = Endpoint::unix_abstract("service")?;
/// assert_eq!(name.unix_abstract_name(), Some(&b"service"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Endpoint {
    room: Room,
    /// At most `ROOM`, and at least a family's.
    len: socklen_t,
}

impl Endpoint {
    /// No address. A datagram socket that is connected to it is connected no longer.
    pub const fn unspecified() -> Self {
        Self {
            room: Room([0; ROOM]),
            len: FAMILY_LEN,
        }
    }

    /// A Unix address without a name. Bound to it, a socket is given an abstract name that is free.
    pub fn unix_unnamed() -> Self {
        Self::made_of(Domain::Unix, &[])
    }

    /// The Unix address of a path.
    ///
    /// # Errors
    /// `InvalidInput` if the path is empty, longer than 107 bytes, or contains a NUL.
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        if path.is_empty() || path.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path of a socket is not empty and contains no NUL byte",
            ));
        }
        check_name(path)?;
        let mut endpoint = Self::made_of(Domain::Unix, path);
        endpoint.len += 1; // the NUL
        Ok(endpoint)
    }

    /// The Unix address with an abstract name: one that is not in the file system, and goes with the
    /// last socket that has it. The bytes may be any.
    ///
    /// # Errors
    /// `InvalidInput` if the name is longer than 107 bytes.
    pub fn unix_abstract(name: impl AsRef<[u8]>) -> io::Result<Self> {
        let name = name.as_ref();
        check_name(name)?;
        let mut bytes = [0; 1 + NAME_MAX];
        bytes[1..=name.len()].copy_from_slice(name);
        Ok(Self::made_of(Domain::Unix, &bytes[..=name.len()]))
    }

    /// The address with the bytes of a `sockaddr`; for families that this type does not know.
    ///
    /// # Errors
    /// `InvalidInput` if there are more bytes than a `sockaddr_storage` has.
    pub fn from_bytes(sockaddr: &[u8]) -> io::Result<Self> {
        if sockaddr.len() > ROOM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an address has at most 128 bytes",
            ));
        }
        let mut endpoint = Self::unspecified();
        endpoint.put(0, sockaddr);
        Ok(endpoint.in_one_form())
    }

    /// The bytes of the `sockaddr`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.room.0[..self.len as usize]
    }

    /// The family of the address: which sockets may use it.
    #[inline]
    pub fn family(&self) -> Domain {
        let family = self.room.0.first_chunk();
        family.map_or(Domain::Unspecified, |family| {
            Domain::from_raw(u16::from_ne_bytes(*family))
        })
    }

    /// The Internet address and port, if it is one.
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        let bytes = self.as_bytes();
        let port = u16::from_be_bytes(part(bytes, 2)?);
        match self.family() {
            Domain::Inet if bytes.len() >= V4_LEN => {
                let ip = Ipv4Addr::from(part::<4>(bytes, 4)?);
                Some(SocketAddrV4::new(ip, port).into())
            }
            Domain::Inet6 if bytes.len() >= V6_LEN => {
                let ip = Ipv6Addr::from(part::<16>(bytes, 8)?);
                let flow = u32::from_ne_bytes(part(bytes, 4)?);
                let scope = u32::from_ne_bytes(part(bytes, 24)?);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    /// The Internet address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.to_socket_addr().map(|addr| addr.ip())
    }

    /// The port, if it is an Internet address.
    pub fn port(&self) -> Option<u16> {
        self.to_socket_addr().map(|addr| addr.port())
    }

    /// The path, if it is the Unix address of one.
    pub fn unix_path(&self) -> Option<&Path> {
        match self.unix_bytes()? {
            [] | [0, ..] => None,
            bytes => {
                let end = bytes.iter().position(|byte| *byte == 0);
                let path = &bytes[..end.unwrap_or(bytes.len())];
                Some(Path::new(std::ffi::OsStr::from_bytes(path)))
            }
        }
    }

    /// The abstract name, if it is a Unix address with one.
    pub fn unix_abstract_name(&self) -> Option<&[u8]> {
        match self.unix_bytes()? {
            [0, name @ ..] => Some(name),
            _ => None,
        }
    }

    /// Whether it names nothing: no family, or a Unix address without a name.
    pub fn is_unnamed(&self) -> bool {
        match self.family() {
            Domain::Unspecified => true,
            _ => self.unix_bytes().is_some_and(<[u8]>::is_empty),
        }
    }

    /// What follows the family of a Unix address.
    fn unix_bytes(&self) -> Option<&[u8]> {
        (self.family() == Domain::Unix).then(|| &self.as_bytes()[FAMILY..])
    }

    /// For the kernel to read: good while `self` is neither moved nor mutably borrowed nor dropped.
    pub(crate) const fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.room).cast()
    }

    /// How many bytes there are for the kernel to read.
    pub(crate) const fn socklen(&self) -> socklen_t {
        self.len
    }

    /// The address of this family with `bytes` behind the family, which are at most as many as fit.
    fn made_of(family: Domain, bytes: &[u8]) -> Self {
        let mut endpoint = Self::unspecified();
        let family = u16::try_from(family.as_raw()).unwrap_or(0);
        endpoint.put(0, &family.to_ne_bytes());
        endpoint.put(FAMILY, bytes);
        endpoint
    }

    /// Puts `bytes` at `at`, where the address ends after that.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.room.0[at..end].copy_from_slice(bytes);
        self.len = socklen_t::try_from(end).unwrap_or(0);
    }

    /// The same address in the form that is described at the head of this file.
    fn in_one_form(self) -> Self {
        if let Some(addr) = self.to_socket_addr() {
            return Self::from(addr);
        }
        if self.len < FAMILY_LEN || self.family() == Domain::Unspecified {
            return Self::unspecified();
        }
        match self.unix_path() {
            // A path that fills the place has no room for a NUL, and is left as it is.
            Some(path) => Self::unix(path).unwrap_or(self),
            None => self,
        }
    }
}

/// Whether a path or an abstract name fits.
fn check_name(name: &[u8]) -> io::Result<()> {
    if name.len() > NAME_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path or name of a socket has at most 107 bytes",
        ));
    }
    Ok(())
}

/// `N` bytes from `at` on, if there are so many.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// A place where the kernel writes an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointSpace(Endpoint);

impl EndpointSpace {
    /// An empty place.
    pub(crate) const fn new() -> Self {
        let mut space = Endpoint::unspecified();
        space.len = Self::ROOM;
        Self(space)
    }

    /// How many bytes the kernel may write.
    #[expect(clippy::cast_possible_truncation, reason = "128")]
    pub(crate) const ROOM: socklen_t = ROOM as socklen_t;

    /// Where the kernel writes the address, and where it reads how much room there is and writes how
    /// long the address is. Both are good while `self` is neither moved, nor mutably borrowed, nor
    /// dropped.
    pub(crate) const fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut socklen_t) {
        self.0.len = Self::ROOM;
        let room = (&raw mut self.0.room).cast();
        (room, &raw mut self.0.len)
    }

    /// The address that the kernel wrote, with the length that it wrote.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint_of(self.0.len)
    }

    /// Brings the address that the kernel wrote into its one form, in its place. The kernel says
    /// elsewhere that it has `len` bytes, and the place was empty before.
    #[inline]
    pub(crate) fn settle(&mut self, len: socklen_t) {
        let family = c_int::from(u16::from_ne_bytes([self.0.room.0[0], self.0.room.0[1]]));
        match (family, len as usize) {
            (libc::AF_INET, V4_LEN) => {
                self.0.room.0[V4_END..V4_LEN].fill(0);
                self.0.len = len;
            }
            (libc::AF_INET6, V6_LEN) => self.0.len = len,
            _ => self.0 = self.endpoint_of(len),
        }
    }

    /// The address, after [`settle`](Self::settle).
    #[inline]
    pub(crate) const fn settled(&self) -> Endpoint {
        self.0
    }

    /// The address that the kernel wrote, of which it says elsewhere that it has `len` bytes. A
    /// longer one than there is room for was cut off by the kernel.
    pub(crate) fn endpoint_of(&self, len: socklen_t) -> Endpoint {
        let len = (len as usize).min(ROOM);
        let mut endpoint = Endpoint::unspecified();
        endpoint.put(0, &self.0.room.0[..len]);
        endpoint.in_one_form()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(addr) => addr.into(),
            SocketAddr::V6(addr) => addr.into(),
        }
    }
}

impl From<SocketAddrV4> for Endpoint {
    fn from(addr: SocketAddrV4) -> Self {
        let mut bytes = [0; V4_LEN - FAMILY];
        bytes[..2].copy_from_slice(&addr.port().to_be_bytes());
        bytes[2..6].copy_from_slice(&addr.ip().octets());
        Self::made_of(Domain::Inet, &bytes)
    }
}

impl From<SocketAddrV6> for Endpoint {
    fn from(addr: SocketAddrV6) -> Self {
        let mut bytes = [0; V6_LEN - FAMILY];
        bytes[..2].copy_from_slice(&addr.port().to_be_bytes());
        bytes[2..6].copy_from_slice(&addr.flowinfo().to_ne_bytes());
        bytes[6..22].copy_from_slice(&addr.ip().octets());
        bytes[22..].copy_from_slice(&addr.scope_id().to_ne_bytes());
        Self::made_of(Domain::Inet6, &bytes)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Endpoint {
    fn from((ip, port): (I, u16)) -> Self {
        SocketAddr::new(ip.into(), port).into()
    }
}

impl From<&std::os::unix::net::SocketAddr> for Endpoint {
    fn from(addr: &std::os::unix::net::SocketAddr) -> Self {
        let named = match (addr.as_pathname(), addr.as_abstract_name()) {
            (Some(path), _) => Self::unix(path),
            (None, Some(name)) => Self::unix_abstract(name),
            (None, None) => Ok(Self::unix_unnamed()),
        };
        // What `std` holds has been in a `sockaddr_un`; only a path without a NUL is too long.
        named.unwrap_or_else(|_| Self::unix_unnamed())
    }
}

impl FromStr for Endpoint {
    type Err = AddrParseError;

    /// An Internet address and port: `127.0.0.1:80`, `[::1]:80`.
    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        text.parse::<SocketAddr>().map(Self::from)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for Endpoint {
    /// `127.0.0.1:80`, `[::1]:80`, a path, `@` and an abstract name, `unnamed`, or the family and
    /// the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(addr) = self.to_socket_addr() {
            return addr.fmt(f);
        }
        if let Some(path) = self.unix_path() {
            return path.display().fmt(f);
        }
        if let Some(name) = self.unix_abstract_name() {
            return write!(f, "@{}", name.escape_ascii());
        }
        if self.is_unnamed() {
            return f.pad("unnamed");
        }
        let rest = self.as_bytes().get(FAMILY..).unwrap_or_default();
        write!(f, "family {} {rest:?}", self.family().as_raw())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests;
