//! Models of a group's counter: who completes, against who still starts and who asks to stop.
//!
//! A child completes on a thread of its own, which its `start` spawns. The values are cells of the
//! model checker, so that a completion that reads a value without having seen its write is found.
//!
//! # Safety
//! INV-OP-1: the operation is on the heap and freed after every thread of the model has ended.

#![expect(unsafe_code, reason = "a leaf sender, and operations started by hand")]

use ::loom::cell::UnsafeCell;
use ::loom::thread::{self, JoinHandle};
use std::sync::{Arc, Mutex};

use crate::senders::adaptor::when_all::when_all;
use crate::senders::concept::env::Env;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::Panic;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::StopSource;

/// A value whose accesses are checked.
struct Checked(UnsafeCell<usize>);

impl Checked {
    fn read(&self) -> usize {
        // SAFETY: the cell is alive; the model checker finds an access that is not ordered.
        self.0.with(|value| unsafe { *value })
    }
}

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// Completes on a thread of its own: with a value, or with an error.
struct Spawned {
    threads: Threads,
    result: Result<usize, usize>,
}

struct SpawnedOp<R> {
    threads: Threads,
    result: Result<usize, usize>,
    receiver: Option<R>,
}

/// A receiver and its completion on the way to a thread, which the model asks to be `'static`: the
/// models join every thread before anything that a receiver borrows goes away.
struct Carried {
    boxed: *mut (),
    complete: unsafe fn(*mut ()),
}

// SAFETY: the senders of the models may complete on any thread.
unsafe impl Send for Carried {}

impl Carried {
    fn new<R: Receiver<Checked, usize>>(receiver: R, result: Result<usize, usize>) -> Self {
        Self {
            boxed: Box::into_raw(Box::new((receiver, result))).cast(),
            complete: complete::<R>,
        }
    }

    fn complete(self) {
        // SAFETY: `new` paired the two, and this is the one call.
        unsafe { (self.complete)(self.boxed) }
    }
}

/// Completes what [`Carried::new`] has boxed.
///
/// # Safety
///
/// - `boxed` came from `Carried::new::<R>` and is not used again.
unsafe fn complete<R: Receiver<Checked, usize>>(boxed: *mut ()) {
    let boxed: *mut (R, Result<usize, usize>) = boxed.cast();
    // SAFETY: it came from a box of this type (contract).
    let (receiver, result) = *unsafe { Box::from_raw(boxed) };
    match result {
        Ok(value) => receiver.set_value(Checked(UnsafeCell::new(value))),
        Err(error) => receiver.set_error(error),
    }
}

// SAFETY: the thread completes the receiver once, and does not touch the operation.
unsafe impl Sender for Spawned {
    type Value = Checked;
    type Error = usize;
    type Operation<R: Receiver<Checked, usize>> = SpawnedOp<R>;

    fn connect<R: Receiver<Checked, usize>>(self, receiver: R) -> SpawnedOp<R> {
        SpawnedOp {
            threads: self.threads,
            result: self.result,
            receiver: Some(receiver),
        }
    }
}

impl<R: Receiver<Checked, usize>> OperationState for SpawnedOp<R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: alive and this thread's until the other thread completes the receiver; what is
        //         used afterwards was taken out before.
        let (threads, carried) = unsafe {
            let receiver = (*this).receiver.take().expect("started once");
            let carried = Carried::new(receiver, (*this).result);
            (Arc::clone(&(*this).threads), carried)
        };
        // The method takes the whole carrier, so the closure captures it, not its fields.
        let handle = thread::spawn(move || carried.complete());
        threads.lock().expect("no panic").push(handle);
    }
}

/// Keeps the one outcome.
struct Keep<'a> {
    outcome: Arc<Mutex<Vec<Outcome<usize, usize>>>>,
    env: Env<'a>,
}

impl Keep<'_> {
    fn push(self, outcome: Outcome<usize, usize>) {
        self.outcome.lock().expect("no panic").push(outcome);
    }
}

impl Receiver<(Checked, Checked), usize> for Keep<'_> {
    fn set_value(self, (one, two): (Checked, Checked)) {
        let sum = one.read() + two.read();
        self.push(Outcome::Value(sum));
    }

    fn set_error(self, error: usize) {
        self.push(Outcome::Error(error));
    }

    fn set_stopped(self) {
        self.push(Outcome::Stopped);
    }

    fn set_panicked(self, payload: Panic) {
        self.push(Outcome::Panicked(payload));
    }

    fn env(&self) -> Env<'_> {
        self.env
    }
}

/// Runs a group of two; returns its one outcome.
fn outcome_of(
    one: Result<usize, usize>,
    two: Result<usize, usize>,
    env: Env<'_>,
) -> Outcome<usize, usize> {
    let threads = Threads::default();
    let child = |result| Spawned {
        threads: Arc::clone(&threads),
        result,
    };
    let outcome = Arc::default();
    let op = Box::new(when_all((child(one), child(two))).connect(Keep {
        outcome: Arc::clone(&outcome),
        env,
    }));
    let op = Box::into_raw(op);
    // SAFETY: it stays on the heap until every thread has ended.
    unsafe { OperationState::start(op) };
    for handle in std::mem::take(&mut *threads.lock().expect("no panic")) {
        handle.join().expect("no panic");
    }
    // SAFETY: it came from a box, and nobody uses it any more.
    drop(unsafe { Box::from_raw(op) });
    let mut outcomes = std::mem::take(&mut *outcome.lock().expect("no panic"));
    assert_eq!(outcomes.len(), 1, "exactly one completion");
    outcomes.remove(0)
}

fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn group_values_from_two_threads_are_seen_by_the_completion() {
    bounded(|| {
        let outcome = outcome_of(Ok(1), Ok(2), Env::default());
        assert!(matches!(outcome, Outcome::Value(3)));
    });
}

#[test]
fn group_two_errors_race_and_one_is_delivered() {
    bounded(|| {
        let outcome = outcome_of(Err(1), Err(2), Env::default());
        assert!(matches!(outcome, Outcome::Error(1 | 2)));
    });
}

#[test]
fn group_error_races_upstream_stop_and_completes_once() {
    bounded(|| {
        let source = Arc::new(StopSource::new());
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let env = Env::default().with_stop_token(source.token());
        let outcome = outcome_of(Err(1), Ok(2), env);
        assert!(matches!(outcome, Outcome::Error(1)));
        assert!(requester.join().expect("no panic"));
    });
}
