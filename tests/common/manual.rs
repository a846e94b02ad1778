//! A sender that completes when the test says so: later, from any thread, on any channel.
//!
//! ```ignore
//! let (sender, handle) = manual::<u32, String>();
//! let op = connect_and_start(sender.then(|n| n + 1), probe.receiver());
//! handle.value(1);
//! assert_eq!(probe.expect_value(), 2);
//! ```
//!
//! # States
//!
//! | phase      | becomes    | by                                                            |
//! |------------|------------|---------------------------------------------------------------|
//! | `Idle`     | `Starting` | `start`                                                       |
//! | `Starting` | `Running`  | `start`, once the stop callback is registered                 |
//! | `Starting` | `Over`     | `start`, if the completion came while it registered           |
//! | `Running`  | `Over`     | a completion; who makes this step may touch the operation     |
//! | `Idle`     | `Over`     | the operation is dropped unstarted                            |
//!
//! # Safety
//!
//! - INV-MAN-1: the phase is changed under its lock, and only who makes `Running` to `Over` (or
//!   `Starting` to `Over`) touches the operation, which is alive until its receiver was completed.
//! - A running operation that is dropped is reported by its handle; the handle forgets it.

#![expect(unsafe_code, reason = "a leaf sender")]

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use sendio::{
    LocalSender, OperationState, Outcome, Panic, Receiver, Sender, StopCallback, StopToken,
};

use super::receivers::lock;
use super::wait::{soon, wait_until};

/// Where the operation is, and how it is completed.
struct Target<V, E> {
    op: *mut (),
    complete: unsafe fn(*mut (), Outcome<V, E>),
}

enum Phase<V, E> {
    Idle,
    Starting(Option<Outcome<V, E>>),
    Running(Target<V, E>),
    Over,
}

struct Shared<V, E> {
    phase: Mutex<Phase<V, E>>,
    started_on: Mutex<Option<ThreadId>>,
    stop_possible: AtomicBool,
    stop_requested: AtomicBool,
    stops_itself: bool,
    lost: AtomicBool,
}

// SAFETY: all fields are locked or atomic; that values and the operation may be used on other
//         threads is what a test that completes from another thread asks for.
unsafe impl<V, E> Send for Shared<V, E> {}
// SAFETY: as for `Send`.
unsafe impl<V, E> Sync for Shared<V, E> {}

impl<V, E> Shared<V, E> {
    /// Completes the operation, unless it is not running: then it gives the outcome back.
    fn complete(&self, outcome: Outcome<V, E>) -> Result<(), Outcome<V, E>> {
        let mut phase = lock(&self.phase);
        match &mut *phase {
            Phase::Starting(pending @ None) => {
                *pending = Some(outcome);
                Ok(())
            }
            Phase::Running(_) => {
                let Phase::Running(target) = std::mem::replace(&mut *phase, Phase::Over) else {
                    unreachable!("the phase is locked");
                };
                drop(phase);
                // SAFETY: this call made the step to `Over`, so the operation is alive (INV-MAN-1);
                //         `self` may be gone after it.
                unsafe { (target.complete)(target.op, outcome) };
                Ok(())
            }
            Phase::Idle | Phase::Starting(Some(_)) | Phase::Over => Err(outcome),
        }
    }
}

/// A sender that waits for its handle. It is a `LocalSender` too: a test that uses it so completes
/// it where it was started.
#[must_use]
pub(crate) struct Manual<V, E> {
    shared: Arc<Shared<V, E>>,
}

/// Completes a [`Manual`]; misuse panics.
#[must_use]
pub(crate) struct ManualHandle<V, E> {
    shared: Arc<Shared<V, E>>,
}

/// A sender that ignores stop requests, and its handle.
pub(crate) fn manual<V: 'static, E: 'static>() -> (Manual<V, E>, ManualHandle<V, E>) {
    pair(false)
}

/// A sender that completes stopped, on the requesting thread, when stop is requested first.
pub(crate) fn manual_stopping<V: 'static, E: 'static>() -> (Manual<V, E>, ManualHandle<V, E>) {
    pair(true)
}

