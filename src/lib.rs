//! `std::execution` (P2300 senders and receivers) for Rust, with real Linux I/O under it.

mod abort;
#[cfg(all(test, loom))]
mod loom;
mod senders;
mod sync;
mod util;

pub use senders::stop::{StopCallback, StopSource, StopToken};
