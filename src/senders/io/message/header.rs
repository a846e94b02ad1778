//! The header of a message, and the vector of one buffer: what the kernel is given.
//!
//! Both are uninitialised until a request is made, so that nothing of them is copied when an operation
//! is made, moved or ended.
//!
//! # Safety
//! INV-OP-2: header and vector hold pointers into the operation around them and into its buffers, and
//! are read and written by the kernel alone while a request is in flight.

#![expect(unsafe_code, reason = "a header of raw pointers")]

use std::fmt;
use std::mem::MaybeUninit;

use crate::senders::io::buf::IoVecs;

/// `struct msghdr`.
pub(super) struct Header(MaybeUninit<libc::msghdr>);

// SAFETY: its pointers are used by the kernel, for a request of the operation that holds what they
//         point to and that is `Send` only if all of that is.
unsafe impl Send for Header {}
// SAFETY: as for `Send`.
unsafe impl Sync for Header {}

impl Header {
    /// A place for one.
    #[inline]
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// One without anything, to be filled in and then [written](Self::write).
    #[inline]
    pub(super) const fn empty() -> libc::msghdr {
        // SAFETY: a structure of integers and raw pointers, for which zero is a value.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Makes it this one.
    #[inline]
    pub(super) const fn write(&mut self, header: libc::msghdr) {
        self.0.write(header);
    }

    /// Where it is.
    #[inline]
    pub(super) const fn as_mut_ptr(&mut self) -> *mut libc::msghdr {
        self.0.as_mut_ptr()
    }

    /// What is in it.
    ///
    /// # Safety
    ///
    /// - [`write`](Self::write) was called before.
    #[inline]
    pub(super) const unsafe fn get(&self) -> &libc::msghdr {
        // SAFETY: written by `write` (contract); the kernel writes integers only.
        unsafe { self.0.assume_init_ref() }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").finish_non_exhaustive()
    }
}

/// Gives a header this list, which has to stay where it is.
#[inline]
pub(super) fn set_list(header: &mut libc::msghdr, list: &IoVecs) {
    let window = list.window();
    header.msg_iov = window.as_ptr().cast_mut();
    // Of this type in one C library, narrower in another.
    header.msg_iovlen = window.len() as _;
}

/// Gives a header these control bytes, which have to stay where they are.
#[inline]
pub(super) fn set_control(header: &mut libc::msghdr, control: *mut [u8]) {
    header.msg_control = control.cast();
    header.msg_controllen = control.len() as _;
}

/// A list of one buffer: `struct iovec`.
pub(super) struct Vector(MaybeUninit<libc::iovec>);

// SAFETY: its pointer is used by the kernel, for a request of the operation that holds the buffer and
//         that is `Send` only if the buffer is.
unsafe impl Send for Vector {}
// SAFETY: as for `Send`.
unsafe impl Sync for Vector {}

impl Vector {
    /// A place for one.
    #[inline]
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Makes it name these bytes, and gives it to a header. It has to stay where it is.
    #[inline]
    pub(super) fn name(&mut self, bytes: *mut [u8], header: &mut libc::msghdr) {
        header.msg_iov = self.0.write(libc::iovec {
            iov_base: bytes.cast(),
            iov_len: bytes.len(),
        });
        header.msg_iovlen = 1;
    }
}

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vector").finish_non_exhaustive()
    }
}
