//! Counter-examples: programs that look as if they broke something, and must not.
//! Method: guards whose drop is slow or panics in each position; broken contracts in a child process
//! that must abort with a message; stop callbacks that are forgotten.
//!
//! # Safety
//! INV-OP-1 is broken here on purpose, in processes that abort.

#![expect(unsafe_code, reason = "starts operations, and destroys them too early")]

use std::mem::ManuallyDrop;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;
use sendio::{OperationState, StopCallback};

use crate::common::manual::manual;
use crate::common::receivers::{Probe, Trace, connect_and_start, run_traced};

/// Names the broken contract that a child process shall commit.
const CRIME: &str = "SENDIO_TEST_BROKEN_CONTRACT";

/// Clears its flag when it is dropped, slowly.
struct Alive<'a>(&'a AtomicBool);

impl<'a> Alive<'a> {
    fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }

    fn touch(&self) {
        assert!(self.0.load(Ordering::Relaxed));
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        (0..50).for_each(|_| thread::yield_now());
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn borrowed_guard_is_dropped_before_sync_wait_returns() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let remote = || run_loop.scheduler().schedule();
        for _ in 0..50 {
            let flags: [AtomicBool; 5] = Default::default();
            let guards = flags.each_ref().map(Alive::new);
            let [in_then, in_let, in_second, in_child, unused] = guards;
            let work = remote()
                .then(move |()| in_then.touch())
                .let_value(move |()| {
                    in_let.touch();
                    remote().then(move |()| in_second.touch())
                });
            let failing = remote().then(move |()| in_child.touch());
            let failing = failing.let_value(|()| just_stopped::<(), _>());
            let skipped = failing.then(move |()| unused.touch());
            assert_eq!(sync_wait(when_all((work, skipped))), Ok(None));
            assert!(flags.iter().all(|flag| !flag.load(Ordering::Relaxed)));
        }
        run_loop.finish();
    });
}

/// Runs `sender`, whose captures panic with `bad` when they are dropped: the one completion is that
/// panic, and it comes after the drop.
#[track_caller]
fn panics_in_drop<S: Sender>(trace: &Trace, sender: S) {
    let outcome = run_traced(sender, trace);
    let Outcome::Panicked(payload) = outcome else {
        panic!("the panic of the destructor was lost");
    };
    assert_eq!(payload.downcast_ref(), Some(&"bad"));
    let events = trace.events();
    let dropped = events.iter().position(|event| event == "drop bad");
    let completed = events.iter().position(|event| event == "panicked");
    assert!(dropped.expect("dropped") < completed.expect("completed"));
    assert_eq!(
        events.iter().filter(|&event| event == "panicked").count(),
        1
    );
}

#[test]
fn panicking_drop_of_a_closure_in_then_is_the_outcome_on_each_channel() {
    for channel in 0..3 {
        let trace = Trace::new();
        let bad = trace.panicking_guard("bad");
        let f = move |n: u8| {
            bad.touch();
            n
        };
        match channel {
            0 => panics_in_drop(&trace, ready::<u8, u8>(1).then(f)),
            1 => panics_in_drop(&trace, just_error::<u8, u8>(1).then(f)),
            _ => panics_in_drop(&trace, just_stopped::<u8, u8>().then(f)),
        }
    }
}

#[test]
fn panicking_drop_of_a_closure_in_let_value_is_the_outcome_on_each_channel() {
    for channel in 0..3 {
        let trace = Trace::new();
        let bad = trace.panicking_guard("bad");
        let f = move |n: u8| {
            bad.touch();
            ready::<u8, u8>(n)
        };
        match channel {
            0 => panics_in_drop(&trace, ready::<u8, u8>(1).let_value(f)),
            1 => panics_in_drop(&trace, just_error::<u8, u8>(1).let_value(f)),
            _ => panics_in_drop(&trace, just_stopped::<u8, u8>().let_value(f)),
        }
    }
}

#[test]
fn panicking_drop_in_the_second_sender_of_let_value_is_the_outcome() {
    let trace = Trace::new();
    let bad = trace.panicking_guard("bad");
    let work = ready::<u8, u8>(1).let_value(move |n| {
        just_error::<u8, u8>(n).then(move |n| {
            bad.touch();
            n
        })
    });
    panics_in_drop(&trace, work);
}

#[test]
fn panicking_drop_in_a_child_of_when_all_is_the_outcome() {
    for channel in 0..3 {
        let trace = Trace::new();
        let bad = trace.panicking_guard("bad");
        let f = move |n: u8| {
            bad.touch();
            n
        };
        match channel {
            0 => panics_in_drop(&trace, when_all((ready::<u8, u8>(1).then(f), ready(2_u8)))),
            1 => panics_in_drop(&trace, when_all((just_error::<u8, u8>(1).then(f),))),
            _ => panics_in_drop(&trace, when_all([just_stopped::<u8, u8>().then(f)])),
        }
    }
}

#[test]
fn panicking_drop_of_a_value_that_nobody_takes_is_the_outcome() {
    let trace = Trace::new();
    let bad = trace.panicking_guard("bad");
    panics_in_drop(&trace, just(bad).then(|bad| bad.touch()));
    let trace = Trace::new();
    let bad = trace.panicking_guard("bad");
    panics_in_drop(
        &trace,
        just(bad).then(|bad| bad.touch()).let_value(|()| just(1)),
    );
}

