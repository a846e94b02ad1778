//! `repeat`, `repeat_n`, `repeat_until`: RN-1 to RN-5, RU-1 to RU-4, and the loop mechanism: stack,
//! stop between rounds, nesting, rounds that end on another thread. Method: counters and traces.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;
use sendio::starts_on;

use crate::common::not_connectable::NotConnectable;
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Trace, run, run_traced};

/// Runs on a thread whose stack holds no more than a few hundred frames.
fn on_small_stack<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(256 * 1024);
    let thread = thread.spawn(body).expect("a thread");
    thread.join().expect("the body returned")
}

fn add_one(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn repeat_n_zero_never_starts_the_child() {
    let trace = Trace::new();
    let noted = trace.clone();
    let sender = just(()).then(move |()| noted.note("round")).repeat_n(0);
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(())));
    trace.expect(&["value"]);
}

#[test]
fn repeat_n_runs_the_child_n_times() {
    let rounds = AtomicUsize::new(0);
    let round = just(()).then(|()| add_one(&rounds));
    assert_eq!(sync_wait(round.repeat_n(7)), Ok(Some(())));
    assert_eq!(rounds.into_inner(), 7);
}

#[test]
fn repeat_error_and_stopped_end_the_loop_at_once() {
    let rounds = Cell::new(0);
    let failing = ready(()).let_value(|()| {
        rounds.set(rounds.get() + 1);
        just_error::<(), _>("no")
    });
    assert_eq!(sync_wait_local(failing.repeat_n(5)), Err("no"));
    let stopping = ready::<(), ()>(()).let_value(|()| {
        rounds.set(rounds.get() + 1);
        just_stopped::<bool, ()>()
    });
    assert_eq!(sync_wait_local(stopping.repeat_until()), Ok(None));
    assert_eq!(rounds.get(), 2);
}

#[test]
fn repeat_until_ends_at_true() {
    let rounds = Cell::new(0);
    let round = just(()).then(|()| rounds.replace(rounds.get() + 1) == 4);
    assert_eq!(sync_wait_local(round.repeat_until()), Ok(Some(())));
    assert_eq!(rounds.get(), 5);
}

#[test]
fn repeat_ten_million_inline_rounds_on_a_small_stack() {
    on_small_stack(|| {
        let left = Cell::new(10_000_000_u32);
        let round = just(()).then(|()| {
            left.set(left.get() - 1);
            left.get() == 0
        });
        assert_eq!(sync_wait_local(round.repeat_until()), Ok(Some(())));
        assert_eq!(sync_wait(just(()).repeat_n(10_000_000)), Ok(Some(())));
    });
}

#[test]
fn repeat_loops_over_loops_and_let_value_use_no_stack() {
    on_small_stack(|| {
        let rounds = Cell::new(0_u32);
        let inner = just(()).let_value(|()| just(()).then(|()| rounds.set(rounds.get() + 1)));
        let middle = inner.repeat_n(3).let_value(|()| just(()).repeat_n(0));
        assert_eq!(sync_wait_local(middle.repeat_n(100_000)), Ok(Some(())));
        assert_eq!(rounds.get(), 300_000);
    });
}

#[test]
fn repeat_inline_hops_use_no_stack() {
    on_small_stack(|| {
        let round = starts_on(Inline, just(())).continues_on(Inline);
        assert_eq!(sync_wait(round.repeat_n(200_000)), Ok(Some(())));
    });
}

#[test]
fn repeat_rounds_on_another_thread_use_no_stack() {
    let run_loop = RunLoop::new();
    thread::scope(|scope| {
        let runner = thread::Builder::new().stack_size(256 * 1024);
        let runner = runner
            .spawn_scoped(scope, || run_loop.run())
            .expect("a thread");
        let hops = run_loop.scheduler().schedule().repeat_n(20_000);
        assert_eq!(sync_wait(hops), Ok(Some(())));
        // Inline rounds begin there, after a first one that ended there.
        let rounds = AtomicUsize::new(0);
        let round = just(()).then(|()| rounds.fetch_add(1, Ordering::Relaxed) == 300_000);
        assert_eq!(
            sync_wait(starts_on(run_loop.scheduler(), round.repeat_until())),
            Ok(Some(()))
        );
        run_loop.finish();
        runner.join().expect("the loop ran");
    });
}

