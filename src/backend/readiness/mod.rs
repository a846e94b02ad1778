//! The backends that wait for readiness: one generic backend over where the readiness comes from.
//!
//! [`Readiness`] does every request by the same steps: it tries it without blocking; if it would block,
//! it waits until the descriptor is ready and tries again; where there is no readiness to wait for, as
//! with files, a thread does it. What a [`Source`](source::Source) adds is how a loop waits, and requests
//! that it can do asynchronously by itself.
//!
//! `attempt` and `message` try, `blocking` is what threads do, `pool` has the threads, `entries` says
//! what waits for which descriptor, `flow` and `waiting` move requests between all of these, `later` has those that
//! the clock tries again, `slot` is what is kept of a request, and where it is at each moment.
//!
//! # Flow
//!
//! ```text
//!          ┌───────────────────── tries ────────────────────┐
//! submit ──┤                                                v
//!          ├─ would block ─> entry of its descriptor ─ready─> done ─> reap ─> handler
//!          ├─ no readiness ─> pool ─> inbox ─────────────────^
//!          ├─ tried again by the clock ──────────────────────┤
//!          └─ the source's own ─> kernel ────────────────────┘
//! ```
//!
//! `submit` and `cancel` only put what is over into the list of what is done; `reap` hands it out.
//!
//! # Order
//!
//! What waits for a descriptor in one direction is served first come, first served, and what comes new
//! does not overtake it. When the descriptor is ready, the first one tries until it would block, or is
//! over; then the next one.
//!
//! # Cancellation
//!
//! What waits ends with `ECANCELED` at once, or with what it has transferred. A job that no thread has
//! begun is taken back; one that runs ends with its real result. The loop lets the source report before it
//! cancels, so data that has arrived wins.
//!
//! # Sleep
//!
//! The source sleeps, and watches an eventfd for wake-ups: of other threads, counted by the context, and of
//! the pool, counted here ([`Readiness::owed`]) by the protocol of the inbox.
//!
//! # Bounds
//!
//! Nothing is allocated per request. Entries are kept for as many descriptors as were waited for at the
//! same time. A descriptor that is said to be ready and is not, again and again, is looked at by the clock
//! (`later`), so it costs no more than a hundred looks in a second.
//!
//! # Threads
//!
//! The thread that made it, and no other, but for jobs in the pool (INV-READY-4).
//!
//! # Safety
//! - INV-SLOT-1, INV-SLOT-2: kept as the trait demands: a request is in one list, the pool's or the
//!   source's until it is done, then it is completed once and forgotten.
//! - INV-READY-1 to INV-READY-4, in the files named above.
//! - INV-INBOX-2: wake-ups that the pool owes are counted, and waited for at the end.

#![expect(unsafe_code, reason = "implements a backend over intrusive slots")]

mod attempt;
pub(crate) mod blocking;
pub(crate) mod calls;
mod entries;
mod flow;
pub(crate) mod guard;
mod later;
mod message;
mod pool;
pub(crate) mod slot;
pub(crate) mod source;
mod waiting;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::time::Duration;

use super::event::{EventFd, EventWaker};
use super::nest::{self, Nest};
use super::options::Options;
use super::report::BackendReport;
use super::request::Request;
use super::slot::CompletionSlot;
use super::{Counters, Wait};
use crate::util::list::List;
use entries::Entries;
use later::Later;
use pool::Home;
use slot::{ReadySlot, SlotCore};
use source::{Key, Sink, Source, Taken};

/// A backend that waits for readiness, which comes from `S`.
pub(crate) struct Readiness<S: Source> {
    // The source goes first: it watches the eventfd.
    source: S,
    event: EventFd,
    home: Box<Home>,
    entries: Entries<S::Watch>,
    /// Requests that are over and were not handed out.
    done: List,
    later: Later,
    /// Jobs with the pool.
    jobs: Cell<usize>,
    /// Requests with the source.
    taken: Cell<usize>,
    /// Sleeps that the pool has ended: so many wake-ups are its.
    owed: Cell<u64>,
    /// The inbox was told that we sleep, because another loop waits for us.
    asleep: Cell<bool>,
    submitted: Cell<u64>,
    nest: OnceCell<Nest>,
}

impl<S: Source> Readiness<S> {
    /// A backend at the place where it stays.
    pub(crate) fn new(options: &Options) -> io::Result<Box<Self>> {
        options.check_without_ring(S::KIND)?;
        let event = EventFd::new()?;
        let this = Box::new(Self {
            source: S::new(options, event.as_fd())?,
            home: Box::new(Home::new(event.waker())),
            event,
            entries: Entries::new(),
            done: List::new(),
            later: Later::new(),
            jobs: Cell::new(0),
            taken: Cell::new(0),
            owed: Cell::new(0),
            asleep: Cell::new(false),
            submitted: Cell::new(0),
            nest: OnceCell::new(),
        });
        // SAFETY: it stays in its box.
        unsafe {
            this.done.init();
            this.later.init();
        }
        Ok(this)
    }

