//! Runs a closure when a stop is requested: pinned as a [`StopCallback`], or for the duration of
//! a call ([`StopToken::with_callback`]).
//!
//! Both forms hold the same slot: node, closure, and the payload of the closure's panic.
//!
//! # Cancellation
//!
//! The closure runs at most once. Its panic is caught and kept in the slot for the owner; if the
//! closure has destroyed its own slot before it panicked, the payload is dropped.
//!
//! # Threads
//!
//! The closure runs on the thread that requests the stop, or on the registering thread if the stop
//! was requested before. Dropping the slot waits for a closure that runs on another thread.
//!
//! # Safety
//!
//! - INV-CB-6: `closure` and `panic` of a slot belong to the thread that runs the callback while it
//!   runs, and to the owner before the registration and after the deregistration.

#![expect(unsafe_code, reason = "a closure behind an intrusive node")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::thread;

use super::node::{self, RawCallback};
use super::token::{RawToken, StopToken};

/// What a panic carries.
type Payload = Box<dyn Any + Send>;

/// A closure, the node it hangs on, and the panic it ended with.
#[repr(C)] // The node comes first: its address is the address of the slot.
struct Slot<F> {
    node: RawCallback,
    closure: UnsafeCell<Option<F>>,
    panic: UnsafeCell<Option<Payload>>,
}

impl<F: FnOnce() + Send> Slot<F> {
    fn new(closure: F) -> Self {
        Self {
            node: RawCallback::new(Self::run),
            closure: UnsafeCell::new(Some(closure)),
            panic: UnsafeCell::new(None),
        }
    }

    /// What a stop request calls.
    ///
    /// # Safety
    ///
    /// - `node` is the running node of a `Slot<F>` that [`Slot::register`] registered.
    unsafe fn run(node: NonNull<RawCallback>) {
        let slot: NonNull<Self> = node.cast();
        // SAFETY: the node is the slot's first field, registered with the slot's provenance; it
        //         runs on this thread, so the closure is ours (INV-CB-6) and the flag is readable;
        //         the references end with these lines.
        let (closure, gone) = unsafe {
            let slot = slot.as_ref();
            ((*slot.closure.get()).take(), slot.node.gone_flag())
        };
        let Some(closure) = closure else { return };
        let Err(payload) = catch_unwind(AssertUnwindSafe(closure)) else {
            return;
        };
        // SAFETY: the flag lives in the frame that called this function.
        if unsafe { (*gone).get() } {
            discard(payload);
            return;
        }
        // SAFETY: the closure did not deregister the node, so the slot is still there (INV-CB-2),
        //         and its panic is ours (INV-CB-6) until this function returns.
        unsafe { *(*slot.as_ptr()).panic.get() = Some(payload) };
    }

    /// Registers the slot's node on `token`.
    ///
    /// # Safety
    ///
    /// - What [`node::register`] asks for the node holds for the whole slot.
    unsafe fn register(this: NonNull<Self>, token: RawToken) {
        // SAFETY: the contract is the same; the pointer is that of the whole slot, as `run` needs;
        //         `F: Send`, so `run` may be called on any thread.
        unsafe { node::register(token, this.cast()) };
    }

    /// Deregisters the slot's node and returns the panic that the closure ended with.
    ///
    /// # Safety
    ///
    /// - What [`node::deregister`] asks for the node holds for the slot.
    unsafe fn deregister(this: NonNull<Self>) -> Option<Payload> {
        // SAFETY: the contract is the same.
        unsafe { node::deregister(this.cast()) };
        // SAFETY: deregistered, so the field is the owner's (INV-CB-6); if this call comes from
        //         within the closure, `run` will not touch the field any more.
        unsafe { (*(*this.as_ptr()).panic.get()).take() }
    }
}

/// Drops a payload that has no taker. A payload whose own drop panics is leaked: nothing may unwind
/// here.
fn discard(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        let _leaked = ManuallyDrop::new(second);
    }
}

/// Deregisters a slot of the current stack frame, also when that frame unwinds.
struct Registration<F: FnOnce() + Send>(NonNull<Slot<F>>);

impl<F: FnOnce() + Send> Registration<F> {
    /// Ends the registration and returns the panic that the closure ended with.
    fn end(self) -> Option<Payload> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the slot lives in the frame that holds this guard, and its token's source is
        //         borrowed by that frame; `drop` does not run after this.
        unsafe { Slot::deregister(this.0) }
    }
}

