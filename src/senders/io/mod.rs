//! Operations of an I/O context, and what they are given: buffers, paths, options.
//!
//! `buf` says which types may lend memory to the kernel, `path` and `open_options` prepare the
//! arguments of `open`, `statx` holds the answer of a metadata request.

pub(crate) mod buf;
pub(crate) mod open_options;
pub(crate) mod path;
pub(crate) mod statx;
