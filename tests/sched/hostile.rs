//! Handles that outlive what they belong to, or are used where they should not be, in safe code.
//! And user code that an operation calls while it starts, which asks for stop, fails or panics there.
//! Method: the closed descriptor's number is given to other files; tasks are left where they are lost;
//! owners of descriptors, buffers and scripts that misbehave.
//!
//! # Safety
//! INV-BUF-1 for a buffer that does something when it is asked for its memory.

#![expect(unsafe_code, reason = "a buffer that does something")]

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use sendio::adaptor::{Next, Script, Scripting};
use sendio::backends::{Backend, Options, Uring, Wake};
use sendio::factory::{Just, KnownStopped};
use sendio::prelude::*;
use sendio::{Env, Executor, ExecutorScheduler, Io, IoBufMut, Task, retry_when};

use tempfile::TempDir;

use crate::common::pipes::Pipe;

#[test]
fn waker_that_outlives_its_backend_writes_into_no_other_file() {
    let dir = TempDir::new().expect("a directory");
    let backend = Uring::new(&Options::default()).expect("a ring");
    let waker = backend.waker();
    drop(backend);
    // One of these would get the number of the eventfd, had that been closed.
    let mut files: Vec<File> = (0..16)
        .map(|n| File::create(dir.path().join(n.to_string())).expect("create"))
        .collect();
    waker.wake();
    for file in &mut files {
        assert_eq!(file.metadata().expect("stat").len(), 0);
        file.write_all(b"still ours").expect("write");
        assert_eq!(file.stream_position().expect("seek"), 10);
    }
}

#[test]
fn debug_of_a_core_shows_nothing_that_belongs_to_the_loop() {
    let ctx = IoContext::new().expect("a context");
    let io = ctx.scheduler();
    let text = thread::scope(|threads| {
        let shown = threads.spawn(|| format!("{:?}", io.core()));
        shown.join().expect("no panic")
    });
    assert_eq!(text, "Core { .. }");
}

/// Hands each task to a loop that nobody runs, and drops that loop.
struct Lost;

impl Executor for Lost {
    fn execute(&self, task: Task) {
        RunLoop::new().execute(task);
    }
}

#[test]
fn task_in_a_run_loop_that_is_dropped_completes_stopped() {
    let lost = ExecutorScheduler::new(&Lost).schedule();
    assert_eq!(sync_wait(lost.then(|()| 1)), Ok(None));
}

/// Keeps tasks for other threads.
struct Stash(Mutex<Vec<Task>>);

impl Executor for Stash {
    fn execute(&self, task: Task) {
        self.0.lock().expect("no panic").push(task);
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn task_in_a_thread_local_completes_stopped_when_the_thread_ends() {
    let stash = Stash(Mutex::new(Vec::new()));
    thread::scope(|threads| {
        threads.spawn(|| {
            let task = loop {
                if let Some(task) = stash.0.lock().expect("no panic").pop() {
                    break task;
                }
                thread::yield_now();
            };
            KEPT.with_borrow_mut(|kept| kept.push(task));
        });
        let text = String::from("borrowed");
        let away = ExecutorScheduler::new(&stash).schedule();
        let work = away.then(|()| text.len()).boxed();
        assert_eq!(sync_wait(when_all((work, just(1)))), Ok(None));
    });
}

/// A descriptor whose owner does something each time it is asked for it.
struct Asked<F, G> {
    file: F,
    asked: G,
}

impl<F: AsFd, G: Fn()> AsFd for Asked<F, G> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (self.asked)();
        self.file.as_fd()
    }
}

