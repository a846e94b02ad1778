//! read: `read_at`, `read_some`, `read_exact`, `read_exact_at`.
//! Method: files, pipes and sockets whose bytes are known are read with every kind of buffer and
//! descriptor, fed slowly, cut short, and stopped in the middle.

use std::fs::{self, File, OpenOptions as StdOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use sendio::prelude::*;
use sendio::{BasicFd, Cwd, FileHandle, transferred};

use super::common::files::{assert_pattern, pattern, pattern_file, temp_dir};
use super::common::receivers::{Probe, Trace, connect_and_start};
use super::support::{
    Held, Pages, Refuses, code, context, on_each_handle, outcome_of, stopped_after,
};

const LEN: usize = 100_000;

/// A file with pattern 1.
fn known() -> File {
    let dir = temp_dir();
    File::open(pattern_file(dir.path(), "known", 1, LEN)).expect("open")
}

on_each_handle! {
    fn read_at_each_kind_of_buffer_is_filled(io, cx) {
        let file = known();
        let mut array = [0; 64];
        let (n, lent) = cx.run(io.read_at(&file, &mut array[..], 10)).expect("read");
        assert_eq!(n, 64);
        assert_pattern(lent, 1, 10);
        assert_pattern(&array, 1, 10);

        let (n, inline) = cx.run(io.read_at(&file, [0; 777], 4097)).expect("read");
        assert_eq!(n, 777);
        assert_pattern(&inline, 1, 4097);

        let (n, vec) = cx.run(io.read_at(&file, Vec::with_capacity(300), 5)).expect("read");
        assert_eq!((n, vec.len()), (300, 300));
        assert_pattern(&vec, 1, 5);

        let boxed = vec![0; 33].into_boxed_slice();
        let (n, boxed) = cx.run(io.read_at(&file, boxed, 99)).expect("read");
        assert_eq!(n, 33);
        assert_pattern(&boxed, 1, 99);

        let mut kept = vec![9; 12];
        kept.reserve_exact(100);
        let (n, _) = cx.run(io.read_at(&file, (&mut kept).slice_mut(12..50), 3)).expect("read");
        assert_eq!((n, kept.len()), (38, 50));
        assert_eq!(&kept[..12], [9; 12]);
        assert_pattern(&kept[12..], 1, 3);

        let part = [0; 10].slice_mut(2..5);
        let (n, part) = cx.run(io.read_at(&file, part, 0)).expect("read");
        let whole = part.into_inner();
        assert_eq!(n, 3);
        assert_eq!((&whole[..2], &whole[5..]), (&[0; 2][..], &[0; 5][..]));
        assert_pattern(&whole[2..5], 1, 0);
    }

    fn read_at_each_kind_of_descriptor_is_read(io, cx) {
        let shared = Arc::new(known());
        let handle = FileHandle::new(io, known().into());
        let token = BasicFd::from(shared.as_fd());
        for (n, bytes) in [
            cx.run(io.read_at(known(), [0; 40], 7)).expect("by value"),
            cx.run(io.read_at(&*shared, [0; 40], 7)).expect("by reference"),
            cx.run(io.read_at(shared.clone(), [0; 40], 7)).expect("by Arc"),
            cx.run(io.read_at(shared.as_fd(), [0; 40], 7)).expect("BorrowedFd"),
            cx.run(io.read_at(token, [0; 40], 7)).expect("BasicFd"),
            cx.run(io.read_at(&handle, [0; 40], 7)).expect("a handle by reference"),
            cx.run(handle.read_at([0; 40], 7)).expect("a method of a handle"),
        ] {
            assert_eq!(n, 40);
            assert_pattern(&bytes, 1, 7);
        }
        assert_eq!(Arc::strong_count(&shared), 1, "the operation let go");
    }

    fn read_some_moves_the_position_and_read_at_does_not(io, cx) {
        let mut file = known();
        cx.run(io.read_at(&file, [0; 10], 50)).expect("read");
        assert_eq!(file.stream_position().expect("position"), 0);
        let (n, first) = cx.run(io.read_some(&file, [0; 10])).expect("read");
        assert_eq!(n, 10);
        assert_pattern(&first, 1, 0);
        let next = cx.run(io.read_exact(&file, [0; 20])).expect("read");
        assert_pattern(&next, 1, 10);
        assert_eq!(file.stream_position().expect("position"), 30);
    }

    fn read_at_end_of_file_is_short_then_zero(io, cx) {
        let file = known();
        let (n, bytes) = cx.run(io.read_at(&file, [0; 64], LEN as u64 - 5)).expect("read");
        assert_eq!(n, 5);
        assert_pattern(&bytes[..5], 1, LEN as u64 - 5);
        for offset in [LEN as u64, 1 << 40] {
            let (n, vec) = cx.run(io.read_at(&file, vec![1; 8], offset)).expect("read");
            assert_eq!((n, vec.len()), (0, 0));
        }
    }

    fn read_without_room_reads_nothing(io, cx) {
        let file = known();
        let (n, vec) = cx.run(io.read_at(&file, Vec::new(), 0)).expect("read");
        assert_eq!((n, vec), (0, Vec::new()));
        let (reader, _writer) = io::pipe().expect("pipe");
        let (n, _) = cx.run(io.read_some(&reader, [0; 0])).expect("does not wait");
        assert_eq!(n, 0);
        assert_eq!(cx.run(io.read_exact(&reader, [0; 0])).expect("does not wait"), [0; 0]);
    }

    fn read_exact_fed_one_byte_at_a_time_fills_the_buffer(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        thread::scope(|threads| {
            threads.spawn(move || {
                for byte in pattern(2, 0, 500) {
                    writer.write_all(&[byte]).expect("write");
                    thread::yield_now();
                }
            });
            let bytes = cx.run(io.read_exact(&reader, [0; 500])).expect("read");
            assert_pattern(&bytes, 2, 0);
        });
    }

    fn read_some_of_sockets_gives_what_there_is(io, cx) {
        let (left, mut right) = UnixStream::pair().expect("socketpair");
        left.set_nonblocking(true).expect("set");
        thread::scope(|threads| {
            threads.spawn(move || right.write_all(b"abc").expect("write"));
            let (n, bytes) = cx.run(io.read_some(&left, [0; 10])).expect("waits for data");
            assert_eq!(&bytes[..n], &b"abc"[..n]);
            let rest = cx.run(io.read_exact(&left, vec![0; 3 - n].into_boxed_slice()));
            assert_eq!(rest.expect("read").len(), 3 - n);
            let (n, _) = cx.run(io.read_some(&left, [0; 10])).expect("the end");
            assert_eq!(n, 0);
        });
    }

    fn read_exact_end_in_the_middle_says_how_much(io, cx) {
        let error = cx.run(io.read_exact_at(known(), [0; 64], LEN as u64 - 9)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(transferred(&error), 9);
        let (reader, mut writer) = io::pipe().expect("pipe");
        writer.write_all(b"1234567").expect("write");
        drop(writer);
        let error = cx.run(io.read_exact(reader, vec![0; 64].into_boxed_slice())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(transferred(&error), 7);
    }

    fn read_bad_input_is_an_error_and_the_loop_lives(io, cx) {
        let file = known();
        for offset in [1 << 63, u64::MAX - 1, u64::MAX] {
            let error = cx.run(io.read_at(&file, [0; 4], offset)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{offset}");
        }
        let last = cx.run(io.read_at(&file, [0; 4], i64::MAX as u64));
        assert!(matches!(code(last), Some(libc::EINVAL | libc::EOVERFLOW)));
        let write_only = StdOptions::new().write(true).open("/dev/null").expect("open");
        assert_eq!(code(cx.run(io.read_some(&write_only, [0; 4]))), Some(libc::EBADF));
        assert_eq!(code(cx.run(io.read_some(Cwd, [0; 4]))), Some(libc::EBADF));
        let directory = File::open("/").expect("open");
        assert_eq!(code(cx.run(io.read_at(&directory, [0; 4], 0))), Some(libc::EISDIR));
        let path = StdOptions::new().read(true).custom_flags(libc::O_PATH).open("/").expect("open");
        assert_eq!(code(cx.run(io.read_at(&path, [0; 4], 0))), Some(libc::EBADF));
        let (n, _) = cx.run(io.read_at(&file, [0; 4], 0)).expect("the loop lives");
        assert_eq!(n, 4);
    }

    fn read_owner_that_panics_is_told_on_the_panic_channel(io, cx) {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cx.run(io.read_at(Refuses, [0; 4], 0)).map(|_| ())
        }));
        let payload = panicked.expect_err("resumed by the consumer");
        assert_eq!(payload.downcast_ref(), Some(&"no descriptor for you"));
        let (n, _) = cx.run(io.read_at(known(), [0; 4], 0)).expect("the loop lives");
        assert_eq!(n, 4);
    }
}

#[test]
fn read_at_random_offsets_match_the_pattern() {
    let dir = temp_dir();
    let len = 1 << 20;
    let file = File::open(pattern_file(dir.path(), "random", 3, len)).expect("open");
    let ctx = context();
    let io = ctx.local();
    let mut seed = 0x1234_5678_9abc_def0_u64;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let offset = (seed >> 33) % (len as u64 - 16);
        let read = ctx.block_on_local(io.read_at(&file, [0; 16], offset));
        let (n, bytes) = read.expect("read").expect("not stopped");
        assert_eq!(n, 16);
        assert_pattern(&bytes, 3, offset);
    }
}

