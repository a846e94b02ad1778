//! Tests of senders, receivers and stop tokens through the public API.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod stop;
