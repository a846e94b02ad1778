//! System calls whose results are counts or error numbers, and small questions about descriptors.
//!
//! # Safety
//! Memory that requests name is good for what they do with it (INV-SLOT-1); the rest is of the
//! caller's frame.

#![expect(unsafe_code, reason = "system calls")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;

use super::entries::{POLLERR, POLLHUP};
use crate::backend::request::{CURRENT_POSITION, Request, TRANSFER_MAX};

/// The result of a call: what it returned, unless that is less than zero.
pub(crate) fn checked(result: impl TryInto<u32>) -> io::Result<u32> {
    result.try_into().map_err(|_| io::Error::last_os_error())
}

/// The number with which a failed request completes.
pub(super) fn code_of(error: &io::Error) -> i32 {
    -error.raw_os_error().unwrap_or(libc::EIO)
}

/// A result as a completion has it: the count, or a negated error number.
pub(crate) fn completion(result: io::Result<u32>) -> i32 {
    match result {
        Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
        Err(error) => code_of(&error),
    }
}

/// Whether the call would have had to wait.
pub(super) fn would_block(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// What `poll(2)` tells at once. A descriptor that is not open is `EBADF`.
pub(super) fn poll_now(fd: RawFd, events: u32) -> io::Result<u32> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    let mut poll = libc::pollfd {
        fd,
        events: i16::try_from(events & 0x7fff).unwrap_or(i16::MAX),
        revents: 0,
    };
    // SAFETY: one pollfd.
    checked(unsafe { libc::poll(&raw mut poll, 1, 0) })?;
    if poll.revents & libc::POLLNVAL != 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    Ok(u32::from(poll.revents.cast_unsigned()))
}

/// The events that a poll may be answered with.
pub(super) const fn answers(events: u32) -> u32 {
    events & 0x7fff | POLLERR | POLLHUP
}

/// Whether a descriptor is a file, a directory or a block device, of which everybody says that it is
/// always ready.
pub(super) fn is_file(fd: RawFd) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a place for the answer, which is initialised if the call succeeds.
    let mode = unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
            return false;
        }
        stat.assume_init().st_mode
    };
    matches!(
        mode & libc::S_IFMT,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK
    )
}

/// An option of a socket that is one number.
pub(super) fn socket_option(fd: RawFd, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut len: libc::socklen_t = 4;
    // SAFETY: places for the answer and its length.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    checked(result).map(|_| value)
}

/// `RWF_NOWAIT` of `preadv2(2)`.
pub(super) const RWF_NOWAIT: i32 = 8;

/// Vectors that are put together anew after a part was transferred.
const WINDOW: usize = 16;

/// The bytes of a request that is given in lists, or as one piece.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    one: libc::iovec,
    list: Option<(*const libc::iovec, usize)>,
}

impl Pieces {
    pub(super) const fn one(base: *mut u8, len: u32) -> Self {
        Self {
            one: libc::iovec {
                iov_base: base.cast(),
                iov_len: len as usize,
            },
            list: None,
        }
    }

    pub(super) const fn list(iovecs: *const libc::iovec, count: usize) -> Self {
        Self {
            one: libc::iovec {
                iov_base: ptr::null_mut(),
                iov_len: 0,
            },
            list: Some((iovecs, count)),
        }
    }

    /// How many bytes of them one request transfers: [`TRANSFER_MAX`] at most, as of one call, however many
    /// calls it takes. So counts fit a result.
    ///
    /// # Safety
    ///
    /// - The kernel has taken the list, so it is good.
    pub(super) unsafe fn len(&self) -> u64 {
        // SAFETY: the contract is the same.
        let pieces = unsafe { self.as_slice() };
        let len = pieces.iter().fold(0, |sum: u64, piece| {
            sum.saturating_add(piece.iov_len as u64)
        });
        len.min(TRANSFER_MAX.into())
    }

