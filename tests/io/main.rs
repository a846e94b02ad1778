//! Tests of the operations of an I/O context on files, pipes and paths, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod accept_loop;
mod child;
mod close;
mod crowd;
mod drops;
mod handle;
mod model;
mod open;
mod partial;
mod paths;
mod read;
mod returning;
mod space;
mod stat;
mod support;
mod sync;
mod vectored;
mod write;
