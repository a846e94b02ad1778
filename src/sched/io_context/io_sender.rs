//! The sender of everything that goes through a backend: a handle, and what kind of operation it is.
//!
//! # Safety
//! INV-SND-1, INV-SND-2 and INV-SND-3 hold because `IoOp` keeps them, for the handle that it is given.

#![expect(unsafe_code, reason = "implements Sender")]

use std::io;

use super::handle::{Io, LocalIoScheduler};
use super::kind::Kind;
use super::op::IoOp;
use crate::backend::Backend;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// The sender of every operation of an I/O context: the handle, and what kind of operation it is.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct IoSender<H, K> {
    handle: H,
    kind: K,
}

impl<H: Io, K: Kind> IoSender<H, K> {
    /// The operation `kind` on the context of `handle`: for operations of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::backends::Request;
    /// use sendio::io::{Ending, IoSender, Kind};
    /// use sendio::prelude::*;
    ///
    /// /// Asks nothing of the kernel, and gets its answer.
    /// struct Ping;
    ///
    /// // SAFETY: the request names neither memory nor a descriptor.
    /// unsafe impl Kind for Ping {
    ///     type Value = u32;
    ///
    ///     fn request(&mut self) -> Request {
    ///         Request::Nop
    ///     }
    ///
    ///     fn finish(self, ending: Ending) -> Outcome<u32, std::io::Error> {
    ///         ending.into_outcome()
    ///     }
    /// }
    ///
    /// let ctx = IoContext::new()?;
    /// assert_eq!(ctx.block_on(IoSender::new(ctx.scheduler(), Ping))?, Some(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub const fn new(handle: H, kind: K) -> Self {
        Self { handle, kind }
    }

    /// The same operation with its kind changed: other results of the same request.
    #[inline]
    pub(crate) fn map_kind<L: Kind>(self, f: impl FnOnce(K) -> L) -> IoSender<H, L> {
        IoSender {
            handle: self.handle,
            kind: f(self.kind),
        }
    }
}

// SAFETY: `IoOp` completes exactly once, last, as its states say, and does not unwind out of
//         `start`. It may be started on any thread if the handle is the `Send` one.
unsafe impl<H: Io, K: Kind> Sender for IoSender<H, K> {
    type Value = K::Value;
    type Error = io::Error;
    type Operation<R: Receiver<K::Value, io::Error>> = IoOp<H, K, R>;
    const STAYS: bool = H::LOCAL;
    const LOOKS: bool = true;

    #[inline]
    fn connect<R: Receiver<K::Value, io::Error>>(self, receiver: R) -> IoOp<H, K, R> {
        IoOp::new(self.handle, self.kind, receiver)
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and completed by the loop
//         there; a stop callback elsewhere only enqueues.
unsafe impl<B: Backend, K: Kind> LocalSender for IoSender<LocalIoScheduler<'_, B>, K> {}
