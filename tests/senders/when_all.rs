//! when_all: values together, the first failure, stop requests, and what is destroyed when.
//! Method: children completed by hand in every order; races with many iterations; each WA rule of
//! the conformance list by itself.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sendio::prelude::*;
use sendio::{Panic, Receiver};

use crate::common::alloc_count::allocations_during;
use crate::common::manual::{manual, manual_stopping};
use crate::common::race::race;
use crate::common::receivers::{Probe, Trace, connect_and_start, run, run_traced};

/// A receiver's environment with this source's token.
fn env_of(source: &StopSource) -> Env<'_> {
    Env::default().with_stop_token(source.token())
}

#[test]
fn when_all_of_nothing_completes_like_just() {
    assert_eq!(sync_wait(when_all(())), Ok(Some(())));
    let none: [u8; 0] = [];
    assert_eq!(sync_wait(when_all(none.map(just))), Ok(Some([])));
}

#[test]
fn when_all_of_one_keeps_every_channel() {
    assert_eq!(sync_wait(when_all((just(1),))), Ok(Some((1,))));
    assert_eq!(sync_wait(when_all((just_error::<(), _>(2),))), Err(2));
    assert_eq!(sync_wait(when_all((just_stopped::<(), ()>(),))), Ok(None));
    let (sender, handle) = manual::<u8, ()>();
    let probe = Probe::new();
    let _op = connect_and_start(when_all((sender,)), probe.receiver());
    handle.panicked("boom");
    assert_eq!(probe.expect_panicked(), "boom");
}

#[test]
fn when_all_values_come_in_argument_order_whatever_completes_first() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let (children, handles): (Vec<_>, Vec<_>) = (0..3).map(|_| manual::<usize, ()>()).unzip();
        let children: [_; 3] = children.try_into().ok().expect("three children");
        let probe = Probe::new();
        let [a, b, c] = children;
        let _op = connect_and_start(when_all((a, b, c)), probe.receiver());
        for index in order {
            probe.expect_nothing();
            handles[index].value(index);
        }
        assert_eq!(probe.expect_value(), (0, 1, 2));
    }
}

#[test]
fn when_all_of_twelve_with_move_only_and_void_values() {
    let boxed = |n: i32| just(Box::new(n));
    let senders = (
        boxed(0),
        just(()),
        just("2"),
        boxed(3),
        boxed(4),
        boxed(5),
        boxed(6),
        boxed(7),
        boxed(8),
        boxed(9),
        boxed(10),
        just(11),
    );
    let sum = when_all(senders).then(|(a, (), c, d, e, f, g, h, i, j, k, l)| {
        assert_eq!(c, "2");
        *a + *d + *e + *f + *g + *h + *i + *j + *k + l
    });
    assert_eq!(sync_wait(sum), Ok(Some(63)));
}

#[test]
fn when_all_of_array_collects_and_nests() {
    let rows = [1, 2, 3].map(|row| when_all([10, 20].map(|column| just(row + column))));
    let expected = [[11, 21], [12, 22], [13, 23]];
    assert_eq!(sync_wait(when_all(rows)), Ok(Some(expected)));
}

#[test]
fn when_all_of_array_error_stops_the_rest() {
    let (children, handles): (Vec<_>, Vec<_>) = (0..4).map(|_| manual::<u8, u8>()).unzip();
    let children: [_; 4] = children.try_into().ok().expect("four children");
    let probe = Probe::new();
    let _op = connect_and_start(when_all(children), probe.receiver());
    handles[2].error(2);
    for index in [0, 1, 3] {
        assert!(handles[index].stop_requested());
        probe.expect_nothing();
        handles[index].value(0);
    }
    assert_eq!(probe.expect_error(), 2);
}

#[test]
fn when_all_first_error_wins_and_is_delivered_last() {
    let (first, first_handle) = manual::<u8, &str>();
    let (second, second_handle) = manual::<u8, &str>();
    let (third, third_handle) = manual::<u8, &str>();
    let probe = Probe::new();
    let _op = connect_and_start(when_all((first, second, third)), probe.receiver());
    first_handle.value(1);
    assert!(!second_handle.stop_requested());
    second_handle.error("second");
    assert!(third_handle.stop_requested());
    probe.expect_nothing();
    third_handle.error("third");
    assert_eq!(probe.expect_error(), "second");
}

#[test]
fn when_all_stopped_child_stops_siblings() {
    let (first, first_handle) = manual::<(), ()>();
    let (second, second_handle) = manual::<(), ()>();
    let probe = Probe::new();
    let _op = connect_and_start(when_all((first, second)), probe.receiver());
    first_handle.stopped();
    assert!(second_handle.stop_requested());
    second_handle.value(());
    probe.expect_stopped();
}

