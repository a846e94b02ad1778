//! Tests of senders, receivers and stop tokens through the public API.

#[path = "../common/mod.rs"]
mod common;

mod boxed;
mod cast_err;
mod continues_on;
mod either;
mod err_into;
mod finally;
mod harness;
mod hostile;
mod into_result;
mod just;
mod just_from;
mod let_error;
mod let_ref;
mod let_stopped;
mod let_value;
mod map_err;
mod mapping;
mod materialize;
mod on;
mod protocol;
mod read_env;
mod repeat;
mod repeat_with;
mod retry_when;
mod sequence;
mod soundness;
mod starts_on;
mod stop;
mod stop_when;
mod stopped_as_error;
mod stopped_as_optional;
mod sync_wait;
mod then;
mod timeout;
mod try_then;
mod upon_error;
mod upon_panicked;
mod upon_stopped;
mod when_all;
mod when_all_vec;
mod with_env;

#[global_allocator]
static ALLOC: common::alloc_count::CountingAlloc = common::alloc_count::CountingAlloc;
