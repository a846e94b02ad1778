//! Senders that make work out of nothing: one file per factory.

pub(crate) mod just;
