//! What the simulator asks about descriptors: which object is behind a number, what kind it is, whether
//! it is ready.
//!
//! Numbers are reused, objects are not: an object is known by device and inode, so a number that was
//! closed, duplicated or given to something else is never mistaken.
//!
//! # Safety
//! System calls with memory of the caller's frame; a number that is no open descriptor makes them fail.

#![expect(unsafe_code, reason = "fstat, fcntl, poll and getsockopt")]

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use libc::c_int;

use crate::backend::readiness::calls::{checked, completion};
use crate::backend::readiness::guard::status_flags;

/// What is behind a descriptor, for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ident {
    device: libc::dev_t,
    inode: libc::ino_t,
}

/// An object, and its kind as in `st_mode`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) ident: Ident,
    format: libc::mode_t,
    pub(super) size: u64,
}

impl Object {
    /// What is behind an open descriptor, otherwise `None`.
    pub(super) fn of(fd: RawFd) -> Option<Self> {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: good for writing one `stat`, which the kernel has filled in if the call succeeds.
        let stat = unsafe {
            if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
                return None;
            }
            stat.assume_init()
        };
        Some(Self {
            ident: Ident {
                device: stat.st_dev,
                inode: stat.st_ino,
            },
            format: stat.st_mode & libc::S_IFMT,
            size: u64::try_from(stat.st_size).unwrap_or(0),
        })
    }

    pub(super) const fn is_socket(&self) -> bool {
        self.format == libc::S_IFSOCK
    }

    /// Whether calls on it may wait for somebody else: pipes, sockets, terminals, eventfds.
    pub(super) const fn may_wait(&self) -> bool {
        !matches!(
            self.format,
            libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK | libc::S_IFLNK
        )
    }

    /// Whether a transfer may be cut short without harm: streams of bytes, and files but those whose
    /// transfers are aligned.
    pub(super) fn may_cut(&self, fd: RawFd) -> bool {
        match self.format {
            libc::S_IFIFO => true,
            libc::S_IFREG => status_flags(fd).is_ok_and(|flags| flags & libc::O_DIRECT == 0),
            libc::S_IFSOCK => socket_number(fd, libc::SO_TYPE) == Some(libc::SOCK_STREAM),
            _ => false,
        }
    }
}

/// Where an object is open in this process: at `hint`, if it still is, otherwise anywhere.
pub(super) fn find(ident: Ident, hint: RawFd) -> Option<RawFd> {
    let is_there = |fd: RawFd| Object::of(fd).is_some_and(|object| object.ident == ident);
    if is_there(hint) {
        return Some(hint);
    }
    open_numbers().into_iter().find(|fd| is_there(*fd))
}

/// The numbers of all open descriptors, in order.
pub(super) fn open_numbers() -> Vec<RawFd> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut numbers: Vec<RawFd> = entries.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// An option of a socket that is a number.
pub(super) fn socket_number(fd: RawFd, name: c_int) -> Option<c_int> {
    let (mut value, mut len): (c_int, libc::socklen_t) = (0, 4);
    // SAFETY: the kernel writes at most four bytes to `value`, which has as many.
    let result = unsafe {
        let place = (&raw mut value).cast();
        libc::getsockopt(fd, libc::SOL_SOCKET, name, place, &raw mut len)
    };
    (result == 0).then_some(value)
}

/// What a descriptor is ready for now, of `events`.
pub(super) fn ready(fd: RawFd, events: i16) -> i16 {
    let mut fds = [pollfd(fd, events)];
    wait_for(&mut fds, 0);
    fds[0].revents
}

pub(super) const fn pollfd(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// Waits until one of them is ready, or for so many milliseconds; -1 is for ever. Whether something
/// happened, which may be a signal.
pub(super) fn wait_for(fds: &mut [libc::pollfd], millis: c_int) -> bool {
    let count = libc::nfds_t::try_from(fds.len()).unwrap_or(0);
    // SAFETY: so many elements.
    unsafe { libc::poll(fds.as_mut_ptr(), count, millis) != 0 }
}

/// The result of a system call as a ring tells it: what it returned, or the negated error.
pub(super) fn told(result: impl TryInto<u32>) -> i32 {
    completion(checked(result))
}
