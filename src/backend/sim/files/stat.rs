//! What `statx` says about files in memory: numbers that follow from the run alone.
//!
//! # Safety
//! A structure of numbers that begins as zeroes.

#![expect(unsafe_code, reason = "a zeroed statx")]

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use super::super::descriptor::Object;
use super::{Files, ROOT};

impl Files {
    /// The answer about what a path, or a descriptor with an empty path, names.
    pub(super) fn stat(&self, dir: RawFd, path: &[u8], flags: i32) -> Result<libc::statx, i32> {
        let node = match path {
            [] if flags & libc::AT_EMPTY_PATH == 0 => return Err(libc::ENOENT),
            [] if dir == libc::AT_FDCWD => ROOT,
            [] => return self.stat_open(dir),
            path => {
                let found = self.find(dir, path)?;
                let node = found.node.ok_or(libc::ENOENT)?;
                if found.must_be_dir && !self.tree.is_dir(node) {
                    return Err(libc::ENOTDIR);
                }
                node
            }
        };
        self.answer(node)
    }

    fn stat_open(&self, fd: RawFd) -> Result<libc::statx, i32> {
        if let Some(node) = self.node_of(fd) {
            return self.answer(node);
        }
        // A descriptor of the world outside.
        let mut answer = empty();
        // SAFETY: the path is empty and ends with a NUL; the place is of this frame.
        let result = unsafe {
            let flags = libc::AT_EMPTY_PATH;
            libc::statx(
                fd,
                c"".as_ptr(),
                flags,
                libc::STATX_BASIC_STATS,
                &raw mut answer,
            )
        };
        if result == 0 {
            Ok(answer)
        } else {
            Err(libc::EBADF)
        }
    }

    fn answer(&self, id: u64) -> Result<libc::statx, i32> {
        let node = self.tree.node(id).ok_or(libc::ENOENT)?;
        let fd = self.tree.descriptor(id).ok_or(libc::ENOENT)?;
        let size = match Object::of(fd) {
            Some(object) if !node.is_dir() => object.size,
            _ => 0,
        };
        let format = if node.is_dir() {
            libc::S_IFDIR
        } else {
            libc::S_IFREG
        };
        let mut answer = empty();
        answer.stx_mask = libc::STATX_BASIC_STATS;
        answer.stx_mode = u16::try_from(format | node.mode).unwrap_or(0);
        answer.stx_nlink = node.links;
        answer.stx_ino = id;
        answer.stx_size = size;
        answer.stx_blksize = 4096;
        answer.stx_blocks = size.div_ceil(512);
        let (seconds, nanos) = (node.changed / 1_000_000_000, node.changed % 1_000_000_000);
        for time in [
            &mut answer.stx_mtime,
            &mut answer.stx_ctime,
            &mut answer.stx_atime,
        ] {
            time.tv_sec = i64::try_from(seconds).unwrap_or(i64::MAX);
            time.tv_nsec = u32::try_from(nanos).unwrap_or(0);
        }
        Ok(answer)
    }
}

fn empty() -> libc::statx {
    // SAFETY: numbers only, for which zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