    /// # Safety
    ///
    /// - The kernel has taken the list, so it is good.
    unsafe fn as_slice(&self) -> &[libc::iovec] {
        match self.list {
            None => std::slice::from_ref(&self.one),
            Some((_, 0)) => &[],
            // SAFETY: good for that many (contract), and left alone as long as the request.
            Some((list, count)) => unsafe { std::slice::from_raw_parts(list, count) },
        }
    }

    /// Calls `call` with what is left after `done` bytes: all of it if nothing is done, otherwise as many
    /// pieces as fit a window, and no more than is left of [`TRANSFER_MAX`].
    ///
    /// # Safety
    ///
    /// - If anything is done, the kernel has taken the list, so it is good.
    pub(super) unsafe fn after<R>(
        &self,
        done: u32,
        call: impl FnOnce(*const libc::iovec, usize) -> R,
    ) -> R {
        if done == 0 {
            return match self.list {
                None => call(&raw const self.one, 1),
                Some((list, count)) => call(list, count),
            };
        }
        let mut window = [libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        }; WINDOW];
        let (mut skip, mut count) = (done as usize, 0);
        let mut left = TRANSFER_MAX.saturating_sub(done) as usize;
        // SAFETY: the contract is the same.
        for piece in unsafe { self.as_slice() } {
            if skip >= piece.iov_len {
                skip -= piece.iov_len;
                continue;
            }
            let iov_len = (piece.iov_len - skip).min(left);
            window[count] = libc::iovec {
                iov_base: piece.iov_base.wrapping_byte_add(skip),
                iov_len,
            };
            skip = 0;
            left -= iov_len;
            count += 1;
            if count == WINDOW || left == 0 {
                break;
            }
        }
        call(window.as_ptr(), count)
    }
}

/// A read or a write.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub(super) fd: RawFd,
    pub(super) writes: bool,
    pieces: Pieces,
    offset: u64,
}

impl Transfer {
    pub(super) const fn of(request: &Request) -> Option<Self> {
        Some(match *request {
            Request::Read {
                fd,
                buf,
                len,
                offset,
            } => Self {
                fd,
                writes: false,
                pieces: Pieces::one(buf, len),
                offset,
            },
            Request::Write {
                fd,
                buf,
                len,
                offset,
            } => Self {
                fd,
                writes: true,
                pieces: Pieces::one(buf.cast_mut(), len),
                offset,
            },
            Request::Readv {
                fd,
                iovecs,
                count,
                offset,
            } => Self {
                fd,
                writes: false,
                pieces: Pieces::list(iovecs, count as usize),
                offset,
            },
            Request::Writev {
                fd,
                iovecs,
                count,
                offset,
            } => Self {
                fd,
                writes: true,
                pieces: Pieces::list(iovecs, count as usize),
                offset,
            },
            _ => return None,
        })
    }

    /// Whether it is at a position of its own.
    pub(super) const fn is_positional(&self) -> bool {
        self.offset != CURRENT_POSITION
    }

    /// The same at the current position.
    pub(super) const fn at_current(self) -> Self {
        Self {
            offset: CURRENT_POSITION,
            ..self
        }
    }

    /// Whether direct I/O may be meant: its offset and its length, if that is known without a look at
    /// memory, are multiples of the smallest block.
    pub(super) const fn may_be_direct(&self) -> bool {
        let offset = if self.is_positional() { self.offset } else { 0 };
        let len = match self.pieces.list {
            None => self.pieces.one.iov_len,
            Some(_) => 0,
        };
        offset.is_multiple_of(512) && len.is_multiple_of(512)
    }

