//! paths: `unlink`, `rmdir`, `mkdir`, `rename`, and their `_at` forms.
//! Method: the directory afterwards, as `std` sees it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;

use sendio::prelude::*;

use super::common::files::temp_dir;
use super::support::{code, context, fds_under, on_each_handle, stopped_after};

on_each_handle! {
    fn unlink_removes_names_of_files_only(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("file");
        fs::write(&path, "x").expect("write");
        cx.run(io.unlink(&path)).expect("unlink");
        assert!(!path.exists());
        let error = cx.run(io.unlink(&path)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(code(cx.run(io.unlink(dir.path()))), Some(libc::EISDIR));
    }

    fn mkdir_and_rmdir_make_and_remove(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("sub");
        cx.run(io.mkdir(&path, 0o700)).expect("mkdir");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let error = cx.run(io.mkdir(&path, 0o700)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        fs::write(path.join("file"), "x").expect("write");
        let error = cx.run(io.rmdir(&path)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        assert_eq!(code(cx.run(io.rmdir(path.join("file")))), Some(libc::ENOTDIR));
        fs::remove_file(path.join("file")).expect("remove");
        cx.run(io.rmdir(&path)).expect("rmdir");
        assert!(!path.exists());
    }

    fn rename_replaces_and_noreplace_does_not(io, cx) {
        let dir = temp_dir();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "new").expect("write");
        fs::write(&to, "old").expect("write");
        let error = cx.run(io.rename_noreplace(&from, &to)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).expect("read"), b"old");
        cx.run(io.rename(&from, &to)).expect("rename");
        assert_eq!(fs::read(&to).expect("read"), b"new");
        assert!(!from.exists());
        cx.run(io.rename_noreplace(&to, &from)).expect("rename");
        assert_eq!(fs::read(&from).expect("read"), b"new");
    }

    fn at_forms_are_relative_to_their_directories(io, cx) {
        let (left, right) = (temp_dir(), temp_dir());
        let directories = || {
            let open = |dir: &tempfile::TempDir| File::open(dir.path()).expect("open");
            (open(&left), open(&right))
        };
        let (here, there) = directories();
        cx.run(io.mkdir_at(&here, "sub", 0o700)).expect("mkdir");
        fs::write(left.path().join("sub/file"), "x").expect("write");
        cx.run(io.rename_at(&here, "sub/file", there, "moved")).expect("rename");
        assert!(right.path().join("moved").exists());
        let (_, there) = directories();
        cx.run(io.unlink_at(there, "moved")).expect("unlink");
        cx.run(io.rmdir_at(here, "sub")).expect("rmdir");
        assert_eq!(fs::read_dir(left.path()).expect("list").count(), 0);
        assert_eq!(fs::read_dir(right.path()).expect("list").count(), 0);
        assert_eq!(fds_under(left.path()) + fds_under(right.path()), 0);
    }

    fn paths_with_nul_are_refused_before_anything_happens(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("file");
        fs::write(&path, "x").expect("write");
        for result in [
            cx.run(io.unlink("a\0")),
            cx.run(io.rmdir("a\0")),
            cx.run(io.mkdir("a\0", 0o700)),
            cx.run(io.rename(&path, "a\0")),
            cx.run(io.rename("a\0", &path)),
        ] {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(path.exists());
    }
}

#[test]
fn unlink_stop_before_start_removes_nothing() {
    let dir = temp_dir();
    let path = dir.path().join("file");
    fs::write(&path, "x").expect("write");
    let ctx = context();
    let io = ctx.scheduler();
    assert!(matches!(
        stopped_after(&ctx, 0, io.unlink(&path)),
        Outcome::Stopped
    ));
    let rename = io.rename(&path, dir.path().join("other"));
    assert!(matches!(stopped_after(&ctx, 0, rename), Outcome::Stopped));
    assert!(path.exists());
}