#[test]
fn panic_in_each_position_reaches_the_consumer_and_stops_nothing_else() {
    let trace = Trace::new();
    let (one, two) = (trace.guard("one"), trace.guard("two"));
    let work = when_all((
        ready::<_, ()>(one),
        ready::<u8, ()>(1).let_value(|n| -> sendio::adaptor::Then<_, _> {
            assert!(n > 1, "closure");
            ready::<u8, ()>(n).then(|n| n)
        }),
        ready::<_, ()>(two),
    ));
    let Outcome::Panicked(payload) = run_traced(work, &trace) else {
        panic!("the panic was lost");
    };
    assert_eq!(payload.downcast_ref(), Some(&"closure"));
    trace.expect(&["drop one", "drop two", "panicked"]);
}

#[test]
fn unstarted_operations_complete_nothing_wherever_they_go() {
    let trace = Trace::new();
    let probe = Probe::new();
    let (child, handle) = manual::<u8, ()>();
    let guard = trace.guard("capture");
    let work = when_all((
        child.then(move |n| {
            guard.touch();
            n
        }),
        ready::<u8, ()>(2),
    ));
    let moved = Box::new(
        work.let_value(|(a, b)| ready::<u8, ()>(a + b))
            .connect(probe.receiver()),
    );
    let moved_again = *moved;
    drop(moved_again);
    probe.expect_nothing();
    assert!(!handle.is_started());
    trace.expect(&["drop capture"]);
}

#[test]
fn forgotten_operation_that_never_started_is_harmless() {
    let probe = Probe::<(u8, u8), ()>::new();
    let work = when_all((ready::<u8, ()>(1), ready::<u8, ()>(2)));
    let _forgotten = ManuallyDrop::new(work.connect(probe.receiver()));
    probe.expect_nothing();
}

#[test]
fn forgotten_stop_callback_outlives_its_source_without_harm() {
    let calls = Arc::new(AtomicUsize::new(0));
    for request in [false, true] {
        let source = StopSource::new();
        let count = Arc::clone(&calls);
        let callback = StopCallback::new(source.token(), move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut callback = ManuallyDrop::new(Box::pin(callback));
        callback.as_mut().register();
        // Neighbours of the forgotten node come and go.
        source.token().with_callback(|| (), || ());
        let moved = source;
        moved.token().with_callback(|| (), || ());
        if request {
            assert!(moved.request_stop());
        }
        // It goes while the node is still linked.
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Commits the contract violation that the environment names; it does not come back.
#[test]
fn broken_contract_in_child_process() {
    let Ok(crime) = std::env::var(CRIME) else {
        return;
    };
    let probe = Probe::new();
    let run_loop = RunLoop::new();
    let scheduled = run_loop.scheduler().schedule();
    match crime.as_str() {
        "schedule" => {
            let mut op = scheduled.connect(probe.receiver());
            // SAFETY: broken on purpose: the operation is dropped before it completes.
            unsafe { OperationState::start(&raw mut op) };
            drop(op);
        }
        "then" => {
            let probe = Probe::new();
            let mut op = scheduled.then(|()| 1).connect(probe.receiver());
            // SAFETY: broken on purpose, as above.
            unsafe { OperationState::start(&raw mut op) };
            drop(op);
        }
        "let_value" => {
            let probe = Probe::new();
            let mut op = just(1).let_value(|_| scheduled).connect(probe.receiver());
            // SAFETY: broken on purpose, as above.
            unsafe { OperationState::start(&raw mut op) };
            drop(op);
        }
        "when_all" => {
            let probe = Probe::new();
            let mut op = when_all((just(1), scheduled)).connect(probe.receiver());
            // SAFETY: broken on purpose, as above.
            unsafe { OperationState::start(&raw mut op) };
            drop(op);
        }
        other => panic!("unknown crime {other}"),
    }
}

/// Fails unless a process that breaks this contract aborts and says why.
#[track_caller]
fn aborts(crime: &str, message: &str) {
    let binary = std::env::current_exe().expect("the test binary");
    let child = Command::new(binary)
        .args([
            "--exact",
            "soundness::broken_contract_in_child_process",
            "--nocapture",
        ])
        .env(CRIME, crime)
        .output()
        .expect("run the test binary");
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(6), "no abort: {stderr}");
    assert!(stderr.contains(message), "no message: {stderr}");
}

#[test]
fn started_incomplete_operation_that_is_dropped_aborts_with_a_message() {
    let scheduled = "sendio: a scheduled operation was destroyed before it completed; aborting";
    for crime in ["schedule", "then", "let_value"] {
        aborts(crime, scheduled);
    }
    let group = "sendio: a group of operations was destroyed before it completed; aborting";
    aborts("when_all", group);
}

#[test]
fn completed_operation_may_be_dropped_or_forgotten() {
    let probe = Probe::new();
    drop(connect_and_start(just(1), probe.receiver()));
    assert_eq!(probe.expect_value(), 1);
    let probe = Probe::new();
    let mut op = ManuallyDrop::new(when_all((just(1), just(2))).connect(probe.receiver()));
    // SAFETY: the operation stays in this frame and completes inside `start`.
    unsafe { OperationState::start(&raw mut *op) };
    assert_eq!(probe.expect_value(), (1, 2));
}
