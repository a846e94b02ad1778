//! Messages: `send_to`, `recv_from`, `sendmsg`, `recvmsg`.
//!
//! `header` is what the kernel is given, `content` what a message consists of: one buffer, or several
//! and ancillary data. `send` and `receive` have the kinds, `received` is what is known about a message
//! besides its bytes.
//!
//! # Flow
//!
//! ```text
//! prepare   descriptor asked for, ancillary data encoded; from here on pinned
//! request   the header is made anew: address, list, control bytes, all in the operation
//! kernel    reads them, or writes them, until the result
//! advance   descriptors that arrived are owned, before anything else
//! finish    (result, buffers); the rest is dropped
//! ```
//!
//! Nothing is allocated for up to 8 buffers and 128 bytes of ancillary data.

mod content;
mod header;
mod receive;
mod received;
mod send;

pub use receive::{MessageKind, RecvFrom, RecvMsg, ReturningMessage};
pub use received::Received;
pub use send::{SendMsg, SendTo};
