//! What an I/O context counts while it runs.

use std::cell::Cell;

/// A snapshot of a context's counts since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Turns of the loop.
    pub turns: u64,
    /// Completions, timers and tasks that were handled.
    pub handled: u64,
    /// Cancels that were sent to the kernel.
    pub cancels: u64,
    /// System calls that submit or wait.
    pub enters: u64,
    /// Requests handed to the kernel, cancels and wake-up polls included.
    pub submitted: u64,
    /// How often the kernel was entered while completions waited that had not fitted its queue.
    pub overflows: u64,
    /// Wake-ups by other threads.
    pub wakes: u64,
    /// Requests at the kernel now.
    pub in_flight: usize,
    /// Timers that wait now.
    pub timers: usize,
}

/// The counters of the loop.
#[derive(Debug)]
pub(super) struct Metrics {
    turns: Cell<u64>,
    handled: Cell<u64>,
    cancels: Cell<u64>,
}

impl Metrics {
    pub(super) const fn new() -> Self {
        Self {
            turns: Cell::new(0),
            handled: Cell::new(0),
            cancels: Cell::new(0),
        }
    }

    #[inline]
    pub(super) fn turn(&self, handled: usize) {
        self.turns.set(self.turns.get() + 1);
        self.handled.set(self.handled.get() + handled as u64);
    }

    pub(super) fn cancel(&self) {
        self.cancels.set(self.cancels.get() + 1);
    }

    pub(super) fn fill(&self, snapshot: &mut MetricsSnapshot) {
        snapshot.turns = self.turns.get();
        snapshot.handled = self.handled.get();
        snapshot.cancels = self.cancels.get();
    }
}
