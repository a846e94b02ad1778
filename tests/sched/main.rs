//! Tests of contexts and schedulers through the public API.

#[path = "../common/mod.rs"]
mod common;

mod bridge;
mod cancel;
mod executor;
mod hostile;
mod inline;
mod io_context;
mod run_loop;
mod scope;
mod shutdown;
