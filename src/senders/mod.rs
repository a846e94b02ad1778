//! Senders, receivers, operations, and the stop tokens they share.

pub(crate) mod stop;
