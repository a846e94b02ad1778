//! The time of a backend that has one of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands still until its backend moves it on: the time of a context on a backend that
/// simulates.
///
/// # Threads
/// Read on any thread; moved on by the backend.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sendio::backends::VirtualClock;
///
/// let clock = VirtualClock::new();
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now(), Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    nanos: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    /// The same, in nanoseconds.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos.load(Ordering::Acquire)
    }

    /// Moves on by `by`; it never goes back, and stops at 584 years.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let now = self.nanos().saturating_add(by);
        self.nanos.fetch_max(now, Ordering::AcqRel);
    }
}