fn pair<V, E>(stops_itself: bool) -> (Manual<V, E>, ManualHandle<V, E>) {
    let shared = Arc::new(Shared {
        phase: Mutex::new(Phase::Idle),
        started_on: Mutex::new(None),
        stop_possible: AtomicBool::new(false),
        stop_requested: AtomicBool::new(false),
        stops_itself,
        lost: AtomicBool::new(false),
    });
    let handle = ManualHandle {
        shared: Arc::clone(&shared),
    };
    (Manual { shared }, handle)
}

impl<V, E> ManualHandle<V, E> {
    /// Completes with a value.
    #[track_caller]
    pub(crate) fn value(&self, value: V) {
        self.complete(Outcome::Value(value));
    }

    /// Completes with an error.
    #[track_caller]
    pub(crate) fn error(&self, error: E) {
        self.complete(Outcome::Error(error));
    }

    /// Completes stopped.
    #[track_caller]
    pub(crate) fn stopped(&self) {
        self.complete(Outcome::Stopped);
    }

    /// Completes with a panic.
    #[track_caller]
    pub(crate) fn panicked(&self, message: &'static str) {
        let payload: Panic = Box::new(message);
        self.complete(Outcome::Panicked(payload));
    }

    /// Completes with any outcome.
    #[track_caller]
    pub(crate) fn complete(&self, outcome: Outcome<V, E>) {
        self.check();
        let completed = self.shared.complete(outcome).is_ok();
        assert!(completed, "the sender is not running");
    }

    /// Completes with this outcome if nobody else did.
    pub(crate) fn try_complete(&self, outcome: Outcome<V, E>) -> bool {
        self.shared.complete(outcome).is_ok()
    }

    /// Whether the sender was started.
    pub(crate) fn is_started(&self) -> bool {
        lock(&self.shared.started_on).is_some()
    }

    /// Waits until the sender is started.
    #[track_caller]
    pub(crate) fn wait_until_started(&self) {
        wait_until(soon(), "the sender is started", || self.is_started());
    }

    /// The thread that started the sender.
    #[track_caller]
    pub(crate) fn started_on(&self) -> ThreadId {
        lock(&self.shared.started_on).expect("the sender was started")
    }

    /// Whether the sender's environment had a token that can be asked to stop.
    pub(crate) fn stop_possible(&self) -> bool {
        self.shared.stop_possible.load(Ordering::Acquire)
    }

    /// Whether stop was requested while the sender ran, or before.
    pub(crate) fn stop_requested(&self) -> bool {
        self.shared.stop_requested.load(Ordering::Acquire)
    }

    /// Whether the operation is still waiting for this handle.
    pub(crate) fn is_running(&self) -> bool {
        matches!(
            *lock(&self.shared.phase),
            Phase::Starting(None) | Phase::Running(_)
        )
    }

    #[track_caller]
    fn check(&self) {
        let lost = self.shared.lost.load(Ordering::Acquire);
        assert!(!lost, "a running operation was dropped");
    }
}

impl<V, E> Drop for ManualHandle<V, E> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check();
        }
    }
}

// SAFETY: the phase lets exactly one completion pass, which takes callback and receiver out of the
//         operation first; connecting and dropping unstarted complete nothing.
unsafe impl<V: 'static, E: 'static> Sender for Manual<V, E> {
    type Value = V;
    type Error = E;
    type Operation<R: Receiver<V, E>> = ManualOp<V, E, R>;

