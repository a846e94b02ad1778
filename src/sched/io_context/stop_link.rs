//! How a stop request, from any thread, reaches an operation of an I/O context.
//!
//! # States
//!
//! `state` is shared between threads; the cells belong to the loop's thread.
//!
//! | who | when | does |
//! |-----|------|------|
//! | `start`, other thread | before it queues the operation | sets `SUBMITTING` |
//! | loop | when it takes the operation from the queue (`claim`) | clears `SUBMITTING`; if `STOP` is set the operation is not submitted |
//! | callback, loop's thread, `SUBMITTING` clear | | calls the operation ([`Listener::act_at_home`]) |
//! | callback, any thread, `SUBMITTING` set | | sets `STOP`, nothing else: the loop will look |
//! | callback, other thread, `SUBMITTING` clear | | sets `STOP`, queues `node` |
//! | loop | when it takes `node` from the queue | `arrived`, then `act` |
//!
//! The callback runs at most once, and not after `disarm`. So after `disarm` the loop knows whether
//! `node` is on its way: `STOP` is set and it has not arrived. Then the operation must wait for
//! it, because the queue holds its address.
//!
//! # Threads
//!
//! One read-modify-write each by callback and `claim` decides who saw whom (`AcqRel`). That the
//! callback is over when `disarm` returns is INV-CB-1.
//!
//! # Safety
//! - INV-STOP-1: an armed link stays in place until `disarm` returned, and if that said so until
//!   `node` arrived; or until the callback has returned on the loop's thread, since nobody touches the
//!   link after that (INV-CB-2).
//! - INV-CTX-1: `pending`, `arrived` and the links are the loop's.

#![expect(unsafe_code, reason = "intrusive nodes inside operations")]

use std::cell::{Cell, UnsafeCell};
use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;

use super::core::Core;
use crate::backend::Backend;
use crate::backend::slot::SlotHeader;
use crate::senders::stop::{RawCallback, RawToken, deregister, register};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::util::list::{Links, List};
use crate::util::node::{Node, Signal};

/// The operation is in the inbox, on its way to the loop.
const SUBMITTING: u32 = 1;
/// Stop was requested while `SUBMITTING`, or from another thread.
const STOP: u32 = 2;

/// What has a stop link: an operation, or a scope.
///
/// # Safety
///
/// The implementor promises:
///
/// - [`LINK`](Listener::LINK) is the offset at which it holds a `StopLink`, which keeps INV-STOP-1.
/// - `core` and `act` may be called as they say while the link is armed.
pub(crate) unsafe trait Listener: Sized {
    /// The backend of its context.
    type Backend: Backend;
    /// Where its link is.
    const LINK: usize;

    /// The core of its context; any thread.
    ///
    /// # Safety
    ///
    /// - `this` is alive, with an armed link.
    unsafe fn core<'a>(this: *mut Self) -> &'a Core<Self::Backend>;

    /// Stop was requested; it may be gone when this returns.
    ///
    /// # Safety
    ///
    /// - The loop's thread; `this` is alive, with an armed link.
    unsafe fn act(this: *mut Self);

    /// As [`act`](Listener::act), called by the stop callback itself: which is over as soon as this has
    /// returned, and before the loop goes on. From then on nobody touches the link, so that what does
    /// not end in here may end later without disarming it.
    ///
    /// # Safety
    ///
    /// - As for [`act`](Listener::act); `core` is that of its context.
    #[inline(always)]
    unsafe fn act_at_home(this: *mut Self, core: &Core<Self::Backend>) {
        let _ = core;
        // SAFETY: the contract is the same.
        unsafe { Self::act(this) }
    }
}

/// The part of an operation that hears stop requests.
#[repr(C)] // The callback comes first: its address is the address of the link.
pub(crate) struct StopLink {
    callback: RawCallback,
    state: AtomicU32,
    arrived: Cell<bool>,
    /// In the context's list of cancels to send.
    pending: Cell<bool>,
    /// So that what begins as zero is written together.
    _spare: [u8; 2],
    /// Made when it is queued.
    node: UnsafeCell<MaybeUninit<Node>>,
    /// Made when the link is put into a list of cancels.
    links: UnsafeCell<MaybeUninit<Links>>,
    /// The slot to cancel; without meaning unless `pending`.
    slot: Cell<MaybeUninit<NonNull<SlotHeader>>>,
}

