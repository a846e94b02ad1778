//! `std::execution` (P2300 senders and receivers) for Rust, with real Linux I/O under it.
#![cfg_attr(
    not(all(test, loom)),
    expect(
        dead_code,
        unused_imports,
        reason = "the operations that use them come next"
    )
)]

#[cfg(all(test, loom))]
mod loom;
mod senders;
mod sync;
mod util;

pub use senders::stop::{StopCallback, StopSource, StopToken};
