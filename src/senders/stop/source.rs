//! Holds a stop request and the list of those who want to hear of it.
//!
//! Registration and deregistration (in `node`) take the lock bit for a few instructions;
//! [`StopSource::request_stop`] takes it between two callbacks. No callback runs under the lock.
//!
//! # Threads
//!
//! All methods from all threads. See the module above for the orderings.
//!
//! # Safety
//!
//! The `LOCKED` bit guards `list`; INV-CB-4 and INV-CB-5 of the module above are used here.

#![expect(unsafe_code, reason = "an intrusive list under a lock bit")]

use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;

use super::node::{NodeList, execute};
use super::token::StopToken;
use crate::sync::Backoff;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A stop was requested; never cleared.
const STOPPED: usize = 1;
/// Somebody reads or changes the list.
const LOCKED: usize = 2;

/// The origin of a stop request: lives in place, allocates nothing. Clause: [stopsource.inplace].
///
/// Its [token](Self::token)s tell others whether a stop was requested, and let them register
/// callbacks. A token borrows the source, so a source that may be moved has no user.
///
/// The source must stay alive until each [`request_stop`](Self::request_stop) on it has returned.
/// The borrow checker sees to that, except for code that destroys its source from within a callback
/// through raw pointers; such code holds a count of the source's owner around the call.
///
/// # Threads
///
/// Every method may be called from every thread. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::StopSource;
///
/// let source = StopSource::new();
/// let token = source.token();
/// assert!(token.stop_possible() && !token.stop_requested());
/// assert!(source.request_stop());
/// assert!(token.stop_requested());
/// assert!(!source.request_stop(), "only the first request counts");
/// ```
///
/// # See also
///
/// [`StopToken`], the view handed to others; [`StopCallback`](crate::StopCallback), a closure that
/// runs at the request.
pub struct StopSource {
    state: AtomicUsize,
    list: NodeList,
    /// Whose part the source is, for those who know: see [`StopSource::homed`].
    home: AtomicPtr<()>,
}

// SAFETY: `list` holds raw pointers to nodes. A source can be sent when no token borrows it, and
//         then only leaked nodes are in the list, whose callbacks may run on any thread (contract
//         of `register`).
unsafe impl Send for StopSource {}
// SAFETY: `list` is accessed under the lock bit only.
unsafe impl Sync for StopSource {}

// No callback and no user code runs under the lock, so a panic leaves the list whole.
impl UnwindSafe for StopSource {}
impl RefUnwindSafe for StopSource {}

impl StopSource {
    /// A source nobody has asked to stop.
    #[cfg(not(all(test, loom)))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicUsize::new(0),
            list: NodeList::new(),
            home: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A source nobody has asked to stop.
    #[cfg(all(test, loom))]
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(0),
            list: NodeList::new(),
            home: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A source that is part of something which `home` identifies: an address that nothing else has
    /// while the source lives. Who has a token can ask whether it is that:
    /// [`RawToken::homed_source`](super::RawToken::homed_source).
    pub(crate) fn homed(home: *const ()) -> Self {
        Self {
            home: AtomicPtr::new(home.cast_mut()),
            ..Self::new()
        }
    }

    /// Whether this source was made as part of `home`, and has not left it.
    #[inline]
    pub(super) fn is_homed(&self, home: *const ()) -> bool {
        // Compared, never followed; who asks for this home and who leaves it are one thread.
        ptr::eq(self.home.load(Ordering::Relaxed), home)
    }

    /// Makes the source one without a home; on the thread of its home.
    pub(crate) fn leave_home(&self) {
        self.home.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// A view of this source for those who shall stop.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> StopToken<'_> {
        StopToken::of(self)
    }

