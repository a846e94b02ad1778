//! A server of keys and values that speaks the protocol of Redis.

#[path = "kv/mod.rs"]
mod kv;

fn main() {}
