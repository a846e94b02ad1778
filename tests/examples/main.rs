//! Tests of the example servers as their users have them: a process, sockets, signals.

#[path = "../common/mod.rs"]
mod common;

mod echo;
mod httpd;
mod kv;
mod proxy;
mod support;
