//! Fuses a stop source with two upstream tokens: a request on either stops it.
//!
//! What is said of [`LinkedSource`](super::LinkedSource) holds for both links: a request upstream
//! runs the callbacks of this source on the requesting thread, and the last of them may complete,
//! and destroy, what embeds the source.
//!
//! # Cancellation
//!
//! When both upstreams are asked at the same time, one of the two frames stops the source and runs
//! its callbacks. The other one finds it stopped and returns at once, without touching it again.
//!
//! # Threads
//!
//! [`unlink`](JoinedSource::unlink) waits for both frames if they are on other threads. The one that
//! runs no callbacks ends without waiting for anybody; so two frames never wait for each other.
//!
//! # Safety
//!
//! INV-CB-2 to INV-CB-4 of the module above, for both nodes and the source in one struct.

#![expect(unsafe_code, reason = "intrusive nodes next to the source they stop")]

use std::mem::offset_of;
use std::ptr::NonNull;

use super::node::{RawCallback, deregister, register};
use super::source::StopSource;
use super::token::{RawToken, StopToken};

/// A stop source of one's own that either of two upstream tokens can stop.
#[derive(Debug)]
#[repr(C)] // The first node comes first: its address is the address of the struct.
pub(crate) struct JoinedSource {
    first: RawCallback,
    second: RawCallback,
    source: StopSource,
}

impl JoinedSource {
    /// An unlinked source.
    pub(crate) fn new() -> Self {
        Self {
            first: RawCallback::new(Self::forward_first),
            second: RawCallback::new(Self::forward_second),
            source: StopSource::new(),
        }
    }

    /// Lets a request on either token stop this source; if there was one, stops it now.
    ///
    /// # Safety
    ///
    /// - `this` points to an unlinked source, which stays at its address, and is not freed, until
    ///   [`unlink`](Self::unlink) returned; no callback is registered on it before this returns.
    /// - The sources behind the tokens are alive until `unlink` returned.
    pub(crate) unsafe fn link(this: NonNull<Self>, first: RawToken, second: RawToken) {
        // SAFETY: the contract is that of `register`; both pointers are good for the whole struct, as
        //         the functions of the nodes need; a `StopSource` may be stopped from any thread.
        unsafe {
            register(first, this.cast());
            register(second, Self::second(this));
        }
    }

    /// Ends both links: when this returns, no request from upstream reaches this source.
    ///
    /// # Safety
    ///
    /// - `this` is alive and linked, and so are the upstream sources, until this returns.
    /// - If this is called from within a callback registered on this source, then no callback is
    ///   registered on it any more, except the one that calls.
    /// - It is called once.
    pub(crate) unsafe fn unlink(this: NonNull<Self>) {
        // SAFETY: the contract is that of `deregister`.
        unsafe {
            deregister(this.cast());
            deregister(Self::second(this));
        }
    }

    /// A view of the own source.
    pub(crate) const fn token(&self) -> StopToken<'_> {
        self.source.token()
    }

    /// The second node, with the provenance of the whole.
    ///
    /// # Safety
    ///
    /// - `this` is alive.
    unsafe fn second(this: NonNull<Self>) -> NonNull<RawCallback> {
        // SAFETY: a field of a live struct.
        unsafe { this.byte_add(offset_of!(Self, second)).cast() }
    }

    /// What a request on the first upstream calls.
    ///
    /// # Safety
    ///
    /// - `node` is the running first node of a linked `JoinedSource`.
    unsafe fn forward_first(node: NonNull<RawCallback>) {
        // SAFETY: the contract; the node is the first field.
        unsafe { Self::forward(node.cast(), node) }
    }

    /// What a request on the second upstream calls.
    ///
    /// # Safety
    ///
    /// - `node` is the running second node of a linked `JoinedSource`.
    unsafe fn forward_second(node: NonNull<RawCallback>) {
        // SAFETY: the contract; the node was registered with the provenance of the whole.
        unsafe { Self::forward(node.byte_sub(offset_of!(Self, second)).cast(), node) }
    }

    /// Stops the source, from within the callback of one of its nodes.
    ///
    /// # Safety
    ///
    /// - `node` is a running node of `this`, which is linked.
    unsafe fn forward(this: NonNull<Self>, node: NonNull<RawCallback>) {
        // SAFETY: a running node's struct is alive (INV-CB-2), and dies after an `unlink` only. One on
        //         another thread waits for this function. One on this thread, made by a callback that
        //         runs in here, finds the node running and sets the flag, which lives in the frame
        //         that called this function; no callback is registered any more then (contract of
        //         `unlink`).
        unsafe {
            let gone = (*node.as_ptr()).gone_flag();
            let source = &raw const (*this.as_ptr()).source;
            StopSource::request_stop_unless(source, &*gone);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{JoinedSource, RawCallback, StopSource, deregister, register};

    /// An adaptor whose one child ends everything when it is stopped, and first asks the other
    /// upstream to stop.
    #[repr(C)]
    struct Adaptor<'a> {
        child: RawCallback,
        joined: JoinedSource,
        other: &'a StopSource,
        completed: AtomicUsize,
    }

    impl Adaptor<'_> {
        /// Ends the child and the links, then uses the memory of the source for a new one: a frame
        /// that still touches it would stop that.
        ///
        /// # Safety
        ///
        /// - `child` is the running first field of a linked `Adaptor`.
        unsafe fn complete(child: NonNull<RawCallback>) {
            let this = child.cast::<Self>().as_ptr();
            // SAFETY: the node is the first field of the adaptor of the test below, registered with
            //         the pointer to all of it; everything is deregistered before the reuse.
            unsafe {
                (*this).other.request_stop();
                let joined = NonNull::new_unchecked(&raw mut (*this).joined);
                deregister(child);
                JoinedSource::unlink(joined);
                (*this).completed.fetch_add(1, Ordering::Relaxed);
                joined.write(JoinedSource::new());
            }
        }
    }

    #[test]
    fn joined_source_reused_inside_requests_of_both_upstreams_is_not_touched() {
        for swapped in [false, true] {
            let (asked, other) = (StopSource::new(), StopSource::new());
            let mut adaptor = Adaptor {
                child: RawCallback::new(Adaptor::complete),
                joined: JoinedSource::new(),
                other: &other,
                completed: AtomicUsize::new(0),
            };
            let this = &raw mut adaptor;
            // SAFETY: the adaptor stays in this frame, used through `this` only; `complete` ends the
            //         registrations.
            unsafe {
                let joined = NonNull::new_unchecked(&raw mut (*this).joined);
                let (one, two) = match swapped {
                    false => (asked.token(), other.token()),
                    true => (other.token(), asked.token()),
                };
                JoinedSource::link(joined, one.erase(), two.erase());
                register(
                    (*this).joined.token().erase(),
                    NonNull::new_unchecked(this).cast(),
                );
                assert!(asked.request_stop());
                assert!(other.stop_requested());
                assert_eq!((*this).completed.load(Ordering::Relaxed), 1);
                assert!(!(*this).joined.token().stop_requested());
            }
        }
    }
}