    /// Transfers what is left after `done` bytes.
    ///
    /// # Safety
    ///
    /// - It is that of a request in flight; `done` bytes of it were transferred.
    pub(super) unsafe fn call(&self, done: u32, flags: i32) -> io::Result<u32> {
        let offset = if self.is_positional() {
            self.offset.wrapping_add(u64::from(done))
        } else {
            u64::MAX
        };
        let (fd, offset) = (self.fd, offset.cast_signed());
        // SAFETY: what the request names is good for that (INV-SLOT-1).
        let count = unsafe {
            self.pieces.after(done, |list, count| {
                let count = i32::try_from(count).unwrap_or(i32::MAX);
                if self.writes {
                    libc::pwritev2(fd, list, count, offset, flags)
                } else {
                    libc::preadv2(fd, list, count, offset, flags)
                }
            })
        };
        checked(count)
    }

    /// Whether anything is left after `done` bytes, at least one.
    ///
    /// # Safety
    ///
    /// - As for [`call`](Self::call).
    pub(super) unsafe fn has_more(&self, done: u32) -> bool {
        // SAFETY: the kernel has transferred a part, so the list is good.
        u64::from(done) < unsafe { self.pieces.len() }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn pieces_after_a_part_begin_where_it_ended() {
        let mut bytes: Vec<u8> = (0..100).collect();
        let base = bytes.as_mut_ptr();
        let list: Vec<libc::iovec> = [0_usize, 10, 0, 30, 60]
            .iter()
            .scan(0, |begin, &len| {
                let iov_base = base.wrapping_add(*begin).cast();
                *begin += len;
                Some(libc::iovec {
                    iov_base,
                    iov_len: len,
                })
            })
            .collect();
        let pieces = Pieces::list(list.as_ptr(), list.len());
        // SAFETY: the list is good.
        assert_eq!(unsafe { pieces.len() }, 100);
        for done in [1, 9, 10, 11, 39, 40, 99, 100] {
            // SAFETY: the list is good.
            unsafe {
                pieces.after(done, |left, count| {
                    let left = std::slice::from_raw_parts(left, count);
                    let len: usize = left.iter().map(|piece| piece.iov_len).sum();
                    assert_eq!(len, 100 - done as usize);
                    if let Some(first) = left.first() {
                        assert_eq!(first.iov_base.cast(), base.wrapping_add(done as usize));
                    }
                });
            }
        }
    }

    #[test]
    fn pieces_after_a_part_are_a_window_of_many() {
        let byte = &raw mut *Box::leak(Box::new([0_u8; 1]));
        let one = libc::iovec {
            iov_base: byte.cast(),
            iov_len: 1,
        };
        let list = vec![one; 100];
        let pieces = Pieces::list(list.as_ptr(), list.len());
        // SAFETY: the list is good.
        let counts = unsafe { [pieces.after(0, |_, n| n), pieces.after(50, |_, n| n)] };
        assert_eq!(counts, [100, WINDOW]);
        // SAFETY: it was leaked above.
        drop(unsafe { Box::from_raw(byte) });
    }

    #[test]
    fn pieces_end_where_a_request_does() {
        let one = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 1 << 30,
        };
        let list = [one; 5];
        let pieces = Pieces::list(list.as_ptr(), list.len());
        // SAFETY: the list is good; its pieces are not looked at.
        unsafe {
            assert_eq!(pieces.len(), TRANSFER_MAX.into());
            for done in [1, 1 << 30, TRANSFER_MAX - 7] {
                pieces.after(done, |left, count| {
                    let left = std::slice::from_raw_parts(left, count);
                    let len: usize = left.iter().map(|piece| piece.iov_len).sum();
                    assert_eq!(len, (TRANSFER_MAX - done) as usize);
                });
            }
        }
    }

    #[test]
    fn poll_now_of_what_is_not_open_is_bad_descriptor() {
        for fd in [-1, 1_000_000] {
            let error = poll_now(fd, 1).expect_err("no descriptor");
            assert_eq!(code_of(&error), -libc::EBADF);
        }
        assert!(!is_file(-1));
        assert!(socket_option(-1, libc::SO_TYPE).is_err());
    }
}
