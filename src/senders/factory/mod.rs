//! Senders that make work out of nothing: one file per factory.

pub(crate) mod current_scheduler;
pub(crate) mod just;
pub(crate) mod just_from;
pub(crate) mod read_env;