#[test]
fn read_at_sparse_file_beyond_4_gib_reads_data_and_holes() {
    let dir = temp_dir();
    let file = StdOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(dir.path().join("sparse"))
        .expect("open");
    let far = (5 << 30) + 123;
    file.write_all_at(b"far away", far).expect("write");
    let ctx = context();
    let io = ctx.scheduler();
    let bytes = ctx.block_on(io.read_exact_at(&file, [1; 16], far - 8));
    assert_eq!(bytes.expect("read"), Some(*b"\0\0\0\0\0\0\0\0far away"));
}

#[test]
fn read_at_direct_needs_alignment() {
    let dir = temp_dir();
    let path = pattern_file(dir.path(), "direct", 4, 3 * 4096);
    let open = StdOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path);
    let Ok(file) = open else {
        return; // The file system has no direct I/O.
    };
    let ctx = context();
    let io = ctx.scheduler();
    let mut pages = Pages([[0; 4096]; 2]);
    let whole = pages.0.as_flattened_mut();
    let n = ctx.block_on(io.read_at(&file, &mut *whole, 4096).then(|(n, _)| n));
    assert_eq!(n.expect("aligned"), Some(8192));
    assert_pattern(whole, 4, 4096);
    for (range, offset) in [(0..100, 0), (1..4097, 0), (0..4096, 1)] {
        let part = &mut whole[range];
        let result = ctx.block_on(io.read_at(&file, part, offset).then(|(n, _)| n));
        assert_eq!(code(result), Some(libc::EINVAL));
    }
}

