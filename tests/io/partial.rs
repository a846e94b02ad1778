//! partial: what an error says about the bytes before it.
//! Method: errors of each origin, and their text, kind, cause and count.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use sendio::prelude::*;
use sendio::{Partial, transferred};

use super::sockets::unix_pair;
use super::support::{context, on_each_handle, sealed_file};

/// Long enough for the bytes that are there, and no more come.
const A_MOMENT: Duration = Duration::from_millis(30);

/// Checks that the time was up after so many bytes, or after some.
#[track_caller]
fn timed_out<T>(result: io::Result<T>, bytes: Option<usize>) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error:?}");
    match bytes {
        Some(bytes) => assert_eq!(transferred(&error), bytes),
        None => assert_ne!(transferred(&error), 0),
    }
    let inner = error.get_ref().expect("what it is made of");
    if let Some(partial) = inner.downcast_ref::<Partial>() {
        let cause = partial.cause().expect("a cause");
        assert_eq!(cause.kind(), io::ErrorKind::TimedOut);
        assert!(cause.get_ref().is_some_and(|inner| inner.is::<TimedOut>()));
    } else {
        assert!(inner.is::<TimedOut>());
    }
}

on_each_handle! {
    fn partial_whole_buffers_past_their_time_are_timed_out(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        writer.write_all(b"three").expect("write");
        timed_out(cx.run(io.read_exact(&reader, [0; 9]).timeout(io, A_MOMENT)), Some(5));
        timed_out(cx.run(io.read_exact(&reader, [0; 9]).timeout(io, A_MOMENT)), Some(0));
        timed_out(cx.run(io.write_all(&writer, vec![7; 1 << 20]).timeout(io, A_MOMENT)), None);
        let (left, mut right) = unix_pair();
        right.write_all(b"three").expect("write");
        let until = Instant::now() + A_MOMENT;
        timed_out(cx.run(io.recv_exact(&left, [0; 9]).deadline(io, until)), Some(5));
        timed_out(cx.run(io.send_all(&left, vec![7; 8 << 20]).timeout(io, A_MOMENT)), None);
        // Within another timeout, and beside others.
        right.write_all(b"three").expect("write");
        let long = Duration::from_secs(3600);
        let inner = io.recv_exact(&left, [0; 9]).timeout(io, long);
        let beside = io.schedule_after(long);
        timed_out(cx.run(when_all((inner, beside)).timeout(io, A_MOMENT)), Some(5));
    }

    fn partial_copy_past_its_time_is_timed_out(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        let (left, mut right) = unix_pair();
        writer.write_all(b"three").expect("write");
        let copy = io.copy(&reader, &left).timeout(io, A_MOMENT);
        timed_out(cx.run(copy), Some(5));
        let mut bytes = [0; 5];
        right.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"three");
    }
}

#[test]
fn partial_error_has_kind_count_and_cause() {
    let ctx = context();
    let file = sealed_file(4096);
    let error = ctx
        .block_on(ctx.scheduler().write_all_at(&file, vec![0; 5000], 0))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>())
        .expect("a partial transfer");
    assert_eq!(partial.transferred(), 4096);
    let cause = partial.cause().expect("a cause");
    assert_eq!(cause.raw_os_error(), Some(libc::EPERM));
    assert!(partial.source().is_some());
    assert!(error.to_string().ends_with("after 4096 bytes"), "{error}");
}

#[test]
fn partial_end_of_input_has_no_cause() {
    let ctx = context();
    let null = File::open("/dev/null").expect("open");
    let error = ctx
        .block_on(ctx.scheduler().read_exact(&null, [0; 3]))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>());
    assert!(partial.expect("a partial transfer").cause().is_none());
    assert_eq!(error.to_string(), "ended after 0 bytes");
}

#[test]
fn transferred_of_other_errors_is_zero() {
    assert_eq!(transferred(&io::Error::from_raw_os_error(libc::EIO)), 0);
    assert_eq!(transferred(&io::Error::other("something else")), 0);
}
