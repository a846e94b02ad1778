//! Declares the two buffer contracts: bytes to be written out, and space to be read into.
//!
//! One call returns pointer and length together, as a raw slice. A separate question for the length
//! would need a reference to the buffer while its pointer is already out, and with inline storage
//! (`[u8; N]`) that reference would end the pointer's right to the memory.
//!
//! # Safety
//!
//! The contracts are INV-BUF-1 to INV-BUF-3 of the module above.

#![expect(
    unsafe_code,
    reason = "declares the contracts of buffers lent to the kernel"
)]

/// Bytes that an operation can write out: `&[u8]`, `&str`, `Vec<u8>`, `String`, `[u8; N]`,
/// `Box<[u8]>`, `Arc<[u8]>`, slices of those, and more.
///
/// # Implementing
///
/// ```
/// use sendio::IoBuf;
///
/// /// A message with its header in front, in one piece of memory.
/// struct Frame {
///     bytes: Vec<u8>,
/// }
///
/// // SAFETY: the vector's memory is not touched, and does not move, until the frame is mutably
/// //         borrowed or dropped.
/// unsafe impl IoBuf for Frame {
///     fn io_bytes(&self) -> *const [u8] {
///         self.bytes.io_bytes()
///     }
/// }
///
/// let frame = Frame { bytes: vec![3, b'a', b'b', b'c'] };
/// assert_eq!(frame.io_bytes().len(), 4);
/// ```
///
/// # Safety
///
/// The implementor promises, for as long as the value is not moved, not mutably borrowed and not
/// dropped:
///
/// - The returned pointer is good for reading that many initialised bytes, and each call returns
///   the same pointer and length.
/// - Nothing writes to those bytes, and calls through `&self` (of any method, on any thread that
///   may make them) end none of this.
///
/// Besides, a move changes at most the pointer, never the length, and `io_bytes` does not panic.
/// The bytes may lie within the value itself: an operation asks after it put the value where it
/// stays, and leaves it there until the kernel is finished.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a buffer that can be written out",
    label = "not an `IoBuf`",
    note = "bytes to be written out are for example `&[u8]`, `&str`, `Vec<u8>`, `String`, `[u8; N]`"
)]
pub unsafe trait IoBuf {
    /// The bytes to be written out, at their present address.
    fn io_bytes(&self) -> *const [u8];
}

/// Space that an operation can read into: `&mut [u8]`, `Vec<u8>`, `[u8; N]`, `Box<[u8]>`, slices
/// of those, and more.
///
/// A `Vec<u8>` is filled from index 0 up to its capacity, without being zeroed first, and its length
/// is afterwards what was read. Note that `Vec::new()` has no space at all: a read into it reads 0
/// bytes. To append, read into [`slice_mut(len..)`](crate::IoBufMutExt::slice_mut). All other types
/// keep their length.
///
/// # Implementing
///
/// ```
/// use sendio::IoBufMut;
///
/// /// A page of memory, aligned for direct I/O, with the number of bytes in use.
/// #[repr(C, align(4096))]
/// struct Page {
///     bytes: [u8; 4096],
///     used: usize,
/// }
///
/// // SAFETY: the memory is a field, so it is valid until the page is moved, mutably borrowed or
/// //         dropped; all of it is always initialised.
/// unsafe impl IoBufMut for Page {
///     fn io_space(&mut self) -> *mut [u8] {
///         self.bytes.io_space()
///     }
///
///     fn io_filled(&self) -> usize {
///         self.used
///     }
///
///     unsafe fn set_filled(&mut self, filled: usize) {
///         self.used = filled;
///     }
/// }
///
/// let mut page = Page { bytes: [0; 4096], used: 0 };
/// assert_eq!(page.io_space().len(), 4096);
/// ```
///
/// # Safety
///
/// The implementor promises, for as long as the value is not moved, not borrowed and not dropped
/// after a call of `io_space`:
///
/// - The returned pointer is good for writing and reading that many bytes.
/// - Nothing but that pointer touches them.
///
/// Besides, the length of the space changes neither by a move, nor through `&self`, nor by a call of
/// a method of this trait, and the same holds for `io_filled` except that `set_filled` sets it; no
/// method panics; and the value stays valid when its space was written to and `set_filled` is never
/// called. The space may lie within the value itself: an operation asks after it put the value where
/// it stays, and leaves it alone until the kernel is finished.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a buffer that can be read into",
    label = "not an `IoBufMut`",
    note = "space to be read into is for example `&mut [u8]`, `Vec<u8>`, `[u8; N]`, `Box<[u8]>`"
)]
pub unsafe trait IoBufMut {
    /// The space to be read into, at its present address. It need not be initialised.
    fn io_space(&mut self) -> *mut [u8];

    /// How many bytes from the start of the space are content already, so that they need not be
    /// written: the length of a `Vec`, the whole space where the length is fixed. At most the length
    /// of the space.
    fn io_filled(&self) -> usize;

    /// Records that the first `filled` bytes of the space are the content now: the length of a
    /// `Vec`, and nothing where the length is fixed. Called at most once, at the end of the logical
    /// operation, with all the bytes that it read; not called if it failed before it read any.
    ///
    /// # Safety
    ///
    /// - `filled` is at most the length of the space.
    /// - Each of the first `filled` bytes of the space was written, or lies before
    ///   [`io_filled`](Self::io_filled).
    unsafe fn set_filled(&mut self, filled: usize);
}
