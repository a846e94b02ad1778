//! `schedule` of an I/O context: a NOP through the kernel.
//!
//! # Safety
//! A NOP names neither memory nor a descriptor.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;

use super::op::{Ending, Kind};
use crate::backend::request::Request;
use crate::senders::concept::outcome::Outcome;

/// Completes when the kernel has seen it.
#[derive(Clone, Copy, Debug)]
pub struct Nop;

// SAFETY: a NOP names nothing.
unsafe impl Kind for Nop {
    type Value = ();
    // It ends by itself at once.
    const CANCELLABLE: bool = false;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Nop
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}
