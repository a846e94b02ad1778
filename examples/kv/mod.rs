//! A server of keys and values that speaks the protocol of Redis, without any I/O: input goes into
//! a [`client::Session`], replies come out of it.

pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod glob;
pub(crate) mod inline;
pub(crate) mod number;
pub(crate) mod reply;
pub(crate) mod resp;
pub(crate) mod store;
