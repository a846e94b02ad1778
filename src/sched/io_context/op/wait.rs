//! What happens to an operation that waits: in the inbox, for room, for its turn, and stop requests.
//!
//! Functions that take `this` require a started, incomplete operation, on the loop's thread unless they
//! say otherwise; the operation may be gone when they return.
//!
//! # Safety
//! INV-OP-1, INV-OP-2, as in the module above.

#![expect(unsafe_code, reason = "the operation whose address the kernel holds")]

use std::io;
use std::mem::offset_of;
use std::ptr::NonNull;

use super::{Ending, IoOp, Kind, Phase};
use crate::abort::abort;
use crate::backend::request::Request;
use crate::backend::slot::SlotHeader;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::stop_link::{Listener, StopLink};
use crate::senders::concept::receiver::Receiver;
use crate::senders::stop::RawToken;
use crate::util::node::{Node, Signal};

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    /// The request again, for a slot that waited for room.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    pub(super) unsafe fn request_again(slot: NonNull<SlotHeader>) -> Request {
        // SAFETY: in the backlog, so not at the kernel: the kind may be borrowed (INV-OP-2).
        unsafe { (*(*Self::of_slot(slot)).kind.get()).request() }
    }

    /// There was room: the request is at the kernel, and the operation in no list.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    pub(super) unsafe fn started(slot: NonNull<SlotHeader>) {
        // SAFETY: it was in the backlog, so it is alive, and listening if it has a token.
        unsafe {
            let this = Self::of_slot(slot);
            (*this).now.phase.set(Phase::AtKernel);
            if K::CANCELLABLE {
                let core = Self::core(this);
                core.in_flight.push_back(slot.cast());
            }
        }
    }

    /// The node was run: taken from the inbox, or from the ready queue.
    ///
    /// # Safety
    ///
    /// - `node` is that of a started, incomplete operation of this type, taken from its queue.
    pub(super) unsafe fn ran(node: NonNull<Node>, _: Signal) {
        // SAFETY: the node is a field of a started operation that waits for this.
        unsafe {
            let this: *mut Self = node.as_ptr().byte_sub(offset_of!(Self, node)).cast();
            match (*this).now.phase.get() {
                Phase::Queued => {
                    let core = Self::core(this);
                    core.taken_new();
                    (*this).now.phase.set(Phase::Starting);
                    // Not begun when the context was asked to stop: it does not begin any more.
                    let claimed = !Self::hears(this) || StopLink::claim(Self::link(this));
                    if claimed && !core.is_stopping() {
                        Self::submit(this);
                    } else {
                        Self::end_early(this, Ok(Ending::Stopped));
                    }
                }
                Phase::QueuedEnded => {
                    (*(&raw const (*this).handle)).core().taken_new();
                    (*this).now.phase.set(Phase::Starting);
                    if Self::hears(this) {
                        // It has ended already; a stop request changes nothing.
                        StopLink::claim(Self::link(this));
                    }
                    Self::end_early(this, (*(*this).kept.get()).assume_init_read());
                }
                Phase::Ready => Self::end_early(this, Ok(Ending::Stopped)),
                _ => abort("an operation was taken from a queue in which it was not"),
            }
        }
    }

    /// Ends early.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    pub(super) unsafe fn stop(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe {
            match (*this).now.phase.get() {
                Phase::Backlogged => {
                    let core = Self::core(this);
                    core.leave_backlog(Self::slot(this));
                    (*this).now.phase.set(Phase::Ready);
                    core.ready.push_back(Self::make_node(this));
                }
                Phase::AtKernel => {
                    if !(*this).now.listening.get() {
                        Self::listen(this, RawToken::NEVER, false);
                    }
                    let core = Self::core(this);
                    StopLink::cancel_later(Self::link(this), core, Self::slot(this));
                }
                // Written when the phase was entered, which is left here.
                Phase::AwaitsNode => {
                    Self::deliver_early(this, (*(*this).kept.get()).assume_init_read());
                }
                Phase::Over => abort("a stop request outlived its operation"),
                _ => {}
            }
        }
    }

    /// The context ends: as if stop had been requested.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    pub(super) unsafe fn cancelled_by_context(slot: NonNull<SlotHeader>) {
        // SAFETY: the operation is alive, in the backlog or at the kernel.
        unsafe {
            let this = Self::of_slot(slot);
            if K::CANCELLABLE || (*this).now.phase.get() == Phase::Backlogged {
                Self::stop(this);
            }
        }
    }
}
