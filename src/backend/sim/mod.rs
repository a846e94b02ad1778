//! The simulator: a backend whose every decision follows from a seed.
//!
//! `engine` decides which requests go on, in which order and how; `faults` says what goes wrong; `host`
//! carries requests out for real without blocking, `files` and `net` in memory; `config` is what users
//! say, `trace` what they are told, `crate::sched::simulation` how they run it.
//!
//! # Flow
//!
//! `submit` puts a request into a table. `enter` chooses which of those in the table go on, and if none
//! can, lets virtual time jump to when one can, or a timer of the context is due. `reap` carries them out
//! one by one and hands the results out.
//!
//! # Cancellation
//!
//! A cancel takes effect when the next choice is made: a request that can go on has its real result, one
//! that waits ends. With faults it is late, or wins against a result.
//!
//! # Bounds
//!
//! As many requests are taken between two calls of `enter` as the submission queue has entries.
//!
//! # Safety
//! - INV-SIM-1: an entry in the table is a request that was accepted and had no final completion; a
//!   completion is handed out once its entry has left the table, so there is one for each. A slot that
//!   is submitted while in flight aborts the process.
//! - INV-SLOT-1, INV-SLOT-2: what a request names is used up to `reap` handing out its completion.

#![expect(unsafe_code, reason = "implements `Backend`")]

pub(crate) mod call;
pub(crate) mod config;
mod descriptor;
mod engine;
mod faults;
mod files;
mod host;
mod net;
mod rng;
mod spans;
pub(crate) mod trace;

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::time::Duration;

use super::clock::VirtualClock;
use super::event::{EventFd, EventWaker};
use super::nest::{self, Nest};
use super::options::Options;
use super::report::{BackendKind, BackendReport};
use super::request::Request;
use super::slot::CompletionSlot;
use super::{Backend, Counters, NestedBackend, Wait};
use config::SimConfig;
use descriptor::{pollfd, wait_for};
use engine::{Engine, Id};

/// How often another loop that waits for a simulation lets it look at the world outside.
const LOOK: Duration = Duration::from_millis(1);
/// How long the world outside is waited for, in real time, when nothing else can happen and no other thread
/// takes part.
const PATIENCE: Duration = Duration::from_secs(1);

/// The simulator, for contexts that are made by [`sim::run`](crate::sim::run),
/// [`sim::context`](crate::sim::context), or a builder with
/// [`simulate`](crate::IoContextBuilder::simulate). Without a configuration it is in
/// [`SimConfig::outside`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use sendio::backends::Sim;
/// use sendio::sim::SimConfig;
/// use sendio::{IoContextBuilder, SenderExt, TimedScheduler};
///
/// let config = SimConfig::new().seed(3);
/// let ctx = IoContextBuilder::<Sim>::new().simulate(config).spin(false).build()?;
/// let (before, real) = (ctx.now(), Instant::now());
/// ctx.block_on(ctx.scheduler().schedule_after(Duration::from_secs(3600)))?;
/// assert!(ctx.now() - before >= Duration::from_secs(3600));
/// assert!(real.elapsed() < Duration::from_secs(60));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Sim {
    engine: RefCell<Engine>,
    event: EventFd,
    enters: std::cell::Cell<u64>,
    seed: u64,
    nest: OnceCell<Nest>,
}

impl Sim {
    /// Sleeps until something of the world outside is ready, or a wake-up comes, at most for `time`;
    /// whether that was so.
    fn look_outside(&self, time: Option<Duration>) -> bool {
        let mut fds = self.engine.borrow().outside();
        fds.push(pollfd(self.event.as_fd().as_raw_fd(), libc::POLLIN));
        let millis = match time {
            None => -1,
            Some(time) => i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
        };
        let found = wait_for(&mut fds, millis);
        if fds.last().is_some_and(|event| event.revents != 0) {
            self.event.take();
        }
        found
    }

    /// What a loop does that has nothing to do: in virtual time a jump, in real time a sleep. Whether
    /// there may be something to do now.
    fn pass_time(&self, limit: Option<u64>) -> Pass {
        let mut engine = self.engine.borrow_mut();
        let (now, next) = (engine.now(), engine.next_time());
        let target = [next, limit].into_iter().flatten().min();
        let Some(clock) = engine.clock().cloned() else {
            drop(engine);
            let left = target.map(|at| Duration::from_nanos(at.saturating_sub(now)));
            self.look_outside(left);
            return Pass::Return;
        };
        let waits_outside = !engine.outside().is_empty();
        drop(engine);
        // Nobody else is there to be looked at.
        let alone = self.engine.borrow().alone && !waits_outside;
        if !alone && self.look_outside(Some(Duration::ZERO)) {
            return Pass::Return;
        }
        match target {
            Some(at) => {
                clock.advance(Duration::from_nanos(at.saturating_sub(now)));
                if next.is_some_and(|next| next <= at) {
                    Pass::Again
                } else {
                    Pass::Return
                }
            }
            None => {
                let patience = match self.engine.borrow() {
                    engine if !engine.alone || engine.is_empty() => None,
                    _ if waits_outside => Some(PATIENCE),
                    _ => Some(Duration::ZERO),
                };
                if !self.look_outside(patience) && patience.is_some() {
                    self.engine.borrow_mut().give_up();
                }
                Pass::Return
            }
        }
    }
}

