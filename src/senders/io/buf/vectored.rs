//! Lists of buffers for vectored operations, and the `iovec`s made of them.
//!
//! A list describes itself to an [`IoVecs`] that lies in the operation: no heap up to 8 buffers. All
//! of it is described at once, and progress is kept in that description alone, so the caller's
//! `IoSlice`s are never changed and the buffers are asked once per operation.
//!
//! # Bounds
//!
//! The kernel takes at most `IOV_MAX` = 1,024 ranges per request: `IoVecs::window` offers no more,
//! and the rest follows as the operation advances.
//!
//! # Safety
//!
//! INV-BUF-1 to INV-BUF-3 of the module above, for each buffer of the list. For a list to read into,
//! one `&mut` borrow of the list describes all buffers: a second one would end the right of the
//! first pointers to memory that lies within the list.

#![expect(
    unsafe_code,
    reason = "declares the contracts of lists of buffers lent to the kernel"
)]

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::traits::{IoBuf, IoBufMut};

/// How many ranges the kernel takes in one request (`UIO_MAXIOV`).
pub(crate) const IOV_MAX: usize = 1024;

/// Buffers that are written out one after the other: arrays, slices and vectors of [`IoBuf`]s
/// (`std::io::IoSlice` is one), and tuples of up to eight different ones.
///
/// # Examples
///
/// ```
/// fn writable(_: &impl sendio::IoBufs) {}
///
/// let header = [0u8; 12];
/// let body = String::from("hello");
/// writable(&(header, body));
/// writable(&vec!["one", "two"]);
/// writable(&[std::io::IoSlice::new(b"three")]);
/// ```
///
/// # Safety
///
/// The implementor keeps for each range that it describes the promise of [`IoBuf`], and does not
/// panic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of buffers that can be written out",
    label = "not an `IoBufs`",
    note = "lists are arrays, slices and vectors of an `IoBuf`, and tuples such as `([u8; 12], String)`"
)]
pub unsafe trait IoBufs {
    /// Describes all buffers, in order, at their present addresses.
    fn io_list(&self, list: &mut IoVecs);
}

/// Buffers that are read into one after the other: arrays, slices and vectors of [`IoBufMut`]s
/// (`std::io::IoSliceMut` is one), and tuples of up to eight different ones.
///
/// # Examples
///
/// ```
/// fn readable(_: impl sendio::IoBufsMut) {}
///
/// let header = [0u8; 12];
/// let body = Vec::with_capacity(100);
/// readable((header, body));
/// ```
///
/// # Safety
///
/// The implementor keeps for each range that it describes the promise of [`IoBufMut`], and does not
/// panic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of buffers that can be read into",
    label = "not an `IoBufsMut`",
    note = "lists are arrays, slices and vectors of an `IoBufMut`, and tuples such as `([u8; 12], Vec<u8>)`"
)]
pub unsafe trait IoBufsMut {
    /// Describes all buffers, in order, at their present addresses.
    fn io_list_mut(&mut self, list: &mut IoVecs);

    /// Records that the first `filled` bytes of all the space together were read: each buffer in
    /// turn takes as many of them as it has space for, the last ones none.
    ///
    /// # Safety
    ///
    /// - `filled` is at most the space of all buffers together.
    /// - The first `filled` bytes of it were written.
    unsafe fn set_list_filled(&mut self, filled: usize);
}

/// The description of a list of buffers, in the form that the kernel takes.
///
/// Made by the operation; an implementation of [`IoBufs`] adds its ranges.
pub struct IoVecs {
    vecs: SmallVec<[libc::iovec; 8]>,
    first: usize,
}

// SAFETY: it describes memory and accesses none; what the description is used for is up to the
//         operation, which owns the buffers and is `Send` only if they are.
unsafe impl Send for IoVecs {}
// SAFETY: as for `Send`.
unsafe impl Sync for IoVecs {}

impl IoVecs {
    /// A description of nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            vecs: SmallVec::new(),
            first: 0,
        }
    }

    /// Adds a range to be written out. An empty one counts for nothing.
    pub fn push(&mut self, bytes: *const [u8]) {
        self.push_mut(bytes.cast_mut());
    }

    /// Adds a range to be read into. An empty one counts for nothing.
    pub fn push_mut(&mut self, space: *mut [u8]) {
        if space.len() > 0 {
            self.vecs.push(libc::iovec {
                iov_base: space.cast(),
                iov_len: space.len(),
            });
        }
    }

    /// How many ranges are left, of which [`window`](Self::window) is the start.
    pub(crate) fn count(&self) -> usize {
        self.vecs.len() - self.first
    }

    /// How many bytes are left, `usize::MAX` if it is more than that.
    pub(crate) fn bytes(&self) -> usize {
        self.vecs[self.first..]
            .iter()
            .fold(0, |sum, vec| sum.saturating_add(vec.iov_len))
    }

    /// What to pass to the kernel next: at most [`IOV_MAX`] ranges. Up to 8 of them lie within
    /// `self`, so the pointer is good until `self` is moved, borrowed mutably or dropped.
    pub(crate) fn window(&self) -> &[libc::iovec] {
        let end = self.vecs.len().min(self.first + IOV_MAX);
        &self.vecs[self.first..end]
    }

    /// Leaves out the first `done` bytes: they have been transferred.
    #[cfg(test)]
    pub(crate) fn advance(&mut self, mut done: usize) {
        debug_assert!(done <= self.bytes(), "more was transferred than there is");
        while let Some(vec) = self.vecs.get_mut(self.first) {
            if done < vec.iov_len {
                vec.iov_base = vec.iov_base.wrapping_byte_add(done);
                vec.iov_len -= done;
                return;
            }
            done -= vec.iov_len;
            self.first += 1;
        }
    }
}

