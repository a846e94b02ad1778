//! Implements the buffer contracts for the types of `std`, and of `bytes` if that feature is on.
//!
//! The content types (`[u8]`, `str`, `[u8; N]`, `Vec<u8>`, ...) come first, then what points at
//! one: references, boxes and reference counts forward to the content. So `&mut [u8]`,
//! `Box<[u8; N]>`, `Arc<str>` and `&mut Vec<u8>` are buffers by combination.
//!
//! # Safety
//!
//! INV-BUF-1 for each type. Two arguments cover all of them: bytes that are reached through the
//! value (its own, its heap block's or its borrow's) are out of everybody else's reach as long as
//! the value is there, and a pointer made from `&mut self` is good for writing until the value is
//! borrowed again.

#![expect(
    unsafe_code,
    reason = "implements the contracts of buffers lent to the kernel"
)]

use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use super::traits::{IoBuf, IoBufMut};

// Bytes to be written out.

// SAFETY: a borrowed or owned slice is initialised, and nobody writes to it while it is shared.
unsafe impl IoBuf for [u8] {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self)
    }
}

// SAFETY: as for a slice of bytes.
unsafe impl IoBuf for str {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self.as_bytes())
    }
}

// SAFETY: as for a slice; the bytes are the value itself and move with it.
unsafe impl<const N: usize> IoBuf for [u8; N] {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self.as_slice())
    }
}

// SAFETY: the heap block is reallocated, changed or freed through `&mut` or by the drop only.
unsafe impl IoBuf for Vec<u8> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self.as_slice())
    }
}

// SAFETY: as for a vector.
unsafe impl IoBuf for String {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self.as_bytes())
    }
}

// SAFETY: a borrowed slice as above; an owned one as for a vector.
unsafe impl IoBuf for Cow<'_, [u8]> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref::<[u8]>(self)
    }
}

// SAFETY: as for the `Cow` of a slice of bytes.
unsafe impl IoBuf for Cow<'_, str> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref(self.as_bytes())
    }
}

// SAFETY: it is a borrowed slice in another form.
unsafe impl IoBuf for IoSlice<'_> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref::<[u8]>(self)
    }
}

// SAFETY: it is a mutably borrowed slice in another form, here behind a shared reference.
unsafe impl IoBuf for IoSliceMut<'_> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        ptr::from_ref::<[u8]>(self)
    }
}

/// Implements `IoBuf` for a pointer to a buffer.
macro_rules! io_buf_by_pointer {
    ($($pointer:ty),+ $(,)?) => {$(
        // SAFETY: the content is neither moved, nor mutably borrowed, nor dropped as long as the
        //         pointer is at rest: a shared reference and a reference count (another owner sees
        //         that it is not the only one) keep it so for everybody, an exclusive reference
        //         and a box can do so only when they are mutably borrowed themselves. A move of
        //         the pointer leaves the content where it is.
        unsafe impl<T: IoBuf + ?Sized> IoBuf for $pointer {
            #[inline]
            fn io_bytes(&self) -> *const [u8] {
                T::io_bytes(self)
            }
        }
    )+};
}

io_buf_by_pointer!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

// Space to be read into.

/// Implements `IoBufMut` for a type of fixed length that derefs to a slice of bytes.
macro_rules! io_buf_mut_of_fixed_length {
    ($([$($generics:tt)*] $buffer:ty),+ $(,)?) => {$(
        // SAFETY: the slice is the value itself or mutably borrowed by it, and the pointer comes
        //         from an exclusive reference. Its length is fixed, each byte always initialised.
        unsafe impl<$($generics)*> IoBufMut for $buffer {
            #[inline]
            fn io_space(&mut self) -> *mut [u8] {
                ptr::from_mut::<[u8]>(self)
            }

            #[inline]
            fn io_filled(&self) -> usize {
                self.len()
            }

            #[inline]
            unsafe fn set_filled(&mut self, filled: usize) {
                debug_assert!(filled <= self.len(), "filled beyond the buffer");
            }
        }
    )+};
}

