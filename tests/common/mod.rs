//! Helpers that the test binaries share.
//!
//! A binary takes them in with `#[path = "../common/mod.rs"] mod common;` and names what it needs
//! by its full path, `common::wait::wait_until`. Every binary compiles all of them and uses some:
//! a `const _` at the end of each file names its items, which keeps the unused ones from being
//! reported as dead code. A new helper is added to that list and gets a test in `tests/helpers.rs`.

pub(crate) mod alloc_count;
pub(crate) mod backends;
pub(crate) mod fds;
pub(crate) mod files;
pub(crate) mod manual;
pub(crate) mod not_connectable;
pub(crate) mod outcomes;
pub(crate) mod pipes;
pub(crate) mod race;
pub(crate) mod receivers;
pub(crate) mod wait;
