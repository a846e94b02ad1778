//! Gives the buffer back whatever happens.
//!
//! # Safety
//! The promise of `Kind` is that of the kind within.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;

use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A kind of operation that holds a buffer.
pub trait BufferKind: Kind {
    /// The buffer.
    type Buffer;

    /// Turns the ending into the result and the buffer. A stop is the error `ECANCELED`.
    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, Self::Buffer);
}

/// Completes with the result and the buffer, always; see [`IoSender::returning_buffer`].
#[derive(Clone, Debug)]
pub struct Returning<K>(K);

// SAFETY: the kind in it promises the same, and is asked the same.
unsafe impl<K: BufferKind> Kind for Returning<K> {
    type Value = (io::Result<usize>, K::Buffer);
    const CANCELLABLE: bool = K::CANCELLABLE;
    const FINAL: bool = K::FINAL;

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare()
    }

    #[inline]
    fn request(&mut self) -> Request {
        self.0.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    #[inline]
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        Outcome::Value(self.0.finish_returning(ending))
    }
}

impl<H: Io, K: BufferKind> IoSender<H, K> {
    /// Delivers the buffer on every path: the value becomes `(io::Result<usize>, buffer)`.
    ///
    /// Errors, and a stop (as the error `ECANCELED`), are in the result then, and the sender
    /// completes neither with an error nor stopped. Buffers lent by `&mut` need none of this: they
    /// are back when the operation has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let not_readable = std::fs::File::options().append(true).open("/dev/null")?;
    /// let read = ctx.scheduler().read_at(not_readable, vec![0; 16], 0).returning_buffer();
    /// let (result, buffer) = ctx.block_on(read)?.unwrap();
    /// assert!(result.is_err());
    /// assert_eq!(buffer.len(), 16);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn returning_buffer(self) -> IoSender<H, Returning<K>> {
        self.map_kind(Returning)
    }
}
