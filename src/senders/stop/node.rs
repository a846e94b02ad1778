//! Embeds a stop callback in an operation: the intrusive node, its registration, its execution.
//!
//! Leaf operations and adaptors hold a [`RawCallback`] and call [`register`] when they start and
//! [`deregister`] before they complete. The states are described in the module above.
//!
//! # Threads
//!
//! `state` decides who may touch the other fields: under the source's lock while `LINKED`, only the
//! running thread while `RUNNING`, only the owner while `IDLE` or `DONE`.
//!
//! # Safety
//!
//! INV-CB-1 and INV-CB-2 of the module above are kept here together with [`StopSource`].

#![expect(unsafe_code, reason = "intrusive nodes reached through raw pointers")]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::source::StopSource;
use super::token::RawToken;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Backoff, ProtectedCell};
use crate::util::thread_number;

/// Not registered: never was, or was deregistered.
const IDLE: u64 = 0;
/// In the list of a source.
const LINKED: u64 = 1;
/// The callback ran.
const DONE: u64 = 2;

/// The state of a node whose callback runs on the thread with this number.
const fn running(thread: u64) -> u64 {
    // Thread numbers start at 1, so this meets none of the other states.
    thread + DONE
}

/// What a stop request runs for one waiting operation: the node that the operation embeds.
pub(crate) struct RawCallback {
    run: unsafe fn(NonNull<Self>),
    state: AtomicU64,
    // Put in when the node is registered.
    source: ProtectedCell<MaybeUninit<*const StopSource>>,
    prev: ProtectedCell<MaybeUninit<*const Self>>,
    next: ProtectedCell<MaybeUninit<*const Self>>,
    /// While `RUNNING`: the flag in the frame of the running thread that says "the node is gone".
    gone: ProtectedCell<MaybeUninit<*const Cell<bool>>>,
    _pinned: PhantomPinned,
}

// SAFETY: the raw pointers make it neither; every access to them is serialised by `state` and by
//         the source's lock (see "Threads"). What `run` does is the embedder's own promise.
unsafe impl Send for RawCallback {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawCallback {}

impl RawCallback {
    /// A node that is not registered. `run` receives the node's address, with the provenance of the
    /// pointer given to [`register`].
    ///
    /// `run` must not panic. It runs at most once per registration, maybe on another thread.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn new(run: unsafe fn(NonNull<Self>)) -> Self {
        Self {
            run,
            state: AtomicU64::new(IDLE),
            source: ProtectedCell::empty(),
            prev: ProtectedCell::empty(),
            next: ProtectedCell::empty(),
            gone: ProtectedCell::empty(),
            _pinned: PhantomPinned,
        }
    }

    /// A node that is not registered.
    #[cfg(all(test, loom))]
    pub(crate) fn new(run: unsafe fn(NonNull<Self>)) -> Self {
        Self {
            run,
            state: AtomicU64::new(IDLE),
            source: ProtectedCell::empty(),
            prev: ProtectedCell::empty(),
            next: ProtectedCell::empty(),
            gone: ProtectedCell::empty(),
            _pinned: PhantomPinned,
        }
    }

    /// Whether the node is unregistered (which it also is after a registration on a never token).
    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) == IDLE
    }

    /// The flag that becomes true when the callback that runs now deregisters itself. It lives in
    /// the frame that called `run`, so `run` may read it after its operation is gone.
    ///
    /// # Safety
    ///
    /// - Called from within `run`, before anything could have deregistered the node.
    pub(super) unsafe fn gone_flag(&self) -> *const Cell<bool> {
        // SAFETY: no write runs meanwhile: only the thread that calls `run` writes the field, and
        //         this is that thread, inside `run`; not used after this line.
        unsafe { self.gone.take_copy() }
    }
}

impl fmt::Debug for RawCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCallback").finish_non_exhaustive()
    }
}

/// The list of registered nodes of one source; every method needs the source's lock.
pub(super) struct NodeList {
    head: ProtectedCell<*const RawCallback>,
}