#[test]
fn repeat_completion_while_start_is_on_the_stack_is_taken_by_one_thread() {
    // Each round races the end of `start` here against the completion there.
    let run_loop = RunLoop::new();
    thread::scope(|scope| {
        scope.spawn(|| run_loop.run());
        let rounds = AtomicUsize::new(0);
        let round = run_loop.scheduler().schedule().then(|()| add_one(&rounds));
        let there_and_back = sendio::on(run_loop.scheduler(), just(())).sequence(round);
        assert_eq!(sync_wait(there_and_back.repeat_n(5_000)), Ok(Some(())));
        assert_eq!(rounds.into_inner(), 5_000);
        run_loop.finish();
    });
}

#[test]
fn repeat_stop_is_honoured_between_rounds() {
    let source = StopSource::new();
    let rounds = Cell::new(0);
    let round = just(()).then(|()| {
        rounds.set(rounds.get() + 1);
        if rounds.get() == 3 {
            source.request_stop();
        }
    });
    let sender = round.repeat().with_stop_token(source.token());
    assert!(matches!(sync_wait_local(sender), Ok(None)));
    assert_eq!(rounds.get(), 3);
}

#[test]
fn repeat_stop_requested_elsewhere_ends_an_inline_loop() {
    let source = StopSource::new();
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = crate::common::wait::soon();
            crate::common::wait::wait_until(deadline, "the loop runs", || {
                begun.load(Ordering::Relaxed) > 10
            });
            source.request_stop();
        });
        let round = just(()).then(|()| add_one(&begun));
        let sender = round.repeat().with_stop_token(source.token());
        assert!(matches!(sync_wait(sender), Ok(None)));
    });
}

#[test]
fn repeat_stop_requested_before_start_starts_no_round() {
    let source = StopSource::new();
    source.request_stop();
    let trace = Trace::new();
    let noted = trace.clone();
    let round = just(()).then(move |()| noted.note("round"));
    let outcome = run_traced(round.repeat_n(3).with_stop_token(source.token()), &trace);
    assert!(matches!(outcome, Outcome::Stopped));
    trace.expect(&["stopped"]);
}

#[test]
fn repeat_n_drops_each_child_before_the_next_and_all_before_completion() {
    let trace = Trace::new();
    /// Notes clones and drops.
    struct Noted(Trace, &'static str);
    impl Clone for Noted {
        fn clone(&self) -> Self {
            Self(self.0.clone(), "clone")
        }
    }
    impl Drop for Noted {
        fn drop(&mut self) {
            (0..100).for_each(|_| thread::yield_now());
            self.0.note(&format!("drop {}", self.1));
        }
    }
    let noted = Noted(trace.clone(), "original");
    let round = just(()).then(move |()| noted.0.note("round"));
    assert!(matches!(
        run_traced(round.repeat_n(2), &trace),
        Outcome::Value(())
    ));
    trace.expect(&["round", "drop clone", "round", "drop original", "value"]);
}

#[test]
fn repeat_drops_its_sender_before_each_completion() {
    /// Runs a loop over `round`, which keeps a guard.
    fn check<S, F>(round: F, expected: &str)
    where
        S: Sender<Value = (), Error = &'static str>,
        F: Fn() -> S + Clone,
    {
        let trace = Trace::new();
        let guard = Arc::new(trace.slow_guard("sender"));
        let round = ready(()).let_value(move |()| {
            guard.touch();
            round()
        });
        drop(run_traced(round.repeat(), &trace));
        trace.expect(&["drop sender", expected]);
    }
    check(|| just_error("no"), "error");
    check(just_stopped, "stopped");
    check(
        || ready('x').then(|x| assert!(x.is_ascii_digit(), "no digit")),
        "panicked",
    );
}

#[test]
fn repeat_connect_of_a_round_panics_and_an_outer_loop_goes_on() {
    let outcome = run(NotConnectable::new().repeat_n(3));
    assert_eq!(panic_message(outcome), "not connectable");
    let nested = NotConnectable::new().repeat_n(3).repeat_n(3);
    assert_eq!(panic_message(run(nested)), "not connectable");
}

#[test]
fn repeat_panicking_clone_is_delivered() {
    struct Once;
    impl Clone for Once {
        fn clone(&self) -> Self {
            panic!("not cloned")
        }
    }
    let once = Once;
    let round = just(()).then(move |()| {
        let _moved_in = &once;
    });
    assert_eq!(panic_message(run(round.repeat_n(2))), "not cloned");
}

#[test]
fn repeat_panicking_drop_of_a_round_ends_the_loop() {
    let trace = Trace::new();
    let guard = Arc::new(trace.panicking_guard("sender"));
    let round = just(()).then(move |()| guard.touch());
    let outcome = run_traced(round.repeat_n(2), &trace);
    assert_eq!(panic_message(outcome), "sender");
    trace.expect(&["drop sender", "panicked"]);
}