/// Whether a sleep is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Again,
    Return,
}

// SAFETY: an accepted request is in the table until `next_completion` takes it out, which is when its
//         completion is handed out, once; nothing of it is used afterwards (INV-SIM-1). No borrow of the
//         engine is held while a handler runs. The waker's descriptor stays open as long as a waker.
unsafe impl Backend for Sim {
    type Slot = Id;
    type Waker = EventWaker;

    fn new(options: &Options) -> io::Result<Self> {
        let config = options.sim.clone().unwrap_or_else(SimConfig::outside);
        config.check()?;
        let completions = options.completion_entries.unwrap_or(options.entries);
        if options.entries == 0 || options.entries > 32768 || completions < options.entries {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a queue has 1 to 32768 entries, and as many or more for completions",
            ));
        }
        for (set, name) in [
            (options.sqpoll.is_some(), "sqpoll"),
            (options.iopoll, "iopoll"),
        ] {
            if set {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("the simulator has no {name}"),
                ));
            }
        }
        Ok(Self {
            engine: RefCell::new(Engine::new(&config, options.entries)?),
            event: EventFd::new()?,
            enters: std::cell::Cell::new(0),
            seed: config.seed,
            nest: OnceCell::new(),
        })
    }

    fn waker(&self) -> EventWaker {
        self.event.waker()
    }

    unsafe fn submit(&self, slot: NonNull<CompletionSlot<Id>>, request: Request) -> bool {
        let Some(id) = self.engine.borrow_mut().submit(slot, request) else {
            return false;
        };
        // SAFETY: it is in use from now on.
        unsafe { CompletionSlot::storage(slot).write(id) };
        true
    }

    unsafe fn cancel(&self, slot: NonNull<CompletionSlot<Id>>) -> bool {
        // SAFETY: in use (contract), and written when it was submitted.
        let id = unsafe { CompletionSlot::storage(slot).read() };
        self.engine.borrow_mut().cancel(id)
    }

    fn enter(&self, wait: Wait) -> io::Result<()> {
        self.enters.set(self.enters.get() + 1);
        let limit = match wait {
            Wait::For(time) => {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                Some(self.engine.borrow().now().saturating_add(nanos))
            }
            Wait::No | Wait::Forever => None,
        };
        loop {
            let mut engine = self.engine.borrow_mut();
            engine.plan();
            // What was refused is waiting for this turn to be over.
            let refused = std::mem::take(&mut engine.refused);
            if engine.has_due() || wait == Wait::No || refused {
                return Ok(());
            }
            drop(engine);
            if self.pass_time(limit) == Pass::Return {
                return Ok(());
            }
        }
    }

    fn reap(&self, limit: usize) -> usize {
        let mut count = 0;
        while count < limit {
            let Some((slot, completion)) = self.engine.borrow_mut().next_completion() else {
                break;
            };
            count += 1;
            // SAFETY: the request was accepted and has left the table (INV-SIM-1); the borrow is over.
            unsafe { CompletionSlot::complete(slot, completion) };
        }
        count
    }

    fn is_ready(&self) -> bool {
        let engine = self.engine.borrow();
        engine.has_due() || engine.fresh > 0
    }

    fn await_wakes(&self, count: u64) {
        self.event.await_wakes(count);
    }

    fn wants_enter(&self) -> bool {
        !self.engine.borrow().is_empty()
    }

    fn has_unsubmitted(&self) -> bool {
        self.engine.borrow().fresh > 0
    }

    fn clock(&self) -> Option<VirtualClock> {
        self.engine.borrow().clock().cloned()
    }

    fn counters(&self) -> Counters {
        Counters {
            enters: self.enters.get(),
            submitted: self.engine.borrow().submitted,
            overflows: 0,
        }
    }

    fn report(&self) -> BackendReport {
        let time = if self.engine.borrow().clock().is_some() {
            "virtual"
        } else {
            "real"
        };
        let details = format!("seed {}, {time} time", self.seed);
        BackendReport::new(BackendKind::Sim, details)
    }
}

impl NestedBackend for Sim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let nest = nest::get_or_make(&self.nest, || Nest::new([self.event.as_fd()]));
        nest.map_or(self.event.as_fd(), Nest::as_fd)
    }

    fn quiet(&self) {
        if let Some(nest) = self.nest.get() {
            nest.quiet();
            self.event.take();
        }
    }

    fn alert(&self, left: Option<Duration>) {
        let Some(nest) = self.nest.get() else {
            return;
        };
        if left == Some(Duration::ZERO) || self.is_ready() {
            return nest.signal();
        }
        let mut engine = self.engine.borrow_mut();
        let (now, next) = (engine.now(), engine.next_time());
        let next = next.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let soonest = [left, next].into_iter().flatten().min();
        let waits_outside = !engine.outside().is_empty();
        match (engine.clock(), soonest) {
            // Nobody sleeps in virtual time.
            (Some(clock), Some(time)) if !waits_outside => {
                clock.advance(time);
                nest.signal();
            }
            (_, time) => {
                let look = waits_outside.then_some(LOOK);
                if let Some(time) = [time, look].into_iter().flatten().min() {
                    nest.set_timer(time.max(Duration::from_nanos(1)));
                }
            }
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
