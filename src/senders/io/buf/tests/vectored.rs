//! vectored: lists of every form, progress within them, and the kernel's limit on their length.
//! Method: move data through files with `pwritev` and `preadv`, with the windows that an operation
//! would pass, also in pieces.
//!
//! # Safety
//!
//! INV-BUF-2 and INV-BUF-3: no buffer is touched between its description and the last transfer.

#![expect(unsafe_code, reason = "plays the operation")]

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::super::vectored::IOV_MAX;
use super::super::{IoBuf, IoBufMutExt, IoBufs, IoBufsMut, IoVecs};
use super::Held;

/// The list of an operation that writes.
fn described(bufs: &impl IoBufs) -> IoVecs {
    let mut list = IoVecs::new();
    bufs.io_list(&mut list);
    list
}

/// One request of an operation; how many bytes the kernel took or gave.
fn transfer(
    call: unsafe extern "C" fn(i32, *const libc::iovec, i32, i64) -> isize,
    file: &File,
    list: &IoVecs,
    offset: usize,
) -> usize {
    let window = list.window();
    let count = window.len().try_into().expect("at most IOV_MAX");
    let offset = offset.try_into().expect("small");
    // SAFETY: each range of the window belongs to a buffer that its test holds at rest.
    let result = unsafe { call(file.as_raw_fd(), window.as_ptr(), count, offset) };
    usize::try_from(result).unwrap_or_else(|_| panic!("{}", std::io::Error::last_os_error()))
}

/// Writes a list out and returns what is in the file.
fn written(bufs: impl IoBufs) -> Vec<u8> {
    let file = tempfile::tempfile().expect("temporary file");
    let held = Held::new(bufs);
    let mut list = described(held.buffer());
    let mut done = 0;
    while list.count() > 0 {
        let count = transfer(libc::pwritev, &file, &list, done);
        assert!(count > 0, "the window is not empty");
        list.advance(count);
        done += count;
    }
    drop(held.into_inner());
    std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("content")
}

/// Reads a file with that content into a list; how much it took.
fn read<B: IoBufsMut>(bufs: B, data: &[u8]) -> (usize, B) {
    let file = tempfile::tempfile().expect("temporary file");
    std::io::Write::write_all(&mut &file, data).expect("write");
    let held = Held::new(bufs);
    let mut list = IoVecs::new();
    held.buffer().io_list_mut(&mut list);
    let mut done = 0;
    while list.count() > 0 {
        match transfer(libc::preadv, &file, &list, done) {
            0 => break,
            count => {
                list.advance(count);
                done += count;
            }
        }
    }
    // SAFETY: that many bytes were read, from the start of the list on.
    unsafe { held.buffer().set_list_filled(done) };
    (done, held.into_inner())
}

#[test]
fn io_bufs_every_form_writes_its_bytes_in_order() {
    let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    assert_eq!(written(slices), b"abcde");
    assert_eq!(written(slices.as_slice()), b"abcde");
    assert_eq!(written(vec!["ab", "cde"]), b"abcde");
    assert_eq!(written(vec!["ab", "cde"].into_boxed_slice()), b"abcde");
    assert_eq!(written(Arc::<[&str]>::from(["ab", "cde"])), b"abcde");
    let strings = &vec![String::from("ab"), "cde".into()];
    assert_eq!(written(strings), b"abcde");
    assert_eq!(written([*b"ab", *b"cd"]), b"abcd");
    assert_eq!(
        written((*b"ab", String::from("cde"), "", b"f".to_vec())),
        b"abcdef"
    );
    assert_eq!(written(("ab",)), b"ab");
}

#[test]
fn io_bufs_empty_lists_give_nothing() {
    assert_eq!(described(&Vec::<&str>::new()).count(), 0);
    assert_eq!(described(&["", ""]).window().len(), 0);
    assert_eq!(written([&[] as &[u8]; 0]), b"");
    assert_eq!(read(Vec::<Vec<u8>>::new(), b"data").0, 0);
    assert_eq!(read([Vec::new(), Vec::new()], b"data").0, 0);
}

