//! stat: `metadata`, `metadata_of`, `symlink_metadata_of`.
//! Method: the answers of `std` for the same files.

use std::fs::{self, File, OpenOptions as StdOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};

use sendio::prelude::*;
use sendio::{FileKind, Metadata};

use super::common::files::{pattern_file, temp_dir};
use super::support::{code, context, on_each_handle, stopped_after};

#[track_caller]
fn assert_same(ours: &Metadata, std: &fs::Metadata) {
    assert_eq!(ours.size(), std.len());
    assert_eq!(ours.ino(), std.ino());
    assert_eq!(ours.dev(), std.dev());
    assert_eq!(ours.mode(), std.mode());
    assert_eq!(u64::from(ours.nlink()), std.nlink());
    assert_eq!(ours.modified(), std.modified().expect("known"));
    assert_eq!(ours.is_dir(), std.is_dir());
}

on_each_handle! {
    fn metadata_of_file_path_and_link_are_those_of_std(io, cx) {
        let dir = temp_dir();
        let path = pattern_file(dir.path(), "file", 1, 1234);
        let link = dir.path().join("link");
        symlink(&path, &link).expect("link");
        let file = File::open(&path).expect("open");
        let std = file.metadata().expect("metadata");
        assert_same(&cx.run(io.metadata(&file)).expect("of an open file"), &std);
        assert_same(&cx.run(io.metadata_of(&path)).expect("of a path"), &std);
        assert_same(&cx.run(io.metadata_of(&link)).expect("through a link"), &std);
        let of_link = cx.run(io.symlink_metadata_of(&link)).expect("of a link");
        assert_eq!(of_link.kind(), FileKind::Symlink);
        assert_same(&of_link, &fs::symlink_metadata(&link).expect("metadata"));
        let directory = cx.run(io.metadata_of(dir.path())).expect("of a directory");
        assert_same(&directory, &fs::metadata(dir.path()).expect("metadata"));
    }

    fn metadata_of_each_kind_of_descriptor(io, cx) {
        let (pipe, _writer) = io::pipe().expect("pipe");
        assert_eq!(cx.run(io.metadata(pipe)).expect("of a pipe").kind(), FileKind::Fifo);
        let path = StdOptions::new().read(true).custom_flags(libc::O_PATH).open("/").expect("open");
        assert!(cx.run(io.metadata(&path)).expect("of a place").is_dir());
    }

    fn metadata_of_bad_paths_is_an_error(io, cx) {
        for path in ["", "/nobody/has/this"] {
            let error = cx.run(io.metadata_of(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        let error = cx.run(io.metadata_of("a\0b")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let long = "p/".repeat(2500);
        assert_eq!(code(cx.run(io.symlink_metadata_of(long))), Some(libc::ENAMETOOLONG));
    }
}

#[test]
fn metadata_stop_before_start_is_stopped() {
    let ctx = context();
    let stat = ctx.scheduler().metadata_of("/");
    assert!(matches!(stopped_after(&ctx, 0, stat), Outcome::Stopped));
}
