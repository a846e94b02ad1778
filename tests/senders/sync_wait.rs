//! sync_wait, sync_wait_local: results, completion from elsewhere, borrowing, nesting.
//! Method: each channel; completions that race the waiter's exit, many times; SY rules.
//!
//! # Safety
//! INV-OP-1: the sender written here keeps a pointer to its operation while that runs in place.

#![expect(
    unsafe_code,
    reason = "a sender that hops over its environment's scheduler"
)]

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use sendio::prelude::*;
use sendio::{OperationState, Panic, Receiver, SchedulerRef};

use crate::common::alloc_count::allocations_during;
use crate::common::manual::manual;
use crate::common::receivers::message_of;

#[test]
fn sync_wait_each_channel_has_its_result() {
    assert_eq!(sync_wait(ready::<_, ()>((1, "two"))), Ok(Some((1, "two"))));
    assert_eq!(sync_wait(just_error::<u8, _>("no")), Err("no"));
    assert_eq!(sync_wait(just_stopped::<u8, ()>()), Ok(None));
    assert_eq!(sync_wait_local(ready::<_, ()>(1)), Ok(Some(1)));
    assert_eq!(sync_wait_local(just_error::<u8, _>("no")), Err("no"));
    assert_eq!(sync_wait_local(just_stopped::<u8, ()>()), Ok(None));
}

#[test]
fn sync_wait_panic_is_resumed_with_its_payload() {
    let work = || sync_wait(just(7).then(|n: i32| -> i32 { panic!("seven is {n}") }));
    let payload = catch_unwind(work).expect_err("the panic is resumed");
    assert_eq!(message_of(payload), "seven is 7");
    let work = || sync_wait_local(just(()).then(|()| std::panic::panic_any(42_u8)));
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("the panic is resumed");
    assert_eq!(payload.downcast_ref::<u8>(), Some(&42));
}

#[test]
fn sync_wait_panic_on_another_thread_is_resumed_on_the_waiting_one() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let work = run_loop.scheduler().schedule();
        let work = work.then(|()| -> ThreadId { panic!("elsewhere") });
        let payload = catch_unwind(AssertUnwindSafe(|| sync_wait(work)));
        run_loop.finish();
        assert_eq!(message_of(payload.expect_err("a panic")), "elsewhere");
    });
}

#[test]
fn sync_wait_completion_from_another_thread_on_each_channel() {
    for channel in 0..3 {
        let (sender, handle) = manual::<u8, u8>();
        let result = thread::scope(|threads| {
            let handle = &handle;
            threads.spawn(move || {
                handle.wait_until_started();
                match channel {
                    0 => while !handle.try_complete(Outcome::Value(1)) {},
                    1 => while !handle.try_complete(Outcome::Error(2)) {},
                    _ => while !handle.try_complete(Outcome::Stopped) {},
                }
            });
            sync_wait(sender)
        });
        let expected = [Ok(Some(1)), Err(2), Ok(None)];
        assert_eq!(result, expected[channel]);
    }
}

#[test]
fn sync_wait_racing_exit_leaves_the_frame_whole() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        for n in 0..20_000_u64 {
            // The frame of each wait is used again by the next one.
            let frame = [n; 8];
            let work = run_loop.scheduler().schedule();
            let sum = sync_wait(work.then(|()| frame.iter().sum::<u64>()));
            assert_eq!(sum, Ok(Some(n * 8)));
        }
        run_loop.finish();
    });
}

#[test]
fn sync_wait_borrowed_buffer_is_written_elsewhere_and_read_here() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let mut buffer = [0_u8; 64];
        let fill = |()| {
            for (byte, n) in buffer.iter_mut().zip(0..) {
                *byte = n;
            }
            thread::current().id()
        };
        let filler = sync_wait(run_loop.scheduler().schedule().then(fill));
        assert_ne!(filler, Ok(Some(thread::current().id())));
        assert!(buffer.iter().zip(0..).all(|(&byte, n)| byte == n));
        run_loop.finish();
    });
}

#[test]
fn sync_wait_nested_in_work_here_and_elsewhere() {
    let nested = just(20).then(|n| sync_wait(just(n + 1)).expect("infallible"));
    assert_eq!(sync_wait(nested), Ok(Some(Some(21))));

    let (outer, inner) = (RunLoop::new(), RunLoop::new());
    thread::scope(|threads| {
        threads.spawn(|| outer.run());
        threads.spawn(|| inner.run());
        let nested = outer.scheduler().schedule().then(|()| {
            let innermost = inner.scheduler().schedule().then(|()| 5);
            sync_wait(innermost).expect("infallible")
        });
        assert_eq!(sync_wait(nested), Ok(Some(Some(5))));
        outer.finish();
        inner.finish();
    });
}

/// Hops over the scheduler of its environment; the value says whether that was on the thread that
/// started it, and later than the start.
struct OwnScheduler;

