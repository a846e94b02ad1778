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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{LinkedSource, RawCallback, StopSource, deregister, register};

    /// An adaptor with two children, of which the one stopped first ends everything.
    #[repr(C)]
    struct Adaptor {
        first: RawCallback,
        second: RawCallback,
        linked: LinkedSource,
        completed: AtomicUsize,
    }

    impl Adaptor {
        /// Ends both children and the link, then uses the memory of the source for a new source
        /// with a callback: a frame that still touches it would run that callback.
        ///
        /// # Safety
        ///
        /// - `first` is the running first field of a linked `Adaptor`.
        unsafe fn complete(first: NonNull<RawCallback>) {
            let this = first.cast::<Self>().as_ptr();
            // SAFETY: the node is the first field of the adaptor of the test below, registered
            //         with the pointer to all of it; everything is deregistered before the reuse.
            unsafe {
                let second = NonNull::new_unchecked(&raw mut (*this).second);
                let linked = NonNull::new_unchecked(&raw mut (*this).linked);
                deregister(first);
                deregister(second);
                LinkedSource::unlink(linked);
                (*this).completed.fetch_add(1, Ordering::Relaxed);
                linked.write(LinkedSource::new());
                register((*this).linked.token().erase(), second);
            }
        }

        /// What must not run.
        ///
        /// # Safety
        ///
        /// - None: it does not use the node.
        unsafe fn never(_: NonNull<RawCallback>) {
            panic!("the source was touched after its adaptor completed");
        }
    }

    #[test]
    fn linked_source_reused_inside_upstream_request_is_not_touched() {
        let upstream = StopSource::new();
        let mut adaptor = Adaptor {
            first: RawCallback::new(Adaptor::complete),
            second: RawCallback::new(Adaptor::never),
            linked: LinkedSource::new(),
            completed: AtomicUsize::new(0),
        };
        let this = &raw mut adaptor;
        // SAFETY: the adaptor stays in this frame, used through `this` only; `complete` ends the
        //         registrations, the last line that of the new source.
        unsafe {
            let token = (*this).linked.token().erase();
            // The node registered last runs first.
            register(token, NonNull::new_unchecked(&raw mut (*this).second));
            register(token, NonNull::new_unchecked(this).cast());
            let linked = NonNull::new_unchecked(&raw mut (*this).linked);
            LinkedSource::link(linked, upstream.token().erase());
            assert!(upstream.request_stop());
            assert_eq!((*this).completed.load(Ordering::Relaxed), 1);
            assert!(!(*this).linked.token().stop_requested());
            deregister(NonNull::new_unchecked(&raw mut (*this).second));
        }
    }
}