    fn connect<R: Receiver<V, E>>(self, receiver: R) -> ManualOp<V, E, R> {
        ManualOp {
            callback: None,
            receiver: Some(receiver),
            shared: Some(self.shared),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: tests that use it as a local sender complete it where it was started.
unsafe impl<V: 'static, E: 'static> LocalSender for Manual<V, E> {}

type Callback = Pin<Box<StopCallback<'static, Box<dyn FnOnce() + Send>>>>;

/// The operation of [`Manual`].
pub(crate) struct ManualOp<V, E, R> {
    // First: it is deregistered before the receiver, whose environment holds the token, goes.
    callback: Option<Callback>,
    receiver: Option<R>,
    shared: Option<Arc<Shared<V, E>>>,
    _pinned: PhantomPinned,
}

impl<V: 'static, E: 'static, R: Receiver<V, E>> ManualOp<V, E, R> {
    /// Completes the operation at `op`.
    ///
    /// # Safety
    ///
    /// - `op` is a started `Self`, and the caller made the phase `Over` (INV-MAN-1).
    unsafe fn complete(op: *mut (), outcome: Outcome<V, E>) {
        let this: *mut Self = op.cast();
        // SAFETY: alive and ours (contract); the references end with each line.
        let (callback, receiver, shared) = unsafe {
            (
                (*this).callback.take(),
                (*this).receiver.take(),
                (*this).shared.take(),
            )
        };
        drop(callback);
        drop(shared);
        let receiver = receiver.expect("the operation completes once");
        outcome.deliver(receiver);
    }

    /// What a stop request does.
    fn callback(shared: &Arc<Shared<V, E>>) -> Box<dyn FnOnce() + Send> {
        let shared = Arc::clone(shared);
        Box::new(move || {
            shared.stop_requested.store(true, Ordering::Release);
            if shared.stops_itself {
                // The outcome comes back if the handle was faster.
                let _ = shared.complete(Outcome::Stopped);
            }
        })
    }
}

impl<V: 'static, E: 'static, R: Receiver<V, E>> OperationState for ManualOp<V, E, R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive (contract) and nobody else knows it yet.
        let op = unsafe { &mut *this };
        let shared = Arc::clone(op.shared.as_ref().expect("started once"));
        let receiver = op.receiver.as_ref().expect("started once");
        let token = receiver.env().stop_token();
        *lock(&shared.phase) = Phase::Starting(None);
        *lock(&shared.started_on) = Some(thread::current().id());
        shared
            .stop_possible
            .store(token.stop_possible(), Ordering::Release);
        // SAFETY: only the lifetime changes; the source lives until the receiver is completed, and
        //         the callback with this token is dropped before that.
        let token: StopToken<'static> =
            unsafe { (&raw const token).cast::<StopToken<'static>>().read() };
        let callback = op
            .callback
            .insert(Box::pin(StopCallback::new(token, Self::callback(&shared))));
        // A stop during the registration finds `Starting` and leaves its outcome there.
        callback.as_mut().register();
        let mut phase = lock(&shared.phase);
        let next = match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Starting(pending) => pending,
            _ => unreachable!("`start` alone leaves `Starting`"),
        };
        match next {
            Some(outcome) => {
                drop(phase);
                // SAFETY: the phase became `Over` here.
                unsafe { Self::complete(this.cast(), outcome) };
            }
            None => {
                *phase = Phase::Running(Target {
                    op: this.cast(),
                    complete: Self::complete,
                });
            }
        }
    }
}

impl<V, E, R> Drop for ManualOp<V, E, R> {
    fn drop(&mut self) {
        let Some(shared) = &self.shared else { return };
        let phase = std::mem::replace(&mut *lock(&shared.phase), Phase::Over);
        if matches!(phase, Phase::Starting(_) | Phase::Running(_)) {
            shared.lost.store(true, Ordering::Release);
        }
    }
}

const _: () = {
    let _ = manual::<(), ()>;
    let _ = manual_stopping::<(), ()>;
    let _ = ManualHandle::<(), ()>::value;
    let _ = ManualHandle::<(), ()>::error;
    let _ = ManualHandle::<(), ()>::stopped;
    let _ = ManualHandle::<(), ()>::panicked;
    let _ = ManualHandle::<(), ()>::try_complete;
    let _ = ManualHandle::<(), ()>::wait_until_started;
    let _ = ManualHandle::<(), ()>::started_on;
    let _ = ManualHandle::<(), ()>::stop_possible;
    let _ = ManualHandle::<(), ()>::stop_requested;
    let _ = ManualHandle::<(), ()>::is_running;
};