#[test]
fn read_that_stops_its_scope_while_it_starts_is_stopped() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let reader = &pipe.reader;
    for in_the_loop in [false, true] {
        ctx.scope(|scope| {
            let owner = Asked {
                file: reader,
                asked: move || {
                    scope.request_stop();
                },
            };
            let read = io.read_some(owner, [0; 1]).then(drop).upon_error(|_| ());
            if in_the_loop {
                scope.spawn(io.yield_now().let_value(move |()| read));
            } else {
                scope.spawn(read);
            }
        });
    }
    ctx.scope(|scope| {
        let rounds = repeat_with((), move |()| {
            let owner = Asked {
                file: reader,
                asked: move || {
                    scope.request_stop();
                },
            };
            let read = io.read_some(owner, [0; 1]);
            read.then(|_| std::ops::ControlFlow::<(), ()>::Continue(()))
        });
        scope.spawn(rounds.upon_error(|_| ()));
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

/// A buffer that does something each time it is asked for its memory.
struct AskedBytes<G> {
    bytes: Vec<u8>,
    asked: G,
}

// SAFETY: the vector is not touched until the value is mutably borrowed or dropped.
unsafe impl<G: FnMut()> IoBufMut for AskedBytes<G> {
    fn io_space(&mut self) -> *mut [u8] {
        (self.asked)();
        self.bytes.io_space()
    }

    fn io_filled(&self) -> usize {
        self.bytes.io_filled()
    }

    unsafe fn set_filled(&mut self, filled: usize) {
        // SAFETY: the contract is the same.
        unsafe { self.bytes.set_filled(filled) }
    }
}

#[test]
fn read_that_is_stopped_by_its_buffer_when_there_is_room_for_it_is_stopped() {
    let ctx = IoContext::builder()
        .in_flight_limit(1)
        .build()
        .expect("a ring");
    let io = ctx.scheduler();
    let (busy, pipe) = (Pipe::new(), Pipe::new());
    let reader = &pipe.reader;
    ctx.scope(|scope| {
        let first = io.read_some(&busy.reader, [0; 1]).then(drop);
        scope.spawn(first.upon_error(|_| ()));
        for stops in [2, usize::MAX] {
            let mut count = 0;
            let buffer = AskedBytes {
                bytes: vec![0; 1],
                asked: move || {
                    count += 1;
                    if count == stops {
                        scope.request_stop();
                    }
                },
            };
            let read = io.read_some(reader, buffer).then(drop);
            scope.spawn(read.upon_error(|_| ()));
        }
        busy.fill(b"x");
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn read_exact_that_is_stopped_by_its_buffer_at_any_time_is_stopped() {
    // Two requests, and two questions in between.
    for (limit, away, at) in (1..=4).flat_map(|at| {
        [
            (usize::MAX, false, at),
            (usize::MAX, true, at),
            (1, false, at),
            (1, true, at),
        ]
    }) {
        let builder = IoContext::builder().in_flight_limit(limit);
        let ctx = builder.build().expect("a ring");
        let io = ctx.scheduler();
        let (busy, pipe) = (Pipe::new(), Pipe::new());
        let reader = &pipe.reader;
        pipe.fill(b"x");
        ctx.scope(|scope| {
            if limit == 1 {
                let first = io.read_some(&busy.reader, [0; 1]).then(drop);
                scope.spawn(first.unstoppable().upon_error(|_| ()));
            }
            let mut count = 0;
            let buffer = AskedBytes {
                bytes: vec![0; 2],
                asked: move || {
                    count += 1;
                    if count == at {
                        scope.request_stop();
                    }
                },
            };
            let read = io.read_exact(reader, buffer).then(drop).upon_error(|_| ());
            if away {
                thread::scope(|threads| {
                    threads.spawn(move || scope.spawn(read));
                });
            } else {
                scope.spawn(read);
            }
            busy.fill(b"x");
        });
        assert_eq!(ctx.metrics().in_flight, 0);
    }
}

#[test]
fn loop_over_a_read_that_ends_in_its_preparation_prepares_it_once() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    let null = File::open("/dev/null").expect("open");
    let count = Cell::new(0);
    let read = || {
        let asked = || count.set(count.get() + 1);
        let owner = Asked { file: &null, asked };
        // There is no such position.
        io.read_at(owner, [0; 1], u64::MAX)
    };
    let error = ctx.block_on_local(retry_when(read, |error| {
        if count.get() < 3 {
            Either::Left(ready::<(), io::Error>(()))
        } else {
            Either::Right(just_error(error))
        }
    }));
    assert_eq!(
        error.expect_err("refused").kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(count.get(), 3, "asked once for each attempt");

    count.set(0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let asked = || {
            count.set(count.get() + 1);
            panic!("asked {} times", count.get());
        };
        let owner = Asked { file: &null, asked };
        let make = || io.read_at(&owner, [0; 1], 0).then(drop);
        ctx.block_on_local(retry_when(make, just_error::<(), io::Error>))
    }));
    let payload = panicked.expect_err("the panic arrives");
    assert_eq!(
        payload.downcast_ref::<String>().expect("a text"),
        "asked 1 times"
    );
}

#[test]
fn loop_over_reads_that_return_their_buffer_is_stopped() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    let zero = File::open("/dev/zero").expect("open");
    let source = StopSource::new();
    let rounds = Cell::new(0);
    let read = repeat_with((), |()| {
        let read = io.read_at(&zero, [0; 8], 0).returning_buffer();
        read.then(|(_, _)| {
            rounds.set(rounds.get() + 1);
            assert!(rounds.get() < 10, "a stopped loop goes on");
            if rounds.get() == 3 {
                source.request_stop();
            }
            std::ops::ControlFlow::<(), ()>::Continue(())
        })
    });
    let ended = ctx.block_on_local(read.with_stop_token(source.token()));
    assert_eq!(ended.expect("no error"), None);
    assert_eq!(rounds.get(), 3);
}

/// How a [`Stubborn`] script keeps a stop request from its children.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stubbornness {
    /// They do not see the token.
    Hides,
    /// It goes on when they are stopped.
    GoesOn,
}

/// Runs the senders of a function, for ever.
struct Stubborn<F, S> {
    make: F,
    how: Stubbornness,
    _sender: PhantomData<S>,
}

type NoSecond = Just<KnownStopped<(), std::convert::Infallible>>;

impl<F: FnMut() -> S, S: Sender<Value = ()>> Script for Stubborn<F, S> {
    type First = S;
    type Second = NoSecond;
    type Value = ();
    type Error = S::Error;
    const LOOPS: bool = true;

    fn begin(&mut self) -> Next<S, NoSecond, (), S::Error> {
        Next::First((self.make)())
    }

    fn after_first(&mut self, outcome: Outcome<(), S::Error>) -> Next<S, NoSecond, (), S::Error> {
        match outcome {
            Outcome::Panicked(_) => Next::Complete(outcome),
            _ => Next::First((self.make)()),
        }
    }

    fn after_second(
        &mut self,
        _: Outcome<(), std::convert::Infallible>,
    ) -> Next<S, NoSecond, (), S::Error> {
        unreachable!("there is no second sender")
    }

    fn first_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        match self.how {
            Stubbornness::Hides => Env::default(),
            Stubbornness::GoesOn => outer(),
        }
    }
}

#[test]
fn loop_of_a_script_that_keeps_stop_requests_from_its_children_is_stopped() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.local();
    for how in [Stubbornness::Hides, Stubbornness::GoesOn] {
        let source = StopSource::new();
        let rounds = Cell::new(0);
        let looping = Scripting::new(Stubborn {
            make: || {
                rounds.set(rounds.get() + 1);
                assert!(rounds.get() < 10, "a stopped loop goes on: {how:?}");
                if rounds.get() == 3 {
                    source.request_stop();
                }
                io.schedule()
            },
            how,
            _sender: PhantomData,
        });
        let ended = ctx.block_on_local(looping.with_stop_token(source.token()));
        assert_eq!(ended.expect("no error"), None);
        assert_eq!(rounds.get(), 3, "{how:?}");
    }
}
