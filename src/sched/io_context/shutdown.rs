//! How a context ends: gracefully until a deadline, then by cancelling, never by abandoning.

use std::time::Instant;

use super::IoContext;
use super::core::Core;
use super::metrics::MetricsSnapshot;
use crate::backend::Backend;

/// How a [`shutdown`](IoContext::shutdown) went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Everything had ended by itself before the deadline.
    pub graceful: bool,
    /// Requests that were still at the kernel at the deadline, and were cancelled. Timers and tasks
    /// that ended stopped are not counted.
    pub cancelled: usize,
}

impl<B: Backend> IoContext<B> {
    /// Refuses new work, lets what runs finish until `deadline`, then cancels every operation that
    /// is left, and waits until the kernel has given back every buffer.
    ///
    /// Past the deadline it does not give up: an operation that the kernel cannot cancel is waited
    /// for, because its memory is still the kernel's. Afterwards the context is stopped;
    /// [`restart`](IoContext::restart) takes new work again.
    ///
    /// # Panics
    /// If this context is already running on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use sendio::IoContext;
    ///
    /// let ctx = IoContext::new()?;
    /// let report = ctx.shutdown(Instant::now() + Duration::from_secs(1));
    /// assert!(report.graceful);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, deadline: Instant) -> ShutdownReport {
        let _driving = self.core.drive("IoContext::shutdown");
        self.core.request_stop();
        let graceful = self.core.turn_until_empty_or(deadline);
        let cancelled = self.core.in_flight_count();
        self.core.cancel_and_drain();
        self.core.set_draining(false);
        ShutdownReport {
            graceful,
            cancelled: if graceful { 0 } else { cancelled },
        }
    }
}

impl<B: Backend> Core<B> {
    /// Turns until nothing is left, or the deadline has come; whether nothing is left.
    fn turn_until_empty_or(&self, deadline: Instant) -> bool {
        let deadline = self.to_ticks(deadline);
        loop {
            if self.is_empty() {
                return true;
            }
            let now = self.now();
            if now >= deadline {
                return false;
            }
            self.turn_at_most(deadline - now);
        }
    }

    /// Cancels everything and turns until nothing is left.
    fn cancel_and_drain(&self) {
        self.cancel_all();
        // What goes on meanwhile, or comes from the inbox, sees `draining` and ends too.
        while !self.is_empty() {
            self.turn(true, true);
        }
    }

    /// The end of the context: nothing is at the kernel, and nobody holds the waker, afterwards.
    pub(super) fn end(&self) {
        self.request_stop();
        self.cancel_and_drain();
        self.await_wakes();
    }

    /// What was counted.
    pub(super) fn snapshot(&self) -> MetricsSnapshot {
        let counters = self.backend.counters();
        let mut snapshot = MetricsSnapshot {
            enters: counters.enters,
            submitted: counters.submitted,
            overflows: counters.overflows,
            wakes: self.wakes(),
            in_flight: self.in_flight_count(),
            timers: self.timers.len(),
            ..MetricsSnapshot::default()
        };
        self.metrics.fill(&mut snapshot);
        snapshot
    }

    /// Whether a turn would find completions.
    pub(super) fn backend_ready(&self) -> bool {
        self.backend.is_ready()
    }
}
