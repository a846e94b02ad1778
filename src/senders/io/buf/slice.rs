//! Makes a part of a buffer a buffer, and keeps the whole for afterwards.
//!
//! [`Slice`] is a part of what is written out, [`SliceMut`] a part of what is read into. Ranges are
//! checked when the part is made. A buffer that is borrowed can be indexed instead; these are for
//! buffers that are owned, whose whole comes back by `into_inner`.
//!
//! # Safety
//!
//! The range lies within the buffer when the part is made (INV-BUF-1 keeps the length), and the
//! part never gives out `&mut` to the whole, so that it stays there.

#![expect(unsafe_code, reason = "points into buffers lent to the kernel")]

use std::ops::{Bound, Range, RangeBounds};
use std::ptr;

use super::traits::{IoBuf, IoBufMut};

/// Makes a part of a buffer to be written out. In the prelude.
pub trait IoBufExt: IoBuf + Sized {
    /// The bytes of `range`, for an operation that writes them out.
    ///
    /// # Panics
    ///
    /// If the range begins after its end, or ends after the last byte of the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let buffer = *b"heat\0\0\0\0";
    /// let part = buffer.slice(..4);
    /// assert_eq!(part.range(), 0..4);
    /// assert_eq!(part.into_inner(), *b"heat\0\0\0\0");
    /// ```
    ///
    /// A range that is not in the buffer is an error of the program:
    ///
    /// ```should_panic
    /// use sendio::prelude::*;
    ///
    /// let _ = vec![1, 2, 3].slice(..4);
    /// ```
    #[track_caller]
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self> {
        let range = resolve(&range, self.io_bytes().len());
        Slice {
            inner: self,
            start: range.start,
            len: range.len(),
        }
    }
}

impl<B: IoBuf> IoBufExt for B {}

/// Makes a part of a buffer to be read into. In the prelude.
pub trait IoBufMutExt: IoBufMut + Sized {
    /// The space of `range`, for an operation that reads into it. Only that part is written.
    ///
    /// The range may lie in the spare capacity of a `Vec`, as long as no gap comes about: it begins
    /// at the vector's length or before. What is read past the length extends the vector; a read
    /// within it changes the bytes and never makes it shorter.
    ///
    /// # Panics
    ///
    /// If the range begins after its end, ends after the end of the space (the capacity of a `Vec`),
    /// or begins after the content (the length of a `Vec`).
    ///
    /// # Examples
    ///
    /// Appending to a vector:
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let mut line = b"GET ".to_vec();
    /// line.reserve_exact(60);
    /// let len = line.len();
    /// let spare = line.slice_mut(len..);
    /// assert!(spare.range().len() >= 60);
    /// ```
    #[track_caller]
    fn slice_mut(mut self, range: impl RangeBounds<usize>) -> SliceMut<Self> {
        let range = resolve(&range, self.io_space().len());
        let filled = self.io_filled();
        assert!(
            range.start <= filled,
            "a slice that begins at {} would leave a gap after the {filled} bytes of the buffer",
            range.start,
        );
        SliceMut {
            inner: self,
            start: range.start,
            len: range.len(),
        }
    }
}

impl<B: IoBufMut> IoBufMutExt for B {}

/// A part of a buffer to be written out: [`slice`](IoBufExt::slice).
#[derive(Debug, Clone)]
pub struct Slice<B> {
    inner: B,
    start: usize,
    len: usize,
}

/// A part of a buffer to be read into: [`slice_mut`](IoBufMutExt::slice_mut).
#[derive(Debug)]
pub struct SliceMut<B> {
    inner: B,
    start: usize,
    len: usize,
}

/// The methods that both kinds of part have.
macro_rules! part_of_a_buffer {
    ($part:ident) => {
        impl<B> $part<B> {
            /// The whole buffer.
            pub fn into_inner(self) -> B {
                self.inner
            }

            /// The whole buffer, shared.
            pub const fn inner(&self) -> &B {
                &self.inner
            }

            /// Where in the buffer this part lies.
            pub const fn range(&self) -> Range<usize> {
                self.start..self.start + self.len
            }
        }
    };
}

part_of_a_buffer!(Slice);
part_of_a_buffer!(SliceMut);

// SAFETY: the bytes are some of those of the buffer, under the same promise (INV-BUF-1).
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    #[inline]
    fn io_bytes(&self) -> *const [u8] {
        let whole = self.inner.io_bytes();
        debug_assert!(self.range().end <= whole.len(), "the buffer shrank");
        // SAFETY: within the bytes of the buffer: checked when the slice was made, and their number
        //         does not change as long as nobody borrows the buffer mutably, which the slice
        //         lets nobody do.
        let first = unsafe { whole.cast::<u8>().add(self.start) };
        ptr::slice_from_raw_parts(first, self.len)
    }
}

// SAFETY: the space is some of that of the buffer, under the same promise (INV-BUF-1).
unsafe impl<B: IoBufMut> IoBufMut for SliceMut<B> {
    #[inline]
    fn io_space(&mut self) -> *mut [u8] {
        let whole = self.inner.io_space();
        debug_assert!(self.range().end <= whole.len(), "the buffer shrank");
        // SAFETY: within the space of the buffer: checked when the slice was made, and its length
        //         changes neither by a move nor by a call of the trait's methods.
        let first = unsafe { whole.cast::<u8>().add(self.start) };
        ptr::slice_from_raw_parts_mut(first, self.len)
    }

    #[inline]
    fn io_filled(&self) -> usize {
        self.inner
            .io_filled()
            .saturating_sub(self.start)
            .min(self.len)
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= self.len, "filled beyond the slice");
        let content = self.inner.io_filled();
        debug_assert!(self.start <= content, "the content shrank");
        // SAFETY: not beyond the space, since neither term is. The bytes before the slice are
        //         content (checked when it was made, and this call only adds to the content), those
        //         of the slice up to `filled` are by the caller's promise (INV-BUF-3), so either no
        //         more than the content is asked for, or the bytes past it were written.
        unsafe { self.inner.set_filled(content.max(self.start + filled)) };
    }
}

/// The range in numbers.
///
/// # Panics
///
/// If it begins after its end or ends after `len`.
#[track_caller]
fn resolve(range: &impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let past = |bound: usize| {
        bound
            .checked_add(1)
            .expect("a slice has a bound of usize::MAX")
    };
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => past(start),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => past(end),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    assert!(
        end <= len,
        "a slice ends at {end}, but the buffer has {len} bytes"
    );
    assert!(
        start <= end,
        "a slice begins at {start}, after its end at {end}"
    );
    start..end
}
