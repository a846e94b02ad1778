//! Senders that make work out of nothing: one file per factory.

pub(crate) mod current_scheduler;
pub(crate) mod just;
