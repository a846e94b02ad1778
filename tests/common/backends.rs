//! Which backends there are for tests, and what a test does on one that cannot do what it is about.
//!
//! `SENDIO_BACKEND` names the backend of contexts that do not name one, so each test runs on each
//! backend: scripts/backends. A test that is about something which a backend lacks says so with
//! [`lacking`], and ends. With `SENDIO_SKIPS` in the environment that is noted in the file it names,
//! which scripts/backends compares with `tests/backends/*.txt`.

#![expect(clippy::print_stdout, reason = "a skip is no secret")]

use std::fs::OpenOptions;
use std::io::Write;

use sendio::{BackendKind, IoContext};

/// The backend of contexts that do not name one.
pub(crate) fn default_kind() -> Option<BackendKind> {
    IoContext::new().expect("a context").backend_report().kind()
}

/// The backends that can be used here.
pub(crate) fn usable() -> Vec<BackendKind> {
    let all = [
        BackendKind::Uring,
        BackendKind::Aio,
        BackendKind::Epoll,
        BackendKind::Sim,
    ];
    let can = |kind: &BackendKind| IoContext::builder().backend(*kind).build().is_ok();
    all.into_iter().filter(can).collect()
}

/// Whether contexts run on one of `kinds`, which lack what the test needs. If so, the test ends.
#[must_use]
pub(crate) fn lacking(kinds: &[BackendKind], what: &str) -> bool {
    let Some(kind) = default_kind().filter(|kind| kinds.contains(kind)) else {
        return false;
    };
    // The name of the test is what the runner asked for.
    let mut words = std::env::args().skip(1);
    let test = words.find(|word| !word.starts_with('-'));
    let test = test.as_deref().unwrap_or("a test");
    println!("skipped on {kind}: {test}: {what}");
    if let Some(path) = std::env::var_os("SENDIO_SKIPS") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let line = format!("{test}: {what}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of skips can be written");
    }
    true
}

const _: () = {
    let _ = (default_kind, usable, lacking);
};
