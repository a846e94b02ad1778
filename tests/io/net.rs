//! Sockets for tests of messages: pairs of each kind, and options that `std` does not set.
//!
//! # Safety
//! System calls with memory that outlives them.

#![expect(unsafe_code, reason = "socketpair, setsockopt")]

use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libc::c_int;

/// Two UDP sockets of one family on the loopback interface.
pub(crate) fn udp_pair(ip: &str) -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind((ip, 0)).expect("bind");
    (bind(), bind())
}

/// Two connected Unix sockets of a type (`SOCK_SEQPACKET`, ...).
pub(crate) fn unix_pair(kind: c_int) -> (OwnedFd, OwnedFd) {
    let mut fds = [-1; 2];
    // SAFETY: there is room for two descriptors.
    let made = unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            kind | libc::SOCK_CLOEXEC,
            0,
            fds.as_mut_ptr(),
        )
    };
    assert_eq!(made, 0, "socketpair");
    // SAFETY: both are new and ours.
    unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) }
}

/// Sets an option that is a number.
#[track_caller]
pub(crate) fn set_option(socket: impl AsFd, level: c_int, name: c_int, value: c_int) {
    let len = libc::socklen_t::try_from(size_of::<c_int>()).expect("small");
    // SAFETY: the number is read during the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            len,
        )
    };
    assert_eq!(
        set,
        0,
        "option {level}/{name}: {}",
        std::io::Error::last_os_error()
    );
}