impl StopLink {
    /// The link of an `L` that is not armed. `submitting` is whether the operation is going to the
    /// loop through its inbox.
    #[inline]
    pub(crate) fn new<L: Listener>(submitting: bool) -> Self {
        Self {
            callback: RawCallback::new(Self::requested::<L>),
            state: AtomicU32::new(if submitting { SUBMITTING } else { 0 }),
            arrived: Cell::new(false),
            pending: Cell::new(false),
            _spare: [0; 2],
            node: UnsafeCell::new(MaybeUninit::uninit()),
            links: UnsafeCell::new(MaybeUninit::uninit()),
            slot: Cell::new(MaybeUninit::uninit()),
        }
    }

    /// Listens to `token` from now on. If stop was requested already, the callback runs in here.
    ///
    /// # Safety
    ///
    /// - `this` is part of a listener that keeps INV-STOP-1, and the pointer may be used for all of
    ///   the listener.
    /// - The source of `token` is alive until `disarm`; the core until the operation completed.
    #[inline]
    pub(crate) unsafe fn arm(this: NonNull<Self>, token: RawToken) {
        // SAFETY: the contract is that of `register`.
        unsafe { register(token, this.cast()) };
    }

    /// The loop has taken the operation from its queue; whether it should go on.
    ///
    /// # Safety
    ///
    /// - The loop's thread; armed with `submitting`; called once.
    pub(crate) unsafe fn claim(this: NonNull<Self>) -> bool {
        // SAFETY: alive (INV-STOP-1).
        let before = unsafe { this.as_ref() }
            .state
            .fetch_and(!SUBMITTING, Ordering::AcqRel);
        if before & STOP != 0 {
            // The callback saw `SUBMITTING` and queued nothing.
            // SAFETY: as above.
            unsafe { this.as_ref() }.arrived.set(true);
        }
        before & STOP == 0
    }

    /// Ends the listening before the operation completes; `true` if `node` is on its way, so that
    /// the operation must wait for `act` before it completes.
    ///
    /// # Safety
    ///
    /// - The loop's thread; armed; called once, or again after `act`.
    #[inline]
    pub(crate) unsafe fn disarm(this: NonNull<Self>) -> bool {
        // SAFETY: alive (INV-STOP-1).
        unsafe {
            let link = this.as_ref();
            deregister(this.cast());
            if link.pending.get() {
                Self::forget_cancel(this);
            }
            // Acquire is given by the deregistration.
            link.state.load(Ordering::Relaxed) & STOP != 0 && !link.arrived.get()
        }
    }

    /// Takes the link out of the list of cancels to send.
    ///
    /// # Safety
    ///
    /// - The loop's thread; in that list.
    #[cold]
    #[inline(never)]
    unsafe fn forget_cancel(this: NonNull<Self>) {
        // SAFETY: in the list (contract), so alive.
        unsafe {
            this.as_ref().pending.set(false);
            List::remove(Self::links(this));
        }
    }

    /// Ends the listening of an operation that was not queued after all, on the starting thread.
    ///
    /// # Safety
    ///
    /// - Armed with `submitting`, and the operation was never queued.
    pub(crate) unsafe fn disarm_unqueued(this: NonNull<Self>) {
        // SAFETY: alive (INV-STOP-1). `SUBMITTING` was set all the time, so `node` was not queued.
        unsafe { deregister(this.cast()) };
    }

    /// Puts the link into the list of cancels to send, once.
    ///
    /// # Safety
    ///
    /// - The loop's thread; armed; `slot` is that of the operation, and at the kernel.
    pub(crate) unsafe fn cancel_later<B: Backend>(
        this: NonNull<Self>,
        core: &Core<B>,
        slot: NonNull<SlotHeader>,
    ) {
        // SAFETY: alive (INV-STOP-1). Links that are not pending are in no list.
        unsafe {
            if !this.as_ref().pending.replace(true) {
                this.as_ref().slot.set(MaybeUninit::new(slot));
                core.cancels.push_back(Self::links(this));
            }
        }
    }

    /// The link with these links.
    ///
    /// # Safety
    ///
    /// - `links` are those of a link of this type.
    pub(super) unsafe fn of_links(links: NonNull<Links>) -> NonNull<Self> {
        // SAFETY: the field lies in the link (contract), whose provenance `links()` kept.
        unsafe { links.byte_sub(offset_of!(Self, links)).cast() }
    }

