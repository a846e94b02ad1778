//! timeout, deadline: the timer against the work.
//! Method: a scheduler whose clock the test turns, and work completed by hand.

use std::cell::Cell;
use std::io::{self, PipeWriter, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sendio::factory::{Just, KnownValue};
use sendio::prelude::*;
use sendio::transferred;

use crate::common::manual::{Manual, ManualHandle, manual, manual_stopping};
use crate::common::race::race_pair;
use crate::common::receivers::{Probe, connect_and_start, lock, message_of, run};
use crate::common::wait::{soon, wait_until};

const SECOND: Duration = Duration::from_secs(1);

type Timer = ManualHandle<(), io::Error>;

/// A clock that stands still until it is told to go on.
struct Clock {
    now: Mutex<Instant>,
    timers: Mutex<Vec<(Instant, Timer)>>,
    stubborn: Cell<bool>,
}

impl Clock {
    fn new() -> Self {
        Self {
            now: Mutex::new(Instant::now()),
            timers: Mutex::new(Vec::new()),
            stubborn: Cell::new(false),
        }
    }

    fn time(&self) -> Instant {
        *lock(&self.now)
    }

    /// Completes the timers that are due after `duration`.
    fn advance(&self, duration: Duration) {
        let now = self.time() + duration;
        *lock(&self.now) = now;
        for (due, timer) in &*lock(&self.timers) {
            if *due <= now {
                timer.try_complete(Outcome::Value(()));
            }
        }
    }

    /// The only timer.
    fn with_timer<T>(&self, f: impl FnOnce(&Timer) -> T) -> T {
        let timers = lock(&self.timers);
        assert_eq!(timers.len(), 1);
        f(&timers[0].1)
    }
}

impl Scheduler for &Clock {
    type Schedule = Just<KnownValue<(), io::Error>>;
    type Transfer = Just<KnownValue<(), io::Error>>;

    fn schedule(&self) -> Self::Schedule {
        ready(())
    }

    fn transfer(&self) -> Self::Transfer {
        ready(())
    }
}

impl TimedScheduler for &Clock {
    type ScheduleAt = Manual<(), io::Error>;

    fn now(&self) -> Instant {
        self.time()
    }

    fn schedule_at(&self, deadline: Instant) -> Self::ScheduleAt {
        let make = if self.stubborn.get() {
            manual
        } else {
            manual_stopping
        };
        let (timer, handle) = make();
        lock(&self.timers).push((deadline, handle));
        timer
    }

    fn schedule_after(&self, duration: Duration) -> Self::ScheduleAt {
        self.schedule_at(self.time() + duration)
    }
}

fn is_timed_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

#[test]
fn timeout_timer_first_work_stops_reports_timed_out() {
    let clock = Clock::new();
    let (work, handle) = manual_stopping::<u8, io::Error>();
    let probe = Probe::new();
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
    clock.advance(SECOND / 2);
    probe.expect_nothing();
    assert!(!handle.stop_requested());
    clock.advance(SECOND / 2);
    assert!(handle.stop_requested());
    assert!(is_timed_out(&probe.expect_error()));
}

#[test]
fn timeout_timer_first_work_still_delivers_its_result() {
    for late_error in [false, true] {
        let clock = Clock::new();
        let (work, handle) = manual::<u8, io::Error>();
        let probe = Probe::new();
        let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
        clock.advance(SECOND);
        assert!(handle.stop_requested());
        probe.expect_nothing();
        if late_error {
            handle.error(io::ErrorKind::NotFound.into());
            assert_eq!(probe.expect_error().kind(), io::ErrorKind::NotFound);
        } else {
            handle.value(42);
            assert_eq!(probe.expect_value(), 42);
        }
    }
}

#[test]
fn timeout_work_first_stops_the_timer_and_waits_for_it() {
    let clock = Clock::new();
    clock.stubborn.set(true);
    let (work, handle) = manual::<u8, io::Error>();
    let probe = Probe::new();
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
    handle.value(7);
    probe.expect_nothing();
    clock.with_timer(|timer| {
        assert!(timer.stop_requested() && timer.is_running());
        timer.stopped();
    });
    assert_eq!(probe.expect_value(), 7);
}

#[test]
fn timeout_work_that_completes_at_once_ends_the_timer_at_once() {
    let clock = Clock::new();
    let outcome = run(ready::<u8, io::Error>(1).timeout(&clock, SECOND));
    assert!(matches!(outcome, Outcome::Value(1)));
    clock.with_timer(|timer| assert!(timer.stop_requested() && !timer.is_running()));
}

#[test]
fn timeout_work_stopped_by_itself_is_stopped_even_if_the_timer_fires_after() {
    let clock = Clock::new();
    clock.stubborn.set(true);
    let (work, handle) = manual::<u8, io::Error>();
    let probe = Probe::new();
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
    handle.stopped();
    clock.advance(SECOND);
    probe.expect_stopped();
}

#[test]
fn timeout_stop_in_flight_is_forwarded_to_both() {
    let clock = Clock::new();
    let source = StopSource::new();
    let (work, handle) = manual_stopping::<u8, io::Error>();
    let probe = Probe::new();
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver_in(env));
    assert!(source.request_stop());
    assert!(handle.stop_requested());
    clock.with_timer(|timer| assert!(timer.stop_requested()));
    probe.expect_stopped();
}

