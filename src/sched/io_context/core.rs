//! The loop of an I/O context: its queues, and what one turn does.
//!
//! # Flow
//!
//! ```text
//! turn: timers that are due ─> operations that waited for room ─> cancels, if nothing completed
//!       ─> enter (submit, wait if idle) ─> reap and dispatch ─> cancels ─> ready tasks
//!       ─> what other threads queued
//! ```
//!
//! Each step handles at most `turn_limit` items, so none starves another. Before cancels are sent,
//! what has completed is reaped (the kernel runs at most 20 completions in one call), so data that
//! arrived wins over a stop request that came later.
//!
//! # Threads
//!
//! `owner` runs everything here but `inbox`, `waker`, `owner` and `remote`, which any thread may
//! use. A producer that finds the loop asleep owes it one wake-up; the loop counts those and frees
//! the waker only when all have arrived.
//!
//! # Safety
//! - INV-CTX-1: everything but the fields named above is touched by the owner thread only.
//! - INV-CTX-2: a core is freed when nothing is in flight, its inbox is empty, and all wake-ups that
//!   were owed have been received.
//! - INV-LIST-1, INV-SLOT-1: operations in the lists are started and incomplete, so they are in
//!   place.

#![expect(unsafe_code, reason = "runs intrusive nodes and slots")]

use std::cell::Cell;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::metrics::Metrics;
use crate::backend::options::Options;
use crate::backend::request::Request;
use crate::backend::slot::SlotHeader;
use crate::backend::{Backend, Wake};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::util::inbox::Inbox;
use crate::util::list::List;
use crate::util::node::{LocalQueue, Node};
use crate::util::spin::AdaptiveSpin;
use crate::util::thread_number;
use crate::util::timer_wheel::TimerWheel;

/// What an `IoContext` owns, at a fixed address.
pub struct Core<B: Backend> {
    pub(super) owner: u64,
    pub(super) inbox: Inbox,
    pub(super) waker: B::Waker,
    /// New work of other threads that waits, counted if there is a limit.
    pub(super) remote: AtomicUsize,
    pub(super) options: Options,
    pub(super) backend: B,
    pub(super) ready: LocalQueue,
    pub(super) incoming: LocalQueue,
    pub(super) timers: TimerWheel,
    pub(super) clock: Clock,
    /// Operations at the kernel that can be cancelled, but those in the list of a `HomeSource`.
    pub(super) in_flight: List,
    /// The home sources of this context.
    pub(super) homes: List,
    /// All operations at the kernel; those whose completions are being handed out are still counted.
    pub(super) in_flight_count: Cell<usize>,
    /// Operations that wait for room.
    pub(super) backlog: List,
    /// Stop requests that wait to be sent.
    pub(super) cancels: List,
    pub(super) spin: AdaptiveSpin,
    pub(super) wakes_owed: Cell<u64>,
    /// Another loop watches the backend's descriptor: what tells the backend.
    pub(super) nested: Cell<Option<Nesting<B>>>,
    /// The inbox was told that we sleep, because another loop waits for us.
    pub(super) nested_asleep: Cell<bool>,
    /// What keeps operations from going straight to the kernel: bits of [`hurdle`].
    hurdles: Cell<u8>,
    /// A consumer drives the loop.
    pub(super) driven: Cell<bool>,
    pub(super) metrics: Metrics,
}

/// How a backend is told that another loop waits for it.
pub(super) struct Nesting<B> {
    pub(super) quiet: fn(&B),
    pub(super) alert: fn(&B, Option<Duration>),
}

impl<B> Clone for Nesting<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Nesting<B> {}

/// What may keep an operation from going straight to the kernel. Usually nothing does, and one look at
/// all of them says so.
mod hurdle {
    /// The loop is in no turn, so that a refusal has to be looked for.
    pub(super) const OUTSIDE: u8 = 1;
    /// Other operations wait for room.
    pub(super) const BACKLOG: u8 = 2;
    /// There is a limit to the operations in flight.
    pub(super) const LIMIT: u8 = 4;
    /// The context is being dropped, or shut down: everything is cancelled as soon as it starts.
    pub(super) const DRAINING: u8 = 8;
}

/// Why new work from another thread was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The context was asked to stop.
    Stopped,
    /// The bound on waiting new work is reached.
    Full,
}

impl<B: Backend> Core<B> {
    /// The core of a context, at its place.
    pub(super) fn boxed(options: Options, backend: B) -> Box<Self> {
        let core = Box::new(Self::new(options, backend));
        for list in [&core.in_flight, &core.homes, &core.backlog, &core.cancels] {
            // SAFETY: the core stays in its box.
            unsafe { list.init() };
        }
        // SAFETY: as above.
        unsafe { core.timers.init() };
        core
    }