#[test]
fn when_all_error_beats_earlier_stopped_and_panic_beats_both() {
    let children = (
        ready::<u8, u8>(1),
        just_error::<u8, u8>(2),
        just_stopped::<u8, u8>(),
    );
    assert_eq!(sync_wait(when_all(children)), Err(2));
    let children = (
        just_stopped::<u8, u8>(),
        ready::<u8, u8>(1),
        just_error::<u8, u8>(2),
    );
    assert_eq!(sync_wait(when_all(children)), Err(2));

    let (first, first_handle) = manual::<u8, u8>();
    let (second, second_handle) = manual::<u8, u8>();
    let (third, third_handle) = manual::<u8, u8>();
    let (fourth, fourth_handle) = manual::<u8, u8>();
    let probe = Probe::new();
    let all = when_all((first, second, third, fourth));
    let _op = connect_and_start(all, probe.receiver());
    first_handle.stopped();
    second_handle.error(2);
    third_handle.panicked("third");
    fourth_handle.panicked("fourth");
    assert_eq!(probe.expect_panicked(), "third");
}

#[test]
fn when_all_failure_next_to_cancellable_sibling_terminates() {
    for failing_first in [true, false] {
        let (waiting, handle) = manual_stopping::<u8, u8>();
        let outcome = if failing_first {
            run(when_all((just_error::<u8, u8>(7), waiting)))
        } else {
            run(when_all((waiting, just_error::<u8, u8>(7))))
        };
        assert!(matches!(outcome, Outcome::Error(7)));
        assert!(handle.is_started() && handle.stop_requested());
        let (waiting, _handle) = manual_stopping::<u8, u8>();
        let outcome = run(when_all((just_stopped::<u8, u8>(), waiting)));
        assert!(matches!(outcome, Outcome::Stopped));
    }
}

#[test]
fn when_all_panicking_child_stops_siblings() {
    let (waiting, handle) = manual_stopping::<u8, Infallible>();
    let probe = Probe::new();
    let all = when_all((waiting, just(1).then(|n: u8| -> u8 { panic!("child {n}") })));
    let _op = connect_and_start(all, probe.receiver());
    assert_eq!(probe.expect_panicked(), "child 1");
    assert!(handle.stop_requested());
}

#[test]
fn when_all_children_see_an_own_stoppable_token() {
    let (sender, handle) = manual::<(), ()>();
    let probe = Probe::new();
    let _op = connect_and_start(when_all((sender,)), probe.receiver());
    assert!(handle.stop_possible(), "also if the receiver's never stops");
    handle.value(());
    probe.expect_value();
}

#[test]
fn when_all_stop_before_start_starts_children_and_delivers_their_values() {
    let source = StopSource::new();
    source.request_stop();
    let (sender, handle) = manual::<u8, ()>();
    let probe = Probe::new();
    let all = when_all((sender, ready::<u8, ()>(2)));
    let _op = connect_and_start(all, probe.receiver_in(env_of(&source)));
    assert!(handle.is_started() && handle.stop_requested());
    handle.value(1);
    assert_eq!(probe.expect_value(), (1, 2));
}

#[test]
fn when_all_stop_in_flight_reaches_all_children_and_completes_inside_the_request() {
    let source = StopSource::new();
    let (first, first_handle) = manual_stopping::<(), ()>();
    let (second, second_handle) = manual_stopping::<(), ()>();
    let (third, third_handle) = manual_stopping::<(), ()>();
    let probe = Probe::new();
    let all = when_all((first, when_all([second, third])));
    let _op = connect_and_start(all, probe.receiver_in(env_of(&source)));
    probe.expect_nothing();
    assert!(source.request_stop());
    probe.expect_stopped();
    assert!(first_handle.stop_requested());
    assert!(second_handle.stop_requested() && third_handle.stop_requested());
}

#[test]
fn when_all_own_stop_does_not_travel_upstream() {
    let source = StopSource::new();
    let probe = Probe::new();
    let all = when_all((just_error::<u8, u8>(1), ready::<u8, u8>(2)));
    let _op = connect_and_start(all, probe.receiver_in(env_of(&source)));
    assert_eq!(probe.expect_error(), 1);
    assert!(!source.stop_requested());
}

#[test]
fn when_all_stop_after_completion_touches_nothing() {
    let source = StopSource::new();
    let probe = Probe::<(u8,), ()>::new();
    let op = connect_and_start(
        when_all((ready::<u8, ()>(1),)),
        probe.receiver_in(env_of(&source)),
    );
    assert_eq!(probe.expect_value(), (1,));
    drop(op);
    assert!(source.request_stop());
    assert!(!source.request_stop());
}

#[test]
fn when_all_everything_is_destroyed_before_it_completes() {
    let trace = Trace::new();
    let (losing, captured) = (trace.slow_guard("losing value"), trace.guard("capture"));
    let children = (
        ready::<_, u8>(losing),
        ready::<u8, u8>(1).then(move |n| {
            captured.touch();
            n
        }),
        just_error::<u8, u8>(3),
    );
    assert!(matches!(
        run_traced(when_all(children), &trace),
        Outcome::Error(3)
    ));
    trace.expect(&["drop capture", "drop losing value", "error"]);
}