#[test]
fn timeout_timer_error_is_the_result_if_the_work_then_stops() {
    let clock = Clock::new();
    let (work, _handle) = manual_stopping::<u8, io::Error>();
    let probe = Probe::new();
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
    clock.with_timer(|timer| timer.error(io::ErrorKind::OutOfMemory.into()));
    assert_eq!(probe.expect_error().kind(), io::ErrorKind::OutOfMemory);
}

#[test]
fn timeout_panic_of_the_timer_beats_a_value() {
    let clock = Clock::new();
    let (work, handle) = manual::<u8, io::Error>();
    let probe = Probe::new();
    let _op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
    clock.with_timer(|timer| timer.panicked("timer"));
    handle.value(1);
    assert_eq!(probe.expect_panicked(), "timer");
}

#[test]
fn deadline_in_the_past_is_timed_out_without_start() {
    let clock = Clock::new();
    let past = clock.time();
    for sender_at in [past, past - SECOND] {
        let (work, handle) = manual::<u8, io::Error>();
        let Outcome::Error(error) = run(work.deadline(&clock, sender_at)) else {
            panic!("expected an error");
        };
        assert!(is_timed_out(&error) && !handle.is_started());
    }
    let (work, handle) = manual::<u8, io::Error>();
    let outcome = run(work.timeout(&clock, Duration::ZERO));
    assert!(matches!(outcome, Outcome::Error(error) if is_timed_out(&error)));
    assert!(!handle.is_started());
    assert!(
        lock(&clock.timers)
            .iter()
            .all(|(_, timer)| !timer.is_started())
    );
}

#[test]
fn deadline_passed_between_composition_and_start_is_timed_out() {
    let clock = Clock::new();
    let (work, handle) = manual::<u8, io::Error>();
    let limited = work.deadline(&clock, clock.time() + SECOND);
    clock.advance(SECOND);
    let outcome = run(limited);
    assert!(matches!(outcome, Outcome::Error(error) if is_timed_out(&error)));
    assert!(!handle.is_started());
}

#[test]
fn deadline_and_completion_in_the_same_instant_give_one_result() {
    for _ in 0..1000 {
        let clock = Clock::new();
        let (work, handle) = manual_stopping::<u8, io::Error>();
        let probe = Probe::new();
        let op = connect_and_start(work.timeout(&clock, SECOND), probe.receiver());
        clock.with_timer(|timer| {
            race_pair(
                || timer.try_complete(Outcome::Value(())),
                || handle.try_complete(Outcome::Value(9)),
            )
        });
        match probe.outcome() {
            Outcome::Value(value) => assert_eq!(value, 9),
            Outcome::Error(error) => assert!(is_timed_out(&error)),
            other => panic!("neither value nor timed out: {other:?}"),
        }
        drop(op);
    }
}

