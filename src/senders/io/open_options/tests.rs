//! open_options: every combination against `std::fs::OpenOptions`, and what `openat2` asks for.
//! Method: open the same kind of file both ways; compare the error or the flags and the content.
//!
//! # Safety
//!
//! The calls get a terminated path and numbers; the kernel keeps no pointer.

#![expect(unsafe_code, reason = "openat and fcntl")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::*;

/// Opens the file with the flags and mode of `options`, as the operation will.
fn open(options: OpenOptions, path: &Path) -> io::Result<File> {
    let OpenFlags { flags, mode, .. } = options.resolve()?;
    let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: the path is NUL-terminated and outlives the call.
    let fd = unsafe { libc::openat(libc::AT_FDCWD, path.as_ptr(), flags, mode) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, so it is ours.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// What can be observed of a file that was opened, or of the failure.
fn observe(opened: io::Result<File>, path: &Path) -> Result<(c_int, c_int, Vec<u8>), ErrorKind> {
    let file = opened.map_err(|error| error.kind())?;
    // SAFETY: no pointers.
    let status = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: no pointers.
    let descriptor = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) };
    Ok((status, descriptor, fs::read(path).expect("content")))
}

#[test]
fn open_options_every_combination_acts_as_in_std() {
    let folder = tempfile::tempdir().expect("folder");
    for existing in [false, true] {
        for bits in 0..64u32 {
            let on = |bit: u32| bits & (1 << bit) != 0;
            let ours = OpenOptions::new()
                .read(on(0))
                .write(on(1))
                .append(on(2))
                .truncate(on(3))
                .create(on(4))
                .create_new(on(5));
            let mut std = fs::OpenOptions::new();
            std.read(on(0))
                .write(on(1))
                .append(on(2))
                .truncate(on(3))
                .create(on(4))
                .create_new(on(5));
            let observed = ["ours", "std"].map(|name| {
                let path = folder.path().join(format!("{existing}-{bits}-{name}"));
                if existing {
                    fs::write(&path, "content").expect("write");
                }
                let opened = match name {
                    "ours" => open(ours, &path),
                    _ => std.open(&path),
                };
                observe(opened, &path)
            });
            assert_eq!(observed[0], observed[1], "{ours:?}, existing: {existing}");
        }
    }
}

#[test]
fn open_options_invalid_combinations_say_what_is_missing() {
    let message = |options: OpenOptions| {
        let error = options.resolve().expect_err("invalid");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    let new = OpenOptions::new;
    assert!(message(new()).contains("at least one of read, write and append"));
    assert!(message(new().read(true).create(true)).contains("write or append"));
    assert!(message(new().append(true).truncate(true)).contains("append and truncate"));
}

#[test]
fn open_options_mode_is_zero_unless_a_file_can_come_about() {
    let flags = |options: OpenOptions| options.resolve().expect("valid");
    let write = OpenOptions::new().write(true).mode(0o100_640);
    assert_eq!(flags(write).mode, 0);
    assert_eq!(flags(write.truncate(true)).mode, 0);
    assert_eq!(flags(write.custom_flags(libc::O_DIRECTORY)).mode, 0);
    assert_eq!(flags(write.create(true)).mode, 0o640);
    assert_eq!(flags(write.create_new(true)).mode, 0o640);
    assert_eq!(flags(write.custom_flags(libc::O_TMPFILE)).mode, 0o640);
}

#[test]
fn open_options_custom_flags_cannot_change_the_access_mode() {
    let options = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_RDWR | libc::O_NOFOLLOW);
    let flags = options.resolve().expect("valid").flags;
    assert_eq!(flags, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC);
}

#[test]
fn open_options_mode_reaches_the_new_file() {
    let folder = tempfile::tempdir().expect("folder");
    let (ours, std) = (folder.path().join("ours"), folder.path().join("std"));
    let options = OpenOptions::new().read(true).append(true).create_new(true);
    let mut file = open(options.mode(0o751), &ours).expect("open");
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o751);
    options.open(&std).expect("open");
    let mode = |path| fs::metadata(path).expect("metadata").permissions();
    assert_eq!(mode(&ours), mode(&std));
    assert_eq!(file.read(&mut [0; 1]).expect("read"), 0);
}