    pub(crate) fn waker(&self) -> EventWaker {
        self.event.waker()
    }

    /// As [`Backend::submit`](super::Backend::submit); there is always room.
    ///
    /// # Safety
    ///
    /// - The same.
    #[inline(always)]
    pub(crate) unsafe fn submit(
        &self,
        slot: NonNull<CompletionSlot<ReadySlot<S::Part>>>,
        request: Request,
    ) -> bool {
        self.submitted.set(self.submitted.get() + 1);
        // SAFETY: just submitted (contract), so it is ours, and in no list.
        unsafe {
            // The source is asked first, and then nothing else of the slot is needed: where the request is
            // known at compile time, this folds into what the source does with it.
            match self.source.try_submit(ReadySlot::whole(slot), &request) {
                Taken::Yes => {
                    ReadySlot::begin_taken(slot);
                    self.taken.set(self.taken.get() + 1);
                }
                Taken::No => self.start(slot, request),
            }
        }
        true
    }

    /// As [`Backend::cancel`](super::Backend::cancel); there is always room.
    ///
    /// # Safety
    ///
    /// - The same.
    pub(crate) unsafe fn cancel(&self, slot: NonNull<CompletionSlot<ReadySlot<S::Part>>>) -> bool {
        self.submitted.set(self.submitted.get() + 1);
        // SAFETY: at work (contract), so its storage is ours.
        unsafe { self.stop(CompletionSlot::storage(slot).cast()) };
        true
    }

    /// As [`Backend::enter`](super::Backend::enter).
    pub(crate) fn enter(&self, wait: Wait) -> io::Result<()> {
        self.wake_up();
        let mut wait = if self.done.is_empty() {
            self.later.clamp(wait)
        } else {
            Wait::No
        };
        if wait == Wait::No && !self.wants_enter() {
            return Ok(());
        }
        if wait != Wait::No && self.jobs.get() > 0 {
            if self.home.inbox.prepare_sleep(true) {
                self.asleep.set(true);
            } else {
                wait = Wait::No;
            }
        }
        let mut reports = Reports {
            backend: self,
            woken: false,
        };
        let result = self.source.enter(wait, &mut reports);
        let woken = reports.woken;
        self.wake_up();
        if woken {
            self.event.take();
        }
        result?;
        self.take_jobs();
        while let Some((place, events)) = self.entries.take_reported() {
            self.serve(place, events);
        }
        self.try_later();
        Ok(())
    }

    /// The inbox is told that we do not sleep any more, if it was told that we do.
    fn wake_up(&self) {
        if self.asleep.replace(false) && self.home.inbox.end_sleep() {
            self.owed.set(self.owed.get() + 1);
        }
    }

    /// As [`Backend::reap`](super::Backend::reap).
    #[inline]
    pub(crate) fn reap(&self, limit: usize) -> usize {
        self.wake_up();
        self.take_jobs();
        let mut count = 0;
        while count < limit
            && let Some(links) = self.done.pop_front()
        {
            count += 1;
            // SAFETY: it has its final result, and is in no list any more.
            unsafe { ReadySlot::<S::Part>::complete(SlotCore::of_links(links)) };
        }
        count
    }

    /// As [`Backend::is_ready`](super::Backend::is_ready).
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        !self.done.is_empty()
            || (self.jobs.get() > 0 && !self.home.inbox.is_empty())
            || self.source.is_ready()
    }

    /// As [`Backend::wants_enter`](super::Backend::wants_enter).
    #[inline]
    pub(crate) fn wants_enter(&self) -> bool {
        self.entries.count() > 0
            || self.taken.get() > 0
            || !self.later.is_empty()
            || self.has_unsubmitted()
    }

    /// As [`Backend::has_unsubmitted`](super::Backend::has_unsubmitted).
    #[inline]
    pub(crate) fn has_unsubmitted(&self) -> bool {
        self.source.has_unsubmitted()
    }

    /// As [`Backend::await_wakes`](super::Backend::await_wakes).
    pub(crate) fn await_wakes(&self, count: u64) {
        self.event.await_wakes(count + self.owed.get());
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            enters: self.source.calls(),
            submitted: self.submitted.get(),
            overflows: 0,
        }
    }

    pub(crate) fn report(&self) -> BackendReport {
        let (threads, found) = (pool::threads_max(), self.source.details());
        let details = format!("{found}, up to {threads} threads for files");
        BackendReport::new(S::KIND, details)
    }

    // ---- in another loop -------------------------------------------------------------------

    /// As [`NestedBackend::as_fd`](super::NestedBackend::as_fd).
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        let pollable = || self.source.pollable().into_iter().flatten();
        let nest = nest::get_or_make(&self.nest, || Nest::new(pollable()));
        nest.map_or(self.event.as_fd(), Nest::as_fd)
    }

    /// As [`NestedBackend::quiet`](super::NestedBackend::quiet).
    pub(crate) fn quiet(&self) {
        if let Some(nest) = self.nest.get() {
            nest.quiet();
            self.event.take();
            self.source.quiet();
        }
    }

    /// As [`NestedBackend::alert`](super::NestedBackend::alert).
    pub(crate) fn alert(&self, left: Option<Duration>) {
        let Some(nest) = self.nest.get() else {
            return;
        };
        if self.jobs.get() > 0 && !self.asleep.get() && self.home.inbox.prepare_sleep(true) {
            self.asleep.set(true);
        }
        let wait = self.later.clamp(left.map_or(Wait::Forever, Wait::For));
        match wait {
            _ if self.is_ready() => nest.signal(),
            Wait::No | Wait::For(Duration::ZERO) => nest.signal(),
            Wait::For(left) => nest.set_timer(left),
            Wait::Forever => {}
        }
    }
}

