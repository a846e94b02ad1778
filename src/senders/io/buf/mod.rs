//! Buffers: the types whose memory an operation may lend to the kernel.
//!
//! An operation owns its buffer by value, stores it in its pinned state and asks it for memory once
//! it lies at its final address. So `[u8; N]` needs no heap, and `&mut [u8]` is as good as a `Vec`:
//! the operation cannot go away before the kernel is finished. [`IoBuf`] is what is written out,
//! [`IoBufMut`] what is read into, [`IoBufs`] and [`IoBufsMut`] are lists of them for vectored
//! operations, [`Slice`] and [`SliceMut`] are parts of a buffer that keep it whole.
//!
//! # Flow
//!
//! ```text
//! sender ──moves──> operation (pinned) ──> io_bytes / io_space ──> kernel ... last completion
//!                                          again after partial progress    └──> set_filled, move out
//! ```
//!
//! # Bounds
//!
//! A buffer has any length; the operation cuts a request to what the kernel takes at once. A list
//! has any number of buffers; the operation passes at most 1,024 (`IOV_MAX`) of them at a time.
//!
//! # Safety
//!
//! A buffer is *at rest* while it is neither moved, nor mutably borrowed, nor dropped. Shared
//! borrows leave it at rest.
//!
//! - INV-BUF-1 (kept by the buffer types): the memory that `io_bytes` or `io_space` named stays
//!   valid, of the same length and at the same address, as long as the buffer is at rest, and the
//!   pointer may be used for it. Nothing writes to the memory of `io_bytes`, and nothing at all
//!   touches the memory of `io_space`, except through the buffer itself or that pointer.
//! - INV-BUF-2 (kept by the operations): from the call of `io_bytes` or `io_space` until the last
//!   completion of the request that uses the pointer, the buffer is at rest, and for `io_space` no
//!   reference to it exists, not even a shared one. It lies in an `UnsafeCell<ManuallyDrop<_>>`, so
//!   that a reference to what is around it claims nothing about it.
//! - INV-BUF-3 (kept by the operations): `set_filled(n)` is called with an `n` within the space, of
//!   which each byte before `n` was written or lies before `io_filled`.

mod impls;
mod slice;
mod traits;
mod vectored;

pub use slice::{IoBufExt, IoBufMutExt, Slice, SliceMut};
pub use traits::{IoBuf, IoBufMut};
pub use vectored::{IoBufs, IoBufsMut, IoVecs};

#[cfg(test)]
mod tests;
