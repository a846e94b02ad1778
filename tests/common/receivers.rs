//! Receivers that record what they are told, and values that record when they are dropped.
//!
//! A [`Probe`] is the test's end of a receiver: it knows how often, on which channel and on which
//! thread the receiver was completed, and fails the test if that was not exactly once. A [`Trace`]
//! is a list of events in order that probes, guards and the test share, so that "everything is
//! destroyed before the completion" is one comparison.
//!
//! ```ignore
//! let trace = Trace::new();
//! let probe = Probe::traced(&trace);
//! let guard = trace.guard("capture");
//! let op = connect_and_start(just(1).then(move |n| { let _g = guard; n + 1 }), probe.receiver());
//! assert_eq!(probe.expect_value(), 2);
//! trace.expect(&["drop capture", "value"]);
//! ```
//!
//! # Safety
//!
//! INV-OP-1: [`Started`] keeps a started operation on the heap at one address, and frees it only
//! after its receiver was completed; an operation that never completes is leaked and fails the test.

#![expect(unsafe_code, reason = "starts operations")]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use sendio::{Env, OperationState, Outcome, Panic, Receiver, Sender};

use super::wait::{soon, wait_until};

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// A trace without events.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an event.
    pub(crate) fn note(&self, event: &str) {
        lock(&self.0).push(event.to_owned());
    }

    /// A copy of the events so far.
    pub(crate) fn events(&self) -> Vec<String> {
        lock(&self.0).clone()
    }

    /// Fails unless these are the events so far.
    #[track_caller]
    pub(crate) fn expect(&self, events: &[&str]) {
        assert_eq!(self.events(), events);
    }

    /// A value that notes `drop NAME` when it is dropped.
    pub(crate) fn guard(&self, name: &'static str) -> DropGuard {
        DropGuard(self.clone(), name, Manner::Quick)
    }

    /// A guard whose drop first lets every other thread have its turn.
    pub(crate) fn slow_guard(&self, name: &'static str) -> DropGuard {
        DropGuard(self.clone(), name, Manner::Slow)
    }

    /// A guard that panics with its name once it has noted its drop.
    pub(crate) fn panicking_guard(&self, name: &'static str) -> DropGuard {
        DropGuard(self.clone(), name, Manner::Panicking)
    }
}

#[derive(Debug)]
enum Manner {
    Quick,
    Slow,
    Panicking,
}

