//! buf: every buffer type lends the right memory, at rest in an operation, and takes a result.
//! Method: hold the buffer as an operation does; play the kernel with a copy through the pointer.
//!
//! # Safety
//!
//! `Held` keeps INV-BUF-2 and INV-BUF-3 in the place of an operation.

#![expect(unsafe_code, reason = "plays the operation and the kernel")]

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::*;

/// A buffer as it lies in an operation.
struct Held<B>(UnsafeCell<MaybeUninit<B>>);

impl<B> Held<B> {
    fn new(buffer: B) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(buffer)))
    }

    fn into_inner(self) -> B {
        // SAFETY: nothing takes the buffer out before.
        unsafe { self.0.into_inner().assume_init() }
    }

    /// For the moments when no request is in flight.
    #[expect(
        clippy::mut_from_ref,
        reason = "what an operation does through its pointer"
    )]
    fn buffer(&self) -> &mut B {
        // SAFETY: always there, and callers hold one such reference at a time.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}

/// Writes the buffer out, in pieces of at most `piece` bytes as a socket would take them.
fn written<B: IoBuf>(buffer: B, piece: usize) -> (Vec<u8>, B) {
    let held = Held::new(buffer);
    let mut out = Vec::new();
    loop {
        let bytes: *const [u8] = held.buffer().io_bytes();
        let rest = bytes.len() - out.len();
        if rest == 0 {
            return (out, held.into_inner());
        }
        // SAFETY: within the bytes, which are good for reading while the buffer is at rest.
        let sent = unsafe {
            let start = bytes.cast::<u8>().add(out.len());
            std::slice::from_raw_parts(start, rest.min(piece)).to_vec()
        };
        out.extend(sent);
    }
}

/// Reads `data` into the buffer, in pieces of at most `piece` bytes. Returns how much fitted.
fn read<B: IoBufMut>(buffer: B, data: &[u8], piece: usize) -> (usize, B) {
    let held = Held::new(buffer);
    let mut done = 0;
    loop {
        let space = held.buffer().io_space();
        let count = (space.len() - done).min(data.len() - done).min(piece);
        if count == 0 {
            // SAFETY: `done` bytes were written, each of them within the space.
            unsafe { held.buffer().set_filled(done) };
            return (done, held.into_inner());
        }
        // SAFETY: within the space, which is good for writing while the buffer is at rest.
        unsafe {
            let place = space.cast::<u8>().add(done);
            place.copy_from_nonoverlapping(data[done..].as_ptr(), count);
        }
        done += count;
    }
}

#[test]
fn io_buf_every_type_gives_its_bytes() {
    fn check(buffer: impl IoBuf) {
        assert_eq!(written(buffer, 2).0, b"bytes");
    }
    let array = *b"bytes";
    let string = String::from("bytes");
    let vector = array.to_vec();
    let (shared, exclusive) = (&array, &mut array.clone());
    check("bytes");
    check(shared);
    check(array.as_slice());
    check(&string);
    check(&vector);
    check(exclusive);
    check(array);
    check(Box::new(array));
    check(Arc::new(array));
    check(string.clone().into_boxed_str());
    check(Arc::<str>::from("bytes"));
    check(Arc::<[u8]>::from(array));
    check(Rc::<[u8]>::from(array));
    check(Rc::new(vector.clone()));
    check(vector.clone().into_boxed_slice());
    check(Cow::Borrowed(array.as_slice()));
    check(Cow::<[u8]>::Owned(vector.clone()));
    check(Cow::Borrowed("bytes"));
    check(IoSlice::new(&array));
    check(IoSliceMut::new(&mut array.clone()));
    check(Box::new("bytes") as Box<dyn IoBuf>);
    check(vector);
    check(string);
}

#[test]
fn io_buf_empty_gives_no_bytes() {
    assert_eq!(written("", 1).0, b"");
    assert_eq!(written([0; 0], 1).0, b"");
    assert_eq!(written(Vec::new(), 1).0, b"");
}

#[test]
fn io_buf_mut_fixed_types_keep_their_length() {
    fn check<B: IoBufMut + AsRef<[u8]>>(buffer: B) {
        let (count, buffer) = read(buffer, b"new", 2);
        assert_eq!((count, buffer.as_ref()), (3, b"newd!".as_slice()));
    }
    assert_eq!(
        read(Box::new(*b"xxxd!"), b"new", 2),
        (3, Box::new(*b"newd!"))
    );
    check(*b"xxxd!");
    let exclusive = &mut b"xxxd!".clone();
    check(exclusive);
    check(b"xxxd!".to_vec().into_boxed_slice());
    check(b"xxxd!".clone().as_mut_slice());
}

#[test]
fn io_buf_mut_more_than_fits_fills_the_space_only() {
    let mut whole = *b"......";
    let (count, _) = read(&mut whole[1..4], b"abcdef", 10);
    assert_eq!((count, &whole), (3, b".abc.."));
    let (count, vector) = read(Vec::with_capacity(0), b"abc", 10);
    assert_eq!((count, vector.len()), (0, 0));
}

#[test]
fn io_buf_mut_uninitialised_memory_is_written() {
    let (count, array) = read([MaybeUninit::uninit(); 8], b"abc", 2);
    // SAFETY: the first three were written.
    let bytes = array[..count]
        .iter()
        .map(|byte| unsafe { byte.assume_init() });
    assert_eq!(bytes.collect::<Vec<u8>>(), b"abc");

    let mut array = [MaybeUninit::<u8>::uninit(); 8];
    let (count, _) = read(&mut array[4..], b"abcdef", 3);
    // SAFETY: the last four were written.
    let bytes = array[4..].iter().map(|byte| unsafe { byte.assume_init() });
    assert_eq!((count, bytes.collect::<Vec<u8>>()), (4, b"abcd".to_vec()));
}

#[test]
fn io_buf_mut_vector_has_the_length_that_was_read() {
    let (count, vector) = read(Vec::with_capacity(64), b"content", 3);
    assert_eq!((count, vector.as_slice()), (7, b"content".as_slice()));
    let (count, vector) = read(vector, b"new", 3);
    assert_eq!((count, vector.as_slice()), (3, b"new".as_slice()));
    let (count, mut vector) = read(vector, b"", 3);
    assert_eq!((count, vector.len()), (0, 0));
    assert!(vector.capacity() >= 64);
    let (count, _) = read(&mut vector, b"lent", 3);
    assert_eq!((count, vector.as_slice()), (4, b"lent".as_slice()));
}

#[test]
fn slice_mut_in_spare_capacity_appends() {
    let mut vector = Vec::with_capacity(16);
    vector.extend_from_slice(b"head:");
    let (count, part) = read(vector.slice_mut(5..), b"tail", 3);
    assert_eq!((count, part.into_inner()), (4, b"head:tail".to_vec()));
}

#[test]
fn slice_mut_within_content_never_shortens_it() {
    let (count, part) = read(b"0123456789".to_vec().slice_mut(2..6), b"ab", 1);
    assert_eq!((count, part.range()), (2, 2..6));
    assert_eq!(part.into_inner(), b"01ab456789");
}

#[test]
fn slice_mut_across_the_end_of_content_extends_it() {
    let mut vector = Vec::with_capacity(16);
    vector.extend_from_slice(b"0123");
    let part = vector.slice_mut(2..8).slice_mut(1..=3);
    let (count, part) = read(part, b"abcdef", 10);
    assert_eq!((count, part.io_filled()), (3, 3));
    assert_eq!(part.into_inner().into_inner(), b"012abc");
}

#[test]
#[should_panic(expected = "would leave a gap after the 2 bytes")]
fn slice_mut_that_begins_after_the_content_panics() {
    let mut vector = Vec::with_capacity(16);
    vector.extend_from_slice(b"01");
    let _ = vector.slice_mut(3..);
}

#[test]
#[should_panic(expected = "a slice ends at 9, but the buffer has 8 bytes")]
fn slice_that_ends_after_the_buffer_panics() {
    let _ = [0; 8].slice(..9);
}

#[test]
#[should_panic(expected = "a slice begins at 3, after its end at 2")]
#[expect(clippy::reversed_empty_ranges, reason = "the mistake under test")]
fn slice_that_ends_before_it_begins_panics() {
    let _ = [0; 8].slice(3..2);
}

#[test]
#[should_panic(expected = "a slice has a bound of usize::MAX")]
fn slice_that_includes_the_largest_index_panics() {
    let _ = [0; 8].slice(..=usize::MAX);
}

#[test]
fn io_buf_slice_of_shared_bytes_leaves_them_shared() {
    let shared = Arc::<[u8]>::from(*b"0123456789");
    let (bytes, part) = written(Arc::clone(&shared).slice(3..).slice(..4), 3);
    assert_eq!(bytes, b"3456");
    assert!(Arc::ptr_eq(part.inner().inner(), &shared));
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn prop_slice_equals_indexing(
        data in proptest::collection::vec(any::<u8>(), 0..32),
        start in 0usize..40,
        end in 0usize..40,
        piece in 1usize..8,
    ) {
        match data.get(start..end) {
            Some(part) => {
                prop_assert_eq!(written(data.as_slice().slice(start..end), piece).0, part);
                let (bytes, slice) = written(data.clone().slice(start..end), piece);
                prop_assert_eq!(bytes, part);
                prop_assert_eq!(slice.into_inner(), data);
            }
            None => {
                let made = std::panic::catch_unwind(|| data.as_slice().slice(start..end));
                prop_assert!(made.is_err());
            }
        }
    }

    #[test]
    fn prop_slice_mut_of_vector_writes_only_its_range(
        content in proptest::collection::vec(any::<u8>(), 0..24),
        spare in 0usize..24,
        start in 0usize..50,
        len in 0usize..50,
        data in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut vector = Vec::with_capacity(content.len() + spare);
        vector.extend_from_slice(&content);
        let valid = start <= content.len() && start + len <= vector.capacity();
        let make = std::panic::AssertUnwindSafe(|| vector.slice_mut(start..start + len));
        let made = std::panic::catch_unwind(make);
        prop_assert_eq!(made.is_ok(), valid);
        if let Ok(part) = made {
            let (count, part) = read(part, &data, 7);
            prop_assert_eq!(count, len.min(data.len()));
            let mut expected = content.clone();
            expected.resize(content.len().max(start + count), 0);
            expected[start..start + count].copy_from_slice(&data[..count]);
            prop_assert_eq!(part.into_inner(), expected);
        }
    }
}

#[cfg(feature = "bytes")]
mod bytes {
    use bytes::{Bytes, BytesMut};

    use super::{IoBuf, IoBufMut, IoBufMutExt, read, written};

    #[test]
    fn bytes_give_their_view() {
        let bytes = Bytes::from_static(b"0123456789");
        assert_eq!(written(bytes.slice(2..5), 2).0, b"234");
        let mut buffer = BytesMut::from(b"0123456789".as_slice());
        assert_eq!(written(buffer.split_off(7), 2).0, b"789");
        assert_eq!(written(buffer, 2).0, b"0123456");
    }

    #[test]
    fn bytes_mut_is_filled_like_a_vector() {
        let (count, buffer) = read(BytesMut::with_capacity(64), b"content", 3);
        assert_eq!((count, buffer.as_ref()), (7, b"content".as_slice()));
        let (count, buffer) = read(buffer, b"new", 3);
        assert_eq!((count, buffer.as_ref()), (3, b"new".as_slice()));
        let (_, part) = read(buffer.slice_mut(3..), b"er", 3);
        assert_eq!(part.into_inner().as_ref(), b"newer".as_slice());
    }

    #[test]
    fn bytes_mut_split_handle_has_its_own_space_only() {
        let mut back = BytesMut::with_capacity(16);
        back.extend_from_slice(b"frontback");
        let mut front = back.split_to(5);
        assert!(front.io_space().len() >= 5);
        let room = front.capacity();
        let (count, front) = read(front, &[b'x'; 100], 100);
        assert_eq!((count, front.len()), (room, room));
        assert_eq!(back.io_bytes().len(), 4);
        assert_eq!(back.as_ref(), b"back".as_slice());
    }
}

mod vectored;
