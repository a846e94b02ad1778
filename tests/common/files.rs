//! Temporary directories, and files whose every byte is known.
//!
//! A pattern is a function of a seed and of the offset in the file: a block read from anywhere can
//! be checked without the file it came from, and a block that went to the wrong place is noticed.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that is removed when the value is dropped.
///
/// It is made beside the build's output and not in the system's place for temporary files, which
/// may be in memory and then refuses direct I/O.
pub(crate) fn temp_dir() -> TempDir {
    let parent = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    fs::create_dir_all(&parent).expect("make the parent of temporary directories");
    tempfile::Builder::new()
        .prefix("sendio-")
        .tempdir_in(parent)
        .expect("make a directory")
}

/// The byte of the pattern `seed` at `offset`.
pub(crate) fn pattern_byte(seed: u64, offset: u64) -> u8 {
    // The finaliser of splitmix64: neighbouring words share no visible structure.
    let mut word = (seed ^ (offset / 8)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let bytes = (word ^ (word >> 31)).to_le_bytes();
    bytes[usize::try_from(offset % 8).expect("below eight")]
}

/// `len` bytes of the pattern `seed`, from `offset` on.
pub(crate) fn pattern(seed: u64, offset: u64, len: usize) -> Vec<u8> {
    (offset..)
        .take(len)
        .map(|offset| pattern_byte(seed, offset))
        .collect()
}

/// Writes a file of `len` bytes of the pattern `seed` and returns its path.
pub(crate) fn pattern_file(dir: &Path, name: &str, seed: u64, len: usize) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, pattern(seed, 0, len)).expect("write a pattern file");
    path
}

/// Fails unless `bytes` are the pattern `seed` from `offset` on; names the first that is not.
#[track_caller]
pub(crate) fn assert_pattern(bytes: &[u8], seed: u64, offset: u64) {
    for (at, &byte) in (offset..).zip(bytes) {
        let expected = pattern_byte(seed, at);
        assert_eq!(
            byte, expected,
            "byte at offset {at} of a file with pattern {seed}"
        );
    }
}

/// Fails unless the file holds exactly `len` bytes of the pattern `seed`.
#[track_caller]
pub(crate) fn assert_pattern_file(path: &Path, seed: u64, len: usize) {
    let bytes = fs::read(path).expect("read a pattern file");
    assert_eq!(bytes.len(), len, "length of {}", path.display());
    assert_pattern(&bytes, seed, 0);
}

const _: () = {
    let _ = temp_dir;
    let _ = pattern_file;
    let _ = assert_pattern_file;
};
