//! close: the descriptor is closed exactly once on every path.
//! Method: the other end of a pipe sees whether it is closed; that it was not closed twice is seen
//! by a file that was given the number meanwhile.
//!
//! # Safety
//! One descriptor is made of a number that is not open.

#![expect(unsafe_code, reason = "a descriptor that is not open")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use sendio::prelude::*;

use super::common::files::temp_dir;
use super::common::receivers::Probe;
use super::support::{code, context, fds_under, on_each_handle, stopped_after};

/// Fails unless all writers of the pipe are gone.
#[track_caller]
fn assert_closed(mut reader: io::PipeReader) {
    assert_eq!(reader.read(&mut [0; 1]).expect("read"), 0);
}

on_each_handle! {
    fn close_closes_what_it_is_given(io, cx) {
        let (reader, writer) = io::pipe().expect("pipe");
        cx.run(io.close(writer)).expect("close");
        assert_closed(reader);
        let dir = temp_dir();
        cx.run(io.close(File::open(dir.path()).expect("open"))).expect("close");
        let file = cx.run(io.open(dir.path(), OpenOptions::new().read(true))).expect("open");
        assert_eq!(fds_under(dir.path()), 1);
        cx.run(file.close()).expect("close");
        assert_eq!(fds_under(dir.path()), 0);
    }

    fn close_does_not_close_a_number_that_was_reused(io, cx) {
        let dir = temp_dir();
        for _ in 0..100 {
            let file = File::open(dir.path()).expect("open");
            let reused = cx
                .run(io.close(file).then(|()| File::open(dir.path()).expect("open")))
                .expect("close");
            reused.metadata().expect("still open");
        }
    }
}

#[test]
fn close_unstarted_sender_closes() {
    let ctx = context();
    let (reader, writer) = io::pipe().expect("pipe");
    drop(ctx.scheduler().close(writer));
    assert_closed(reader);
    let (reader, writer) = io::pipe().expect("pipe");
    let probe = Probe::<(), io::Error>::new();
    drop(ctx.scheduler().close(writer).connect(probe.receiver()));
    assert_closed(reader);
}

#[test]
fn close_stop_before_start_closes() {
    let ctx = context();
    let (reader, writer) = io::pipe().expect("pipe");
    let close = ctx.scheduler().close(writer);
    assert!(matches!(stopped_after(&ctx, 0, close), Outcome::Stopped));
    assert_closed(reader);
}

#[test]
fn close_refused_by_a_stopped_context_closes() {
    let ctx = context();
    let io = ctx.scheduler();
    ctx.request_stop();
    let (reader, writer) = io::pipe().expect("pipe");
    assert_eq!(ctx.block_on(io.close(writer)).expect("no error"), None);
    assert_closed(reader);
    ctx.run();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (reader, writer) = io::pipe().expect("pipe");
            assert_eq!(sync_wait(io.close(writer)).expect("no error"), None);
            assert_closed(reader);
        });
    });
}

#[test]
fn close_of_a_number_that_is_not_open_is_bad_descriptor() {
    let ctx = context();
    // The table of this process is limited to far fewer.
    let number = 0x3fff_fff0;
    // SAFETY: nobody has this number, so nobody's file is closed.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    assert_eq!(fd.as_raw_fd(), number);
    let result = ctx.block_on(ctx.scheduler().close(fd));
    assert_eq!(code(result), Some(libc::EBADF));
}
