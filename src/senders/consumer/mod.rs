//! What runs senders: one file per consumer.

pub(crate) mod sync_wait;
pub(crate) mod wait;