/// How reading four bytes ends, of which three are there when it starts, and then `event` happens.
fn read_in_the_middle_of_which(
    event: impl FnOnce(&Clock, &StopSource, &mut PipeWriter),
) -> Outcome<[u8; 4], io::Error> {
    let ctx = IoContext::new().expect("a ring");
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(b"one").expect("write");
    let (clock, source, probe) = (Clock::new(), StopSource::new(), Probe::new());
    let read = ctx.scheduler().read_exact(&reader, [0; 4]);
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(read.timeout(&clock, SECOND), probe.receiver_in(env));
    wait_until(soon(), "three bytes were taken", || {
        ctx.run_some().expect("not running");
        ctx.metrics().submitted > 1
    });
    probe.expect_nothing();
    event(&clock, &source, &mut writer);
    ctx.run_until_empty();
    probe.outcome()
}

#[test]
fn timeout_in_the_middle_of_a_buffer_is_timed_out_and_says_how_much() {
    let outcome = read_in_the_middle_of_which(|clock, _, _| clock.advance(SECOND));
    let Outcome::Error(error) = outcome else {
        panic!("expected an error, was {outcome:?}");
    };
    assert!(is_timed_out(&error), "{error:?}");
    assert_eq!(transferred(&error), 3);
    assert_eq!(
        error.to_string(),
        "the time limit was exceeded, after 3 bytes"
    );
}

#[test]
fn timeout_stop_from_outside_in_the_middle_of_a_buffer_is_no_matter_of_time() {
    let outcome = read_in_the_middle_of_which(|_, source, _| {
        source.request_stop();
    });
    let Outcome::Error(error) = outcome else {
        panic!("expected an error, was {outcome:?}");
    };
    assert!(!is_timed_out(&error), "{error:?}");
    assert_eq!(transferred(&error), 3);
    // The timer was asked to stop too: that its time comes now changes nothing.
    let outcome = read_in_the_middle_of_which(|clock, source, _| {
        source.request_stop();
        clock.advance(SECOND);
    });
    assert!(matches!(outcome, Outcome::Error(error) if !is_timed_out(&error)));
}

#[test]
fn timeout_as_the_last_byte_arrives_is_success() {
    let outcome = read_in_the_middle_of_which(|clock, _, writer| {
        writer.write_all(b"!").expect("write");
        clock.advance(SECOND);
    });
    assert!(matches!(outcome, Outcome::Value(bytes) if &bytes == b"one!"));
}

#[test]
fn timeout_after_the_end_of_the_input_is_that_end() {
    let outcome = read_in_the_middle_of_which(|clock, _, writer| {
        // In place of the writer, one that belongs to another pipe: this one is closed.
        *writer = io::pipe().expect("pipe").1;
        clock.advance(SECOND);
    });
    let Outcome::Error(error) = outcome else {
        panic!("expected an error, was {outcome:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(transferred(&error), 3);
}

/// An error whose conversion panics.
#[derive(Debug)]
struct Fragile;

impl From<TimedOut> for Fragile {
    fn from(_: TimedOut) -> Self {
        panic!("no conversion")
    }
}

#[test]
fn timeout_panic_of_the_conversion_travels_to_the_receiver() {
    let outcome = run(ready::<u8, Fragile>(1).timeout(Never, Duration::ZERO));
    let Outcome::Panicked(payload) = outcome else {
        panic!("expected a panic");
    };
    assert_eq!(message_of(payload), "no conversion");
}

/// A scheduler whose timers never fire and cannot fail.
#[derive(Clone)]
struct Never;

impl Scheduler for Never {
    type Schedule = Just<KnownValue<(), std::convert::Infallible>>;
    type Transfer = Just<KnownValue<(), std::convert::Infallible>>;

    fn schedule(&self) -> Self::Schedule {
        just(())
    }

    fn transfer(&self) -> Self::Transfer {
        just(())
    }
}

impl TimedScheduler for Never {
    type ScheduleAt = Manual<(), std::convert::Infallible>;

    fn schedule_at(&self, _: Instant) -> Self::ScheduleAt {
        manual_stopping().0
    }

    fn schedule_after(&self, _: Duration) -> Self::ScheduleAt {
        manual_stopping().0
    }
}
