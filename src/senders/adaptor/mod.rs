//! Senders made of senders: one file per algorithm.

pub(crate) mod let_value;
pub(crate) mod then;
pub(crate) mod timeout;
pub(crate) mod when_all;
