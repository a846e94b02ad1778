//! accept_loop: goes on whatever happens to single connections, and pauses when it has to.
//! Method: an `accept` that plays a list of results, a clock that notes how long the pauses are, and
//! real timers with stop requests.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use libc::{
    EAGAIN, EBADF, ECONNABORTED, EINVAL, EMFILE, ENETDOWN, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK,
    EOPNOTSUPP, EPERM, EPROTO,
};
use sendio::prelude::*;
use sendio::{Scheduler, accept_loop};

type Sent = sendio::factory::Just<sendio::factory::KnownValue<(), io::Error>>;

/// A clock on which every pause is over at once; it notes them, in milliseconds.
#[derive(Clone, Copy)]
struct Clock<'a>(&'a RefCell<Vec<u128>>);

impl Scheduler for Clock<'_> {
    type Schedule = Sent;
    type Transfer = Sent;

    fn schedule(&self) -> Sent {
        ready(())
    }

    fn transfer(&self) -> Sent {
        ready(())
    }
}

impl TimedScheduler for Clock<'_> {
    type ScheduleAt = Sent;

    fn schedule_at(&self, _: Instant) -> Sent {
        unreachable!("pauses have a length")
    }

    fn schedule_after(&self, duration: Duration) -> Sent {
        self.0.borrow_mut().push(duration.as_millis());
        ready(())
    }
}

/// Accepts `results`, then fails with `EBADF`; returns the connections and the pauses.
fn play(results: &[Result<u32, i32>]) -> (Vec<u32>, Vec<u128>) {
    let pauses = RefCell::new(Vec::new());
    let mut connections = Vec::new();
    let mut results = results.iter().copied().chain([Err(EBADF)]);
    let accept = || match results.next().expect("the loop ends at EBADF") {
        Ok(connection) => Either::Left(ready(connection)),
        Err(code) => Either::Right(just_error(io::Error::from_raw_os_error(code))),
    };
    let outcome = sync_wait_local(accept_loop(Clock(&pauses), accept, |connection| {
        connections.push(connection);
    }));
    let error = outcome.expect_err("ends by an error only");
    assert_eq!(error.raw_os_error(), Some(EBADF));
    (connections, pauses.into_inner())
}

#[test]
fn accept_loop_lost_connections_cost_nothing() {
    for code in [ECONNABORTED, EPROTO, EPERM, ENETDOWN] {
        let (connections, pauses) = play(&[Ok(1), Err(code), Err(code), Ok(2)]);
        assert_eq!((connections, pauses), (vec![1, 2], vec![]));
    }
}

#[test]
fn accept_loop_many_lost_connections_in_a_row_cost_pauses() {
    let mut results = vec![Err(ECONNABORTED); 18];
    results.push(Ok(1));
    results.extend([Err(ECONNABORTED); 16]);
    assert_eq!(play(&results), (vec![1], vec![4, 8]));
}

#[test]
fn accept_loop_exhaustion_pauses_longer_and_longer_until_a_connection() {
    for code in [EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN] {
        let mut results = vec![Err(code); 9];
        results.extend([Ok(1), Err(code), Ok(2)]);
        let pauses = vec![4, 8, 16, 32, 64, 128, 256, 256, 256, 4];
        assert_eq!(play(&results), (vec![1, 2], pauses));
    }
}

#[test]
fn accept_loop_other_errors_end_it() {
    for code in [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP] {
        let accept = || just_error::<(), _>(io::Error::from_raw_os_error(code));
        let pauses = RefCell::new(Vec::new());
        let outcome = sync_wait_local(accept_loop(Clock(&pauses), accept, |()| ()));
        assert_eq!(
            outcome.expect_err("an error").raw_os_error(),
            Some(code),
            "{code}"
        );
    }
    let accept = || just_error::<(), _>(io::Error::other("not of the kernel"));
    let outcome = sync_wait_local(accept_loop(Clock(&RefCell::default()), accept, |()| ()));
    assert!(outcome.is_err());
}

#[test]
fn accept_loop_connection_that_won_against_stop_is_delivered() {
    let stop = StopSource::new();
    let mut connections = Vec::new();
    let accept = || {
        just(7)
            .then(|connection| {
                stop.request_stop();
                connection
            })
            .cast_err()
    };
    let each = |connection| connections.push(connection);
    let pauses = RefCell::default();
    let all = accept_loop(Clock(&pauses), accept, each).with_stop_token(stop.token());
    assert!(sync_wait_local(all).expect("no error").is_none());
    assert_eq!(connections, [7]);
}

#[test]
fn accept_loop_stop_during_pause() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    let stop = StopSource::new();
    let mut failures = 0;
    let accept = || {
        failures += 1;
        just_error::<(), _>(io::Error::from_raw_os_error(EMFILE))
    };
    let request = io.yield_now().then(|()| stop.request_stop()).cast_err();
    let all = accept_loop(io, accept, |()| ()).with_stop_token(stop.token());
    let both = when_all((all.stopped_as_optional(), request));
    let (ended, first) = ctx
        .block_on_local(both)
        .expect("no error")
        .expect("nobody stops both");
    assert!(ended.is_none() && first);
    assert_eq!(failures, 1);
}

#[test]
fn accept_loop_waits_for_room_before_it_accepts() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    let accepted = std::cell::Cell::new(0);
    ctx.scope_local(|scope| {
        let accept = || {
            scope
                .wait_below(3)
                .cast_err()
                .let_value(|()| match accepted.get() {
                    20 => Either::Left(just_error(io::Error::from_raw_os_error(EBADF))),
                    _ => Either::Right(ready(())),
                })
        };
        let each = |()| {
            accepted.set(accepted.get() + 1);
            scope.spawn(io.yield_now());
            assert!(scope.len() <= 3);
        };
        let outcome = ctx.block_on_local(accept_loop(io, accept, each));
        assert_eq!(outcome.expect_err("the end").raw_os_error(), Some(EBADF));
    });
    assert_eq!(accepted.get(), 20);
}
