//! when_all of a `Vec`: as many senders as are known at run time.
//! Method: what when_all's own tests show for tuples is shown again where the slots of a `Vec`, which
//! lie beside the operation, could make a difference: counting, indices, threads, and destruction.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;

use sendio::prelude::*;

use crate::common::alloc_count::allocations_during;
use crate::common::manual::{Manual, ManualHandle, manual, manual_stopping};
use crate::common::race::race;
use crate::common::receivers::{Probe, Trace, connect_and_start, run_traced};

type Manuals<V, E> = (Vec<Manual<V, E>>, Vec<ManualHandle<V, E>>);

/// That many manual senders and their handles.
fn manuals<V: 'static, E: 'static>(count: usize) -> Manuals<V, E> {
    (0..count).map(|_| manual()).unzip()
}

/// A receiver's environment with this source's token.
fn env_of(source: &StopSource) -> Env<'_> {
    Env::default().with_stop_token(source.token())
}

#[test]
fn when_all_vec_of_nothing_completes_at_once() {
    let none: Vec<Manual<String, u8>> = Vec::new();
    let probe = Probe::new();
    let _op = connect_and_start(when_all(none), probe.receiver());
    assert_eq!(probe.expect_value(), Vec::<String>::new());
}

#[test]
fn when_all_vec_of_nothing_completes_with_a_value_also_when_stop_was_requested() {
    let source = StopSource::new();
    source.request_stop();
    let none: Vec<Manual<u8, u8>> = Vec::new();
    let probe = Probe::new();
    let _op = connect_and_start(when_all(none), probe.receiver_in(env_of(&source)));
    assert_eq!(probe.expect_value(), []);
}

#[test]
fn when_all_vec_of_one_keeps_every_channel() {
    let all = |outcome: Outcome<u8, u8>| {
        let (children, handles) = manuals(1);
        let probe = Probe::new();
        let op = connect_and_start(when_all(children), probe.receiver());
        handles[0].complete(outcome);
        let outcome = probe.outcome();
        drop(op);
        outcome
    };
    assert!(matches!(all(Outcome::Value(1)), Outcome::Value(values) if values == [1]));
    assert!(matches!(all(Outcome::Error(2)), Outcome::Error(2)));
    assert!(matches!(all(Outcome::Stopped), Outcome::Stopped));
    let panicked = all(Outcome::Panicked(Box::new("boom")));
    assert!(matches!(panicked, Outcome::Panicked(_)));
}

#[test]
fn when_all_vec_of_an_iterator_keeps_its_order() {
    for count in [2, 3, 64, 1000] {
        let squares = (0..count).map(|n: u64| just(n).then(|n| n * n));
        let expected = (0..count).map(|n| n * n).collect::<Vec<_>>();
        let all = when_all(squares.collect::<Vec<_>>());
        assert_eq!(sync_wait(all), Ok(Some(expected)));
    }
}

#[test]
fn when_all_vec_values_stay_in_order_whatever_completes_first() {
    const COUNT: usize = 7;
    // Every step that shares no divisor with the count visits every child.
    for step in 1..COUNT {
        let (children, handles) = manuals::<usize, ()>(COUNT);
        let probe = Probe::new();
        let _op = connect_and_start(when_all(children), probe.receiver());
        for turn in 0..COUNT {
            probe.expect_nothing();
            let index = (turn * step + 3) % COUNT;
            handles[index].value(index);
        }
        assert_eq!(probe.expect_value(), (0..COUNT).collect::<Vec<_>>());
    }
}

#[test]
fn when_all_vec_of_move_only_senders_nests() {
    let row = |row: usize| (0..=row).map(|column| just(Box::new(column)));
    let rows = (0..4).map(|n| when_all(row(n).collect::<Vec<_>>()));
    let sums = when_all(rows.collect::<Vec<_>>()).then(|rows| {
        rows.into_iter()
            .map(|row| row.into_iter().map(|n| *n).sum())
    });
    let sums = sync_wait(sums.then(Iterator::collect::<Vec<usize>>));
    assert_eq!(sums, Ok(Some(vec![0, 1, 3, 6])));
}

#[test]
fn when_all_vec_inside_a_tuple_and_after_a_move_of_the_operation() {
    let all = when_all((just("first"), when_all(vec![just(1), just(2)])));
    let probe = Probe::new();
    // `connect_and_start` connects on the stack and moves the operation to the heap.
    let _op = connect_and_start(all, probe.receiver());
    assert_eq!(probe.expect_value(), ("first", vec![1, 2]));
}