/// A value that notes when it is dropped; see [`Trace::guard`].
#[derive(Debug)]
pub(crate) struct DropGuard(Trace, &'static str, Manner);

impl DropGuard {
    /// Uses the guard, so that a closure captures it.
    pub(crate) fn touch(&self) {
        assert!(!self.1.is_empty());
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if matches!(self.2, Manner::Slow) {
            (0..200).for_each(|_| thread::yield_now());
        }
        self.0.note(&format!("drop {}", self.1));
        if matches!(self.2, Manner::Panicking) {
            std::panic::panic_any(self.1);
        }
    }
}

/// What a probe knows about its receiver.
#[derive(Debug)]
struct Log<V, E> {
    completions: Vec<(&'static str, ThreadId)>,
    outcome: Option<Outcome<V, E>>,
    dropped: bool,
    faults: Vec<String>,
    trace: Trace,
}

/// The test's end of a recording receiver.
#[derive(Debug)]
pub(crate) struct Probe<V, E> {
    log: Arc<Mutex<Log<V, E>>>,
}

impl<V, E> Probe<V, E> {
    /// A probe with a trace of its own.
    pub(crate) fn new() -> Self {
        Self::traced(&Trace::new())
    }

    /// A probe that notes `value`, `error`, `stopped` or `panicked` in `trace`.
    pub(crate) fn traced(trace: &Trace) -> Self {
        let log = Log {
            completions: Vec::new(),
            outcome: None,
            dropped: false,
            faults: Vec::new(),
            trace: trace.clone(),
        };
        Self {
            log: Arc::new(Mutex::new(log)),
        }
    }

    /// The receiver, with an empty environment.
    pub(crate) fn receiver(&self) -> Recorder<'static, V, E> {
        self.receiver_in(Env::default())
    }

    /// The receiver, with this environment.
    pub(crate) fn receiver_in<'e>(&self, env: Env<'e>) -> Recorder<'e, V, E> {
        Recorder {
            log: ManuallyDrop::new(Arc::clone(&self.log)),
            env,
        }
    }

    /// How often the receiver was completed.
    pub(crate) fn count(&self) -> usize {
        lock(&self.log).completions.len()
    }

    /// Waits until the receiver was completed.
    #[track_caller]
    pub(crate) fn wait(&self) {
        wait_until(soon(), "the receiver is completed", || {
            let log = lock(&self.log);
            let lost = log.dropped;
            let completed = !log.completions.is_empty();
            drop(log);
            assert!(!lost, "the receiver was dropped without a completion");
            completed
        });
    }

    /// The thread that completed the receiver.
    #[track_caller]
    pub(crate) fn thread(&self) -> ThreadId {
        let log = lock(&self.log);
        let first = log.completions.first().expect("a completion");
        first.1
    }

    /// Fails if the receiver was completed.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        let log = lock(&self.log);
        let (completions, faults) = (log.completions.clone(), log.faults.clone());
        drop(log);
        assert!(completions.is_empty(), "completed: {completions:?}");
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// Waits for the one completion and takes what it brought.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Outcome<V, E> {
        self.wait();
        let mut log = lock(&self.log);
        let (count, faults) = (log.completions.len(), log.faults.clone());
        let outcome = log.outcome.take();
        drop(log);
        assert!(count == 1 && faults.is_empty(), "{count} times, {faults:?}");
        outcome.expect("the outcome is taken once")
    }

    /// Waits for the one completion, which must be a value.
    #[track_caller]
    pub(crate) fn expect_value(&self) -> V {
        match self.outcome() {
            Outcome::Value(value) => value,
            other => panic!("expected a value, was {}", channel(&other)),
        }
    }

    /// Waits for the one completion, which must be an error.
    #[track_caller]
    pub(crate) fn expect_error(&self) -> E {
        match self.outcome() {
            Outcome::Error(error) => error,
            other => panic!("expected an error, was {}", channel(&other)),
        }
    }

    /// Waits for the one completion, which must be *stopped*.
    #[track_caller]
    pub(crate) fn expect_stopped(&self) {
        let outcome = self.outcome();
        assert!(
            matches!(outcome, Outcome::Stopped),
            "expected stopped, was {}",
            channel(&outcome)
        );
    }

    /// Waits for the one completion, which must be a panic, and returns its message.
    #[track_caller]
    pub(crate) fn expect_panicked(&self) -> String {
        match self.outcome() {
            Outcome::Panicked(payload) => message_of(payload),
            other => panic!("expected a panic, was {}", channel(&other)),
        }
    }
}

impl<V, E> Drop for Probe<V, E> {
    fn drop(&mut self) {
        let faults = lock(&self.log).faults.clone();
        if !thread::panicking() {
            assert!(faults.is_empty(), "{faults:?}");
        }
    }
}

/// The message of a panic that was raised with a text.
pub(crate) fn message_of(payload: Panic) -> String {
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast_ref::<&'static str>()
            .map_or_else(|| "no text".to_owned(), |&text| text.to_owned()),
    }
}

/// The receiver of a [`Probe`].
#[derive(Debug)]
pub(crate) struct Recorder<'e, V, E> {
    // Given back by the first completion, or by the drop without one: a receiver that was
    // duplicated by mistake is reported and does not give back what it never had.
    log: ManuallyDrop<Arc<Mutex<Log<V, E>>>>,
    env: Env<'e>,
}

impl<V, E> Recorder<'_, V, E> {
    fn complete(self, outcome: Outcome<V, E>) {
        let mut this = ManuallyDrop::new(self);
        let mut log = lock(&this.log);
        let event = channel(&outcome);
        log.trace.note(event);
        log.completions.push((event, thread::current().id()));
        if log.completions.len() > 1 {
            log.faults.push(format!("a second completion, {event}"));
            return;
        }
        log.outcome = Some(outcome);
        drop(log);
        // SAFETY: the first completion owns the count, and the receiver is not used again.
        unsafe { ManuallyDrop::drop(&mut this.log) };
    }
}

impl<V, E> Drop for Recorder<'_, V, E> {
    fn drop(&mut self) {
        let mut log = lock(&self.log);
        if !log.completions.is_empty() {
            log.faults.push("dropped after its completion".to_owned());
            return;
        }
        log.dropped = true;
        drop(log);
        // SAFETY: this receiver was not completed, so it still owns its count; dropped once.
        unsafe { ManuallyDrop::drop(&mut self.log) };
    }
}

