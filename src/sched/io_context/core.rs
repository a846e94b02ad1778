//! The loop of an I/O context: its queues, and what one turn does.
//!
//! # Flow
//!
//! ```text
//! turn: timers that are due ─> operations that waited for room ─> enter (submit, wait if idle)
//!       ─> reap and dispatch ─> cancels ─> ready tasks ─> what other threads queued
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
use super::stop_link::StopLink;
use super::timer::TimerEntry;
use crate::abort::{AbortGuard, abort};
use crate::backend::options::Options;
use crate::backend::request::Request;
use crate::backend::slot::CompletionSlot;
use crate::backend::{Backend, Wait, Wake};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::util::inbox::Inbox;
use crate::util::list::List;
use crate::util::node::{LocalQueue, Node, Signal};
use crate::util::spin::AdaptiveSpin;
use crate::util::thread_number;
use crate::util::timer_heap::TimerHeap;

/// The most completions that one entry into the kernel runs.
const COMPLETIONS_PER_ENTER: usize = 20;

/// What an `IoContext` owns, at a fixed address.
pub struct Core<B: Backend> {
    owner: u64,
    inbox: Inbox,
    waker: B::Waker,
    /// New work of other threads that waits, counted if there is a limit.
    remote: AtomicUsize,
    options: Options,
    pub(super) backend: B,
    pub(super) ready: LocalQueue,
    incoming: LocalQueue,
    pub(super) timers: TimerHeap,
    clock: Clock,
    /// Operations at the kernel that can be cancelled.
    in_flight: List,
    in_flight_count: Cell<usize>,
    /// Operations that wait for room.
    backlog: List,
    /// Stop requests that wait to be sent.
    pub(super) cancels: List,
    spin: AdaptiveSpin,
    wakes_owed: Cell<u64>,
    /// Another loop watches the backend's descriptor.
    nested: Cell<bool>,
    /// The inbox was told that we sleep, because another loop waits for us.
    nested_asleep: Cell<bool>,
    /// The loop is in a turn.
    turning: Cell<bool>,
    /// A consumer drives the loop.
    driven: Cell<bool>,
    /// The context is being dropped, or shut down: everything is cancelled as soon as it starts.
    pub(super) draining: Cell<bool>,
    pub(super) metrics: Metrics,
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
    pub(super) fn new(options: Options, backend: B) -> Self {
        Self {
            owner: thread_number::current(),
            inbox: Inbox::new(),
            waker: backend.waker(),
            remote: AtomicUsize::new(0),
            options,
            backend,
            ready: LocalQueue::new(),
            incoming: LocalQueue::new(),
            timers: TimerHeap::new(),
            clock: Clock::new(),
            in_flight: List::new(),
            in_flight_count: Cell::new(0),
            backlog: List::new(),
            cancels: List::new(),
            spin: AdaptiveSpin::new(),
            wakes_owed: Cell::new(0),
            nested: Cell::new(false),
            nested_asleep: Cell::new(false),
            turning: Cell::new(false),
            driven: Cell::new(false),
            draining: Cell::new(false),
            metrics: Metrics::new(),
        }
    }

    // ---- any thread ------------------------------------------------------------------------

    /// Whether the calling thread is the loop's.
    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        self.owner == thread_number::current()
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