#[test]
fn when_all_vec_error_in_the_middle_stops_the_rest_and_is_delivered_last() {
    let (children, handles) = manuals::<u8, usize>(5);
    let probe = Probe::new();
    let _op = connect_and_start(when_all(children), probe.receiver());
    handles[0].value(0);
    assert!(!handles[1].stop_requested());
    handles[2].error(2);
    for index in [4, 1, 3] {
        assert!(handles[index].stop_requested());
        probe.expect_nothing();
        handles[index].error(index);
    }
    assert_eq!(probe.expect_error(), 2);
}

#[test]
fn when_all_vec_error_completes_at_once_when_the_rest_obeys() {
    for failing in 0..3 {
        let (children, handles): (Vec<_>, Vec<_>) =
            (0..3).map(|_| manual_stopping::<u8, usize>()).unzip();
        let probe = Probe::new();
        let _op = connect_and_start(when_all(children), probe.receiver());
        handles[failing].error(failing);
        assert_eq!(probe.expect_error(), failing);
        for (index, handle) in handles.iter().enumerate() {
            assert_eq!(handle.stop_requested(), index != failing);
        }
    }
}

#[test]
fn when_all_vec_first_of_several_inline_errors_wins() {
    let children = (3..9).map(just_error::<u8, usize>);
    assert_eq!(sync_wait(when_all(children.collect::<Vec<_>>())), Err(3));
}

#[test]
fn when_all_vec_error_beats_earlier_stopped_and_panic_beats_both() {
    let (children, handles) = manuals::<u8, u8>(4);
    let probe = Probe::new();
    let _op = connect_and_start(when_all(children), probe.receiver());
    handles[3].stopped();
    handles[2].error(2);
    handles[1].panicked("second");
    handles[0].panicked("first");
    assert_eq!(probe.expect_panicked(), "second");
}

#[test]
fn when_all_vec_panicking_child_stops_siblings() {
    let (children, handles): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| manual_stopping::<u8, u8>())
        .unzip::<_, _, Vec<_>, Vec<_>>();
    let children = children
        .into_iter()
        .map(|child| child.then(|n| if n == 9 { panic!("child {n}") } else { n }));
    let probe = Probe::new();
    let all = when_all(children.collect::<Vec<_>>());
    let _op = connect_and_start(all, probe.receiver());
    handles[1].value(9);
    assert_eq!(probe.expect_panicked(), "child 9");
    assert!(handles[0].stop_requested() && handles[2].stop_requested());
}

#[test]
fn when_all_vec_stop_in_flight_completes_inside_the_request() {
    let source = StopSource::new();
    let (children, handles): (Vec<_>, Vec<_>) = (0..5).map(|_| manual_stopping::<u8, u8>()).unzip();
    let probe = Probe::new();
    let _op = connect_and_start(when_all(children), probe.receiver_in(env_of(&source)));
    probe.expect_nothing();
    assert!(source.request_stop());
    probe.expect_stopped();
    assert!(handles.iter().all(ManualHandle::stop_requested));
}

#[test]
fn when_all_vec_stop_before_start_starts_children_and_delivers_their_values() {
    let source = StopSource::new();
    source.request_stop();
    let (children, handles) = manuals::<u8, u8>(3);
    let probe = Probe::new();
    let _op = connect_and_start(when_all(children), probe.receiver_in(env_of(&source)));
    for handle in &handles {
        assert!(handle.is_started() && handle.stop_requested());
        handle.value(4);
    }
    assert_eq!(probe.expect_value(), [4, 4, 4]);
}

#[test]
fn when_all_vec_destroys_losing_values_before_it_completes() {
    let trace = Trace::new();
    let (children, handles) = manuals(3);
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(when_all(children), probe.receiver());
    handles[2].value(trace.slow_guard("third"));
    handles[0].value(trace.slow_guard("first"));
    handles[1].error(5);
    assert_eq!(probe.expect_error(), 5);
    trace.expect(&["drop first", "drop third", "error"]);
}

#[test]
fn when_all_vec_destroys_captures_before_it_completes_with_values() {
    let trace = Trace::new();
    let children = ["drop a", "drop b"].map(|event| {
        let guard = trace.guard(event.trim_start_matches("drop "));
        ready::<u8, u8>(1).then(move |n| {
            guard.touch();
            n
        })
    });
    let outcome = run_traced(when_all(Vec::from(children)), &trace);
    assert!(matches!(outcome, Outcome::Value(values) if values == [1, 1]));
    trace.expect(&["drop a", "drop b", "value"]);
}

#[test]
fn when_all_vec_panicking_drop_of_a_losing_value_replaces_the_error_and_drops_the_rest() {
    let trace = Trace::new();
    let (children, handles) = manuals::<_, u8>(3);
    let probe = Probe::traced(&trace);
    let _op = connect_and_start(when_all(children), probe.receiver());
    handles[0].value(trace.panicking_guard("first"));
    handles[1].value(trace.guard("second"));
    handles[2].error(3);
    probe.expect_panicked();
    trace.expect(&["drop first", "drop second", "panicked"]);
}

