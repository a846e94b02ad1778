//! What an operation asks of a backend: one variant per logical operation.
//!
//! Requests are plain data. Pointers in them are valid until the final completion (INV-SLOT-1), and
//! everything the kernel reads or writes late lies in the operation state.

use std::os::fd::RawFd;

/// An offset that means "at the descriptor's own position".
pub const CURRENT_POSITION: u64 = u64::MAX;

/// The most bytes that one read or write transfers in Linux.
pub const TRANSFER_MAX: u32 = 0x7fff_f000;

/// The `open_how` of `openat2(2)`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHow {
    /// Flags of `open(2)`.
    pub flags: u64,
    /// The mode of a file that is created, else 0.
    pub mode: u64,
    /// How the path is resolved: `RESOLVE_*`.
    pub resolve: u64,
}

/// One logical operation, as data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Completes at once.
    Nop,
    /// `pread(2)`, or `read(2)` at [`CURRENT_POSITION`].
    Read {
        /// The file.
        fd: RawFd,
        /// Where the bytes go.
        buf: *mut u8,
        /// How many at most.
        len: u32,
        /// From where in the file.
        offset: u64,
    },
    /// `pwrite(2)`, or `write(2)` at [`CURRENT_POSITION`].
    Write {
        /// The file.
        fd: RawFd,
        /// Where the bytes are.
        buf: *const u8,
        /// How many at most.
        len: u32,
        /// To where in the file.
        offset: u64,
    },
    /// `preadv(2)`.
    Readv {
        /// The file.
        fd: RawFd,
        /// Where the bytes go.
        iovecs: *const libc::iovec,
        /// How many places, `IOV_MAX` at most.
        count: u32,
        /// From where in the file.
        offset: u64,
    },
    /// `pwritev(2)`.
    Writev {
        /// The file.
        fd: RawFd,
        /// Where the bytes are.
        iovecs: *const libc::iovec,
        /// How many places, `IOV_MAX` at most.
        count: u32,
        /// To where in the file.
        offset: u64,
    },
    /// `fsync(2)`, or `fdatasync(2)`.
    Fsync {
        /// The file.
        fd: RawFd,
        /// Without metadata that reading the data back does not need.
        data_only: bool,
    },
    /// `fallocate(2)`.
    Fallocate {
        /// The file.
        fd: RawFd,
        /// Flags of `fallocate(2)`.
        mode: i32,
        /// Where the range begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
    /// `ftruncate(2)`.
    Ftruncate {
        /// The file.
        fd: RawFd,
        /// The new length.
        len: u64,
    },
    /// `openat(2)`.
    Open {
        /// The directory to which a relative path is relative.
        dir: RawFd,
        /// The path, with a NUL at its end.
        path: *const libc::c_char,
        /// Flags of `open(2)`.
        flags: i32,
        /// The mode of a file that is created.
        mode: libc::mode_t,
    },
    /// `openat2(2)`.
    OpenHow {
        /// The directory to which a relative path is relative.
        dir: RawFd,
        /// The path, with a NUL at its end.
        path: *const libc::c_char,
        /// How it is opened.
        how: *const OpenHow,
    },
    /// `unlinkat(2)`.
    Unlink {
        /// The directory to which a relative path is relative.
        dir: RawFd,
        /// The path, with a NUL at its end.
        path: *const libc::c_char,
        /// Flags of `unlinkat(2)`.
        flags: i32,
    },
    /// `renameat2(2)`.
    Rename {
        /// The directory to which a relative `from` is relative.
        from_dir: RawFd,
        /// The old path, with a NUL at its end.
        from: *const libc::c_char,
        /// The directory to which a relative `to` is relative.
        to_dir: RawFd,
        /// The new path, with a NUL at its end.
        to: *const libc::c_char,
        /// Flags of `renameat2(2)`.
        flags: u32,
    },
    /// `mkdirat(2)`.
    MakeDir {
        /// The directory to which a relative path is relative.
        dir: RawFd,
        /// The path, with a NUL at its end.
        path: *const libc::c_char,
        /// The mode of the new directory.
        mode: libc::mode_t,
    },
    /// `close(2)`.
    Close {
        /// The descriptor, which the request owns.
        fd: RawFd,
    },
    /// `statx(2)`.
    Statx {
        /// The directory, or the file itself with `AT_EMPTY_PATH`.
        dir: RawFd,
        /// The path, with a NUL at its end.
        path: *const libc::c_char,
        /// Flags of `statx(2)`.
        flags: i32,
        /// What is asked for.
        mask: u32,
        /// Where the answer goes.
        buf: *mut libc::statx,
    },
    // Messages, and bytes that do not pass through user memory.
    /// `sendmsg(2)`.
    SendMsg {
        /// The socket.
        fd: RawFd,
        /// The message: read until the final completion, and so is what it points to.
        msg: *const libc::msghdr,
        /// Flags of `sendmsg(2)`.
        flags: i32,
        /// Waits until the socket is writable before the first try.
        poll_first: bool,
        /// Is carried out by a worker of the kernel, where a cancel finds it.
        on_worker: bool,
    },
    /// `recvmsg(2)`.
    RecvMsg {
        /// The socket.
        fd: RawFd,
        /// Where the message goes: lengths and flags in it are written at the final completion.
        msg: *mut libc::msghdr,
        /// Flags of `recvmsg(2)`.
        flags: i32,
        /// Waits until the socket is readable before the first try.
        poll_first: bool,
    },
    /// `splice(2)`. One of the two is a pipe, and has no offset.
    Splice {
        /// Where the bytes are taken.
        from: RawFd,
        /// From which offset on, or [`CURRENT_POSITION`].
        from_offset: u64,
        /// Where they go.
        to: RawFd,
        /// At which offset, or [`CURRENT_POSITION`].
        to_offset: u64,
        /// How many at most.
        len: u32,
        /// Flags of `splice(2)`.
        flags: u32,
    },
    /// `socket(2)`.
    Socket {
        /// The domain (`AF_INET`, ...).
        domain: i32,
        /// The type, with flags (`SOCK_STREAM | SOCK_CLOEXEC`, ...).
        kind: i32,
        /// The protocol; 0 for the usual one.
        protocol: i32,
    },
    /// `bind(2)`.
    Bind {
        /// The socket.
        fd: RawFd,
        /// The address that it gets.
        addr: *const libc::sockaddr,
        /// How many bytes the address has.
        len: libc::socklen_t,
    },
    /// `listen(2)`.
    Listen {
        /// The socket.
        fd: RawFd,
        /// How many connections wait at most, zero or more.
        backlog: i32,
    },
    /// `connect(2)`.
    Connect {
        /// The socket.
        fd: RawFd,
        /// The address of the peer.
        addr: *const libc::sockaddr,
        /// How many bytes the address has.
        len: libc::socklen_t,
        /// Waits on a worker of the kernel, because readiness says nothing about it.
        on_worker: bool,
    },
    /// `accept4(2)`.
    Accept {
        /// The socket that listens.
        fd: RawFd,
        /// Where the address of the peer goes.
        addr: *mut libc::sockaddr,
        /// How much room there is for it; how many bytes it has goes there.
        len: *mut libc::socklen_t,
        /// Flags of `accept4(2)`.
        flags: i32,
    },
    /// `send(2)`.
    Send {
        /// The socket.
        fd: RawFd,
        /// Where the bytes are.
        buf: *const u8,
        /// How many at most.
        len: u32,
        /// Flags of `send(2)`.
        flags: i32,
        /// Waits until the socket is writable before the first try.
        poll_first: bool,
    },
    /// `recv(2)`.
    Recv {
        /// The socket.
        fd: RawFd,
        /// Where the bytes go.
        buf: *mut u8,
        /// How many at most.
        len: u32,
        /// Flags of `recv(2)`.
        flags: i32,
        /// Waits until the socket is readable before the first try.
        poll_first: bool,
    },
    /// `shutdown(2)`.
    Shutdown {
        /// The socket.
        fd: RawFd,
        /// Which directions (`SHUT_RD`, ...).
        how: i32,
    },
    /// `poll(2)` of one descriptor, without a timeout; the result is what is ready.
    Poll {
        /// The descriptor.
        fd: RawFd,
        /// What to wait for (`POLLIN`, ...).
        events: u32,
    },
}
