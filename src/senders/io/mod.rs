//! Operations of an I/O context, and what they are given: buffers, paths, options.
//!
//! `file_ops` and `path_ops` have the methods that make the operations; one file per family has their
//! kinds (`read`, `write`, `vectored`, `open`, `close`, `sync`, `space`, `stat`, `names`). `buf` says which types may
//! lend memory to the kernel, `path` and `open_options` prepare the arguments of `open`, `statx` holds
//! the answer of a metadata request, `partial` and `returning` what comes back besides a value.

pub(crate) mod accept_loop;
pub(crate) mod buf;
pub(crate) mod close;
pub(crate) mod file_ops;
pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod open_options;
pub(crate) mod partial;
pub(crate) mod path;
pub(crate) mod path_ops;
pub(crate) mod read;
pub(crate) mod returning;
pub(crate) mod space;
pub(crate) mod stat;
pub(crate) mod statx;
pub(crate) mod sync;
pub(crate) mod target;
pub(crate) mod vectored;
pub(crate) mod write;
