//! The two structures of Linux AIO, and how a request becomes one of them.
//!
//! # Kernel
//!
//! `include/uapi/linux/aio_abi.h`: reads, writes and their vectored kin since 2.6, `RWF_*` flags since
//! 4.13, `FSYNC`, `FDSYNC` and `POLL` since 4.18. The kernel copies an iocb when it is submitted, and
//! writes `key` in it; after that it uses its address, as the name of the request.

use std::os::fd::RawFd;

use crate::backend::request::Request;

/// `struct iocb`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Iocb {
    /// Comes back in the event.
    data: u64,
    words: Words,
    opcode: u16,
    priority: i16,
    fd: u32,
    buf: u64,
    count: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// The two words whose order depends on that of the bytes.
#[cfg(target_endian = "little")]
#[repr(C)]
#[derive(Debug)]
struct Words {
    key: u32,
    rw_flags: i32,
}

/// The two words whose order depends on that of the bytes.
#[cfg(target_endian = "big")]
#[repr(C)]
#[derive(Debug)]
struct Words {
    rw_flags: i32,
    key: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `data` of the iocb.
    pub(crate) data: u64,
    /// The address of the iocb.
    pub(crate) iocb: u64,
    /// The result: zero or more, or a negated error number.
    pub(crate) result: i64,
    pub(super) second: i64,
}

const _: () = {
    assert!(size_of::<Iocb>() == 64 && align_of::<Iocb>() == align_of::<u64>());
    assert!(std::mem::offset_of!(Iocb, words) == 8);
    assert!(std::mem::offset_of!(Iocb, opcode) == 16);
    assert!(std::mem::offset_of!(Iocb, priority) == 18);
    assert!(std::mem::offset_of!(Iocb, fd) == 20);
    assert!(std::mem::offset_of!(Iocb, buf) == 24);
    assert!(std::mem::offset_of!(Iocb, count) == 32);
    assert!(std::mem::offset_of!(Iocb, offset) == 40);
    assert!(std::mem::offset_of!(Iocb, flags) == 56);
    assert!(std::mem::offset_of!(Iocb, event_fd) == 60);
    assert!(size_of::<Event>() == 32);
    assert!(std::mem::offset_of!(Event, iocb) == 8);
    assert!(std::mem::offset_of!(Event, result) == 16);
};

// Opcodes of `aio_abi.h`.
const PREAD: u16 = 0;
const PWRITE: u16 = 1;
const FSYNC: u16 = 2;
const FDSYNC: u16 = 3;
const POLL: u16 = 5;
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;

/// `IOCB_FLAG_RESFD`.
const FLAG_RESFD: u32 = 1;

impl Iocb {
    /// The iocb of a transfer at a position, or of a sync; `None` for anything else.
    #[inline]
    pub(crate) fn of_request(request: &Request, data: u64) -> Option<Self> {
        let (opcode, fd, buf, count, offset) = match *request {
            Request::Read {
                fd,
                buf,
                len,
                offset,
            } => (PREAD, fd, buf.addr(), len, offset),
            Request::Write {
                fd,
                buf,
                len,
                offset,
            } => (PWRITE, fd, buf.addr(), len, offset),
            Request::Readv {
                fd,
                iovecs,
                count,
                offset,
            } => (PREADV, fd, iovecs.addr(), count, offset),
            Request::Writev {
                fd,
                iovecs,
                count,
                offset,
            } => (PWRITEV, fd, iovecs.addr(), count, offset),
            Request::Fsync { fd, data_only } => {
                (if data_only { FDSYNC } else { FSYNC }, fd, 0, 0, 0)
            }
            _ => return None,
        };
        Some(Self::new(
            data,
            opcode,
            fd,
            buf as u64,
            u64::from(count),
            offset.cast_signed(),
        ))
    }

    /// The iocb of a wait until one of `events` (`POLLIN`, ...) is there, once.
    #[inline]
    pub(crate) const fn poll(fd: RawFd, events: u16, data: u64) -> Self {
        Self::new(data, POLL, fd, events as u64, 0, 0)
    }