impl<V, E> Receiver<V, E> for Recorder<'_, V, E> {
    fn set_value(self, value: V) {
        self.complete(Outcome::Value(value));
    }

    fn set_error(self, error: E) {
        self.complete(Outcome::Error(error));
    }

    fn set_stopped(self) {
        self.complete(Outcome::Stopped);
    }

    fn set_panicked(self, payload: Panic) {
        self.complete(Outcome::Panicked(payload));
    }

    fn env(&self) -> Env<'_> {
        self.env
    }
}

/// The receiver that [`connect_and_start`] puts around a test's receiver.
#[derive(Debug)]
pub(crate) struct Flagged<R> {
    receiver: R,
    completed: Arc<AtomicBool>,
}

impl<R> Flagged<R> {
    /// Says that the operation may be freed: a completion is the last thing it does.
    fn into_receiver(self) -> R {
        // Release: what the operation did is seen by the thread that frees it.
        self.completed.store(true, Ordering::Release);
        self.receiver
    }
}

impl<V, E, R: Receiver<V, E>> Receiver<V, E> for Flagged<R> {
    fn set_value(self, value: V) {
        self.into_receiver().set_value(value);
    }

    fn set_error(self, error: E) {
        self.into_receiver().set_error(error);
    }

    fn set_stopped(self) {
        self.into_receiver().set_stopped();
    }

    fn set_panicked(self, payload: Panic) {
        self.into_receiver().set_panicked(payload);
    }

    fn env(&self) -> Env<'_> {
        self.receiver.env()
    }
}

/// An operation that was started: keep it until its receiver was completed.
#[derive(Debug)]
#[must_use = "dropping a running operation fails the test"]
pub(crate) struct Started<O> {
    op: NonNull<O>,
    completed: Arc<AtomicBool>,
}

impl<O> Drop for Started<O> {
    fn drop(&mut self) {
        // Acquire: see `Flagged::into_receiver`.
        if self.completed.load(Ordering::Acquire) {
            // SAFETY: it came from a box; it was completed, so nobody uses it any more.
            drop(unsafe { Box::from_raw(self.op.as_ptr()) });
        } else if !thread::panicking() {
            panic!("the operation is still running at the end of its test");
        }
    }
}

/// Connects, puts the operation on the heap, and starts it.
pub(crate) fn connect_and_start<S, R>(sender: S, receiver: R) -> Started<S::Operation<Flagged<R>>>
where
    S: Sender,
    R: Receiver<S::Value, S::Error>,
{
    let completed = Arc::new(AtomicBool::new(false));
    let op = Box::new(sender.connect(Flagged {
        receiver,
        completed: Arc::clone(&completed),
    }));
    let op = NonNull::from(Box::leak(op));
    // SAFETY: it stays on the heap until it was completed (`Started`), was not started before, and
    //         receivers of tests may be used where their senders complete.
    unsafe { OperationState::start(op.as_ptr()) };
    Started { op, completed }
}

/// Runs `sender` with an empty environment to its one completion.
#[track_caller]
pub(crate) fn run<S: Sender>(sender: S) -> Outcome<S::Value, S::Error> {
    let probe = Probe::new();
    let _op = connect_and_start(sender, probe.receiver());
    probe.outcome()
}

/// Runs `sender`, whose completion is noted in `trace`.
#[track_caller]
pub(crate) fn run_traced<S: Sender>(sender: S, trace: &Trace) -> Outcome<S::Value, S::Error> {
    let probe = Probe::traced(trace);
    let _op = connect_and_start(sender, probe.receiver());
    probe.outcome()
}

/// The name of a channel.
pub(crate) fn channel<V, E>(outcome: &Outcome<V, E>) -> &'static str {
    match outcome {
        Outcome::Value(_) => "value",
        Outcome::Error(_) => "error",
        Outcome::Stopped => "stopped",
        Outcome::Panicked(_) => "panicked",
    }
}

/// Locks, also after a panic of another test thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sender for naming the generic functions.
type Known = <sendio::Inline as sendio::Scheduler>::Schedule;

const _: () = {
    let _ = Trace::events;
    let _ = Trace::expect;
    let _ = Trace::slow_guard;
    let _ = Trace::panicking_guard;
    let _ = Trace::guard;
    let _ = DropGuard::touch;
    let _ = Probe::<(), ()>::count;
    let _ = Probe::<(), ()>::thread;
    let _ = Probe::<(), ()>::expect_nothing;
    let _ = Probe::<(), ()>::expect_value;
    let _ = Probe::<(), ()>::expect_error;
    let _ = Probe::<(), ()>::expect_stopped;
    let _ = Probe::<(), ()>::expect_panicked;
    let _ = run_traced::<Known>;
    let _ = run::<Known>;
};
