//! returning: the buffer comes back on every path, with what was read in it.
//! Method: each ending of each operation with a buffer, and a look at the buffer.

use std::fs::File;
use std::io::{self, Write};

use sendio::prelude::*;
use sendio::transferred;

use super::support::{code, context, on_each_handle, sealed_file, stopped_after};

on_each_handle! {
    fn returning_buffer_after_success_and_error(io, cx) {
        let zero = File::open("/dev/zero").expect("open");
        let (result, vec) = cx.run(io.read_some(&zero, vec![1; 4]).returning_buffer()).expect("value");
        assert_eq!((result.expect("read"), &vec[..]), (4, &[0; 4][..]));
        let (result, text) = cx.run(io.write_some(&zero, "ab").returning_buffer()).expect("value");
        assert_eq!((code(result), text), (Some(libc::EBADF), "ab"));
        let directory = File::open("/").expect("open");
        let (result, vec) =
            cx.run(io.read_at(&directory, vec![1; 4], 0).returning_buffer()).expect("value");
        assert_eq!((code(result), vec), (Some(libc::EISDIR), vec![1; 4]));
        let (result, vec) =
            cx.run(io.read_at(&zero, vec![1; 4], u64::MAX).returning_buffer()).expect("value");
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(vec, [1; 4]);
    }

    fn returning_buffer_read_exact_cut_short_keeps_what_was_read(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        writer.write_all(b"12345").expect("write");
        drop(writer);
        let read = io.read_exact(&reader, Vec::with_capacity(9)).returning_buffer();
        let (result, vec) = cx.run(read).expect("value");
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(transferred(&error), 5);
        assert_eq!(vec, b"12345");
        let nothing = io.read_exact(&reader, vec![7; 3]).returning_buffer();
        let (result, vec) = cx.run(nothing).expect("value");
        assert_eq!(transferred(&result.unwrap_err()), 0);
        assert_eq!(vec, [7; 3], "nothing was read");
    }

    fn returning_buffer_write_all_cut_short_keeps_the_buffer(io, cx) {
        let file = sealed_file(4096);
        let write = io.write_all_at(&file, vec![3; 8192], 0).returning_buffer();
        let (result, vec) = cx.run(write).expect("value");
        assert_eq!(transferred(&result.unwrap_err()), 4096);
        assert_eq!(vec.len(), 8192);
        let write = io.write_all_at(&file, "short", 0).returning_buffer();
        assert_eq!(cx.run(write).expect("value").0.expect("written"), 5);
        let write = io.writev_at(&file, ["sh", "ort"], 0).returning_buffer();
        assert_eq!(cx.run(write).expect("value").0.expect("written"), 5);
    }
}

#[test]
fn returning_buffer_stop_before_start_gives_the_buffer_back() {
    let ctx = context();
    let zero = File::open("/dev/zero").expect("open");
    let read = ctx
        .scheduler()
        .read_some(&zero, vec![1, 2])
        .returning_buffer();
    let Outcome::Value((result, vec)) = stopped_after(&ctx, 0, read) else {
        panic!("the buffer was lost")
    };
    assert_eq!((code(result), vec), (Some(libc::ECANCELED), vec![1, 2]));
}

#[test]
fn returning_buffer_stop_in_flight_keeps_what_was_read() {
    let ctx = context();
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(b"abc").expect("write");
    let read = ctx.scheduler().read_exact(&reader, Vec::with_capacity(10));
    let Outcome::Value((result, vec)) = stopped_after(&ctx, 1, read.returning_buffer()) else {
        panic!("the buffer was lost")
    };
    assert_eq!(transferred(&result.unwrap_err()), 3);
    assert_eq!(vec, b"abc");
}
