//! [`Trace`]: what a run decided, as a number to compare and a text to read.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::call::Call;

/// Everything that a simulated run decided: two runs are the same if their traces are.
///
/// Give a clone to [`SimConfig::trace`](super::SimConfig::trace) and look at it when the run is over.
/// Numbers of descriptors and addresses are not in it: they depend on the rest of the process.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::sim::{SimConfig, Trace};
///
/// let trace_of = |seed| {
///     let trace = Trace::with_text();
///     let config = SimConfig::new().seed(seed).trace(&trace);
///     sendio::sim::run(&config, |ctx| {
///         let io = ctx.scheduler();
///         let work = || io.schedule();
///         ctx.block_on(when_all((work(), work(), work()))).unwrap();
///     });
///     trace
/// };
/// assert_eq!(trace_of(1).hash(), trace_of(1).hash());
/// assert_ne!(trace_of(1).hash(), trace_of(2).hash());
/// assert!(trace_of(1).text().contains("nop"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    hash: u64,
    steps: u64,
    injected: u64,
    text: Option<String>,
}

/// What is decided about a request, or about time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Submitted,
    Delayed(u64),
    Cut(u32),
    Injected(i32),
    Waits,
    Cancelled,
    CancelLate,
    Refused,
    Completed(i32),
    Stuck,
}

impl Event {
    /// A number for the kind of event, and what is special about this one.
    const fn numbers(self) -> (u64, u64) {
        match self {
            Self::Submitted => (1, 0),
            Self::Delayed(nanos) => (2, nanos),
            Self::Cut(len) => (3, len as u64),
            Self::Injected(result) => (4, result.cast_unsigned() as u64),
            Self::Waits => (5, 0),
            Self::Cancelled => (6, 0),
            Self::CancelLate => (7, 0),
            Self::Refused => (8, 0),
            Self::Completed(result) => (9, result.cast_unsigned() as u64),
            Self::Stuck => (10, 0),
        }
    }
}

impl Trace {
    /// A trace that keeps a hash and counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A trace that keeps every decision as a line of text too.
    #[must_use]
    pub fn with_text() -> Self {
        let trace = Self::new();
        trace.inner().text = Some(String::new());
        trace
    }

    /// A number that is equal for equal runs, and as good as never for others.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.inner().hash
    }

    /// How many decisions were made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.inner().steps
    }

    /// How many of them were faults: short counts, errors, delays, cancels that came too late.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.inner().injected
    }

    /// One line per decision: the time, the number of the request, the call, what became of it. Empty
    /// without [`with_text`](Trace::with_text).
    #[must_use]
    pub fn text(&self) -> String {
        self.inner().text.clone().unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, at: u64, id: u64, call: Call, event: Event) {
        let mut inner = self.inner();
        let event = match event {
            Event::Completed(result) if call.makes_descriptor() => Event::Completed(result.min(0)),
            event => event,
        };
        let (kind, number) = event.numbers();
        for word in [at, id, call as u64, kind, number] {
            inner.hash = mix(inner.hash ^ word);
        }
        inner.steps += 1;
        inner.injected += u64::from(matches!(
            event,
            Event::Delayed(_)
                | Event::Cut(_)
                | Event::Injected(_)
                | Event::CancelLate
                | Event::Refused
        ));
        if let Some(text) = &mut inner.text {
            let at = Duration::from_nanos(at);
            let _ = write!(text, "{at:?} #{id} {call}: ");
            let _ = match event {
                Event::Submitted => writeln!(text, "submitted"),
                Event::Delayed(nanos) => {
                    writeln!(text, "delayed by {:?}", Duration::from_nanos(nanos))
                }
                Event::Cut(len) => writeln!(text, "{len} bytes at most"),
                Event::Injected(result) => writeln!(text, "fails with {result}"),
                Event::Waits => writeln!(text, "waits"),
                Event::Cancelled => writeln!(text, "cancel"),
                Event::CancelLate => writeln!(text, "cancel, which comes late"),
                Event::Refused => writeln!(text, "no room"),
                Event::Completed(result) => writeln!(text, "-> {result}"),
                Event::Stuck => writeln!(text, "can never complete"),
            };
        }
    }
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    word ^ (word >> 32)
}
