//! What happens in a simulation: which requests may go on, in which order, with which result.
//!
//! # Flow
//!
//! ```text
//! submit ─> Fresh ─┐            ┌─ Line, Until, Network ── (it can go on) ─┐
//!                  v            │                                          v
//!               plan ─> Due ─> perform ── a result ─> handed out        plan
//! ```
//!
//! `plan` (in `plan.rs`) looks at all requests in the order in which they came, and puts those that can go on into an
//! order by the seed; none overtakes another one in its line. A request is carried out when its
//! completion is about to be handed out, and not before: what it reads is read and what it writes is
//! written at the last moment at which a kernel may do so.
//!
//! # Safety
//! INV-SIM-1: an entry in the table is a request that was accepted and had no final completion.

#![expect(unsafe_code, reason = "carries out requests in flight")]

mod plan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::time::Instant;

use super::call::{Call, line};
use super::config::SimConfig;
use super::descriptor::Object;
use super::faults::Faults;
use super::files::{Files, Room};
use super::host::{self, Attempt, Progress};
use super::net::{Moment, Net};
use super::rng::Rng;
use super::trace::{Event, Trace};
use crate::abort::abort;
use crate::backend::clock::VirtualClock;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot};

/// The number of a request; never given twice.
pub(super) type Id = u64;
pub(super) type SimSlot = NonNull<CompletionSlot<Id>>;

/// For how long a cancel that comes late is on its way, at most.
const LATE_NANOS: u64 = 10_000_000;
/// `ERESTARTSYS`, with which a worker of the kernel ends that was cancelled.
const RESTART: i32 = 512;

/// A request in flight.
#[derive(Debug)]
struct Entry {
    slot: SimSlot,
    request: Request,
    call: Call,
    /// The how many-th of its kind it is.
    nth: u64,
    state: State,
    progress: Progress,
    /// What is behind its descriptor, which stays open until the request completes.
    object: Option<Object>,
    /// When a cancel takes effect.
    cancel_at: Option<u64>,
    /// What it completes with, whatever it would do.
    verdict: Option<i32>,
    may_delay: bool,
    may_fail: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Due,
    /// Waits until a descriptor of the world outside is ready.
    Descriptor(RawFd, i16),
    Until(u64),
    Network,
}

/// The simulation behind a [`Sim`].
#[derive(Debug)]
pub(super) struct Engine {
    table: BTreeMap<Id, Entry>,
    /// The addresses of slots in flight, to notice a second use.
    slots: BTreeSet<usize>,
    due: VecDeque<Id>,
    next_id: Id,
    counts: BTreeMap<Call, u64>,
    pub(super) fresh: u32,
    fresh_max: u32,
    /// A request was refused since the last turn: it waits in the context.
    pub(super) refused: bool,
    rng: Rng,
    faults: Faults,
    pub(super) alone: bool,
    clock: Option<VirtualClock>,
    began: Instant,
    files: Option<Files>,
    net: Option<Net>,
    trace: Option<Trace>,
    pub(super) submitted: u64,
}

impl Engine {
    pub(super) fn new(config: &SimConfig, entries: u32) -> std::io::Result<Self> {
        Ok(Self {
            table: BTreeMap::new(),
            slots: BTreeSet::new(),
            due: VecDeque::new(),
            next_id: 1,
            counts: BTreeMap::new(),
            fresh: 0,
            fresh_max: entries,
            refused: false,
            rng: Rng::new(config.seed),
            faults: config.faults.clone(),
            alone: config.alone,
            clock: config.virtual_time.then(VirtualClock::new),
            began: Instant::now(),
            files: config
                .memory_files
                .then(|| Files::new(config))
                .transpose()?,
            net: config.memory_net.then(|| Net::new(config)),
            trace: config.trace.clone(),
            submitted: 0,
        })
    }

    pub(super) const fn clock(&self) -> Option<&VirtualClock> {
        self.clock.as_ref()
    }

    /// The time, in nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        match &self.clock {
            Some(clock) => clock.nanos(),
            None => u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    fn record(&self, id: Id, call: Call, event: Event) {
        if let Some(trace) = &self.trace {
            // Real time is different in each run.
            let at = self.clock.as_ref().map_or(0, VirtualClock::nanos);
            trace.record(at, id, call, event);
        }
    }

    /// Takes a request, if there is room; its number.
    pub(super) fn submit(&mut self, slot: SimSlot, request: Request) -> Option<Id> {
        let call = Call::of(&request);
        if self.fresh >= self.fresh_max || self.rng.chance(self.faults.full_queue) {
            self.record(0, call, Event::Refused);
            self.refused = true;
            return None;
        }
        if !self.slots.insert(slot.as_ptr().addr()) {
            abort("a slot was submitted that is in flight");
        }
        let id = self.next_id;
        self.next_id += 1;
        self.fresh += 1;
        let nth = self.counts.entry(call).or_insert(0);
        *nth += 1;
        let entry = Entry {
            slot,
            request,
            call,
            nth: *nth,
            state: State::Fresh,
            progress: Progress::default(),
            object: None,
            cancel_at: None,
            verdict: None,
            may_delay: true,
            may_fail: true,
        };
        self.table.insert(id, entry);
        self.record(id, call, Event::Submitted);
        Some(id)
    }

