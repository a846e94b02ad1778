//! handle: the methods of `FileHandle`, and its conversions.
//! Method: each method once on a file of its own, against `std`'s view of it.
//!
//! # Safety
//! A descriptor is owned again after its handle gave it up.

#![expect(unsafe_code, reason = "takes back a raw descriptor")]

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use sendio::prelude::*;
use sendio::{AccessMode, FileHandle};

use super::common::files::temp_dir;
use super::support::{context, fds_under, on_each_handle};

on_each_handle! {
    fn file_handle_each_method_does_what_it_says(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("file");
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file = cx.run(io.open(&path, options)).expect("open");
        assert_eq!(file.token().access_mode().expect("query"), AccessMode::ReadWrite);
        assert_eq!(cx.run(file.write_at("0123456789", 0)).expect("write_at").0, 10);
        cx.run(file.write_all_at("AB", 10)).expect("write_all_at");
        assert_eq!(cx.run(file.writev_at(["CD", "E"], 12)).expect("writev_at").0, 3);
        assert_eq!(cx.run(file.read_at([0; 2], 9)).expect("read_at"), (2, *b"9A"));
        assert_eq!(&cx.run(file.read_exact_at([0; 3], 11)).expect("read_exact_at"), b"BCD");
        let (n, parts) = cx.run(file.readv_at([[0; 2]; 2], 4)).expect("readv_at");
        assert_eq!((n, parts), (4, [*b"45", *b"67"]));
        assert_eq!(cx.run(file.read_some([0; 1])).expect("read_some"), (1, *b"0"));
        assert_eq!(&cx.run(file.read_exact([0; 2])).expect("read_exact"), b"12");
        assert_eq!(cx.run(file.readv([[0; 1]; 2])).expect("readv"), (2, [*b"3", *b"4"]));
        assert_eq!(cx.run(file.write_some("x")).expect("write_some").0, 1);
        cx.run(file.write_all("y")).expect("write_all");
        assert_eq!(cx.run(file.writev(["z", "!"])).expect("writev").0, 2);
        cx.run(file.fsync()).expect("fsync");
        cx.run(file.fdatasync()).expect("fdatasync");
        assert_eq!(fs::read(&path).expect("read"), b"01234xyz!9ABCDE");
        assert_eq!(cx.run(file.metadata()).expect("metadata").size(), 15);
        let other = file.try_clone().expect("dup");
        assert_ne!(other.as_raw_fd(), file.as_raw_fd());
        cx.run(file.close()).expect("close");
        assert_eq!(fds_under(dir.path()), 1);
        assert_eq!(&cx.run(other.read_exact([0; 2])).expect("shares the position"), b"9A");
        if cx.run(other.ftruncate(3)).is_ok() {
            assert_eq!(fs::read(&path).expect("read"), b"012");
        }
        let _supported = cx.run(other.fallocate(0, 0, 100));
        drop(other);
        assert_eq!(fds_under(dir.path()), 0);
    }

    fn file_handle_of_a_pipe_end_reads(io, cx) {
        let (reader, mut writer) = io::pipe().expect("pipe");
        writer.write_all(b"piped").expect("write");
        let handle = FileHandle::new(io, reader.into());
        assert_eq!(cx.run(handle.read_some([0; 9])).expect("read").0, 5);
        assert_eq!(handle.io(), io);
    }
}

#[test]
fn file_handle_conversions_keep_the_descriptor() {
    let ctx = context();
    let (reader, writer) = io::pipe().expect("pipe");
    let number = reader.as_raw_fd();
    let handle = FileHandle::new(ctx.scheduler(), reader.into());
    assert_eq!(handle.as_fd().as_raw_fd(), number);
    let raw = handle.into_raw_fd();
    assert_eq!(raw, number);
    // SAFETY: given up by the handle just now.
    let owned = unsafe { OwnedFd::from_raw_fd(raw) };
    let local = FileHandle::new(ctx.local(), owned);
    let owned = OwnedFd::from(local);
    assert_eq!(owned.as_raw_fd(), number);
    drop(writer);
}
