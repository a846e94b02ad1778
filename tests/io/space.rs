//! space: `ftruncate`, `fallocate`.
//! Method: sizes and blocks afterwards, and each kind of wrong argument.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use sendio::prelude::*;

use super::support::{code, context, on_each_handle, stopped_after};

/// Whether this kernel truncates through a ring; if not, says the error it should.
fn truncates<T>(result: io::Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
        Err(error) => panic!("{error}"),
    }
}

on_each_handle! {
    fn ftruncate_shortens_and_lengthens(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        if truncates(cx.run(io.ftruncate(&file, 5000))) {
            assert_eq!(file.metadata().expect("metadata").len(), 5000);
            file.write_all_at(b"xy", 0).expect("write");
            cx.run(io.ftruncate(&file, 1)).expect("shorten");
            cx.run(io.ftruncate(&file, 3)).expect("lengthen");
            let mut bytes = [9; 3];
            file.read_exact_at(&mut bytes, 0).expect("read");
            assert_eq!(&bytes, b"x\0\0");
        }
    }

    fn ftruncate_bad_input_is_an_error(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(code(cx.run(io.ftruncate(&file, u64::MAX))), Some(libc::EINVAL));
        assert_eq!(code(cx.run(io.ftruncate(&file, 1 << 63))), Some(libc::EINVAL));
        let read_only = File::open("Cargo.toml").expect("open");
        assert_eq!(code(cx.run(io.ftruncate(&read_only, 0))), Some(libc::EINVAL));
        let (_reader, pipe) = io::pipe().expect("pipe");
        assert_eq!(code(cx.run(io.ftruncate(&pipe, 0))), Some(libc::EINVAL));
        assert!(read_only.metadata().expect("metadata").len() > 0);
    }

    fn fallocate_reserves_and_punches(io, cx) {
        let file = tempfile::tempfile_in(super::common::files::temp_dir()).expect("temporary file");
        match cx.run(io.fallocate(&file, 0, 0, 1 << 20)) {
            Ok(()) => {
                let metadata = file.metadata().expect("metadata");
                assert_eq!(metadata.len(), 1 << 20);
                assert!(metadata.blocks() * 512 >= 1 << 20);
                let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                cx.run(io.fallocate(&file, punch, 0, 1 << 20)).expect("punch");
                let metadata = file.metadata().expect("metadata");
                assert_eq!((metadata.len(), metadata.blocks()), (1 << 20, 0));
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP)),
        }
    }

    fn fallocate_bad_input_is_an_error(io, cx) {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(code(cx.run(io.fallocate(&file, 0, 0, 0))), Some(libc::EINVAL));
        assert_eq!(code(cx.run(io.fallocate(&file, 0, u64::MAX, 1))), Some(libc::EINVAL));
        let (_reader, pipe) = io::pipe().expect("pipe");
        assert_eq!(code(cx.run(io.fallocate(&pipe, 0, 0, 1))), Some(libc::ESPIPE));
    }
}

#[test]
fn ftruncate_stop_before_start_leaves_the_file() {
    let ctx = context();
    let file = tempfile::tempfile().expect("temporary file");
    file.set_len(9).expect("set");
    let truncate = ctx.scheduler().ftruncate(&file, 0);
    assert!(matches!(stopped_after(&ctx, 0, truncate), Outcome::Stopped));
    assert_eq!(file.metadata().expect("metadata").len(), 9);
}
