//! What the standard library lacks: intrusive, allocation-free data structures and thread numbers.

pub(crate) mod inbox;
pub(crate) mod list;
pub(crate) mod node;
pub(crate) mod spin;
pub(crate) mod thread_number;
pub(crate) mod timer_heap;
pub(crate) mod timer_wheel;
