//! Tests of senders, receivers and stop tokens through the public API.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod stop;
mod timeout;
mod when_all;

#[global_allocator]
static ALLOC: common::alloc_count::CountingAlloc = common::alloc_count::CountingAlloc;
