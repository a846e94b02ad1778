//! io_context: panics of user code under the loop.
//! Method: a panic at each place where the loop calls user code, beside operations that must complete
//! all the same; the panic reaches the consumer of its own work and nobody else.

use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sendio::StopSource;
use sendio::adaptor::{Next, Script, Scripted};
use sendio::prelude::*;

use crate::common::pipes::Pipe;
use crate::common::receivers::{Probe, connect_and_start, message_of};

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("drop");
    }
}

/// A descriptor whose owner panics when it is asked for it.
struct PanicsAsFd;

impl std::os::fd::AsFd for PanicsAsFd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        panic!("as_fd")
    }
}

macro_rules! panics {
    ($($name:ident: $message:literal, |$io:ident| $sender:expr;)*) => {$(
        #[test]
        fn $name() {
            let ctx = IoContext::new().expect("a ring");
            let $io = ctx.scheduler();
            let pipe = Pipe::new();
            let (read, timer) = (Probe::new(), Probe::new());
            let ops = (
                connect_and_start($io.read_some(&pipe.reader, [0; 2]), read.receiver()),
                connect_and_start($io.schedule_after(Duration::from_millis(1)), timer.receiver()),
            );
            let result = catch_unwind(AssertUnwindSafe(|| ctx.block_on($sender).is_ok()));
            pipe.fill(b"ok");
            ctx.run_until_empty();
            assert_eq!(read.expect_value(), (2, *b"ok"));
            timer.expect_value();
            assert_eq!(ctx.block_on($io.schedule()).expect("usable"), Some(()));
            drop(ops);
            assert_eq!(message_of(result.expect_err("resumed")), $message);
        }
    )*};
}

fn stopped() -> StopSource {
    let source = StopSource::new();
    source.request_stop();
    source
}

panics! {
    panic_after_schedule_is_resumed: "then", |io| io.schedule().then(|()| -> () { panic!("then") });
    panic_after_timer_is_resumed: "then",
        |io| io.schedule_after(Duration::ZERO).then(|()| -> () { panic!("then") });
    panic_after_yield_is_resumed: "then", |io| io.yield_now().then(|()| -> () { panic!("then") });
    panic_after_transfer_is_resumed: "then",
        |io| just(()).continues_on(io).then(|()| -> () { panic!("then") });
    panic_in_upon_error_is_resumed: "upon_error",
        |io| io.open("/does/not/exist", sendio::OpenOptions::new().read(true))
            .then(drop).upon_error(|_| panic!("upon_error"));
    panic_in_upon_stopped_is_resumed: "upon_stopped",
        |io| io.schedule().upon_stopped(|| panic!("upon_stopped"))
            .with_stop_token(stopped().token());
    panic_in_let_value_is_resumed: "let_value",
        |io| io.schedule().let_value(|()| -> sendio::io::Timer<IoScheduler<'_>> { panic!("let_value") });
    panic_in_drop_of_a_capture_is_resumed: "drop",
        |io| {
            let capture = PanicsOnDrop;
            io.schedule().then(move |()| drop(capture))
        };
    panic_in_drop_of_an_unused_closure_is_resumed: "drop",
        |io| {
            let capture = PanicsOnDrop;
            io.schedule().upon_stopped(move || drop(capture))
        };
    panic_of_a_stop_callback_is_resumed_where_it_is_registered: "callback",
        |io| io.schedule().then(|()| {
            let source = StopSource::new();
            let token = source.token();
            token.with_callback(|| panic!("callback"), || source.request_stop());
        });
    panic_in_as_fd_is_resumed: "as_fd", |io| io.fsync(PanicsAsFd);
}

/// A script that panics when it is shown its environment, before its child is connected.
struct PanicsInEnter<S>(std::marker::PhantomData<S>);

impl<S: Sender<Value = ()>> Script for PanicsInEnter<S> {
    type First = S;
    type Second = S;
    type Value = ();
    type Error = S::Error;

    fn enter(&mut self, _: sendio::Env<'_>) {
        panic!("enter")
    }

    fn begin(&mut self) -> Next<S, S, (), S::Error> {
        unreachable!("its first sender is given")
    }

    fn after_first(&mut self, _: Outcome<(), S::Error>) -> Next<S, S, (), S::Error> {
        unreachable!("its child is never started")
    }

    fn after_second(&mut self, _: Outcome<(), S::Error>) -> Next<S, S, (), S::Error> {
        unreachable!("there is one child")
    }
}

/// `first` in a script that never starts it, and what is told of the panic right around that.
fn never_entered<S: Sender<Value = ()>>(
    first: S,
    told: &AtomicUsize,
) -> impl Sender<Value = (), Error = S::Error> {
    Scripted::new(first, PanicsInEnter(std::marker::PhantomData)).upon_panicked(|payload| {
        assert_eq!(message_of(payload), "enter");
        told.fetch_add(1, Ordering::Relaxed);
    })
}

#[test]
fn panic_in_enter_arrives_around_the_script_whoever_starts_it() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let told = AtomicUsize::new(0);
    let first = || never_entered(io.schedule(), &told);
    let timer = || never_entered(io.schedule_after(Duration::ZERO), &told);
    assert_eq!(ctx.block_on(first()).expect("no error"), Some(()));
    let second = io.schedule().let_value(|()| first());
    assert_eq!(ctx.block_on(second).expect("no error"), Some(()));
    let looping = repeat_with(2, |left: u32| {
        first()
            .let_value(move |()| timer())
            .then(move |()| match left {
                0 => Break(()),
                _ => Continue(left - 1),
            })
    });
    assert_eq!(ctx.block_on(looping).expect("no error"), Some(()));
    assert_eq!(told.into_inner(), 1 + 1 + 3 * 2);
}

#[test]
fn panic_in_as_fd_on_another_thread_is_resumed_there() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let resumed = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            let result = catch_unwind(|| sync_wait(io.fsync(PanicsAsFd)).is_ok());
            assert_eq!(message_of(result.expect_err("resumed")), "as_fd");
            resumed.fetch_add(1, Ordering::Relaxed);
            io.request_stop();
        });
        ctx.run();
    });
    assert_eq!(resumed.load(Ordering::Relaxed), 1);
}

#[test]
fn panic_of_remote_work_reaches_its_own_consumer_only() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    thread::scope(|threads| {
        threads.spawn(|| {
            crate::common::race::race(4, |index| {
                for round in 0..100 {
                    let work = io.schedule().then(move |()| {
                        assert!((index + round) % 3 != 0, "thirds");
                    });
                    let result = catch_unwind(AssertUnwindSafe(|| sync_wait(work).is_ok()));
                    assert_eq!(result.is_err(), (index + round) % 3 == 0);
                }
            });
            io.request_stop();
        });
        ctx.run();
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn panic_while_a_context_is_alive_drops_it_with_work_in_flight() {
    let pipe = Pipe::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let ctx = IoContext::new().expect("a ring");
        let io = ctx.scheduler();
        ctx.scope(|scope| {
            let read = io.read_some(&pipe.reader, [0; 1]).then(drop);
            scope.spawn(read.upon_error(|_| ()));
            ctx.run_some().expect("idle");
            panic!("outer");
        })
    }));
    assert_eq!(message_of(result.expect_err("resumed")), "outer");
}
