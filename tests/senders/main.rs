//! Tests of senders, receivers and stop tokens through the public API.

#[path = "../common/mod.rs"]
mod common;

mod continues_on;
mod finally;
mod harness;
mod let_error;
mod let_ref;
mod let_stopped;
mod let_value;
mod on;
mod repeat;
mod repeat_with;
mod retry_when;
mod sequence;
mod soundness;
mod starts_on;
mod stop;
mod sync_wait;
mod timeout;
mod when_all;

mod with_env;

#[global_allocator]
static ALLOC: common::alloc_count::CountingAlloc = common::alloc_count::CountingAlloc;