    /// Whether work that starts now on the loop's thread is refused: the context is stopping and
    /// this is no continuation of work that runs on it, or everything ends.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        self.draining.get() || (!self.turning.get() && self.inbox.is_refusing())
    }

    pub(super) fn accept_again(&self) {
        self.inbox.accept();
    }

    /// The time of the loop's clock, in nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A point in time on the loop's clock; one before its beginning is its beginning.
    #[inline]
    pub(crate) fn to_ticks(&self, at: Instant) -> u64 {
        self.clock.ticks_of(at)
    }

    /// Starts `request` for `slot`, now or when there is room. `cancellable` says whether the
    /// context should cancel it when it ends.
    ///
    /// Returns whether it is at the kernel; if not, it waits in the backlog.
    ///
    /// # Safety
    ///
    /// - Owner thread. `slot` and what `request` names keep INV-SLOT-1 from now on.
    #[inline(always)]
    pub(crate) unsafe fn submit(
        &self,
        slot: NonNull<CompletionSlot<B>>,
        request: Request,
        cancellable: bool,
    ) -> bool {
        if self.backlog.is_empty() && self.in_flight_count.get() < self.options.in_flight_limit {
            // SAFETY: the contract is the same.
            if unsafe { self.backend.submit(slot, request) } {
                self.in_flight_count.set(self.in_flight_count.get() + 1);
                if cancellable {
                    // SAFETY: in no list, and in place until its completion (INV-LIST-1).
                    unsafe { self.in_flight.push_back(slot.cast()) };
                }
                return true;
            }
        }
        // SAFETY: as above.
        unsafe { self.backlog.push_back(slot.cast()) };
        false
    }

    /// A request had its final completion.
    ///
    /// # Safety
    ///
    /// - Owner thread; `slot` was submitted with this `cancellable` and is at the kernel.
    #[inline]
    pub(crate) unsafe fn completed(&self, slot: NonNull<CompletionSlot<B>>, cancellable: bool) {
        self.in_flight_count.set(self.in_flight_count.get() - 1);
        if cancellable {
            // SAFETY: `submit` put it there.
            unsafe { self.in_flight.remove(slot.cast()) };
        }
    }

    /// Takes an operation out of the backlog before it was started.
    ///
    /// # Safety
    ///
    /// - Owner thread; `slot` is in the backlog.
    pub(crate) unsafe fn leave_backlog(&self, slot: NonNull<CompletionSlot<B>>) {
        // SAFETY: it is there (contract).
        unsafe { self.backlog.remove(slot.cast()) };
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
        self.turning.get() || self.driven.get()
    }

    /// Turns until `over` says so.
    pub(super) fn turn_until(&self, over: impl Fn() -> bool) {
        while !over() {
            self.turn(true, true);
        }
    }

    /// One turn; sleeps only if `may_wait`. `stop_seen` is whether the caller knows of a request to
    /// stop, which otherwise ends the sleep. Returns how many items were handled.
    pub(super) fn turn(&self, may_wait: bool, stop_seen: bool) -> usize {
        self.turn_bounded(may_wait.then_some(u64::MAX), stop_seen)
    }

    /// One turn that sleeps no longer than `ticks`.
    pub(super) fn turn_at_most(&self, ticks: u64) {
        self.turn_bounded(Some(ticks), true);
    }

    fn turn_bounded(&self, sleep_max: Option<u64>, stop_seen: bool) -> usize {
        debug_assert!(self.is_home(), "the loop's thread turns the loop");
        let guard = AbortGuard::new("a panic left a completion function and reached the loop");
        self.turning.set(true);
        if self.nested_asleep.replace(false) && self.inbox.end_sleep() {
            self.wakes_owed.set(self.wakes_owed.get() + 1);
        }
        let limit = self.options.turn_limit;
        let mut handled = self.fire_timers(limit);
        let stuck = self.start_waiting(limit);
        let idle = sleep_max.is_some()
            && handled == 0
            && (self.backlog.is_empty() || stuck)
            && self.ready.is_empty()
            && self.incoming.is_empty()
            && self.inbox.is_empty()
            && self.cancels.is_empty();
        if idle {
            self.wait(sleep_max.unwrap_or(0), stop_seen);
        } else if self.backend.wants_enter() {
            self.enter(Wait::No);
        }
        handled += self.backend.reap(limit);
        handled += self.send_cancels(limit);
        handled += run_queue(&self.ready, limit);
        self.incoming.append(self.inbox.take_all());
        handled += run_queue(&self.incoming, limit);
        self.metrics.turn(handled);
        self.turning.set(false);
        guard.disarm();
        handled
    }

    fn enter(&self, wait: Wait) {
        if self.backend.enter(wait).is_err() {
            // Every error that can pass is handled by the backend; the rest means that the ring
            // is not ours any more, while the kernel may still write to operations.
            abort("the kernel refused to run the I/O loop");
        }
    }

    /// Looks for work for a while, then sleeps until something happens or a timer is due.
    fn wait(&self, sleep_max: u64, stop_seen: bool) {
        let wait = self.until_next_timer(sleep_max);
        if wait == Wait::No {
            return self.enter(Wait::No);
        }
        if self.options.spin && !self.backend.has_unsubmitted() {
            let busy = || {
                !self.inbox.is_empty()
                    || self.backend.is_ready()
                    || (!stop_seen && self.inbox.is_refusing())
            };
            if self.spin.wait(busy) {
                if self.backend.wants_enter() {
                    self.enter(Wait::No);
                }
                return;
            }
        }
        // Looking took time.
        let wait = self.until_next_timer(sleep_max);
        if self.inbox.prepare_sleep(stop_seen) {
            self.enter(wait);
            if self.inbox.end_sleep() {
                self.wakes_owed.set(self.wakes_owed.get() + 1);
            }
        } else {
            self.enter(Wait::No);
        }
    }

    fn until_next_timer(&self, sleep_max: u64) -> Wait {
        let left = match self.timers.next_deadline() {
            None => u64::MAX,
            Some(deadline) => deadline.saturating_sub(self.now()),
        };
        match left.min(sleep_max) {
            0 => Wait::No,
            u64::MAX => Wait::Forever,
            left => Wait::For(Duration::from_nanos(left)),
        }
    }

    /// Whether the descriptor of the backend is watched by another loop from now on.
    pub(super) fn nest(&self) {
        self.nested.set(true);
    }

    /// After a turn in another loop: everything is with the kernel, and the descriptor becomes
    /// readable when there is something to do.
    pub(super) fn settle(&self) {
        if self.backend.has_unsubmitted() {
            self.enter(Wait::No);
        }
        if !self.nested.get() {
            return;
        }
        let waiting = !self.ready.is_empty()
            || !self.incoming.is_empty()
            || !self.cancels.is_empty()
            || !self.backlog.is_empty();
        let deadline = if waiting {
            Some(0)
        } else {
            self.timers.next_deadline()
        };
        // A wake-up that comes after `prepare_sleep` must not be taken back.
        self.backend.quiet();
        let asleep = self.inbox.prepare_sleep(true);
        self.nested_asleep.set(asleep);
        let deadline = if asleep { deadline } else { Some(0) };
        let now = self.now();
        let left = deadline.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        self.backend.alert(left);
    }

    /// What other threads queued until now, or before a refusal: takes and runs it. What it starts is
    /// handed to the kernel, but not waited for.
    pub(super) fn take_arrivals(&self) {
        loop {
            self.turn(false, true);
            if self.incoming.is_empty() && self.inbox.is_empty() {
                break;
            }
        }
        if self.backend.has_unsubmitted() {
            self.enter(Wait::No);
        }
    }

    /// How often other threads ended a sleep.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes_owed.get()
    }

    fn fire_timers(&self, limit: usize) -> usize {
        if self.timers.is_empty() {
            return 0;
        }
        let now = self.now();
        let mut fired = 0;
        while fired < limit
            && let Some(node) = self.timers.pop_due(now)
        {
            fired += 1;
            // SAFETY: every timer in the heap is the first field of an entry of an operation that
            //         waits for this call.
            unsafe { TimerEntry::fire(node.cast()) };
        }
        fired
    }

    /// Starts operations that waited for room; returns whether there is none.
    fn start_waiting(&self, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(links) = self.backlog.first() else {
                return false;
            };
            if self.in_flight_count.get() >= self.options.in_flight_limit {
                return true;
            }
            let slot: NonNull<CompletionSlot<B>> = links.cast();
            // SAFETY: it waits in the backlog, so it is alive and in place; its request may be asked
            //         for again. It leaves the backlog when it was started.
            unsafe {
                let request = ((*slot.as_ptr()).table.request)(slot);
                if !self.backend.submit(slot, request) {
                    return true;
                }
                self.backlog.remove(links);
                self.in_flight_count.set(self.in_flight_count.get() + 1);
                if ((*slot.as_ptr()).table.started)(slot) {
                    self.in_flight.push_back(links);
                }
            }
        }
        false
    }

    /// Sends the stop requests whose targets are still at the kernel. Returns how many completions
    /// were handled before that.
    fn send_cancels(&self, limit: usize) -> usize {
        let mut handled = 0;
        if self.cancels.is_empty() {
            return handled;
        }
        for _ in 0..(limit / COMPLETIONS_PER_ENTER).max(1) {
            if self.backend.wants_enter() {
                self.enter(Wait::No);
            }
            let reaped = self.backend.reap(limit);
            handled += reaped;
            if reaped == 0 {
                break;
            }
        }
        for _ in 0..limit {
            let Some(links) = self.cancels.first() else {
                break;
            };
            // SAFETY: links in this list belong to armed stop links of operations at the kernel.
            let sent = unsafe {
                let link = StopLink::<B>::of_links(links);
                self.backend.cancel(StopLink::slot(link))
            };
            if !sent {
                break;
            }
            // SAFETY: it is the first of this list.
            unsafe { StopLink::<B>::sent(self, links) };
            self.metrics.cancel();
        }
        handled
    }

    /// Asks every operation at the kernel to end, and everything that waits.
    pub(super) fn cancel_all(&self) {
        self.draining.set(true);
        for list in [&self.backlog, &self.in_flight] {
            // Cancelling takes an operation out of the backlog, but leaves it in flight, at the
            // end of the list.
            let rounds = list.count();
            for _ in 0..rounds {
                let Some(links) = list.pop_front() else { break };
                let slot: NonNull<CompletionSlot<B>> = links.cast();
                // SAFETY: it was first in this list, and goes back to its end. Operations in the
                //         lists are alive and incomplete (INV-LIST-1).
                unsafe {
                    list.push_back(links);
                    ((*slot.as_ptr()).table.cancel)(slot);
                }
            }
        }
        while let Some(node) = self.timers.peek() {
            // SAFETY: as in `fire_timers`; cancelling takes it out of the heap.
            unsafe { TimerEntry::cancel(node.cast()) };
        }
    }

    /// Blocks until nobody holds the waker (INV-CTX-2).
    pub(super) fn await_wakes(&self) {
        self.backend.await_wakes(self.wakes_owed.get());
    }
}

/// Runs at most `limit` nodes of `queue`, also those that are added meanwhile.
fn run_queue(queue: &LocalQueue, limit: usize) -> usize {
    let mut count = 0;
    while count < limit
        && let Some(node) = queue.pop_front()
    {
        count += 1;
        // SAFETY: queued nodes are alive and in place until they are run, and run once (INV-NODE-1).
        unsafe { Node::run(node, Signal::Run) };
    }
    count
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