impl fmt::Debug for IoVecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoVecs")
            .field("count", &self.count())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// Tells one buffer of a list its part of what is left of `filled`.
///
/// # Safety
///
/// - The buffer is the next of the list, and `filled` bytes from its start on were written.
unsafe fn fill_next<B: IoBufMut + ?Sized>(buffer: &mut B, filled: &mut usize) {
    let part = buffer.io_space().len().min(*filled);
    *filled -= part;
    // SAFETY: within the space by `min`, and written by the caller's promise (INV-BUF-3).
    unsafe { buffer.set_filled(part) };
}

// SAFETY: each buffer of a slice is at rest while the slice is.
unsafe impl<B: IoBuf> IoBufs for [B] {
    fn io_list(&self, list: &mut IoVecs) {
        for buffer in self {
            list.push(buffer.io_bytes());
        }
    }
}

// SAFETY: each buffer of a slice is at rest while the slice is, and the exclusive references to them
//         are disjoint parts of one borrow.
unsafe impl<B: IoBufMut> IoBufsMut for [B] {
    fn io_list_mut(&mut self, list: &mut IoVecs) {
        for buffer in self {
            list.push_mut(buffer.io_space());
        }
    }

    unsafe fn set_list_filled(&mut self, mut filled: usize) {
        for buffer in self {
            // SAFETY: the caller's promise, for each buffer in turn.
            unsafe { fill_next(buffer, &mut filled) };
        }
    }
}

/// Implements both lists for a type that derefs to a list.
macro_rules! lists_by_slice {
    ($([$($generics:tt)*] $list:ty),+ $(,)?) => {$(
        // SAFETY: the slice is within the list or in its heap block, at rest while the list is.
        unsafe impl<B: IoBuf, $($generics)*> IoBufs for $list {
            fn io_list(&self, list: &mut IoVecs) {
                self.as_slice().io_list(list);
            }
        }

        // SAFETY: the slice is within the list or in its heap block, at rest while the list is.
        unsafe impl<B: IoBufMut, $($generics)*> IoBufsMut for $list {
            fn io_list_mut(&mut self, list: &mut IoVecs) {
                self.as_mut_slice().io_list_mut(list);
            }

            unsafe fn set_list_filled(&mut self, filled: usize) {
                // SAFETY: the contract is the slice's own, passed on.
                unsafe { self.as_mut_slice().set_list_filled(filled) };
            }
        }
    )+};
}

lists_by_slice!([] Vec<B>, [const N: usize] [B; N]);

/// Implements `IoBufs` for a pointer to a list.
macro_rules! io_bufs_by_pointer {
    ($($pointer:ty),+ $(,)?) => {$(
        // SAFETY: the list is at rest while the pointer is, as for a pointer to a buffer.
        unsafe impl<T: IoBufs + ?Sized> IoBufs for $pointer {
            fn io_list(&self, list: &mut IoVecs) {
                T::io_list(self, list);
            }
        }
    )+};
}

io_bufs_by_pointer!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

/// Implements `IoBufsMut` for an exclusive pointer to a list.
macro_rules! io_bufs_mut_by_pointer {
    ($($pointer:ty),+ $(,)?) => {$(
        // SAFETY: nobody else reaches the list as long as the pointer is at rest.
        unsafe impl<T: IoBufsMut + ?Sized> IoBufsMut for $pointer {
            fn io_list_mut(&mut self, list: &mut IoVecs) {
                T::io_list_mut(self, list);
            }

            unsafe fn set_list_filled(&mut self, filled: usize) {
                // SAFETY: the contract is the list's own, passed on.
                unsafe { T::set_list_filled(self, filled) };
            }
        }
    )+};
}

io_bufs_mut_by_pointer!(&mut T, Box<T>);

/// Implements both lists for a tuple.
macro_rules! lists_by_tuple {
    ($($buffer:ident $index:tt),+) => {
        // SAFETY: the fields are at rest while the tuple is.
        unsafe impl<$($buffer: IoBuf),+> IoBufs for ($($buffer,)+) {
            fn io_list(&self, list: &mut IoVecs) {
                $(list.push(self.$index.io_bytes());)+
            }
        }

        // SAFETY: the fields are at rest while the tuple is, and the exclusive references to them
        //         are disjoint parts of one borrow.
        unsafe impl<$($buffer: IoBufMut),+> IoBufsMut for ($($buffer,)+) {
            fn io_list_mut(&mut self, list: &mut IoVecs) {
                $(list.push_mut(self.$index.io_space());)+
            }

            unsafe fn set_list_filled(&mut self, mut filled: usize) {
                $(
                    // SAFETY: the caller's promise, for each buffer in turn.
                    unsafe { fill_next(&mut self.$index, &mut filled) };
                )+
            }
        }
    };
}

lists_by_tuple!(A 0);
lists_by_tuple!(A 0, B 1);
lists_by_tuple!(A 0, B 1, C 2);
lists_by_tuple!(A 0, B 1, C 2, D 3);
lists_by_tuple!(A 0, B 1, C 2, D 3, E 4);
lists_by_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
lists_by_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
lists_by_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