io_buf_mut_of_fixed_length!([] [u8], [const N: usize] [u8; N], [] IoSliceMut<'_>);

// SAFETY: as for a slice of bytes; that bytes may be uninitialised holds before and after.
unsafe impl IoBufMut for [MaybeUninit<u8>] {
    #[inline]
    fn io_space(&mut self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.as_mut_ptr().cast::<u8>(), self.len())
    }

    #[inline]
    fn io_filled(&self) -> usize {
        self.len()
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= self.len(), "filled beyond the buffer");
    }
}

// SAFETY: as for the slice; the bytes are the value itself and move with it.
unsafe impl<const N: usize> IoBufMut for [MaybeUninit<u8>; N] {
    #[inline]
    fn io_space(&mut self) -> *mut [u8] {
        self.as_mut_slice().io_space()
    }

    #[inline]
    fn io_filled(&self) -> usize {
        N
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= N, "filled beyond the buffer");
    }
}

// SAFETY: the pointer of the vector is good for its whole capacity and stays so until the vector is
//         mutably borrowed or dropped; neither `set_len` nor a write changes the capacity.
unsafe impl IoBufMut for Vec<u8> {
    #[inline]
    fn io_space(&mut self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.as_mut_ptr(), self.capacity())
    }

    #[inline]
    fn io_filled(&self) -> usize {
        self.len()
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= self.capacity(), "filled beyond the buffer");
        // SAFETY: at most the capacity, and initialised up to there: by the caller (INV-BUF-3), and
        //         below the present length by the vector.
        unsafe { self.set_len(filled) };
    }
}

/// Implements `IoBufMut` for an exclusive pointer to a buffer.
macro_rules! io_buf_mut_by_pointer {
    ($($pointer:ty),+ $(,)?) => {$(
        // SAFETY: nobody else reaches the content as long as the pointer is at rest, and a move of
        //         the pointer leaves the content where it is.
        unsafe impl<T: IoBufMut + ?Sized> IoBufMut for $pointer {
            #[inline]
            fn io_space(&mut self) -> *mut [u8] {
                T::io_space(self)
            }

            #[inline]
            fn io_filled(&self) -> usize {
                T::io_filled(self)
            }

            #[inline]
            unsafe fn set_filled(&mut self, filled: usize) {
                // SAFETY: the contract is the content's own, passed on.
                unsafe { T::set_filled(self, filled) };
            }
        }
    )+};
}

io_buf_mut_by_pointer!(&mut T, Box<T>);

#[cfg(feature = "bytes")]
mod bytes {
    use std::ptr;

    use bytes::{Bytes, BytesMut};

    use super::{IoBuf, IoBufMut};

    // SAFETY: the content is shared and immutable; the handle keeps it alive, and changes its view
    //         through `&mut` only.
    unsafe impl IoBuf for Bytes {
        #[inline]
        fn io_bytes(&self) -> *const [u8] {
            ptr::from_ref::<[u8]>(self)
        }
    }

    // SAFETY: the handle's range is its own, and changes through `&mut` only.
    unsafe impl IoBuf for BytesMut {
        #[inline]
        fn io_bytes(&self) -> *const [u8] {
            ptr::from_ref::<[u8]>(self)
        }
    }

    // SAFETY: as for a vector; the handle's range up to its capacity is its own.
    unsafe impl IoBufMut for BytesMut {
        #[inline]
        fn io_space(&mut self) -> *mut [u8] {
            let len = self.len();
            // SAFETY: nothing is initialised in an empty buffer, so length 0 is always right. The
            //         spare capacity is then all of it, and one pointer good for all of it.
            unsafe { self.set_len(0) };
            let spare = self.spare_capacity_mut();
            let space = ptr::slice_from_raw_parts_mut(spare.as_mut_ptr().cast::<u8>(), spare.len());
            // SAFETY: the length that it had, and the bytes are untouched.
            unsafe { self.set_len(len) };
            space
        }

        #[inline]
        fn io_filled(&self) -> usize {
            self.len()
        }

        #[inline]
        unsafe fn set_filled(&mut self, filled: usize) {
            debug_assert!(filled <= self.capacity(), "filled beyond the buffer");
            // SAFETY: at most the capacity, and initialised up to there: by the caller
            //         (INV-BUF-3), and below the present length by the buffer.
            unsafe { self.set_len(filled) };
        }
    }
}