    fn new(options: Options, backend: B) -> Self {
        let clock = Clock::new(backend.clock());
        let limit = match options.in_flight_limit {
            usize::MAX => 0,
            _ => hurdle::LIMIT,
        };
        Self {
            owner: thread_number::current(),
            inbox: Inbox::new(),
            waker: backend.waker(),
            remote: AtomicUsize::new(0),
            options,
            backend,
            ready: LocalQueue::new(),
            incoming: LocalQueue::new(),
            timers: TimerWheel::new(),
            clock,
            in_flight: List::new(),
            homes: List::new(),
            in_flight_count: Cell::new(0),
            backlog: List::new(),
            cancels: List::new(),
            spin: AdaptiveSpin::new(),
            wakes_owed: Cell::new(0),
            nested: Cell::new(None),
            nested_asleep: Cell::new(false),
            hurdles: Cell::new(hurdle::OUTSIDE | limit),
            driven: Cell::new(false),
            metrics: Metrics::new(),
        }
    }

    // ---- any thread ------------------------------------------------------------------------

    /// Whether the calling thread is the loop's.
    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        thread_number::is_current(self.owner)
    }

    /// Queues a node that is always taken: completions, stop requests, hops.
    ///
    /// # Safety
    ///
    /// - As for [`Inbox::push`]. If the node's run lets the context end, `self` may be gone as soon
    ///   as it is queued, except for the waker, which a wake-up that is owed keeps (INV-CTX-2).
    pub(crate) unsafe fn push(&self, node: NonNull<Node>) {
        // SAFETY: the contract is the same; the waker is used only if a wake-up is owed.
        if unsafe { self.inbox.push(node) } {
            self.waker.wake();
        }
    }

    /// Queues new work, unless it is refused.
    ///
    /// # Safety
    ///
    /// - As for [`push`](Self::push); when rejected, nobody else has seen the node.
    pub(crate) unsafe fn push_new(&self, node: NonNull<Node>) -> Result<(), Rejected> {
        if self.options.remote_limit != usize::MAX
            && self.remote.fetch_add(1, Ordering::Relaxed) >= self.options.remote_limit
        {
            self.remote.fetch_sub(1, Ordering::Relaxed);
            return Err(Rejected::Full);
        }
        // SAFETY: the contract is the same.
        match unsafe { self.inbox.try_push(node) } {
            Ok(true) => self.waker.wake(),
            Ok(false) => {}
            Err(_) => {
                self.taken_new();
                return Err(Rejected::Stopped);
            }
        }
        Ok(())
    }

    /// New work of another thread does not wait any more.
    #[inline]
    pub(crate) fn taken_new(&self) {
        if self.options.remote_limit != usize::MAX {
            self.remote.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Refuses new work from now on; the first call says so.
    pub(crate) fn request_stop(&self) -> bool {
        let refusal = self.inbox.refuse();
        if refusal.wake {
            self.waker.wake();
        }
        refusal.first
    }

    /// Whether new work is refused.
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.inbox.is_refusing()
    }

    // ---- the owner thread ------------------------------------------------------------------

    /// Whether nothing keeps an operation from going straight to the kernel.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.hurdles.get() == 0 || self.is_clear_outside()
    }

    #[cold]
    #[inline(never)]
    fn is_clear_outside(&self) -> bool {
        self.hurdles.get() == hurdle::OUTSIDE && !self.is_stopping()
    }

    fn has_hurdle(&self, hurdle: u8) -> bool {
        self.hurdles.get() & hurdle != 0
    }

    fn set_hurdle(&self, hurdle: u8, there: bool) {
        let others = self.hurdles.get() & !hurdle;
        self.hurdles.set(others | if there { hurdle } else { 0 });
    }

    /// Whether the loop is in a turn.
    pub(super) fn is_turning(&self) -> bool {
        !self.has_hurdle(hurdle::OUTSIDE)
    }

    pub(super) fn set_turning(&self, turning: bool) {
        self.set_hurdle(hurdle::OUTSIDE, !turning);
    }

    /// Whether the context is being dropped, or shut down.
    pub(super) fn is_draining(&self) -> bool {
        self.has_hurdle(hurdle::DRAINING)
    }

    pub(super) fn set_draining(&self, draining: bool) {
        self.set_hurdle(hurdle::DRAINING, draining);
    }

    /// Whether work that starts now on the loop's thread is refused: the context is stopping and
    /// this is no continuation of work that runs on it, or everything ends.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        let refusing = if self.is_stopping() {
            hurdle::DRAINING | hurdle::OUTSIDE
        } else {
            hurdle::DRAINING
        };
        self.has_hurdle(refusing)
    }

    pub(super) fn accept_again(&self) {
        self.inbox.accept();
    }

    /// The time of the loop's clock, in nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The same as a point in time.
    pub(crate) fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// A point in time on the loop's clock; one before its beginning is its beginning.
    #[inline]
    pub(crate) fn to_ticks(&self, at: Instant) -> u64 {
        self.clock.ticks_of(at)
    }

    /// Starts `request` for `slot` if there is room; whether it is at the kernel. If so, the caller
    /// puts it into the list in which it belongs, if any.
    ///
    /// # Safety
    ///
    /// - Owner thread, and [`is_clear`](Self::is_clear) says so. `slot` and what `request` names keep INV-SLOT-1 from now on.
    #[inline(always)]
    pub(super) unsafe fn submit_clear(&self, slot: NonNull<SlotHeader>, request: Request) -> bool {
        // SAFETY: the contract is the same.
        let there = unsafe { self.backend.submit(slot.cast(), request) };
        if there {
            self.in_flight_count.set(self.in_flight_count.get() + 1);
        }
        there
    }

    /// As [`submit_clear`](Self::submit_clear), where something stands in the way: the operation may be the next
    /// one all the same, or waits in the backlog.
    ///
    /// # Safety
    ///
    /// - Owner thread. `slot` and what `request` names keep INV-SLOT-1 from now on.
    #[cold]
    pub(super) unsafe fn submit_or_wait(
        &self,
        slot: NonNull<SlotHeader>,
        request: Request,
    ) -> bool {
        // SAFETY: the contract is the same.
        let there = self.backlog.is_empty()
            && self.has_room()
            && unsafe { self.backend.submit(slot.cast(), request) };
        if there {
            self.in_flight_count.set(self.in_flight_count.get() + 1);
        } else {
            // SAFETY: in no list, and in place until its completion (INV-LIST-1).
            unsafe { self.backlog.push_back(slot.cast()) };
            self.set_hurdle(hurdle::BACKLOG, true);
        }
        there
    }

    /// Whether the limit on operations in flight allows another one.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight_count.get() < self.options.in_flight_limit
    }

    /// A request had its final completion.
    ///
    /// # Safety
    ///
    /// - Owner thread; `slot` was submitted and is at the kernel; `listed` says whether it is in a
    ///   list.
    #[inline]
    pub(super) unsafe fn completed(slot: NonNull<SlotHeader>, listed: bool) {
        if listed {
            // SAFETY: it is in a list (contract).
            unsafe { List::remove(slot.cast()) };
        }
    }

    /// Hands out completions; how many.
    #[inline]
    pub(super) fn reap(&self, limit: usize) -> usize {
        let count = self.backend.reap(limit);
        self.in_flight_count.set(self.in_flight_count.get() - count);
        count
    }

    /// Takes an operation out of the backlog.
    ///
    /// # Safety
    ///
    /// - Owner thread; `slot` is in the backlog.
    pub(super) unsafe fn leave_backlog(&self, slot: NonNull<SlotHeader>) {
        // SAFETY: it is there (contract).
        unsafe { List::remove(slot.cast()) };
        self.set_hurdle(hurdle::BACKLOG, !self.backlog.is_empty());
    }

    /// Whether nothing waits, runs or is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight_count.get() == 0
            && self.backlog.is_empty()
            && self.ready.is_empty()
            && self.incoming.is_empty()
            && self.timers.is_empty()
            && self.inbox.is_empty()
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight_count.get()
    }

    /// Marks the loop as driven by a consumer until the result is dropped.
    ///
    /// # Panics
    ///
    /// If it already is, or if this is called from within the loop.
    pub(super) fn drive(&self, what: &str) -> Driving<'_, B> {
        self.assert_not_driven(what);
        self.driven.set(true);
        Driving { core: self }
    }

    /// Panics if a consumer drives the loop, or if this is called from within the loop.
    pub(super) fn assert_not_driven(&self, what: &str) {
        assert!(
            !self.is_driven(),
            "{what}: this context is already running on this thread; compose senders, or use \
             another context, instead of nesting loops"
        );
    }

    /// Whether a consumer drives the loop, or a turn is under way.
    pub(super) fn is_driven(&self) -> bool {
        self.is_turning() || self.driven.get()
    }
}

/// The loop is driven; see [`Core::drive`].
pub(super) struct Driving<'a, B: Backend> {
    core: &'a Core<B>,
}

impl<B: Backend> Drop for Driving<'_, B> {
    fn drop(&mut self) {
        self.core.driven.set(false);
    }
}

impl<B: Backend> std::fmt::Debug for Core<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A scheduler on another thread can reach this, and the rest belongs to the loop's.
        f.debug_struct("Core").finish_non_exhaustive()
    }
}
