//! sync: `fsync`, `fdatasync`.
//! Method: files that can be synced and descriptors that cannot; stops on both sides of the start.

use std::fs::File;
use std::io;

use sendio::prelude::*;

use super::common::files::{pattern_file, temp_dir};
use super::common::receivers::{Probe, connect_and_start};
use super::support::{code, context, on_each_handle, stopped_after};

on_each_handle! {
    fn fsync_and_fdatasync_succeed_on_files_and_directories(io, cx) {
        let dir = temp_dir();
        let file = File::open(pattern_file(dir.path(), "synced", 1, 10_000)).expect("open");
        cx.run(io.fsync(&file)).expect("fsync");
        cx.run(io.fdatasync(&file)).expect("fdatasync");
        cx.run(io.fsync(File::open(dir.path()).expect("open"))).expect("fsync of a directory");
    }

    fn fsync_of_what_has_no_device_is_an_error(io, cx) {
        let (pipe, _writer) = io::pipe().expect("pipe");
        assert_eq!(code(cx.run(io.fsync(&pipe))), Some(libc::EINVAL));
        assert_eq!(code(cx.run(io.fdatasync(sendio::Cwd))), Some(libc::EBADF));
    }
}

#[test]
fn fsync_stop_before_start_is_stopped() {
    let ctx = context();
    let file = tempfile::tempfile().expect("temporary file");
    let sync = ctx.scheduler().fsync(&file);
    assert!(matches!(stopped_after(&ctx, 0, sync), Outcome::Stopped));
}

#[test]
fn fsync_stop_in_flight_ends_with_the_kernel_s_result() {
    let ctx = context();
    let dir = temp_dir();
    for _ in 0..20 {
        let path = pattern_file(dir.path(), "dirty", 1, 1 << 20);
        let file = File::options().write(true).open(path).expect("open");
        let source = StopSource::new();
        let probe = Probe::new();
        let env = Env::default().with_stop_token(source.token());
        let _op = connect_and_start(ctx.scheduler().fsync(&file), probe.receiver_in(env));
        ctx.run_some().expect("not running");
        source.request_stop();
        ctx.run_until_empty();
        let outcome = probe.outcome();
        assert!(
            matches!(outcome, Outcome::Value(()) | Outcome::Stopped),
            "{outcome:?}"
        );
    }
}
