//! drops: owners of descriptors, and buffers, whose destructors panic.
//! Method: after the panic arrived on its channel, nothing that the operation held is left.
//!
//! # Safety
//! INV-BUF-1 for a buffer that is a vector and a guard.

#![expect(unsafe_code, reason = "a buffer with a destructor")]

use std::fs::{self, File};
use std::sync::Arc;

use sendio::IoBuf;
use sendio::prelude::*;

use super::common::files::temp_dir;
use super::common::receivers::{DropGuard, Probe, Trace, connect_and_start};
use super::support::{Held, context, fds_under};

/// Bytes with a guard beside them, whose drop is noted.
#[derive(Debug)]
struct Guarded {
    bytes: Vec<u8>,
    _guard: DropGuard,
}

// SAFETY: the vector is not touched until the value is mutably borrowed or dropped.
unsafe impl IoBuf for Guarded {
    fn io_bytes(&self) -> *const [u8] {
        self.bytes.io_bytes()
    }
}

fn held(path: &str, trace: &Trace) -> Held {
    Held {
        file: File::options().write(true).open(path).expect("open"),
        _guard: trace.panicking_guard("fd"),
    }
}

#[test]
fn write_owner_that_panics_in_its_drop_leaks_no_buffer() {
    let ctx = context();
    let trace = Trace::new();
    let buffer: Arc<[u8]> = Arc::from(*b"bytes");
    for path in ["/dev/null", "/dev/full"] {
        let probe = Probe::new();
        let write = ctx
            .scheduler()
            .write_all(held(path, &trace), buffer.clone());
        let op = connect_and_start(write, probe.receiver());
        ctx.run_until_empty();
        assert_eq!(probe.expect_panicked(), "fd");
        drop(op);
        assert_eq!(Arc::strong_count(&buffer), 1, "{path}");
    }
}

#[test]
fn write_owner_and_buffer_that_panic_in_their_drops_give_the_first_panic() {
    let ctx = context();
    let trace = Trace::new();
    let buffer = Guarded {
        bytes: vec![1],
        _guard: trace.panicking_guard("buffer"),
    };
    let probe = Probe::traced(&trace);
    let write = ctx.scheduler().write_all(held("/dev/full", &trace), buffer);
    let _op = connect_and_start(write, probe.receiver());
    ctx.run_until_empty();
    trace.expect(&["drop buffer", "drop fd", "panicked"]);
    assert_eq!(probe.expect_panicked(), "buffer");
}

#[test]
fn write_value_that_is_lost_to_a_panic_is_dropped() {
    let ctx = context();
    let trace = Trace::new();
    let buffer = Guarded {
        bytes: vec![1],
        _guard: trace.guard("buffer"),
    };
    let probe = Probe::traced(&trace);
    let write = ctx
        .scheduler()
        .write_some(held("/dev/null", &trace), buffer);
    let _op = connect_and_start(write.returning_buffer(), probe.receiver());
    ctx.run_until_empty();
    trace.expect(&["drop fd", "drop buffer", "panicked"]);
    assert_eq!(probe.expect_panicked(), "fd");
}

#[test]
fn open_at_directory_that_panics_in_its_drop_leaks_no_file() {
    let dir = temp_dir();
    fs::write(dir.path().join("file"), "x").expect("write");
    let ctx = context();
    let trace = Trace::new();
    let held = Held {
        file: File::open(dir.path()).expect("open"),
        _guard: trace.panicking_guard("dir"),
    };
    let probe = Probe::new();
    let open = ctx
        .scheduler()
        .open_at(held, "file", OpenOptions::new().read(true));
    let _op = connect_and_start(open, probe.receiver());
    ctx.run_until_empty();
    assert_eq!(probe.expect_panicked(), "dir");
    assert_eq!(fds_under(dir.path()), 0);
}