    /// Asks for an early end, if there is room for that.
    pub(super) fn cancel(&mut self, id: Id) -> bool {
        let now = self.now();
        let refused = self.rng.chance(self.faults.full_queue);
        let late = self.rng.chance(self.faults.late_cancels);
        let early = self.rng.chance(self.faults.early_cancels);
        let Some(entry) = self.table.get_mut(&id) else {
            abort("a cancel of a request that is not in flight");
        };
        let call = entry.call;
        let event = if refused {
            Event::Refused
        } else if late {
            entry.cancel_at = Some(now.saturating_add(self.rng.between(1, LATE_NANOS)));
            Event::CancelLate
        } else {
            entry.cancel_at = Some(now);
            if entry.state == State::Due && early && entry.verdict.is_none() {
                entry.verdict = Some(host::ended(-libc::ECANCELED, &entry.progress));
            }
            Event::Cancelled
        };
        self.record(id, call, event);
        !refused
    }

    /// Nothing can happen any more: what waits completes with `EDEADLK`.
    pub(super) fn give_up(&mut self) {
        let ids: Vec<Id> = self.table.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.table.get_mut(&id) else {
                continue;
            };
            entry.verdict = Some(host::ended(-libc::EDEADLK, &entry.progress));
            let call = entry.call;
            if entry.state != State::Due {
                entry.state = State::Due;
                self.due.push_back(id);
            }
            self.record(id, call, Event::Stuck);
        }
    }

    /// The next completion, whose request is carried out here and leaves the table.
    pub(super) fn next_completion(&mut self) -> Option<(SimSlot, Completion)> {
        while let Some(id) = self.due.pop_front() {
            let Some(mut entry) = self.table.remove(&id) else {
                continue;
            };
            if let Some(result) = self.perform(id, &mut entry) {
                self.slots.remove(&entry.slot.as_ptr().addr());
                self.record(id, entry.call, Event::Completed(result));
                return Some((entry.slot, Completion::new(result)));
            }
            self.record(id, entry.call, Event::Waits);
            let line = line(&entry.request);
            self.table.insert(id, entry);
            if line.is_some() {
                self.hold_back(line);
            }
        }
        None
    }

    /// Carries a request out; its result, or `None` if it has to wait.
    fn perform(&mut self, id: Id, entry: &mut Entry) -> Option<i32> {
        if entry.verdict.is_some() {
            return entry.verdict;
        }
        let now = self.now();
        if std::mem::take(&mut entry.may_fail)
            && let Some(error) = self.faults.error(entry.call, entry.nth, &mut self.rng)
        {
            self.record(id, entry.call, Event::Injected(error));
            // A descriptor is closed, whatever its file system says about it.
            if let Request::Close { fd } = entry.request {
                // SAFETY: the request owns the descriptor.
                unsafe { libc::close(fd) };
            }
            return Some(error);
        }
        if entry.object.is_none() {
            entry.object = host::descriptor_of(&entry.request).and_then(Object::of);
        }
        let mut limit = self.cut(id, entry);
        if let Some(files) = &mut self.files {
            // SAFETY: in flight (INV-SIM-1).
            let (result, room) = unsafe {
                let result = files.perform(&entry.request, now);
                (result, files.room(&entry.request, entry.object, now))
            };
            match room {
                _ if result.is_some() => return result,
                Some(Room::Full) => return Some(-libc::ENOSPC),
                Some(Room::Limit(bytes)) => limit = limit.min(bytes),
                None => {}
            }
        }
        let mut moment = Moment {
            now,
            rng: &mut self.rng,
        };
        let (request, object) = (&entry.request, entry.object);
        let progress = &mut entry.progress;
        // SAFETY: in flight (INV-SIM-1).
        let attempt = unsafe {
            let in_memory = self
                .net
                .as_mut()
                .and_then(|net| net.attempt(request, object, limit, progress, &mut moment));
            in_memory.unwrap_or_else(|| host::attempt(request, object, limit, progress))
        };
        entry.state = match attempt {
            Attempt::Done(result) => return Some(result),
            Attempt::Descriptor(fd, events) => State::Descriptor(fd, events),
            Attempt::After(time) => {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                State::Until(now.saturating_add(nanos))
            }
            Attempt::Network(_) => State::Network,
        };
        None
    }

    /// How many bytes a transfer may move now.
    fn cut(&mut self, id: Id, entry: &Entry) -> u32 {
        if self.faults.short <= 0.0 {
            return u32::MAX;
        }
        // SAFETY: in flight (INV-SIM-1).
        let Some((fd, len)) = (unsafe { host::cuttable(&entry.request) }) else {
            return u32::MAX;
        };
        let cut = self.faults.cut(len, &mut self.rng);
        let may_cut = |_: &u32| entry.object.is_some_and(|object| object.may_cut(fd));
        let Some(limit) = cut.filter(may_cut) else {
            return u32::MAX;
        };
        self.record(id, entry.call, Event::Cut(limit));
        limit
    }
}
