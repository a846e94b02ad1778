//! The unit tests of the modules of the example kv that do no I/O: they are beside the code, in
//! `examples/kv`. How a connection sees them is tested in `tests/examples/kv.rs`.
#![expect(
    dead_code,
    reason = "the rest of the example calls what the tests do not"
)]

#[path = "../examples/kv/mod.rs"]
mod kv;