#[test]
fn when_all_unused_captures_are_destroyed_before_it_completes_stopped() {
    let trace = Trace::new();
    let captured = trace.slow_guard("capture");
    let unused = just_stopped::<u8, ()>().then(move |n| {
        captured.touch();
        n
    });
    assert!(matches!(
        run_traced(when_all((unused,)), &trace),
        Outcome::Stopped
    ));
    trace.expect(&["drop capture", "stopped"]);
}

#[test]
fn when_all_panicking_drop_of_a_losing_value_replaces_the_error() {
    let trace = Trace::new();
    let children = (
        ready::<_, u8>(trace.panicking_guard("first")),
        ready::<_, u8>(trace.guard("second")),
        just_error::<u8, u8>(3),
    );
    let outcome = run_traced(when_all(children), &trace);
    assert!(matches!(outcome, Outcome::Panicked(_)));
    trace.expect(&["drop first", "drop second", "panicked"]);
}

#[test]
fn when_all_dropped_unstarted_drops_senders_and_receiver() {
    let trace = Trace::new();
    let probe = Probe::new();
    let all = when_all((just(trace.guard("a")), just(trace.guard("b"))));
    drop(all.connect(probe.receiver()));
    trace.expect(&["drop a", "drop b"]);
    probe.expect_nothing();
}

#[test]
fn when_all_local_children_may_hold_rc() {
    let hits = Rc::new(Cell::new(0));
    let hit = || {
        let hits = Rc::clone(&hits);
        just(()).then(move |()| hits.set(hits.get() + 1))
    };
    assert_eq!(
        sync_wait_local(when_all((hit(), hit(), hit()))),
        Ok(Some(((), (), ())))
    );
    assert_eq!(hits.get(), 3);
}

#[test]
fn when_all_children_run_on_other_threads_and_complete_once() {
    let (one, two) = (RunLoop::new(), RunLoop::new());
    let started = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| one.run());
        threads.spawn(|| two.run());
        for n in 0..500 {
            let count = |m: usize| {
                started.fetch_add(1, Ordering::Relaxed);
                n + m
            };
            let children = (
                one.scheduler().schedule().then(|()| count(1)),
                two.scheduler().schedule().then(|()| count(2)),
                just(()).then(|()| count(3)),
            );
            assert_eq!(
                sync_wait(when_all(children)),
                Ok(Some((n + 1, n + 2, n + 3)))
            );
        }
        one.finish();
        two.finish();
    });
    assert_eq!(started.load(Ordering::Relaxed), 1500);
}

#[test]
fn when_all_stop_racing_completions_completes_once() {
    for _ in 0..2000 {
        let source = StopSource::new();
        let (first, first_handle) = manual_stopping::<u8, u8>();
        let (second, second_handle) = manual_stopping::<u8, u8>();
        let probe = Probe::new();
        let all = when_all((first, second));
        let op = connect_and_start(all, probe.receiver_in(env_of(&source)));
        race(3, |index| match index {
            0 => source.request_stop(),
            1 => first_handle.try_complete(Outcome::Value(1)),
            _ => second_handle.try_complete(Outcome::Value(2)),
        });
        match probe.outcome() {
            Outcome::Value(values) => assert_eq!(values, (1, 2)),
            Outcome::Stopped => {}
            other => panic!("neither value nor stopped: {other:?}"),
        }
        drop(op);
    }
}

#[test]
fn when_all_errors_racing_each_other_deliver_one() {
    for _ in 0..2000 {
        let (children, handles): (Vec<_>, Vec<_>) = (0..3).map(|_| manual::<u8, usize>()).unzip();
        let children: [_; 3] = children.try_into().ok().expect("three children");
        let probe = Probe::new();
        let op = connect_and_start(when_all(children), probe.receiver());
        race(3, |index| handles[index].error(index));
        assert!(probe.expect_error() < 3);
        drop(op);
    }
}

/// A receiver that counts values.
struct Count<'a>(&'a Cell<u32>);

impl<V, E> Receiver<V, E> for Count<'_> {
    fn set_value(self, _: V) {
        self.0.set(self.0.get() + 1);
    }
    fn set_error(self, _: E) {}
    fn set_stopped(self) {}
    fn set_panicked(self, _: Panic) {}
    fn env(&self) -> Env<'_> {
        Env::default()
    }
}

#[test]
fn when_all_receiver_may_borrow_and_be_bound_to_its_thread() {
    let count = Cell::new(0);
    let _op = connect_and_start(when_all((just(1), just(2))), Count(&count));
    assert_eq!(count.get(), 1);
}

#[test]
fn when_all_allocates_nothing() {
    let allocations = allocations_during(|| {
        let children = (just(1), just(2).then(|n| n + 1), just(3), just(4));
        assert_eq!(sync_wait(when_all(children)), Ok(Some((1, 3, 3, 4))));
        assert_eq!(sync_wait(when_all([just_error::<u8, u8>(1)])), Err(1));
    });
    assert_eq!(allocations, 0);
}
