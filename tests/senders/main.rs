//! Tests of senders, receivers and stop tokens through the public API.

#[path = "../common/mod.rs"]
mod common;

mod continues_on;
mod finally;
mod boxed;
mod cast_err;
mod either;
mod err_into;
mod harness;
mod into_result;
mod just;
mod just_from;
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
mod map_err;
mod mapping;
mod materialize;
mod protocol;
mod read_env;
mod stop;
mod stopped_as_error;
mod stopped_as_optional;
mod then;
mod timeout;
mod try_then;
mod upon_error;
mod upon_stopped;
mod when_all;

mod with_env;

#[global_allocator]
static ALLOC: common::alloc_count::CountingAlloc = common::alloc_count::CountingAlloc;
