//! The header of a message, and the list of one buffer.
//!
//! # Safety
//! INV-BUF-1: a list of one buffer promises what the buffer promises. The header holds pointers into
//! the operation around it, and is read and written by the kernel alone.

#![expect(unsafe_code, reason = "a header of raw pointers; lists of buffers")]

use std::fmt;
use std::mem::MaybeUninit;

use crate::senders::io::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut, IoVecs};

/// `struct msghdr`.
pub(super) struct Header(pub(super) libc::msghdr);

// SAFETY: its pointers are used by the kernel, for a request of the operation that holds what they
//         point to and that is `Send` only if all of that is.
unsafe impl Send for Header {}
// SAFETY: as for `Send`.
unsafe impl Sync for Header {}

impl Header {
    /// Without anything.
    #[inline]
    pub(super) const fn new() -> Self {
        // SAFETY: a structure of integers and raw pointers, for which zero is a value.
        Self(unsafe { MaybeUninit::zeroed().assume_init() })
    }

    /// Sets the list, which has to stay where it is.
    #[inline]
    pub(super) fn set_list(&mut self, list: &IoVecs) {
        let window = list.window();
        self.0.msg_iov = window.as_ptr().cast_mut();
        // Of this type in one C library, narrower in another.
        self.0.msg_iovlen = window.len() as _;
    }

    /// Sets the control bytes, which have to stay where they are.
    #[inline]
    pub(super) fn set_control(&mut self, control: *mut [u8]) {
        self.0.msg_control = control.cast();
        self.0.msg_controllen = control.len() as _;
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").finish_non_exhaustive()
    }
}

/// A list of one buffer.
#[derive(Debug)]
pub(super) struct One<B>(pub(super) B);

// SAFETY: the buffer is at rest while the list is.
unsafe impl<B: IoBuf> IoBufs for One<B> {
    #[inline]
    fn io_list(&self, list: &mut IoVecs) {
        list.push(self.0.io_bytes());
    }
}

// SAFETY: the buffer is at rest while the list is.
unsafe impl<B: IoBufMut> IoBufsMut for One<B> {
    #[inline]
    fn io_list_mut(&mut self, list: &mut IoVecs) {
        list.push_mut(self.0.io_space());
    }

    #[inline]
    unsafe fn set_list_filled(&mut self, filled: usize) {
        // SAFETY: the contract is the buffer's own.
        unsafe { self.0.set_filled(filled) };
    }
}