#[test]
fn when_all_vec_dropped_unstarted_drops_senders_and_receiver() {
    let trace = Trace::new();
    let probe = Probe::new();
    let children = ["a", "b", "c"].map(|name| just(trace.guard(name)));
    drop(when_all(Vec::from(children)).connect(probe.receiver()));
    trace.expect(&["drop a", "drop b", "drop c"]);
    probe.expect_nothing();
}

#[test]
fn when_all_vec_local_children_may_hold_rc() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let children = (0..4).map(|n| {
        let order = Rc::clone(&order);
        just(Rc::new(n)).then(move |n| {
            order.borrow_mut().push(*n);
            n
        })
    });
    let sum = when_all(children.collect::<Vec<_>>()).then(|all| all.iter().map(|n| **n).sum());
    assert_eq!(sync_wait_local(sum), Ok(Some(6)));
    assert_eq!(*order.borrow(), [0, 1, 2, 3]);
    assert_eq!(Rc::strong_count(&order), 1);
}

#[test]
fn when_all_vec_borrows_from_its_surroundings() {
    let total = Cell::new(0);
    let words = ["a", "bc", "def"];
    let children = words
        .iter()
        .map(|word| just(()).then(|()| total.set(total.get() + word.len())));
    assert!(sync_wait_local(when_all(children.collect::<Vec<_>>())).is_ok());
    assert_eq!(total.get(), 6);
}

#[test]
fn when_all_vec_children_run_on_other_threads_and_complete_once() {
    let loops = [RunLoop::new(), RunLoop::new()];
    thread::scope(|threads| {
        for each in &loops {
            threads.spawn(|| each.run());
        }
        for round in 0..500 {
            let child = |n: usize| {
                let scheduler = loops[n % 2].scheduler();
                scheduler.schedule().then(move |()| round * n)
            };
            let count = round % 9;
            let all = when_all((0..count).map(child).collect::<Vec<_>>());
            let expected = (0..count).map(|n| round * n).collect::<Vec<_>>();
            assert_eq!(sync_wait(all), Ok(Some(expected)));
        }
        loops.iter().for_each(RunLoop::finish);
    });
}

#[test]
fn when_all_vec_stop_racing_completions_completes_once() {
    for _ in 0..2000 {
        let source = StopSource::new();
        let (children, handles): (Vec<_>, Vec<_>) =
            (0..2).map(|_| manual_stopping::<u8, u8>()).unzip();
        let probe = Probe::new();
        let op = connect_and_start(when_all(children), probe.receiver_in(env_of(&source)));
        race(3, |index| match index {
            2 => source.request_stop(),
            _ => handles[index].try_complete(Outcome::Value(1)),
        });
        match probe.outcome() {
            Outcome::Value(values) => assert_eq!(values, [1, 1]),
            Outcome::Stopped => {}
            other => panic!("neither value nor stopped: {other:?}"),
        }
        drop(op);
    }
}

#[test]
fn when_all_vec_errors_racing_each_other_deliver_one() {
    for _ in 0..2000 {
        let (children, handles) = manuals::<u8, usize>(3);
        let probe = Probe::new();
        let op = connect_and_start(when_all(children), probe.receiver());
        race(3, |index| handles[index].error(index));
        assert!(probe.expect_error() < 3);
        drop(op);
    }
}

#[test]
fn when_all_vec_allocates_the_slots_and_the_result() {
    let senders = (0..100).map(just).collect::<Vec<_>>();
    let mut result = Ok(None);
    let allocations = allocations_during(|| result = sync_wait(when_all(senders)));
    assert_eq!(result, Ok(Some((0..100).collect::<Vec<_>>())));
    assert_eq!(allocations, 2);

    let senders = vec![just(()); 100];
    let allocations = allocations_during(|| {
        let units = sync_wait(when_all(senders));
        assert_eq!(
            units.map(|units| units.map(|units| units.len())),
            Ok(Some(100))
        );
    });
    assert_eq!(allocations, 1, "values without size need no memory");

    let senders = vec![just_error::<u8, u8>(3); 100];
    let allocations = allocations_during(|| assert_eq!(sync_wait(when_all(senders)), Err(3)));
    assert_eq!(allocations, 1, "an error needs no result");

    let none: Vec<Manual<u8, u8>> = Vec::new();
    let allocations = allocations_during(|| assert!(sync_wait(when_all(none)).is_ok()));
    assert_eq!(allocations, 0);
}
