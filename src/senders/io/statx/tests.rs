//! statx: each accessor against `std::fs::Metadata`, which asks in its own way.
//! Method: query files of several kinds both ways; set times before and after the epoch.
//!
//! # Safety
//!
//! The call gets a terminated path and room for its answer; the kernel keeps no pointer.

#![expect(unsafe_code, reason = "statx")]

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use super::*;

fn query(file: &File) -> Metadata {
    let mut statx = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is empty and terminated, the pointer good for one `statx`.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            STATX_WANTED,
            statx.as_mut_ptr(),
        )
    };
    assert_eq!(result, 0, "statx: {}", std::io::Error::last_os_error());
    // SAFETY: zero is valid for each of its integers, and the kernel filled it in.
    Metadata::new(unsafe { statx.assume_init() })
}

fn assert_as_in_std(file: &File) {
    let ours = query(file);
    let std = file.metadata().expect("metadata");
    assert_eq!(ours.size(), std.len());
    assert_eq!(ours.mode(), std.mode());
    assert_eq!(ours.permissions(), std.mode() & 0o7777);
    assert_eq!(ours.is_file(), std.is_file());
    assert_eq!(ours.is_dir(), std.is_dir());
    assert_eq!(ours.is_symlink(), std.is_symlink());
    assert_eq!(ours.blocks(), std.blocks());
    assert_eq!(u64::from(ours.block_size()), std.blksize());
    assert_eq!(ours.ino(), std.ino());
    assert_eq!(ours.dev(), std.dev());
    assert_eq!(ours.rdev(), std.rdev());
    assert_eq!(u64::from(ours.nlink()), std.nlink());
    assert_eq!((ours.uid(), ours.gid()), (std.uid(), std.gid()));
    assert_eq!(ours.modified(), std.modified().expect("modified"));
    assert_eq!(ours.accessed(), std.accessed().expect("accessed"));
    assert_eq!(ours.created(), std.created().ok());
}

#[test]
fn metadata_of_each_kind_equals_std() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("file");
    fs::write(&path, [7; 10_000]).expect("write");
    fs::hard_link(&path, folder.path().join("again")).expect("link");
    assert_as_in_std(&File::open(&path).expect("open"));
    assert_as_in_std(&File::open(folder.path()).expect("open"));
    assert_as_in_std(&File::open("/dev/null").expect("open"));
}

#[test]
fn metadata_times_before_and_after_the_epoch() {
    let file = tempfile::tempfile().expect("temporary file");
    let epoch = SystemTime::UNIX_EPOCH;
    let (half, day) = (Duration::from_millis(500), Duration::from_secs(86_400));
    for time in [epoch, epoch - half, epoch - day - half, epoch + day + half] {
        file.set_modified(time).expect("set");
        let std = file.metadata().expect("metadata").modified().expect("time");
        assert_eq!(query(&file).modified(), std);
    }
}

#[test]
fn metadata_direct_alignment_is_reported_or_left_out() {
    let mut statx = query(&tempfile::tempfile().expect("temporary file")).0;
    statx.stx_dio_mem_align = 4;
    statx.stx_dio_offset_align = 512;
    statx.stx_mask |= libc::STATX_DIOALIGN;
    let with = Metadata::new(statx);
    assert_eq!(with.direct_memory_align(), Some(4));
    assert_eq!(with.direct_offset_align(), Some(512));
    statx.stx_mask &= !(libc::STATX_DIOALIGN | libc::STATX_BTIME);
    let without = Metadata::new(statx);
    assert_eq!(without.direct_memory_align(), None);
    assert_eq!(without.direct_offset_align(), None);
    assert_eq!(without.created(), None);
}

#[test]
fn metadata_debug_names_kind_and_size() {
    let text = format!("{:?}", query(&File::open("/dev/null").expect("open")));
    assert!(text.contains("CharDevice"), "{text}");
    assert!(text.contains("size: 0"), "{text}");
}