    /// What comes back in the event.
    #[inline]
    pub(crate) const fn data(&self) -> u64 {
        self.data
    }

    /// The descriptor.
    #[inline]
    pub(crate) const fn fd(&self) -> RawFd {
        self.fd.cast_signed()
    }

    /// The same, which fails with `EAGAIN` where it would block the one who submits; or not any more.
    #[inline]
    pub(crate) const fn set_nowait(&mut self, nowait: bool) {
        self.words.rw_flags = if nowait { libc::RWF_NOWAIT } else { 0 };
    }

    /// Whether it fails where it would block.
    #[inline]
    pub(crate) const fn is_nowait(&self) -> bool {
        self.words.rw_flags & libc::RWF_NOWAIT != 0
    }

    /// The same, which signals an eventfd when its event is there.
    #[inline]
    pub(crate) const fn set_event_fd(&mut self, event: RawFd) {
        self.flags = FLAG_RESFD;
        self.event_fd = event.cast_unsigned();
    }

    #[inline(always)]
    const fn new(data: u64, opcode: u16, fd: RawFd, buf: u64, count: u64, offset: i64) -> Self {
        Self {
            data,
            words: Words {
                key: 0,
                rw_flags: 0,
            },
            opcode,
            priority: 0,
            fd: fd.cast_unsigned(),
            buf,
            count,
            offset,
            reserved: 0,
            flags: 0,
            event_fd: 0,
        }
    }
}

impl Event {
    /// The result as a completion has it: transfers are below 2 GiB, and errors below 4096.
    #[expect(clippy::cast_possible_truncation, reason = "it fits")]
    #[inline]
    pub(crate) const fn result(&self) -> i32 {
        self.result as i32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::backend::request::CURRENT_POSITION;

    #[test]
    fn of_request_has_fields_where_the_kernel_looks() {
        let mut buf = [0_u8; 4];
        let request = Request::Read {
            fd: 7,
            buf: buf.as_mut_ptr(),
            len: 4,
            offset: 4096,
        };
        let iocb = Iocb::of_request(&request, 99).expect("a read");
        assert_eq!((iocb.data, iocb.opcode, iocb.fd), (99, PREAD, 7));
        assert_eq!(iocb.buf, buf.as_ptr().addr() as u64);
        assert_eq!((iocb.count, iocb.offset), (4, 4096));
        assert_eq!((iocb.reserved, iocb.flags, iocb.priority), (0, 0, 0));
        assert_eq!(
            (iocb.words.key, iocb.words.rw_flags, iocb.event_fd),
            (0, 0, 0)
        );
    }

    #[test]
    fn of_request_tells_opcodes_apart() {
        let iovecs: *const libc::iovec = std::ptr::null();
        let (fd, count, offset) = (3, 2, CURRENT_POSITION);
        let opcode = |request| Iocb::of_request(&request, 0).map(|iocb| iocb.opcode);
        let readv = Request::Readv {
            fd,
            iovecs,
            count,
            offset,
        };
        let writev = Request::Writev {
            fd,
            iovecs,
            count,
            offset,
        };
        let write = Request::Write {
            fd,
            buf: std::ptr::null(),
            len: 0,
            offset,
        };
        let sync = |data_only| Request::Fsync { fd, data_only };
        assert_eq!(opcode(readv), Some(PREADV));
        assert_eq!(opcode(writev), Some(PWRITEV));
        assert_eq!(opcode(write), Some(PWRITE));
        assert_eq!(opcode(sync(false)), Some(FSYNC));
        assert_eq!(opcode(sync(true)), Some(FDSYNC));
        assert_eq!(opcode(Request::Nop), None);
        assert_eq!(opcode(Request::Close { fd }), None);
        assert_eq!(Iocb::poll(3, 5, 1).opcode, POLL);
        assert_eq!(Iocb::poll(-1, 5, 1).fd, u32::MAX);
    }

    #[test]
    fn event_result_is_that_of_the_kernel() {
        for code in [0, 7, 0x7fff_f000, -libc::EBADF, -4095] {
            let event = Event {
                result: code.into(),
                ..Event::default()
            };
            assert_eq!(event.result(), code);
        }
    }
}
