//! `repeat_with`: a state passed by value from round to round. Method: states that record drops,
//! children completed by hand and on another thread.

use std::ops::ControlFlow::{Break, Continue};
use std::thread;

use sendio::prelude::*;

use crate::common::manual::{ManualHandle, manual};
use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, connect_and_start, run, run_traced};

#[test]
fn repeat_with_state_moves_through_the_rounds() {
    let collect = repeat_with(Vec::new(), |mut list: Vec<usize>| {
        list.push(list.len());
        just(if list.len() == 4 {
            Break(list)
        } else {
            Continue(list)
        })
    });
    assert_eq!(sync_wait(collect), Ok(Some(vec![0, 1, 2, 3])));
}

#[test]
fn repeat_with_ten_million_inline_rounds_on_a_small_stack() {
    let small = thread::Builder::new().stack_size(256 * 1024);
    let body = || {
        let sum = repeat_with((0_u64, 0_u64), |(n, sum)| {
            just(if n == 10_000_000 {
                Break(sum)
            } else {
                Continue((n + 1, sum + n))
            })
        });
        assert_eq!(sync_wait(sum), Ok(Some(49_999_995_000_000)));
    };
    small
        .spawn(body)
        .expect("a thread")
        .join()
        .expect("the loop ended");
}

#[test]
fn repeat_with_rounds_complete_later_and_elsewhere() {
    let (handles, made) = std::sync::mpsc::channel::<ManualHandle<_, ()>>();
    let probe = Probe::new();
    let sender = repeat_with(0_u32, move |_| {
        let (round, handle) = manual();
        handles.send(handle).expect("the test listens");
        round
    });
    let _op = connect_and_start(sender, probe.receiver());
    for n in 0..5 {
        let handle = made.recv().expect("a round was started");
        probe.expect_nothing();
        thread::scope(|scope| {
            scope.spawn(|| handle.value(if n == 4 { Break("over") } else { Continue(n) }));
        });
    }
    assert_eq!(probe.expect_value(), "over");
}

#[test]
fn repeat_with_stop_drops_the_state_before_completion() {
    let source = StopSource::new();
    let trace = Trace::new();
    let (guard, f) = (trace.slow_guard("state"), trace.slow_guard("f"));
    let sender = repeat_with(guard, |guard| {
        f.touch();
        source.request_stop();
        ready::<_, ()>(Continue::<(), _>(guard))
    });
    let outcome = run_traced(sender.with_stop_token(source.token()), &trace);
    assert!(matches!(outcome, Outcome::Stopped));
    trace.expect(&["drop state", "stopped"]);
}

#[test]
fn repeat_with_function_panics_and_its_captures_are_dropped_first() {
    let trace = Trace::new();
    let guard = trace.slow_guard("f");
    let sender = repeat_with('7', move |c| {
        guard.touch();
        let digit = c.to_digit(10).expect("no digit");
        just(if digit == 0 { Break(()) } else { Continue('x') })
    });
    assert_eq!(panic_message(run_traced(sender, &trace)), "no digit");
    trace.expect(&["drop f", "panicked"]);
}

#[test]
fn repeat_with_error_ends_the_loop() {
    let sender = repeat_with(3, |n: u32| {
        ready(n).let_value(just_error::<std::ops::ControlFlow<(), u32>, _>)
    });
    assert!(matches!(run(sender), Outcome::Error(3)));
}
