//! Operations of an I/O context, and what they are given: buffers, paths, options.
//!
//! `file_ops`, `path_ops` and `socket_ops` have the methods that make the operations; one file per
//! family has their kinds (`read`, `write`, `vectored`, `open`, `close`, `sync`, `space`, `stat`,
//! `names`; `socket`, `bind`, `listen`, `connect`, `accept`, `shutdown`, `poll`). `transfer` says how
//! bytes come and go: `read` and `write` serve files and sockets alike. `buf` says which types may lend
//! memory to the kernel, `path`, `open_options` and `msg_flags` prepare arguments, `statx` holds the
//! answer of a metadata request, `partial` and `returning` what comes back besides a value.
//!
//! `message_ops` and `copy_ops` have messages, and bytes that go from one descriptor to another:
//! `message`, `ancillary`; `splice`, `copy`.

pub(crate) mod accept;
pub(crate) mod accept_loop;
pub(crate) mod ancillary;
pub(crate) mod bind;
pub(crate) mod buf;
pub(crate) mod close;
pub(crate) mod connect;
pub(crate) mod copy;
pub(crate) mod copy_ops;
pub(crate) mod file_ops;
pub(crate) mod listen;
pub(crate) mod message;
pub(crate) mod message_ops;
pub(crate) mod msg_flags;
pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod open_options;
pub(crate) mod partial;
pub(crate) mod path;
pub(crate) mod path_ops;
pub(crate) mod poll;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod returning;
pub(crate) mod shutdown;
pub(crate) mod socket;
pub(crate) mod socket_ops;
pub(crate) mod space;
pub(crate) mod splice;
pub(crate) mod stat;
pub(crate) mod statx;
pub(crate) mod sync;
pub(crate) mod target;
pub(crate) mod transfer;
pub(crate) mod vectored;
pub(crate) mod write;