    /// Whether a stop was requested. What the requester wrote before the request is then visible.
    #[inline]
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        // Usually not, which orders nothing, so that the compiler knows what it knew before.
        if self.state.load(Ordering::Relaxed) & STOPPED == 0 {
            return false;
        }
        // `STOPPED` is never cleared, so this sees it too, and with it what was before.
        let _ = self.state.load(Ordering::Acquire);
        true
    }

    /// Requests a stop and runs every registered callback, one after the other, on this thread.
    /// Returns `true` for the first request; later ones run nothing and return `false` at once,
    /// maybe before the callbacks have ended.
    ///
    /// A panic of a callback does not come out of here: it travels to the owner of the callback
    /// ([`StopToken::with_callback`], [`StopCallback`](crate::StopCallback)), and the other
    /// callbacks run as usual. Their order is unspecified.
    pub fn request_stop(&self) -> bool {
        // Nothing sets it.
        let alive = Cell::new(false);
        // SAFETY: `self` is borrowed, so it lives until this returns (INV-CB-4).
        unsafe { Self::request_stop_unless(self, &alive) }
    }

    /// [`request_stop`](Self::request_stop) that returns without touching the source once a callback
    /// has set `gone`, and without touching it after the last callback in any case.
    ///
    /// # Safety
    ///
    /// - The source is alive until this returns (INV-CB-4), or until a callback that runs here sets
    ///   `gone`; no callback is registered any more when it does.
    pub(super) unsafe fn request_stop_unless(this: *const Self, gone: &Cell<bool>) -> bool {
        // SAFETY: the source is alive at the start (contract). The lock is held when the rest is
        //         called, which gives it back.
        unsafe { (*this).lock_to_stop() && Self::run_all(this, gone) }
    }

    /// Runs the callbacks of a source that was marked as stopped, and gives the lock back. Returns
    /// `true`.
    ///
    /// # Safety
    ///
    /// - As for [`request_stop_unless`](Self::request_stop_unless); the caller holds the lock.
    #[inline]
    unsafe fn run_all(this: *const Self, gone: &Cell<bool>) -> bool {
        let node_gone = Cell::new(false);
        // SAFETY: alive (contract), and the lock is held. `take_first` prepares the node on this
        //         thread with this flag, and the lock is given back before it is executed.
        unsafe {
            let first = (*this).list.take_first(&node_gone);
            (*this).unlock_stopped();
            let Some((node, last)) = first else {
                return true;
            };
            execute(node, &node_gone);
            // A stopped source links no new nodes, so a list seen empty stays empty.
            if !last && !gone.get() {
                Self::run_others(this, gone);
            }
        }
        true
    }

    /// Runs the callbacks that are left.
    ///
    /// # Safety
    ///
    /// - As for [`request_stop_unless`](Self::request_stop_unless), whose first callback has returned,
    ///   and has not set `gone`.
    #[inline(never)]
    unsafe fn run_others(this: *const Self, gone: &Cell<bool>) {
        loop {
            let node_gone = Cell::new(false);
            // SAFETY: `gone` is not set, so the source is alive (contract; checked below after each
            //         callback). The lock is taken here and given back once. `take_first` prepares the
            //         node on this thread with this flag.
            let last = unsafe {
                (*this).lock();
                let first = (*this).list.take_first(&node_gone);
                (*this).unlock_stopped();
                let Some((node, last)) = first else { return };
                execute(node, &node_gone);
                last
            };
            if last || gone.get() {
                return;
            }
        }
    }

    /// Takes the lock.
    #[inline]
    pub(super) fn lock(&self) {
        let taken = self.try_acquire(0, 0);
        debug_assert!(taken, "nothing forbids to take the lock");
    }

    /// Takes the lock, unless a stop was requested: then returns `false`, and the request's past is
    /// visible.
    #[inline]
    pub(super) fn lock_unless_stopped(&self) -> bool {
        self.try_acquire(STOPPED, 0)
    }

    /// Takes the lock and marks the source as stopped, unless that was done before.
    #[inline]
    fn lock_to_stop(&self) -> bool {
        self.try_acquire(STOPPED, STOPPED)
    }

    /// Takes the lock if nobody holds it and no stop was requested; otherwise returns `false`, also
    /// when it could be waited for.
    #[inline]
    pub(super) fn lock_if_quiet(&self) -> bool {
        self.quiet_to(LOCKED)
    }

    /// Takes the lock and sets `set`, or returns `false` if a bit of `unless` is set.
    #[inline]
    fn try_acquire(&self, unless: usize, set: usize) -> bool {
        // Mostly nobody holds the lock and no stop was requested.
        self.quiet_to(set | LOCKED) || self.acquire_slowly(unless, set)
    }

    /// Makes a word without any bit `wanted`.
    #[inline]
    fn quiet_to(&self, wanted: usize) -> bool {
        self.state
            .compare_exchange(0, wanted, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    #[inline(never)]
    fn acquire_slowly(&self, unless: usize, set: usize) -> bool {
        let mut backoff = Backoff::default();
        loop {
            let seen = self.state.load(Ordering::Acquire);
            if seen & unless != 0 {
                return false;
            }
            if seen & LOCKED == 0 {
                let wanted = seen | set | LOCKED;
                let swap = self.state.compare_exchange_weak(
                    seen,
                    wanted,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
                if swap.is_ok() {
                    return true;
                }
            }
            backoff.wait();
        }
    }

    /// Gives the lock back.
    ///
    /// # Safety
    ///
    /// - The caller holds the lock.
    #[inline]
    pub(super) unsafe fn unlock(&self) {
        // Only the holder of the lock changes the word, so load and store lose nothing.
        let state = self.state.load(Ordering::Relaxed);
        debug_assert!(state & LOCKED != 0, "the lock is held");
        self.state.store(state & !LOCKED, Ordering::Release);
    }

    /// Gives the lock back after stop was requested.
    ///
    /// # Safety
    ///
    /// - The caller holds the lock, and the source is marked as stopped.
    #[inline]
    unsafe fn unlock_stopped(&self) {
        // As for `unlock`, and what the word is without the lock is known.
        debug_assert!(
            self.state.load(Ordering::Relaxed) == STOPPED | LOCKED,
            "stopped, and the lock is held"
        );
        self.state.store(STOPPED, Ordering::Release);
    }

    /// The list of nodes; each of its methods needs the lock.
    #[inline]
    pub(super) const fn list(&self) -> &NodeList {
        &self.list
    }
}

impl Default for StopSource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StopSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopSource")
            .field("stop_requested", &self.stop_requested())
            .finish_non_exhaustive()
    }
}