#[test]
fn read_exact_stop_in_flight_says_how_much_was_read() {
    let ctx = context();
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(b"abc").expect("write");
    let mut buffer = [0; 10];
    let read = ctx.scheduler().read_exact(&reader, &mut buffer);
    let Outcome::Error(error) = stopped_after(&ctx, 1, read) else {
        panic!("bytes were lost in a plain stop")
    };
    assert_eq!(transferred(&error), 3);
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<sendio::Partial>());
    let cause = partial.and_then(sendio::Partial::cause).expect("a cause");
    assert_eq!(cause.raw_os_error(), Some(libc::ECANCELED));
    assert_eq!(&buffer[..3], b"abc");
}

#[test]
fn read_exact_stop_in_flight_before_any_byte_is_stopped() {
    let ctx = context();
    let (reader, _writer) = io::pipe().expect("pipe");
    let source = StopSource::new();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(
        ctx.scheduler().read_exact(&reader, [0; 8]),
        probe.receiver_in(env),
    );
    ctx.run_some().expect("not running");
    source.request_stop();
    ctx.run_until_empty();
    probe.expect_stopped();
}

#[test]
fn read_stop_before_start_does_not_touch_the_kernel() {
    let ctx = context();
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(b"stays").expect("write");
    let read = ctx.scheduler().read_some(&reader, [0; 8]);
    assert!(matches!(stopped_after(&ctx, 0, read), Outcome::Stopped));
    let (n, _) = ctx
        .block_on(ctx.scheduler().read_some(&reader, [0; 8]))
        .expect("read")
        .expect("not stopped");
    assert_eq!(n, 5);
}

