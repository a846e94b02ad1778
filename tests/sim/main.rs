//! Tests of the simulator, through the public API: that runs repeat, that faults happen and are
//! survived, that its files and network behave like the kernel's. Method: pipelines in many seeds.

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod determinism;
mod errors;
mod explore;
mod files;
mod net;
mod outside;
mod pipelines;
mod queue;
mod support;
mod time;
mod transfers;
