//! [`Metadata`]: the answer of a `statx` request.
//!
//! # Kernel
//!
//! `statx` since 4.11 (on a ring since 5.6). The alignment for direct I/O (`STATX_DIOALIGN`) since
//! 6.1, on the file systems that report it.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::tokens::fd::FileKind;

/// What an operation asks for: everything that [`Metadata`] can tell.
pub(crate) const STATX_WANTED: libc::c_uint =
    libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_DIOALIGN;

/// What the kernel knows about a file.
///
/// All values are of one moment. A file system that lacks one of the optional ones leaves it out:
/// those are `Option`s.
#[derive(Clone, Copy)]
pub struct Metadata(libc::statx);

impl Metadata {
    /// The answer of the kernel.
    pub(crate) const fn new(statx: libc::statx) -> Self {
        Self(statx)
    }

    /// The size in bytes; of a symbolic link the length of its target's path.
    pub const fn size(&self) -> u64 {
        self.0.stx_size
    }

    /// Kind and permission bits, as in `st_mode`.
    pub fn mode(&self) -> u32 {
        u32::from(self.0.stx_mode)
    }

    /// The permission bits alone, with set-user-id, set-group-id and the sticky bit.
    pub fn permissions(&self) -> u32 {
        self.mode() & 0o7777
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        FileKind::from_mode(self.mode())
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == FileKind::File
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == FileKind::Directory
    }

    /// Whether it is a symbolic link: only if the request did not follow it.
    pub fn is_symlink(&self) -> bool {
        self.kind() == FileKind::Symlink
    }

    /// The space that it takes on the device, in units of 512 bytes. Less than the size says for a
    /// file with holes.
    pub const fn blocks(&self) -> u64 {
        self.0.stx_blocks
    }

    /// The block size that is good for ordinary I/O.
    pub const fn block_size(&self) -> u32 {
        self.0.stx_blksize
    }

    /// The number of the file, unique on its [device](Self::dev).
    pub const fn ino(&self) -> u64 {
        self.0.stx_ino
    }

    /// The device that holds the file, as in `st_dev`.
    pub const fn dev(&self) -> u64 {
        libc::makedev(self.0.stx_dev_major, self.0.stx_dev_minor)
    }

    /// The device that the file is, if it is one, as in `st_rdev`.
    pub const fn rdev(&self) -> u64 {
        libc::makedev(self.0.stx_rdev_major, self.0.stx_rdev_minor)
    }

    /// How many names the file has.
    pub const fn nlink(&self) -> u32 {
        self.0.stx_nlink
    }

    /// The owner.
    pub const fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    /// The owning group.
    pub const fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    /// When the content was last changed.
    pub fn modified(&self) -> SystemTime {
        system_time(self.0.stx_mtime)
    }

    /// When the content was last read, as far as the file system keeps track.
    pub fn accessed(&self) -> SystemTime {
        system_time(self.0.stx_atime)
    }

    /// When content, owner, permissions or names were last changed.
    pub fn changed(&self) -> SystemTime {
        system_time(self.0.stx_ctime)
    }

    /// When the file came about, if the file system knows.
    pub fn created(&self) -> Option<SystemTime> {
        self.has(libc::STATX_BTIME)
            .then(|| system_time(self.0.stx_btime))
    }

    /// What the address of a buffer for direct I/O (`O_DIRECT`) on this file must be a multiple of.
    ///
    /// 0: no direct I/O on this file. `None`: kernel or file system do not say; the logical block
    /// size of the device (mostly 512 or 4096) is the usual guess.
    pub fn direct_memory_align(&self) -> Option<u32> {
        self.has(libc::STATX_DIOALIGN)
            .then_some(self.0.stx_dio_mem_align)
    }

    /// What offsets and lengths for direct I/O on this file must be a multiple of. 0 and `None` as
    /// for [`direct_memory_align`](Self::direct_memory_align).
    pub fn direct_offset_align(&self) -> Option<u32> {
        self.has(libc::STATX_DIOALIGN)
            .then_some(self.0.stx_dio_offset_align)
    }

    /// Whether the kernel filled in the field of that bit.
    const fn has(&self, bit: libc::c_uint) -> bool {
        self.0.stx_mask & bit != 0
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("kind", &self.kind())
            .field("permissions", &format_args!("{:#o}", self.permissions()))
            .field("size", &self.size())
            .field("modified", &self.modified())
            .field("ino", &self.ino())
            .finish_non_exhaustive()
    }
}

/// Seconds since the epoch, perhaps before it, and nanoseconds after that second.
fn system_time(stamp: libc::statx_timestamp) -> SystemTime {
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let second = if stamp.tv_sec < 0 {
        SystemTime::UNIX_EPOCH - seconds
    } else {
        SystemTime::UNIX_EPOCH + seconds
    };
    second + Duration::from_nanos(stamp.tv_nsec.into())
}

#[cfg(test)]
mod tests;