type Schedule = sendio::ExecutorSchedule<SchedulerRef<'static>>;

struct Hop<R: Receiver<(ThreadId, bool), ()>> {
    receiver: Option<R>,
    child: Option<<Schedule as Sender>::Operation<Landed<R>>>,
    started: Cell<bool>,
}

struct Landed<R: Receiver<(ThreadId, bool), ()>>(*mut Hop<R>);

// SAFETY: the child completes once, and so the operation does, last. The parent pointer goes where
//         the child's task goes; the receiver may be used there.
unsafe impl Sender for OwnScheduler {
    type Value = (ThreadId, bool);
    type Error = ();
    type Operation<R: Receiver<(ThreadId, bool), ()>> = Hop<R>;

    fn connect<R: Receiver<(ThreadId, bool), ()>>(self, receiver: R) -> Hop<R> {
        Hop {
            receiver: Some(receiver),
            child: None,
            started: Cell::new(false),
        }
    }
}

impl<R: Receiver<(ThreadId, bool), ()>> OperationState for Hop<R> {
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, in place, and this thread's until the child is started.
        //         The scheduler is used until the receiver is completed, so its lifetime may be
        //         forgotten. The task waits in the loop of this thread, so it does not run before
        //         this function returns.
        unsafe {
            let receiver = (*this).receiver.as_ref().expect("started once");
            let scheduler = receiver.env().scheduler().expect("sync_wait offers one");
            let scheduler = (&raw const scheduler)
                .cast::<SchedulerRef<'static>>()
                .read();
            let child = (*this)
                .child
                .insert(scheduler.schedule().connect(Landed(this)));
            OperationState::start(&raw mut *child);
            (*this).started.set(true);
        }
    }
}

impl<R: Receiver<(ThreadId, bool), ()>> Landed<R> {
    fn parent(self) -> (R, bool) {
        // SAFETY: the operation completes only through this call, so it is alive and in place.
        let (receiver, started) = unsafe { ((*self.0).receiver.take(), (*self.0).started.get()) };
        (receiver.expect("completed once"), started)
    }
}

impl<R: Receiver<(ThreadId, bool), ()>> Receiver<(), Infallible> for Landed<R> {
    fn set_value(self, (): ()) {
        let (receiver, started) = self.parent();
        receiver.set_value((thread::current().id(), started));
    }

    fn set_error(self, error: Infallible) {
        match error {}
    }

    fn set_stopped(self) {
        self.parent().0.set_stopped();
    }

    fn set_panicked(self, payload: Panic) {
        self.parent().0.set_panicked(payload);
    }

    fn env(&self) -> Env<'_> {
        Env::default()
    }
}

#[test]
fn sync_wait_environment_offers_the_loop_of_the_waiting_thread() {
    let here = thread::current().id();
    assert_eq!(sync_wait(OwnScheduler), Ok(Some((here, true))));
    // Also to children of a group, several at once.
    let two = when_all((OwnScheduler, OwnScheduler));
    assert_eq!(sync_wait(two), Ok(Some(((here, true), (here, true)))));
}

#[test]
fn sync_wait_local_work_may_hold_thread_bound_data() {
    let cell = Rc::new(Cell::new(1));
    let (held, value) = (Rc::clone(&cell), Rc::clone(&cell));
    let work = just(value).then(move |value| {
        held.set(held.get() + value.get());
        held
    });
    let back = sync_wait_local(work).expect("infallible").expect("a value");
    assert_eq!((back.get(), Rc::strong_count(&cell)), (2, 2));
}

#[test]
fn sync_wait_many_threads_wait_on_one_loop() {
    let run_loop = RunLoop::new();
    let ran = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    for _ in 0..500 {
                        let count = |()| ran.fetch_add(1, Ordering::Relaxed);
                        let work = run_loop.scheduler().schedule().then(count);
                        sync_wait(work).expect("infallible").expect("a value");
                    }
                })
            })
            .collect();
        for waiter in waiters {
            waiter.join().expect("a waiter");
        }
        run_loop.finish();
    });
    assert_eq!(ran.into_inner(), 2000);
}

#[test]
fn sync_wait_allocates_nothing() {
    let run_loop = RunLoop::new();
    thread::scope(|threads| {
        threads.spawn(|| run_loop.run());
        let mut text = String::from("lent");
        let allocations = allocations_during(|| {
            assert_eq!(
                sync_wait(just(&mut text).then(|text| text.len())),
                Ok(Some(4))
            );
            assert_eq!(sync_wait_local(just_error::<u8, _>(3)), Err(3));
            let work = run_loop.scheduler().schedule().then(|()| 5);
            assert_eq!(sync_wait(work), Ok(Some(5)));
            sync_wait(OwnScheduler).expect("no error").expect("a value");
        });
        assert_eq!(allocations, 0);
        run_loop.finish();
    });
}
