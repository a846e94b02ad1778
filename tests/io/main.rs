//! Tests of the operations of an I/O context on files, pipes and paths, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod accept_loop;
mod ancillary;
mod child;
mod close;
mod copy;
mod crowd;
mod drops;
mod handle;
mod message;
mod model;
mod net;
mod open;
mod orders;
mod partial;
mod paths;
mod read;
mod recv;
mod returning;
mod send;
mod sockets;
mod space;
mod splice;
mod stat;
mod support;
mod sync;
mod vectored;
mod write;
