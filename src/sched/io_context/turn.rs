//! One turn of the loop, step by step; `core` says in which order, and what belongs to whom.
//!
//! # Bounds
//!
//! Each step handles at most `turn_limit` items. Before cancels are sent, completions are reaped in
//! as many entries into the kernel as `turn_limit` completions take; none, if the backend knows that
//! nothing has completed.
//!
//! # Safety
//! - INV-CTX-1: all of this is called on the owner thread.
//! - INV-LIST-1, INV-SLOT-1: operations in the lists are started and incomplete, so they are in
//!   place.

#![expect(unsafe_code, reason = "runs intrusive nodes and slots")]

use std::ptr::NonNull;
use std::time::Duration;

use super::core::{Core, Nesting};
use super::home_source::HomeSource;
use super::stop_link::StopLink;
use super::timer::TimerEntry;
use crate::abort::{AbortGuard, abort};
use crate::backend::slot::SlotHeader;
use crate::backend::{Backend, NestedBackend, Wait};
use crate::util::list::List;
use crate::util::node::{LocalQueue, Node, Signal};

/// The most completions that one entry into the kernel runs.
const COMPLETIONS_PER_ENTER: usize = 20;

impl<B: Backend> Core<B> {
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
        let guard = AbortGuard::new(
            "a panic left a completion function or the backend, and reached the loop",
        );
        self.set_turning(true);
        if self.nested_asleep.replace(false) && self.inbox.end_sleep() {
            self.wakes_owed.set(self.wakes_owed.get() + 1);
        }
        let limit = self.options.turn_limit;
        let (mut handled, behind) = if self.timers.is_empty() {
            (0, false)
        } else {
            (self.fire_timers(limit), self.timers.is_behind())
        };
        let stuck = !self.backlog.is_empty() && self.start_waiting(limit);
        if !self.cancels.is_empty() && !self.backend.may_have_completed() {
            self.submit_cancels(limit);
        }
        let idle = sleep_max.is_some()
            && handled == 0
            && (self.backlog.is_empty() || stuck)
            && self.ready.is_empty()
            && self.incoming.is_empty()
            && self.inbox.is_empty()
            && self.cancels.is_empty()
            && !behind;
        if idle {
            self.wait(sleep_max.unwrap_or(0), stop_seen);
        } else if self.backend.wants_enter() {
            self.enter(Wait::No);
        }
        handled += self.reap(limit);
        if !self.cancels.is_empty() {
            handled += self.send_cancels(limit);
        }
        handled += run_queue(&self.ready, limit, self.signal());
        self.incoming.append(self.inbox.take_all());
        handled += run_queue(&self.incoming, limit, self.signal());
        self.metrics.turn(handled);
        self.set_turning(false);
        guard.disarm();
        handled
    }

    /// What queued work is told: to run, or, while everything ends, to complete stopped. Operations
    /// of the context look for themselves; this reaches tasks scheduled through the environment.
    fn signal(&self) -> Signal {
        if self.is_draining() {
            Signal::Stop
        } else {
            Signal::Run
        }
    }

    pub(super) fn enter(&self, wait: Wait) {
        if let Err(error) = self.backend.enter(wait) {
            // Every error that can pass is handled by the backend; the rest means that the kernel does
            // not run it any more, while it may still write to operations.
            abort(&format!("the backend cannot run the I/O loop: {error}"));
        }
    }

    /// Looks for work for a while, then sleeps until something happens or a timer is due.
    fn wait(&self, sleep_max: u64, stop_seen: bool) {
        let mut wait = self.until_next_timer(sleep_max);
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
            // Looking took time.
            wait = self.until_next_timer(sleep_max);
        }
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
    pub(super) fn nest(&self)
    where
        B: NestedBackend,
    {
        self.nested.set(Some(Nesting {
            quiet: B::quiet,
            alert: B::alert,
        }));
    }

    /// After a turn in another loop: everything is with the kernel, and the descriptor becomes
    /// readable when there is something to do.
    pub(super) fn settle(&self) {
        if self.backend.has_unsubmitted() {
            self.enter(Wait::No);
        }
        let Some(nesting) = self.nested.get() else {
            return;
        };
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
        (nesting.quiet)(&self.backend);
        let asleep = self.inbox.prepare_sleep(true);
        self.nested_asleep.set(asleep);
        let deadline = if asleep { deadline } else { Some(0) };
        let now = self.now();
        let left = deadline.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        (nesting.alert)(&self.backend, left);
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

    /// Completes timers that are due, or all of them while everything ends. At most as many again are
    /// moved within the wheel.
    #[inline(never)]
    fn fire_timers(&self, limit: usize) -> usize {
        let signal = self.signal();
        let now = self.now();
        self.timers.advance(now, limit);
        let mut fired = 0;
        while fired < limit
            && let Some(timer) = match signal {
                Signal::Run => self.timers.pop_due(now),
                Signal::Stop => self.timers.pop_any(),
            }
        {
            fired += 1;
            // SAFETY: every timer in the wheel is the first field of an entry of an operation that
            //         waits for this call, and was just taken out.
            unsafe { TimerEntry::run(timer, signal) };
        }
        fired
    }

    /// Starts operations that waited for room; returns whether there is none.
    #[inline(never)]
    fn start_waiting(&self, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(links) = self.backlog.first() else {
                return false;
            };
            if !self.has_room() {
                return true;
            }
            let slot: NonNull<SlotHeader> = links.cast();
            // SAFETY: it waits in the backlog, so it is alive and in place; its request may be asked
            //         for again. It leaves the backlog when it was started.
            unsafe {
                let request = ((*slot.as_ptr()).table.request)(slot);
                // A buffer that was asked for its memory may have stopped the operation.
                if self.backlog.first() != Some(links) {
                    continue;
                }
                if !self.backend.submit(slot.cast(), request) {
                    return true;
                }
                self.leave_backlog(slot);
                self.in_flight_count.set(self.in_flight_count.get() + 1);
                ((*slot.as_ptr()).table.started)(slot);
            }
        }
        false
    }

    /// Sends the stop requests whose targets are still at the kernel, after it has handled what has
    /// completed. Returns how many completions that were.
    #[inline(never)]
    fn send_cancels(&self, limit: usize) -> usize {
        let mut handled = 0;
        for _ in 0..(limit / COMPLETIONS_PER_ENTER).max(1) {
            if !self.backend.may_have_completed() {
                break;
            }
            if self.backend.wants_enter() {
                self.enter(Wait::No);
            }
            let reaped = self.reap(limit);
            handled += reaped;
            if reaped == 0 {
                break;
            }
        }
        self.submit_cancels(limit);
        handled
    }

    /// Submits a cancel for each stop request. What has completed by now has been handled; a
    /// target that the kernel has not seen is submitted before its cancel, so it is tried first.
    fn submit_cancels(&self, limit: usize) {
        for _ in 0..limit {
            let Some(links) = self.cancels.first() else {
                break;
            };
            // SAFETY: links in this list belong to armed stop links of operations at the kernel.
            let sent = unsafe {
                let link = StopLink::of_links(links);
                self.backend.cancel(StopLink::slot(link).cast())
            };
            if !sent {
                break;
            }
            // SAFETY: it is the first of this list.
            unsafe { StopLink::sent(links) };
            self.metrics.cancel();
        }
    }

    /// Asks every operation at the kernel to end, and everything that waits. Timers end in the turns that
    /// follow.
    pub(super) fn cancel_all(&self) {
        self.set_draining(true);
        Self::cancel_list(&self.backlog);
        Self::cancel_list(&self.in_flight);
        let mut home = self.homes.first();
        while let Some(links) = home {
            // SAFETY: home sources in the list are open, so alive and in place (INV-HOME-1).
            home = unsafe {
                HomeSource::<B>::cancel_all(links);
                self.homes.after(links)
            };
        }
    }

    /// Asks every operation in a list to end, that of the backlog or one of operations at the kernel.
    pub(super) fn cancel_list(list: &List) {
        // Cancelling takes an operation out of the backlog, but leaves it in flight, at the end of
        // the list.
        let rounds = list.count();
        for _ in 0..rounds {
            let Some(links) = list.pop_front() else { break };
            let slot: NonNull<SlotHeader> = links.cast();
            // SAFETY: it was first in this list, and goes back to its end. Operations in the lists
            //         are alive and incomplete (INV-LIST-1).
            unsafe {
                list.push_back(links);
                ((*slot.as_ptr()).table.cancel)(slot);
            }
        }
    }

    /// Blocks until nobody holds the waker (INV-CTX-2).
    pub(super) fn await_wakes(&self) {
        self.backend.await_wakes(self.wakes_owed.get());
    }
}

/// Runs at most `limit` nodes of `queue`, also those that are added meanwhile.
fn run_queue(queue: &LocalQueue, limit: usize, signal: Signal) -> usize {
    // SAFETY: queued nodes are alive and in place until they are run, and run once (INV-NODE-1).
    queue.drain(limit, |node| unsafe { Node::run(node, signal) })
}