impl NodeList {
    #[cfg(not(all(test, loom)))]
    pub(super) const fn new() -> Self {
        Self {
            head: ProtectedCell::new(ptr::null()),
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self {
            head: ProtectedCell::new(ptr::null()),
        }
    }

    /// Puts `node` in front.
    ///
    /// # Safety
    ///
    /// - The caller holds the lock of the source.
    /// - `node` is idle, and INV-CB-2 holds for it from now on.
    #[inline]
    unsafe fn push(&self, node: NonNull<RawCallback>, source: *const StopSource) {
        // SAFETY: `head`, and the links of all linked nodes, are accessed under the lock only;
        //         linked nodes are alive (INV-CB-2); `node` is the caller's alone until the lock
        //         is given back.
        unsafe {
            let new = node.as_ref();
            let head = self.head.get();
            new.source.put(source);
            new.prev.put(ptr::null());
            new.next.put(head);
            if let Some(head) = head.as_ref() {
                head.prev.put(node.as_ptr());
            }
            self.head.set(node.as_ptr());
            new.state.store(LINKED, Ordering::Relaxed);
        }
    }

    /// Takes `node` out.
    ///
    /// # Safety
    ///
    /// - The caller holds the lock of the source.
    /// - `node` is linked in this list.
    #[inline]
    unsafe fn remove(&self, node: &RawCallback) {
        // SAFETY: links of linked nodes are accessed under the lock only, and linked nodes are
        //         alive (INV-CB-2); the references end in this block.
        unsafe {
            let (prev, next) = (node.prev.take_copy(), node.next.take_copy());
            match prev.as_ref() {
                Some(prev) => prev.next.put(next),
                None => self.head.set(next),
            }
            if let Some(next) = next.as_ref() {
                next.prev.put(prev);
            }
        }
    }

    /// Takes the first node out and makes it `RUNNING` on this thread, and says whether it was the
    /// last one; `None` if there is none.
    ///
    /// # Safety
    ///
    /// - The caller holds the lock of the source.
    /// - It calls [`execute`] with the node and with `gone` after it has given the lock back.
    #[inline]
    pub(super) unsafe fn take_first(
        &self,
        gone: &Cell<bool>,
    ) -> Option<(NonNull<RawCallback>, bool)> {
        // SAFETY: `head` and the nodes are accessed under the lock, and linked nodes are alive
        //         (INV-CB-2), until the lock is given back.
        unsafe {
            let node = NonNull::new(self.head.get().cast_mut())?;
            let next = node.as_ref().next.take_copy();
            self.head.set(next);
            if let Some(next) = next.as_ref() {
                next.prev.put(ptr::null());
            }
            prepare(node, gone);
            Some((node, next.is_null()))
        }
    }
}

/// Makes `node` `RUNNING` on this thread.
///
/// # Safety
///
/// - `node` is not in a list and nobody else may touch its links; it is alive.
/// - `gone` stays in place until [`execute`] of the node returned.
unsafe fn prepare(node: NonNull<RawCallback>, gone: &Cell<bool>) {
    // SAFETY: the node is alive and this thread's alone (contract) until `state` is stored.
    unsafe {
        let node = node.as_ref();
        node.gone.put(gone);
        node.state
            .store(running(thread_number::current()), Ordering::Relaxed);
    }
}

/// Runs the callback of a node that [`prepare`] made `RUNNING` on this thread. The node may be gone
/// when this returns.
///
/// # Safety
///
/// - `node` was prepared by this thread with this `gone` and has not been executed since.
/// - The caller holds no lock of a source.
pub(super) unsafe fn execute(node: NonNull<RawCallback>, gone: &Cell<bool>) {
    // SAFETY: a running node is alive (INV-CB-2), so `run` can be read and called; the embedder
    //         gave `run` for exactly this node. No reference to the node is alive during the call.
    unsafe {
        let run = (*node.as_ptr()).run;
        run(node);
    }
    if !gone.get() {
        // SAFETY: no deregistration from within the callback, so the node is still registered and
        //         alive (INV-CB-2); another thread may free it as soon as it sees DONE, and it is
        //         not used after this line.
        unsafe { (*node.as_ptr()).state.store(DONE, Ordering::Release) };
    }
}

/// Registers `node`: its callback runs when `token`'s source is asked to stop. If that happened
/// before, the callback runs here, inside this call; on a never token nothing happens.
///
/// Once the node is visible to others this call touches neither the node nor the source again, so a
/// callback may lead to the destruction of both while this call still returns.
///
/// # Safety
///
/// - `node` points to an idle node; the pointer may be used for all that the node's `run` does with
///   it, until the deregistration.
/// - The node stays at its address, and is not freed, until [`deregister`] returned (INV-CB-2).
/// - The source of `token` is alive now, and until [`deregister`] of the node returned (INV-CB-3).
/// - [`deregister`] does not run at the same time, unless as a consequence of the callback.
/// - `run` may be called on any thread.
#[inline]
pub(crate) unsafe fn register(token: RawToken, node: NonNull<RawCallback>) {
    let Some(source) = token.source() else { return };
    // SAFETY: the source is alive (contract) until the lock is given back; `list` is used under the
    //         lock; `node` satisfies what `push` asks for (contract).
    unsafe {
        let source: *const StopSource = source.as_ptr();
        if (*source).lock_unless_stopped() {
            (*source).list().push(node, source);
            (*source).unlock();
            return;
        }
    }
    // SAFETY: the node is idle and in no list, and was not shown to anybody; the rest is this
    //         function's contract.
    unsafe { run_now(node) };
}

/// Runs the callback of an idle node on this thread, as a registration on a stopped source does.
///
/// # Safety
///
/// - As for [`register`].
#[cold]
unsafe fn run_now(node: NonNull<RawCallback>) {
    let gone = Cell::new(false);
    // SAFETY: the node is idle, so this thread's alone (contract); `gone` outlives both calls; no
    //         lock is held.
    unsafe {
        prepare(node, &gone);
        execute(node, &gone);
    }
}

/// Ends the registration of `node`: when this returns, the callback will not run, does not run on
/// another thread, and nobody touches the node. No-op on an idle node.
///
/// Waits while the callback runs on another thread; never waits when called from within it.
///
/// # Safety
///
/// - `node` points to a live node.
/// - If it is linked, its source is alive until this returns (INV-CB-3).
/// - No other `deregister` or [`register`] of this node runs at the same time (a `register` that
///   runs the callback which leads here does not count).
#[inline]
pub(crate) unsafe fn deregister(node: NonNull<RawCallback>) {
    // SAFETY: the node is alive (contract) until this returns; shared references to it are fine,
    //         since all that others change are atomics and cells.
    let node = unsafe { node.as_ref() };
    match node.state.load(Ordering::Acquire) {
        IDLE => {}
        LINKED => {
            // SAFETY: `source` was written before the node became LINKED and is not written until
            //         the next registration.
            let source = unsafe { node.source.take_copy() };
            // SAFETY: the source is alive (contract), and `list` is used under the lock. The node
            //         was LINKED, and a node that is LINKED is taken out by this function, or by
            //         a stop request, which marks the source for good before it takes the first:
            //         the word that was replaced had no mark, so the node is in the list.
            unsafe {
                if (*source).lock_if_quiet() {
                    (*source).list().remove(node);
                    node.state.store(IDLE, Ordering::Relaxed);
                    (*source).unlock();
                } else {
                    unlink_or_wait(node, source);
                }
            }
        }
        DONE => node.state.store(IDLE, Ordering::Relaxed),
        _ => leave_or_wait(node),
    }
}

/// The rest of [`deregister`] for a node that was linked, when somebody holds the lock or has asked
/// for stop.
///
/// # Safety
///
/// - As for [`deregister`]; the node was `LINKED`, by a registration on `source`.
#[cold]
#[inline(never)]
unsafe fn unlink_or_wait(node: &RawCallback, source: *const StopSource) {
    // SAFETY: the source is alive (contract), and `list` is used under the lock; LINKED read under
    //         the lock means that the node is in this source's list.
    unsafe {
        (*source).lock();
        let linked = node.state.load(Ordering::Relaxed) == LINKED;
        if linked {
            (*source).list().remove(node);
            node.state.store(IDLE, Ordering::Relaxed);
        }
        (*source).unlock();
        if linked {
            return;
        }
    }
    leave_or_wait(node);
}

/// The rest of [`deregister`], for a node whose callback runs or ran.
#[cold]
#[inline(never)]
fn leave_or_wait(node: &RawCallback) {
    let own = running(thread_number::current());
    let mut backoff = Backoff::default();
    loop {
        match node.state.load(Ordering::Acquire) {
            DONE => break,
            state if state == own => {
                // SAFETY: `gone` was written by this thread when it started the callback, and the
                //         frame it points to is still on this thread's stack, below this one.
                unsafe { (*node.gone.take_copy()).set(true) };
                break;
            }
            _ => backoff.wait(),
        }
    }
    node.state.store(IDLE, Ordering::Relaxed);
}
