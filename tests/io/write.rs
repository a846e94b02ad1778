//! write: `write_at`, `write_some`, `write_all`, `write_all_at`.
//! Method: what was written is read back with `std`; outputs that take little, nothing, or fail in
//! the middle; lengths beyond what one request transfers.

use std::fs::{File, OpenOptions as StdOptions};
use std::io::{self, Read, Seek};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use sendio::prelude::*;
use sendio::transferred;

use super::common::files::{assert_pattern, pattern};
use super::support::{
    Refuses, code, context, on_each_handle, outcome_of, sealed_file, stopped_after,
};

fn empty() -> File {
    tempfile::tempfile().expect("temporary file")
}

/// All that is in `file`.
fn content(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut bytes).expect("read");
    bytes
}

on_each_handle! {
    fn write_at_each_kind_of_buffer_is_written(io, cx) {
        let file = empty();
        let borrowed = *b"bo";
        let shared: Arc<[u8]> = Arc::from(*b"ar");
        assert_eq!(cx.run(io.write_at(&file, &borrowed[..], 0)).expect("slice").0, 2);
        assert_eq!(cx.run(io.write_at(&file, "st", 2)).expect("str").0, 2);
        assert_eq!(cx.run(io.write_at(&file, b"ve".to_vec(), 4)).expect("Vec").0, 2);
        assert_eq!(cx.run(io.write_at(&file, *b"in", 6)).expect("array").0, 2);
        assert_eq!(cx.run(io.write_at(&file, shared.clone(), 8)).expect("Arc").0, 2);
        assert_eq!(cx.run(io.write_at(&file, b"xslicex".to_vec().slice(1..6), 10)).expect("part").0, 5);
        assert_eq!(cx.run(io.write_at(&file, String::from("ow"), 15)).expect("String").0, 2);
        assert_eq!(content(&file), b"bostveinarsliceow");
        assert_eq!(Arc::strong_count(&shared), 1, "the operation let go");
    }

    fn write_some_moves_the_position_and_write_at_does_not(io, cx) {
        let mut file = empty();
        cx.run(io.write_at(&file, "later", 3)).expect("write");
        assert_eq!(file.stream_position().expect("position"), 0);
        assert_eq!(cx.run(io.write_some(&file, "now")).expect("write").0, 3);
        assert_eq!(file.stream_position().expect("position"), 3);
        assert_eq!(cx.run(io.write_all(&file, "LA")).expect("write"), "LA");
        assert_eq!(content(&file), b"nowLAter");
    }

    fn write_all_to_a_full_pipe_goes_on_in_order(io, cx) {
        let (mut reader, writer) = io::pipe().expect("pipe");
        thread::scope(|threads| {
            let slow = threads.spawn(move || {
                let mut all = Vec::new();
                let mut some = vec![0; 1000];
                loop {
                    let n = reader.read(&mut some).expect("read");
                    if n == 0 {
                        return all;
                    }
                    all.extend_from_slice(&some[..n]);
                    thread::yield_now();
                }
            });
            cx.run(io.write_all(writer, pattern(5, 0, 1 << 20))).expect("write");
            let all = slow.join().expect("reader");
            assert_eq!(all.len(), 1 << 20);
            assert_pattern(&all, 5, 0);
        });
    }

    fn write_nothing_succeeds(io, cx) {
        let file = empty();
        assert_eq!(cx.run(io.write_some(&file, "")).expect("write").0, 0);
        assert_eq!(cx.run(io.write_all(&file, Vec::new())).expect("write"), Vec::<u8>::new());
        assert_eq!(file.metadata().expect("metadata").len(), 0);
    }

    fn write_to_a_full_device_is_storage_full(io, cx) {
        let full = StdOptions::new().write(true).open("/dev/full").expect("open");
        assert_eq!(code(cx.run(io.write_some(&full, "x"))), Some(libc::ENOSPC));
        let error = cx.run(io.write_all(&full, "x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(transferred(&error), 0);
    }

    fn write_all_at_error_in_the_middle_says_how_much(io, cx) {
        let file = sealed_file(32 * 4096);
        let error = cx.run(io.write_all_at(&file, pattern(6, 0, 64 * 4096), 0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(transferred(&error), 32 * 4096);
        assert_pattern(&content(&file), 6, 0);
    }

    fn write_to_a_pipe_without_reader_is_broken_pipe(io, cx) {
        let (reader, writer) = io::pipe().expect("pipe");
        drop(reader);
        let error = cx.run(io.write_some(&writer, "x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let error = cx.run(io.write_all(&writer, "x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    fn write_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let read_only = File::open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.write_some(&read_only, "x"))), Some(libc::EBADF));
        let file = empty();
        for offset in [1 << 63, u64::MAX] {
            let error = cx.run(io.write_all_at(&file, "x", offset)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{offset}");
        }
        let last = cx.run(io.write_at(&file, "xyz", i64::MAX as u64));
        assert!(matches!(code(last), Some(libc::EINVAL | libc::EFBIG | libc::EOVERFLOW)));
        assert_eq!(cx.run(io.write_at(&file, "x", 0)).expect("the loop lives").0, 1);
    }

    fn write_longer_than_one_request_is_cut_or_continued(io, cx) {
        // Zeroes that nobody touches: /dev/null does not look at them.
        let huge = vec![0_u8; 5 << 30];
        let null = StdOptions::new().write(true).open("/dev/null").expect("open");
        let (n, _) = cx.run(io.write_some(&null, &huge[..])).expect("write");
        assert_eq!(n, 0x7fff_f000);
        let whole = cx.run(io.write_all(&null, &huge[..])).expect("write");
        assert_eq!(whole.len(), 5 << 30);
        let (n, _) = cx.run(io.writev(&null, [&huge[..], &huge[..]])).expect("write");
        assert_eq!(n, 0x7fff_f000);
    }
}

#[test]
fn write_with_append_goes_to_the_end() {
    let dir = super::common::files::temp_dir();
    let path = dir.path().join("log");
    let ctx = context();
    let io = ctx.scheduler();
    let options = OpenOptions::new().append(true).create(true);
    for line in ["one\n", "two\n"] {
        let written = io
            .open(&path, options)
            .let_value(|file| io.write_all(file, line));
        ctx.block_on(written).expect("write");
    }
    assert_eq!(std::fs::read(path).expect("read"), b"one\ntwo\n");
}

#[test]
fn write_local_buffer_needs_not_be_send() {
    let ctx = context();
    let file = empty();
    let text: Rc<str> = Rc::from("here");
    let (n, _) = ctx
        .block_on_local(ctx.local().write_at(&file, text, 0))
        .expect("write")
        .expect("not stopped");
    assert_eq!(n, 4);
    assert_eq!(content(&file), b"here");
}

#[test]
fn write_all_stop_in_flight_says_how_much_was_written() {
    let ctx = context();
    let (mut reader, writer) = io::pipe().expect("pipe");
    let write = ctx.scheduler().write_all(writer, pattern(7, 0, 1 << 20));
    let Outcome::Error(error) = stopped_after(&ctx, 1, write) else {
        panic!("bytes were lost in a plain stop")
    };
    let mut all = Vec::new();
    reader.read_to_end(&mut all).expect("read");
    assert!(!all.is_empty());
    assert_eq!(transferred(&error), all.len());
    assert_pattern(&all, 7, 0);
}

#[test]
fn write_stop_before_start_does_not_touch_the_kernel() {
    let ctx = context();
    let file = empty();
    let write = ctx.scheduler().write_all_at(&file, "never", 0);
    assert!(matches!(stopped_after(&ctx, 0, write), Outcome::Stopped));
    assert_eq!(content(&file), b"");
}

#[test]
fn write_all_of_nothing_completes_on_the_context_thread() {
    let ctx = context();
    let io = ctx.scheduler();
    let home = thread::current().id();
    thread::scope(|threads| {
        threads.spawn(move || {
            let _remote = super::support::Remote(io);
            let place = io
                .write_all(io::stdout(), "")
                .then(|_| thread::current().id());
            assert_eq!(sync_wait(place).expect("write"), Some(home));
            let file = empty();
            let place = io
                .read_exact_at(file, [0; 0], 0)
                .then(|_| thread::current().id());
            assert_eq!(sync_wait(place).expect("read"), Some(home));
        });
        ctx.run();
    });
}

#[test]
fn write_owner_that_panics_is_told_on_the_panic_channel() {
    let ctx = context();
    let outcome = outcome_of(&ctx, ctx.scheduler().write_all(Refuses, "x"));
    assert_eq!(
        super::common::outcomes::panic_message(outcome),
        "no descriptor for you"
    );
}
