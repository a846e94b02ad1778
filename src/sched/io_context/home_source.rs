//! A stop source that belongs to a context, so that operations of that context need not register with it.
//!
//! A scope has one. An operation that starts on the loop's thread and sees that its stop token is of a
//! home source of its own context puts itself into the source's list, which is the loop's, instead of
//! registering a callback, which costs an atomic operation at both ends. The list also stands for the
//! context's list of operations in flight. Everybody else registers as with any other source.
//!
//! # Cancellation
//!
//! The source has one callback, the link. A stop request runs it: on the loop's thread it asks each
//! operation in the list to end, at once; on another thread it queues its node, and the loop asks them
//! when it takes the node. An operation that starts meanwhile sees the request by itself; one that is
//! being started by the code that asks (in `as_fd`, or in a buffer) sees it when it would list itself.
//!
//! # Safety
//! - INV-HOME-1: a home source stays in place from `open` until `close` has returned, and the core
//!   longer. Its address as a source, together with the core's address in it, identifies it.
//! - INV-STOP-1: the link is armed that long, and `close` waits for its node.
//! - INV-LIST-1: operations in the list are in flight, so in place; the list is empty when it closes.

#![expect(unsafe_code, reason = "intrusive lists of operations")]

use std::mem::offset_of;
use std::ptr::NonNull;

use super::core::Core;
use super::stop_link::{Listener, StopLink};
use crate::backend::Backend;
use crate::senders::stop::{RawToken, StopSource};
use crate::util::list::{Links, List};

/// A stop source with a list of operations.
#[repr(C)] // The source comes first: its address is the address of the whole.
pub(super) struct HomeSource<B: Backend> {
    source: StopSource,
    core: NonNull<Core<B>>,
    /// Operations at the kernel that see the source's token.
    in_flight: List,
    /// In the core's list of home sources.
    links: Links,
    link: StopLink,
}

impl<B: Backend> HomeSource<B> {
    /// A source that belongs to the context with this core; to be opened.
    pub(super) fn new(core: &Core<B>) -> Self {
        Self {
            source: StopSource::homed(Self::home_of(core)),
            core: NonNull::from(core),
            in_flight: List::new(),
            links: Links::new(),
            link: StopLink::new::<Self>(false),
        }
    }

    /// What identifies the home sources of a context.
    #[inline]
    fn home_of(core: &Core<B>) -> *const () {
        (&raw const *core).cast()
    }

    /// The source; it may be used before `open` and after `close`, as any other one.
    #[inline]
    pub(super) const fn source(&self) -> &StopSource {
        &self.source
    }

    #[inline]
    pub(super) const fn core(&self) -> &Core<B> {
        // SAFETY: the core lives longer (INV-HOME-1).
        unsafe { self.core.as_ref() }
    }

    /// The list for an operation with this token, if the token's source belongs to the context.
    ///
    /// # Safety
    ///
    /// - The loop's thread; the source of `token` is alive.
    #[inline]
    pub(super) unsafe fn list_of(core: &Core<B>, token: RawToken) -> Option<NonNull<List>> {
        // SAFETY: the source is alive (contract).
        let source = unsafe { token.homed_source(Self::home_of(core)) }?;
        // A source with this core's address in it was made in `new`, so it is the first field of a
        // `HomeSource` of this type, whose address `open` has exposed.
        let list = source.addr().get() + offset_of!(Self, in_flight);
        // SAFETY: a field is never at address zero.
        Some(unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(list)) })
    }

    /// Begins.
    ///
    /// # Safety
    ///
    /// - `this` was made by `new`, stays in place until `close` returned, and is opened once. The
    ///   loop's thread.
    pub(super) unsafe fn open(this: NonNull<Self>) {
        // SAFETY: in place until `close` (contract), which takes it out of the list and disarms.
        unsafe {
            this.expose_provenance();
            this.as_ref().in_flight.init();
            this.as_ref()
                .core()
                .homes
                .push_back(this.byte_add(offset_of!(Self, links)).cast());
            let link: NonNull<StopLink> = this.byte_add(offset_of!(Self, link)).cast();
            StopLink::arm(link, this.as_ref().source.token().erase());
        }
    }

    /// Ends, when no operation is in the list any more.
    ///
    /// # Safety
    ///
    /// - `this` was opened, and is closed once. The loop's thread, which drives the loop, in no turn.
    pub(super) unsafe fn close(this: NonNull<Self>) {
        // SAFETY: open, so alive and in the list of its core.
        unsafe {
            debug_assert!(this.as_ref().in_flight.is_empty(), "nothing is in flight");
            let link: NonNull<StopLink> = this.byte_add(offset_of!(Self, link)).cast();
            if StopLink::disarm(link) {
                this.as_ref()
                    .core()
                    .turn_until(|| StopLink::has_arrived(link));
            }
            List::remove(this.byte_add(offset_of!(Self, links)).cast());
        }
    }

    /// Asks each operation in the list of the source with these links to end.
    ///
    /// # Safety
    ///
    /// - `links` are those of an open source. The loop's thread.
    pub(super) unsafe fn cancel_all(links: NonNull<Links>) {
        // SAFETY: open, so alive; its links are a field of it.
        unsafe {
            let this: NonNull<Self> = links.byte_sub(offset_of!(Self, links)).cast();
            Core::<B>::cancel_list(&this.as_ref().in_flight);
        }
    }
}

// SAFETY: the link lies there, and is in place while it is armed (INV-HOME-1).
unsafe impl<B: Backend> Listener for HomeSource<B> {
    type Backend = B;
    const LINK: usize = offset_of!(Self, link);

    unsafe fn core<'a>(this: *mut Self) -> &'a Core<B> {
        // SAFETY: alive, and the core lives longer (INV-HOME-1).
        unsafe { (*this).core.as_ref() }
    }

    unsafe fn act(this: *mut Self) {
        // SAFETY: alive: open, or closing, which waits for this.
        unsafe {
            // An operation that is being started by the code which asks has looked at the token already,
            // and would come too late into the list: it registers instead, and finds the request.
            (*this).source.leave_home();
            Core::<B>::cancel_list(&(*this).in_flight);
        }
    }
}