    /// Where the links are.
    ///
    /// # Safety
    ///
    /// - `this` points to a live link.
    unsafe fn links(this: NonNull<Self>) -> NonNull<Links> {
        // SAFETY: alive; a field of it, with the provenance of the whole.
        unsafe { this.byte_add(offset_of!(Self, links)).cast() }
    }

    /// The slot to cancel.
    ///
    /// # Safety
    ///
    /// - In the list of cancels.
    pub(super) unsafe fn slot(this: NonNull<Self>) -> NonNull<SlotHeader> {
        // SAFETY: alive (INV-STOP-1); written when the link was put into the list (contract).
        unsafe { this.as_ref().slot.get().assume_init() }
    }

    /// The cancel of the link with these links was sent.
    ///
    /// # Safety
    ///
    /// - The loop's thread; the links are in the list of cancels.
    pub(super) unsafe fn sent(links: NonNull<Links>) {
        // SAFETY: in the list (contract), so pending and alive.
        unsafe {
            List::remove(links);
            Self::of_links(links).as_ref().pending.set(false);
        }
    }

    /// Whether the loop has taken the node that was on its way.
    ///
    /// # Safety
    ///
    /// - The loop's thread; `disarm` has returned `true`.
    pub(super) unsafe fn has_arrived(this: NonNull<Self>) -> bool {
        // SAFETY: alive (INV-STOP-1).
        unsafe { this.as_ref() }.arrived.get()
    }

    /// The stop callback, on any thread.
    ///
    /// # Safety
    ///
    /// - `callback` is that of an armed link of an `L`.
    unsafe fn requested<L: Listener>(callback: NonNull<RawCallback>) {
        let this: NonNull<Self> = callback.cast();
        // SAFETY: a running callback's link is alive (INV-CB-2), as is the core of an incomplete
        //         operation. After `act`, or after the push, nothing is touched: the loop may
        //         complete the operation, which waits for this callback unless it runs in it.
        unsafe {
            let listener = Self::listener::<L>(this);
            let core = L::core(listener);
            if core.is_home() {
                if this.as_ref().state.load(Ordering::Relaxed) & SUBMITTING != 0 {
                    this.as_ref().state.fetch_or(STOP, Ordering::AcqRel);
                } else {
                    L::act_at_home(listener, core);
                }
            } else {
                Self::requested_elsewhere::<L>(this, core);
            }
        }
    }

    /// The stop callback on another thread than the loop's.
    ///
    /// # Safety
    ///
    /// - `this` is an armed link of an `L`, whose callback runs here; `core` is its core.
    #[cold]
    #[inline(never)]
    unsafe fn requested_elsewhere<L: Listener>(this: NonNull<Self>, core: &Core<L::Backend>) {
        // SAFETY: as in `requested`: after the push nothing is touched.
        unsafe {
            if this.as_ref().state.fetch_or(STOP, Ordering::AcqRel) & SUBMITTING == 0 {
                let node: NonNull<Node> = this.byte_add(offset_of!(Self, node)).cast();
                // The callback runs once, so the node is in no queue and nobody else's.
                node.write(Node::new(Self::node_arrived::<L>));
                core.push(node);
            }
        }
    }

    /// The loop has taken `node` from its queue.
    ///
    /// # Safety
    ///
    /// - `node` is that of an armed link of an `L`.
    unsafe fn node_arrived<L: Listener>(node: NonNull<Node>, _: Signal) {
        // SAFETY: the field lies in the link, which waits for this (INV-STOP-1).
        unsafe {
            let this: NonNull<Self> = node.byte_sub(offset_of!(Self, node)).cast();
            this.as_ref().arrived.set(true);
            L::act(Self::listener::<L>(this));
        }
    }

    /// Whose link this is.
    ///
    /// # Safety
    ///
    /// - `this` is the link of an `L`.
    unsafe fn listener<L: Listener>(this: NonNull<Self>) -> *mut L {
        // SAFETY: the link lies there (contract of `Listener`), and was armed with a pointer that
        //         may be used for all of the listener.
        unsafe { this.as_ptr().byte_sub(L::LINK).cast() }
    }
}
