//! What the standard library lacks: intrusive, allocation-free data structures.

pub(crate) mod inbox;
pub(crate) mod node;
pub(crate) mod timer_heap;