/// What a source reports: noted here, and looked at when it is done.
struct Reports<'a, S: Source> {
    backend: &'a Readiness<S>,
    woken: bool,
}

impl<S: Source> Sink<S::Part> for Reports<'_, S> {
    fn ready(&mut self, key: Key, events: u32) {
        let entries = &self.backend.entries;
        if let Some(entry) = entries.of_key(key) {
            entry.armed.set(0);
            entries.report(key.place(), events);
        }
    }

    unsafe fn finished(&mut self, slot: NonNull<ReadySlot<S::Part>>, result: i32) {
        self.backend.taken.set(self.backend.taken.get() - 1);
        // SAFETY: the source's until now (contract), so in no list.
        unsafe { self.backend.finish(slot.cast(), result) };
    }

    fn woken(&mut self) {
        self.woken = true;
    }
}

impl<S: Source> Drop for Readiness<S> {
    fn drop(&mut self) {
        // The context has drained it: no job is with the pool.
        debug_assert_eq!(self.jobs.get(), 0, "a backend is drained before it goes");
        self.home.await_visitors();
    }
}

impl<S: Source> fmt::Debug for Readiness<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("kind", &S::KIND)
            .finish_non_exhaustive()
    }
}

/// Makes a backend of its own name of a source.
macro_rules! readiness_backend {
    ($(#[$meta:meta])* $Name:ident, $Source:ty, $Part:ty) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $Name(Box<$crate::backend::readiness::Readiness<$Source>>);

        // SAFETY: the generic backend keeps the contract, by its invariants and those of the source: each
        //         request that is accepted is in one place until it is done, and is completed once, by
        //         `reap`, which holds no borrow meanwhile. Wakers keep their descriptor open.
        unsafe impl $crate::backend::Backend for $Name {
            type Slot = $crate::backend::readiness::slot::ReadySlot<$Part>;
            type Waker = $crate::backend::event::EventWaker;

            fn new(options: &$crate::backend::options::Options) -> std::io::Result<Self> {
                $crate::backend::readiness::Readiness::new(options).map(Self)
            }

            fn waker(&self) -> Self::Waker {
                self.0.waker()
            }

            #[inline(always)]
            unsafe fn submit(
                &self,
                slot: std::ptr::NonNull<$crate::backend::slot::CompletionSlot<Self::Slot>>,
                request: $crate::backend::request::Request,
            ) -> bool {
                // SAFETY: the contract is the same.
                unsafe { self.0.submit(slot, request) }
            }

            unsafe fn cancel(
                &self,
                slot: std::ptr::NonNull<$crate::backend::slot::CompletionSlot<Self::Slot>>,
            ) -> bool {
                // SAFETY: the contract is the same.
                unsafe { self.0.cancel(slot) }
            }

            fn enter(&self, wait: $crate::backend::Wait) -> std::io::Result<()> {
                self.0.enter(wait)
            }

            fn reap(&self, limit: usize) -> usize {
                self.0.reap(limit)
            }

            fn is_ready(&self) -> bool {
                self.0.is_ready()
            }

            fn await_wakes(&self, count: u64) {
                self.0.await_wakes(count);
            }

            fn wants_enter(&self) -> bool {
                self.0.wants_enter()
            }

            fn has_unsubmitted(&self) -> bool {
                self.0.has_unsubmitted()
            }

            fn counters(&self) -> $crate::backend::Counters {
                self.0.counters()
            }

            fn report(&self) -> $crate::backend::report::BackendReport {
                self.0.report()
            }
        }

        impl $crate::backend::NestedBackend for $Name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }

            fn quiet(&self) {
                self.0.quiet();
            }

            fn alert(&self, left: Option<std::time::Duration>) {
                self.0.alert(left);
            }
        }
    };
}
pub(crate) use readiness_backend;

#[cfg(all(test, not(loom)))]
mod tests;