#[test]
fn read_drops_descriptor_and_buffer_before_it_completes() {
    let ctx = context();
    let trace = Trace::new();
    let held = Held {
        file: known(),
        _guard: trace.guard("fd"),
    };
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(ctx.scheduler().read_at(held, [0; 4], 0), probe.receiver());
    ctx.run_until_empty();
    trace.expect(&["drop fd", "value"]);
    assert_eq!(probe.expect_value().0, 4);
}

#[test]
fn read_owner_that_panics_in_its_drop_is_told_on_the_panic_channel() {
    let ctx = context();
    for path in ["/dev/zero", "/"] {
        let trace = Trace::new();
        let held = Held {
            file: File::open(path).expect("open"),
            _guard: trace.panicking_guard("fd"),
        };
        let probe = Probe::traced(&trace);
        let _op = connect_and_start(ctx.scheduler().read_at(held, [0; 4], 0), probe.receiver());
        ctx.run_until_empty();
        trace.expect(&["drop fd", "panicked"]);
        assert_eq!(probe.expect_panicked(), "fd");
    }
    assert!(outcome_of(&ctx, ctx.scheduler().schedule()).channel() == sendio::Channel::Value);
}

#[test]
fn read_unstarted_sender_and_operation_drop_what_they_hold() {
    let dir = temp_dir();
    let path = pattern_file(dir.path(), "unstarted", 1, 10);
    let ctx = context();
    let io = ctx.scheduler();
    drop(io.read_at(File::open(&path).expect("open"), [0; 4], 0));
    let probe = Probe::<(usize, [u8; 4]), io::Error>::new();
    let sender = io.read_at(File::open(&path).expect("open"), [0; 4], 0);
    drop(sender.connect(probe.receiver()));
    assert_eq!(super::support::fds_under(dir.path()), 0);
    fs::remove_file(path).expect("remove");
}

#[test]
fn read_at_of_a_pipe_ignores_the_offset() {
    let ctx = context();
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(b"abcdef").expect("write");
    let read = ctx.block_on(ctx.scheduler().read_at(&reader, [0; 3], 100));
    assert_eq!(read.expect("read"), Some((3, *b"abc")));
}

#[test]
fn read_some_nonblocking_pipe_waits_for_data() {
    let ctx = context();
    let path = temp_dir();
    let fifo = path.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("run mkfifo").success());
    let nonblocking = |options: &mut StdOptions| {
        options
            .custom_flags(libc::O_NONBLOCK)
            .open(&fifo)
            .expect("open")
    };
    let reader = nonblocking(StdOptions::new().read(true));
    let mut writer = nonblocking(StdOptions::new().write(true));
    let probe = Probe::new();
    let _op = connect_and_start(ctx.scheduler().read_some(&reader, [0; 8]), probe.receiver());
    ctx.run_some().expect("not running");
    probe.expect_nothing();
    writer.write_all(b"late").expect("write");
    ctx.run_until_empty();
    assert_eq!(probe.expect_value().0, 4);
}

#[test]
fn read_exact_position_at_the_end_of_the_file_advances_by_what_was_read() {
    let ctx = context();
    let mut file = known();
    file.seek(SeekFrom::End(-6)).expect("seek");
    let error = ctx
        .block_on(ctx.scheduler().read_exact(&file, [0; 10]))
        .unwrap_err();
    assert_eq!(transferred(&error), 6);
    assert_eq!(file.stream_position().expect("position"), LEN as u64);
}
