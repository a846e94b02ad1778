//! vectored: `readv`, `readv_at`, `writev`, `writev_at`.
//! Method: lists of each form against a file of known bytes; the kernel's limits; short results.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use sendio::prelude::*;

use super::common::files::{assert_pattern, pattern_file, temp_dir};
use super::support::{code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn readv_at_fills_each_kind_of_list_in_order(io, cx) {
        let dir = temp_dir();
        let file = File::open(pattern_file(dir.path(), "v", 1, 10_000)).expect("open");
        let lists = ([0; 3], Vec::with_capacity(100), vec![0; 5].into_boxed_slice());
        let (n, (a, b, c)) = cx.run(io.readv_at(&file, lists, 11)).expect("read");
        assert_eq!((n, b.len()), (108, 100));
        assert_pattern(&a, 1, 11);
        assert_pattern(&b, 1, 14);
        assert_pattern(&c, 1, 114);

        let (n, arrays) = cx.run(io.readv_at(&file, [[0; 7]; 20], 0)).expect("read");
        assert_eq!(n, 140);
        assert_pattern(arrays.as_flattened(), 1, 0);

        let (mut left, mut right) = ([0; 10], [0; 20]);
        let mut slices = [IoSliceMut::new(&mut left), IoSliceMut::new(&mut right)];
        let (n, _) = cx.run(io.readv_at(&file, &mut slices, 0)).expect("read");
        assert_eq!(n, 30);
        assert_eq!((slices[0].len(), slices[1].len()), (10, 20), "not advanced");
        assert_pattern(&left, 1, 0);
        assert_pattern(&right, 1, 10);
    }

    fn readv_short_read_sets_the_lengths_of_vectors(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        writer.write_all(b"12345").expect("write");
        let lists = vec![Vec::with_capacity(3), Vec::with_capacity(4), vec![9; 6]];
        let (n, lists) = cx.run(io.readv(&reader, lists)).expect("read");
        assert_eq!(n, 5);
        assert_eq!(lists, [b"123".to_vec(), b"45".to_vec(), Vec::new()]);
    }

    fn writev_writes_each_kind_of_list_in_order(io, cx) {
        let (mut reader, writer) = io::pipe().expect("pipe");
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
        assert_eq!(cx.run(io.writev(&writer, slices)).expect("write").0, 4);
        let mixed = (*b"ef", String::from("gh"), "ij", vec![b'k']);
        assert_eq!(cx.run(io.writev(writer, mixed)).expect("write").0, 7);
        let mut all = String::new();
        reader.read_to_string(&mut all).expect("read");
        assert_eq!(all, "abcdefghijk");
    }

    fn vectored_more_than_the_kernel_takes_is_a_short_result(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        let (n, _) = cx.run(io.writev_at(&file, vec!["x"; 1025], 0)).expect("write");
        assert_eq!(n, 1024);
        let (n, _) = cx.run(io.readv_at(&file, vec![[0; 1]; 2000], 0)).expect("read");
        assert_eq!(n, 1024);
    }

    fn vectored_empty_lists_transfer_nothing(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(cx.run(io.writev_at(&file, Vec::<&str>::new(), 0)).expect("write").0, 0);
        assert_eq!(cx.run(io.writev_at(&file, ["", ""], 0)).expect("write").0, 0);
        assert_eq!(cx.run(io.readv_at(&file, [[0_u8; 0]; 3], 0)).expect("read").0, 0);
    }

    fn vectored_bad_input_is_an_error(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        let error = cx.run(io.readv_at(&file, [[0; 4]; 2], u64::MAX)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let read_only = File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.writev(&read_only, ["x"]))), Some(libc::EBADF));
    }
}

#[test]
fn readv_stop_before_start_is_stopped() {
    let ctx = context();
    let file = File::open("/dev/zero").expect("open");
    let read = ctx.scheduler().readv(&file, [[0; 4]; 2]);
    assert!(matches!(stopped_after(&ctx, 0, read), Outcome::Stopped));
}

#[test]
fn readv_returning_buffer_brings_the_list_back_after_an_error() {
    let ctx = context();
    let directory = File::open("/").expect("open");
    let read = ctx.scheduler().readv(&directory, vec![vec![1_u8, 2, 3]]);
    let (result, list) = ctx
        .block_on(read.returning_buffer())
        .expect("no error")
        .expect("not stopped");
    assert_eq!(code(result), Some(libc::EISDIR));
    assert_eq!(list, [[1, 2, 3]]);
}
