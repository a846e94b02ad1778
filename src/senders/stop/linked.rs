//! Fuses a stop source with an upstream token: a request upstream stops the source too.
//!
//! Adaptors that stop their children themselves (the first error, the first winner, a deadline)
//! embed a [`LinkedSource`], link it to their receiver's token when they start, and unlink it
//! before they complete. Its own stop never travels upstream.
//!
//! # Cancellation
//!
//! A request upstream runs the children's callbacks on the requesting thread. The last child may
//! then complete inside its callback and with it the adaptor, which unlinks and is destroyed while
//! `request_stop` is still on the stack. `unlink` tells that frame, which then leaves without
//! touching the source. An adaptor that calls [`LinkedSource::request_stop`] itself has no such
//! frame: it holds a count of its operation during the call (INV-CB-4).
//!
//! # Threads
//!
//! `unlink` waits for a request that comes from upstream on another thread, including all the
//! children's callbacks that it runs. So no callback of a child may wait for the thread that
//! unlinks.
//!
//! # Safety
//!
//! INV-CB-2 to INV-CB-4 of the module above, for the node and the source in one struct.

#![expect(unsafe_code, reason = "an intrusive node next to the source it stops")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::node::{RawCallback, deregister, register};
use super::source::StopSource;
use super::token::{RawToken, StopToken};

/// A stop source of one's own that an upstream token can stop too.
#[derive(Debug)]
#[repr(C)] // The node comes first: its address is the address of the struct.
pub(crate) struct LinkedSource {
    node: RawCallback,
    source: StopSource,
}

impl LinkedSource {
    /// An unlinked source.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn new() -> Self {
        Self {
            node: RawCallback::new(Self::forward),
            source: StopSource::new(),
        }
    }

    /// An unlinked source.
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            node: RawCallback::new(Self::forward),
            source: StopSource::new(),
        }
    }

    /// Lets a request on `upstream` stop this source; if there was one, stops it now.
    ///
    /// # Safety
    ///
    /// - `this` points to an unlinked source, which stays at its address, and is not freed, until
    ///   [`unlink`](Self::unlink) returned.
    /// - The source behind `upstream` is alive until `unlink` returned.
    pub(crate) unsafe fn link(this: NonNull<Self>, upstream: RawToken) {
        // SAFETY: the contract is that of `register`; the pointer is that of the whole struct, as
        //         `forward` needs; a `StopSource` may be stopped from any thread.
        unsafe { register(upstream, this.cast()) };
    }

    /// Ends the link: when this returns, no request from upstream reaches this source. No-op on an
    /// unlinked source.
    ///
    /// # Safety
    ///
    /// - `this` is alive; if it is linked, so is the upstream source, until this returns.
    /// - If this is called from within a callback registered on this source, then no callback is
    ///   registered on it any more, except the one that calls.
    /// - No other `unlink` or [`link`](Self::link) of this source runs at the same time.
    pub(crate) unsafe fn unlink(this: NonNull<Self>) {
        // SAFETY: the contract is that of `deregister`.
        unsafe { deregister(this.cast()) };
    }

    /// A view of the own source.
    pub(crate) const fn token(&self) -> StopToken<'_> {
        self.source.token()
    }

    /// Stops the own source, not the upstream one. Returns `true` for the first request.
    ///
    /// The struct must stay alive until this returns: see "Cancellation" above.
    pub(crate) fn request_stop(&self) -> bool {
        self.source.request_stop()
    }

    /// What a request upstream calls.
    ///
    /// # Safety
    ///
    /// - `node` is the running node of a linked `LinkedSource`.
    unsafe fn forward(node: NonNull<RawCallback>) {
        let this: NonNull<Self> = node.cast();
        // SAFETY: the node is the first field, registered with the provenance of the whole struct,
        //         and running, so the struct is alive (INV-CB-2). The flag lives in the frame that
        //         called this function. The struct dies after an `unlink` only: one on another
        //         thread waits for this function; one on this thread sets the flag and comes from
        //         a callback that runs here, when no other one is registered (contract of
        //         `unlink`).
        unsafe {
            let gone: *const Cell<bool> = (*this.as_ptr()).node.gone_flag();
            let source = &raw const (*this.as_ptr()).source;
            StopSource::request_stop_unless(source, &*gone);
        }
    }
}