#[test]
fn io_bufs_mut_inline_arrays_are_filled_in_order() {
    let (count, bufs) = read([[b'.'; 3]; 3], b"01234");
    assert_eq!((count, bufs), (5, [*b"012", *b"34.", *b"..."]));
}

#[test]
fn io_bufs_mut_vectors_get_their_share_of_the_length() {
    let vector = || Vec::with_capacity(4);
    let full: Vec<Vec<u8>> = vec![vector(), Vec::new(), vector(), vec![9; 4]];
    let room = full[0].capacity();
    let data: Vec<u8> = (0..room + 1)
        .map(|byte| byte.try_into().expect("small"))
        .collect();
    let (count, bufs) = read(full, &data);
    assert_eq!(count, data.len());
    assert_eq!(bufs[0], &data[..room]);
    assert_eq!(bufs[2], &data[room..]);
    assert!(bufs[1].is_empty() && bufs[3].is_empty(), "{bufs:?}");
}

#[test]
fn io_bufs_mut_tuple_of_header_and_body() {
    let mut body = Vec::with_capacity(32);
    let (count, (header, _)) = read(([0; 4], &mut body), b"HEADbody");
    assert_eq!(
        (count, &header, body.as_slice()),
        (8, b"HEAD", b"body".as_slice())
    );
    body.extend_from_slice(b"...");
    let (count, (header, part)) = read(([0; 4], body.slice_mut(4..6)), b"HEADer++");
    assert_eq!(
        (count, &header, part.into_inner()),
        (6, b"HEAD", b"bodyer.".to_vec())
    );
}

#[test]
fn io_bufs_mut_caller_slices_are_filled_and_unchanged() {
    let (mut one, mut two) = ([0; 2], [0; 4]);
    let mut slices = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(read(slices.as_mut_slice(), b"abcd").0, 4);
    assert_eq!(slices.each_ref().map(|slice| slice.len()), [2, 4]);
    assert_eq!((one, two), (*b"ab", *b"cd\0\0"));
}

#[test]
fn io_vecs_longer_than_the_kernel_takes_are_offered_in_windows() {
    let data: Vec<u8> = (0..2500u32)
        .map(|byte| (byte % 251).try_into().expect("small"))
        .collect();
    let bufs: Vec<&[u8]> = data.chunks(1).collect();
    let mut list = described(&bufs);
    assert_eq!(
        (list.count(), list.window().len(), list.bytes()),
        (2500, IOV_MAX, 2500)
    );
    list.advance(2000);
    assert_eq!(
        (list.count(), list.window().len(), list.bytes()),
        (500, 500, 500)
    );
    assert_eq!(written(bufs), data);
    let (count, bufs) = read(vec![[0u8; 1]; 2500], &data);
    assert_eq!((count, bufs.concat()), (2500, data));
}

#[test]
fn io_vecs_up_to_eight_buffers_use_no_heap() {
    let list = described(&["x"; 8]);
    let start = std::ptr::from_ref(&list).addr();
    let place = list.window().as_ptr().addr();
    assert!((start..start + size_of::<IoVecs>()).contains(&place));
    assert_eq!(format!("{list:?}"), "IoVecs { count: 8, bytes: 8, .. }");
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 64, ..Config::default() })]

    #[test]
    fn prop_io_vecs_advance_leaves_the_rest(
        bufs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..20),
        steps in proptest::collection::vec(0usize..12, 0..20),
    ) {
        let all = bufs.concat();
        let mut list = described(&bufs);
        let mut done = 0;
        for step in steps {
            let step = step.min(all.len() - done);
            list.advance(step);
            done += step;
            // SAFETY: each range belongs to `bufs`, which nobody changes.
            let rest = list.window().iter().flat_map(|vec| unsafe {
                std::slice::from_raw_parts(vec.iov_base.cast::<u8>(), vec.iov_len)
            });
            prop_assert_eq!(rest.copied().collect::<Vec<u8>>(), &all[done..]);
            prop_assert_eq!(list.bytes(), all.len() - done);
        }
        prop_assert_eq!(bufs.iter().map(|buf| buf.io_bytes().len()).sum::<usize>(), all.len());
    }
}
