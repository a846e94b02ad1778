//! Watches the descriptor table of this process.
//!
//! The table belongs to the process: where several tests share one, give tests that count
//! descriptors a binary of their own, or run them with a runner that starts one process per test
//! (`scripts/test` does).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use super::wait;

/// Every open descriptor and what it refers to, the one used for looking excepted.
pub(crate) fn open_fds() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").expect("read /proc/self/fd");
    let mut fds = BTreeMap::new();
    for entry in entries {
        let entry = entry.expect("read an entry of /proc/self/fd");
        let number = entry
            .file_name()
            .to_string_lossy()
            .parse()
            .expect("a descriptor number");
        // A descriptor that was closed since the directory was read has no target any more.
        if let Ok(target) = fs::read_link(entry.path()) {
            fds.insert(number, target);
        }
    }
    let own = std::process::id().to_string();
    fds.retain(|_, target| {
        let target = target.to_string_lossy();
        // The C library counts the processors when a thread allocates for the first time.
        let counting = target == "/sys/devices/system/cpu/online";
        target != "/proc/self/fd" && !target.ends_with(&format!("/{own}/fd")) && !counting
    });
    fds
}

/// The number of open descriptors of this process.
pub(crate) fn fd_count() -> usize {
    open_fds().len()
}

/// Runs `body` and fails if it left a descriptor open, or closed one that was not its own.
///
/// What closes on another thread gets until the deadline of [`wait::soon`].
#[track_caller]
pub(crate) fn assert_fds_flat<T, F: FnOnce() -> T>(body: F) -> T {
    assert_fds_flat_by(wait::soon, body)
}

/// [`assert_fds_flat`] with a deadline of the caller's, taken when `body` has returned.
#[track_caller]
pub(crate) fn assert_fds_flat_by<T, D, F>(deadline: D, body: F) -> T
where
    D: FnOnce() -> Instant,
    F: FnOnce() -> T,
{
    let before = open_fds();
    let result = body();
    let deadline = deadline();
    let mut after = open_fds();
    while after != before && Instant::now() < deadline {
        std::thread::yield_now();
        after = open_fds();
    }
    let only_in = |these: &BTreeMap<u32, PathBuf>, others: &BTreeMap<u32, PathBuf>| {
        let own = these
            .iter()
            .filter(|&(fd, target)| others.get(fd) != Some(target));
        own.map(|(fd, target)| format!("{fd} -> {}", target.display()))
            .collect::<Vec<_>>()
    };
    let (left, lost) = (only_in(&after, &before), only_in(&before, &after));
    assert!(
        left.is_empty() && lost.is_empty(),
        "descriptors left open: {left:?}, lost: {lost:?}"
    );
    result
}

const _: () = {
    let _ = fd_count;
    let _ = assert_fds_flat::<(), fn()>;
    let _ = assert_fds_flat_by::<(), fn() -> Instant, fn()>;
};
