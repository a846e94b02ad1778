//! The system calls that ask a socket and tell it something. None of them blocks.
//!
//! # Safety
//!
//! The kernel reads or writes the memory that is passed during the call, and keeps no pointer.

#![expect(unsafe_code, reason = "getsockopt, setsockopt, getsockname, bind, ...")]

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};

use super::endpoint::{Endpoint, EndpointSpace};

/// An option: its level and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt(pub(crate) c_int, pub(crate) c_int);

/// The error of the last call, if it told of one.
fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A value that the kernel reads and writes as plain numbers.
trait Plain: Copy {
    /// How many bytes it has.
    const LEN: socklen_t;
    /// The value before the kernel writes it.
    const EMPTY: Self;
}

impl Plain for c_int {
    const LEN: socklen_t = 4;
    const EMPTY: Self = 0;
}

impl Plain for libc::linger {
    const LEN: socklen_t = 8;
    const EMPTY: Self = Self {
        l_onoff: 0,
        l_linger: 0,
    };
}

static_assertions::const_assert_eq!(size_of::<c_int>(), 4);
static_assertions::const_assert_eq!(size_of::<libc::linger>(), 8);

fn get<T: Plain>(fd: BorrowedFd<'_>, opt: Opt) -> io::Result<T> {
    let (mut value, mut len) = (T::EMPTY, T::LEN);
    // SAFETY: the kernel writes at most `len` bytes to `value`, which has as many, of numbers.
    check(unsafe {
        let place = (&raw mut value).cast::<c_void>();
        libc::getsockopt(fd.as_raw_fd(), opt.0, opt.1, place, &raw mut len)
    })?;
    Ok(value)
}

fn set<T: Plain>(fd: BorrowedFd<'_>, opt: Opt, value: T) -> io::Result<()> {
    // SAFETY: the kernel reads `LEN` bytes of `value`, which has as many.
    check(unsafe {
        let place = (&raw const value).cast::<c_void>();
        libc::setsockopt(fd.as_raw_fd(), opt.0, opt.1, place, T::LEN)
    })
}

/// An option that is a number.
pub(crate) fn get_int(fd: BorrowedFd<'_>, opt: Opt) -> io::Result<c_int> {
    get(fd, opt)
}

/// Sets an option that is a number.
pub(crate) fn set_int(fd: BorrowedFd<'_>, opt: Opt, value: c_int) -> io::Result<()> {
    set(fd, opt, value)
}

/// Sets an option that is a number, to the greatest that there is if `value` is greater.
pub(crate) fn set_size(fd: BorrowedFd<'_>, opt: Opt, value: usize) -> io::Result<()> {
    set(fd, opt, c_int::try_from(value).unwrap_or(c_int::MAX))
}

/// How long `close` lets the kernel go on sending; `None` if it does not say.
pub(crate) fn linger(fd: BorrowedFd<'_>) -> io::Result<Option<Duration>> {
    let linger: libc::linger = get(fd, Opt(libc::SOL_SOCKET, libc::SO_LINGER))?;
    let seconds = u64::try_from(linger.l_linger).unwrap_or(0);
    Ok((linger.l_onoff != 0).then(|| Duration::from_secs(seconds)))
}

/// Sets what [`linger`] gets; parts of a second count as a whole one.
pub(crate) fn set_linger(fd: BorrowedFd<'_>, linger: Option<Duration>) -> io::Result<()> {
    let seconds = linger.map_or(0, whole_seconds);
    let linger = libc::linger {
        l_onoff: linger.is_some().into(),
        l_linger: seconds,
    };
    set(fd, Opt(libc::SOL_SOCKET, libc::SO_LINGER), linger)
}

/// The duration in seconds, rounded up.
pub(crate) fn whole_seconds(duration: Duration) -> c_int {
    let rounded = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    c_int::try_from(rounded).unwrap_or(c_int::MAX)
}

/// The address that the socket is bound to.
pub(crate) fn local_endpoint(fd: BorrowedFd<'_>) -> io::Result<Endpoint> {
    let mut space = EndpointSpace::new();
    let (addr, len) = space.as_mut_ptrs();
    // SAFETY: `addr` has room for as many bytes as `len` says.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), addr, len) })?;
    Ok(space.endpoint())
}

/// The address that the socket is connected to.
pub(crate) fn peer_endpoint(fd: BorrowedFd<'_>) -> io::Result<Endpoint> {
    let mut space = EndpointSpace::new();
    let (addr, len) = space.as_mut_ptrs();
    // SAFETY: `addr` has room for as many bytes as `len` says.
    check(unsafe { libc::getpeername(fd.as_raw_fd(), addr, len) })?;
    Ok(space.endpoint())
}

/// `bind(2)`.
pub(crate) fn bind(fd: BorrowedFd<'_>, endpoint: &Endpoint) -> io::Result<()> {
    // SAFETY: the address has as many bytes as are told.
    check(unsafe { libc::bind(fd.as_raw_fd(), endpoint.as_ptr(), endpoint.socklen()) })
}

/// `listen(2)`.
pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog_number(backlog)) })
}

/// The number for the kernel, which bounds it further.
pub(crate) fn backlog_number(backlog: u32) -> c_int {
    c_int::try_from(backlog).unwrap_or(c_int::MAX)
}

/// A program for the kernel that drops packets with `SYN` and without `ACK`, which ask for a
/// connection, and lets all others pass. It sees them from the TCP header on.
/// Documentation/networking/filter.rst.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the codes are small; `libc` has them as `u32`"
)]
const NO_CONNECTION_REQUESTS: [libc::sock_filter; 5] = {
    const fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        }
    }
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, FLAGS_AT),
        step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, SYN | ACK),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ]
};

/// Lets a TCP listener overhear requests for connections: `SO_ATTACH_FILTER`.
pub(crate) fn drop_connection_requests(fd: BorrowedFd<'_>) -> io::Result<()> {
    let protocol = get_int(fd, Opt(libc::SOL_SOCKET, libc::SO_PROTOCOL))?;
    if protocol != libc::IPPROTO_TCP {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    let mut steps = NO_CONNECTION_REQUESTS;
    let program = libc::sock_fprog {
        len: 5,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the kernel reads the program, of as many steps as it says, and keeps a copy.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            PROGRAM_LEN,
        )
    })
}

/// How many bytes the description of a program has.
const PROGRAM_LEN: socklen_t = 16;
static_assertions::const_assert_eq!(size_of::<libc::sock_fprog>(), 16);

/// `shutdown(2)`.
pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), shutdown_number(how)) })
}

/// The number for the kernel.
pub(crate) const fn shutdown_number(how: Shutdown) -> c_int {
    match how {
        Shutdown::Read => libc::SHUT_RD,
        Shutdown::Write => libc::SHUT_WR,
        Shutdown::Both => libc::SHUT_RDWR,
    }
}
