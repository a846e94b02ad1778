//! Tests of the operations of an I/O context on files, pipes, paths and sockets, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod accept;
mod accept_loop;
mod ancillary;
mod bind;
mod child;
mod close;
mod connect;
mod copy;
mod crowd;
mod differential;
mod drops;
mod handle;
mod listen;
mod message;
mod model;
mod net;
mod no_buffers;
mod open;
mod orders;
mod partial;
mod paths;
mod poll;
mod read;
mod recv;
mod resolve;
mod returning;
mod send;
mod shutdown;
mod socket;
mod sockets;
mod space;
mod splice;
mod stat;
mod support;
mod sync;
mod vectored;
mod write;