impl<F: FnOnce() + Send> Drop for Registration<F> {
    fn drop(&mut self) {
        // SAFETY: as in `end`, which did not run.
        if let Some(payload) = unsafe { Slot::deregister(self.0) } {
            discard(payload);
        }
    }
}

/// [`StopToken::with_callback`].
pub(super) fn run_with_callback<F: FnOnce() + Send, T>(
    token: StopToken<'_>,
    f: F,
    body: impl FnOnce() -> T,
) -> T {
    let mut slot = Slot::new(f);
    let registration = Registration(NonNull::from(&mut slot));
    // SAFETY: `slot` is not moved or freed before `registration`, declared after it, has ended, be
    //         it by return or by unwinding; it is used through this pointer only until then. The
    //         source is borrowed for the whole call. The node is new, so idle.
    unsafe { Slot::register(registration.0, token.erase()) };
    let value = body();
    if let Some(payload) = registration.end() {
        resume_unwind(payload);
    }
    value
}

/// A closure that runs once a stop is requested, for as long as this value lives. Clause:
/// [stopcallback.inplace].
///
/// It is an intrusive node: pin it, then [`register`](Self::register) it. Dropping it deregisters
/// the closure and, if the closure runs on another thread, waits for its end; the closure itself
/// may drop it. It may be leaked: then the closure stays registered, and that stays harmless when
/// the source is moved or dropped later.
///
/// # Panics
///
/// A panic of the closure is kept and resumed when the callback is dropped, unless that thread is
/// unwinding already: then the payload is dropped. It is dropped too if the closure has destroyed
/// its own callback before it panicked.
///
/// # Threads
///
/// The closure runs on the requesting thread, or inside `register` if the stop was requested
/// before. Allocation: none.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use sendio::{StopCallback, StopSource};
///
/// let source = StopSource::new();
/// let stopped = Arc::new(AtomicBool::new(false));
/// let flag = Arc::clone(&stopped);
/// let mut callback = pin!(StopCallback::new(source.token(), move || {
///     flag.store(true, Ordering::Relaxed);
/// }));
/// callback.as_mut().register();
/// source.request_stop();
/// assert!(stopped.load(Ordering::Relaxed));
/// ```
///
/// # See also
///
/// [`StopToken::with_callback`], which takes closures that borrow.
pub struct StopCallback<'a, F: FnOnce() + Send> {
    slot: Slot<F>,
    token: StopToken<'a>,
}

impl<'a, F: FnOnce() + Send> StopCallback<'a, F> {
    /// A callback that is not registered yet. `f` will not run before
    /// [`register`](Self::register).
    pub fn new(token: StopToken<'a>, f: F) -> Self {
        Self {
            slot: Slot::new(f),
            token,
        }
    }

    /// Registers the closure, or runs it here if a stop was requested before. A second call does
    /// nothing.
    pub fn register(self: Pin<&mut Self>)
    where
        F: 'static,
    {
        // SAFETY: `F: 'static`, so a leaked callback borrows nothing that could go away: what its
        //         node points to is never freed, or is used by its drop only (INV-CB-5).
        unsafe { self.register_unchecked() }
    }

    /// [`register`](Self::register) for a closure that may borrow.
    ///
    /// # Safety
    ///
    /// - The callback is dropped before what `f` borrows goes away; in particular it is not
    ///   forgotten.
    pub unsafe fn register_unchecked(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved out of the pinned value.
        let this = unsafe { self.get_unchecked_mut() };
        if !this.slot.node.is_idle() {
            return;
        }
        // SAFETY: the node is idle. The value is pinned: it stays in place until its drop, which
        //         deregisters. The token borrows the source for `'a`, and `'a` outlives this value
        //         unless that is leaked, in which case nothing deregisters it. What `f` borrows
        //         outlives the registration (contract).
        unsafe { Slot::register(NonNull::from(&mut this.slot), this.token.erase()) };
    }
}

impl<F: FnOnce() + Send> Drop for StopCallback<'_, F> {
    fn drop(&mut self) {
        // SAFETY: the slot is alive; if it was registered, then at this address (it was pinned),
        //         and the token still borrows the source; `&mut self` excludes another call.
        let Some(payload) = (unsafe { Slot::deregister(NonNull::from(&mut self.slot)) }) else {
            return;
        };
        if thread::panicking() {
            discard(payload);
        } else {
            resume_unwind(payload);
        }
    }
}

impl<F: FnOnce() + Send> fmt::Debug for StopCallback<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopCallback")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
