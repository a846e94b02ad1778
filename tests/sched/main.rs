//! Tests of contexts and schedulers through the public API.

#[path = "../common/mod.rs"]
mod common;

use common::alloc_count::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

mod aio;
mod allocations;
mod auto;
mod bridge;
mod cancel;
mod child;
mod epoll;
mod executor;
mod hostile;
mod inline;
mod io_context;
mod nested;
mod panics;
mod remote;
mod ring;
mod run_loop;
mod scope;
mod shutdown;
mod spawn_with;
mod timers;
mod wait_below;
