//! Senders and receivers: the protocol, its algorithms, and the I/O operations built on them.
//!
//! `concept` holds the protocol, `stop` the stop tokens, `factory`, `adaptor` and `consumer` one
//! file per algorithm, `io` the operations of an I/O context.

pub(crate) mod adaptor;
pub(crate) mod concept;
pub(crate) mod consumer;
pub(crate) mod ext;
pub(crate) mod factory;
pub(crate) mod io;
pub(crate) mod stop;
