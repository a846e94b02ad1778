//! spawn_with: a value and the work that borrows it, in one block of a scope.
//! Method: sessions on pipes as named functions, values that note their drop, blocks counted by the
//! allocator, completions here and on another thread.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::{PipeReader, PipeWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::thread;

use sendio::prelude::*;

use crate::common::alloc_count::allocations_during;
use crate::common::manual::{Manual, manual};
use crate::common::receivers::{DropGuard, Trace, message_of};

type Never = Infallible;

fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

/// A connection with the state of its server.
struct Connection<'a> {
    io: IoScheduler<'a>,
    input: PipeReader,
    seen: &'a Mutex<Vec<u8>>,
}

/// Reads one byte at a time until there is none.
fn session(connection: &Connection<'_>) -> impl Sender<Value = (), Error = Never> + Send {
    let Connection { io, input, seen } = connection;
    let round = move || {
        io.read_some(input, [0; 1]).then(|(n, byte)| {
            seen.lock().expect("no panic").extend_from_slice(&byte[..n]);
            n == 0
        })
    };
    repeat_with((), move |()| {
        round().then(|end| match end {
            true => std::ops::ControlFlow::Break(()),
            false => std::ops::ControlFlow::Continue(()),
        })
    })
    .upon_error(|error| panic!("{error}"))
}

#[test]
fn spawn_with_sessions_borrow_their_connection_and_the_server() {
    let ctx = context();
    let seen = Mutex::new(Vec::new());
    let writers: Vec<PipeWriter> = ctx.scope(|scope| {
        let mut writers = Vec::new();
        for _ in 0..4 {
            let (input, writer) = std::io::pipe().expect("a pipe");
            let io = ctx.scheduler();
            let seen = &seen;
            scope.spawn_with(Connection { io, input, seen }, session);
            writers.push(writer);
        }
        assert_eq!(scope.len(), 4);
        for (n, mut writer) in (0..).zip(writers.drain(..)) {
            writer.write_all(&[n; 3]).expect("room in a pipe");
        }
        writers
    });
    drop(writers);
    let mut seen = seen.into_inner().expect("no panic");
    seen.sort_unstable();
    assert_eq!(seen, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
}

#[test]
fn spawn_with_takes_one_block_for_value_and_operation() {
    struct Large<'a>(IoScheduler<'a>, [u8; 4096]);
    fn work(large: &Large<'_>) -> impl Sender<Value = (), Error = Never> + Send {
        large.0.yield_now().then(|()| assert_eq!(large.1[4095], 7))
    }
    let ctx = context();
    ctx.scope(|scope| {
        let large = Large(ctx.scheduler(), [7; 4096]);
        let count = allocations_during(|| scope.spawn_with(large, work));
        assert_eq!(count, 1);
    });
}

#[test]
fn spawn_with_local_values_are_thread_bound() {
    struct Visit<'a> {
        io: LocalIoScheduler<'a>,
        names: Rc<RefCell<Vec<&'static str>>>,
        name: &'static str,
        turns: Cell<u32>,
    }
    fn visit(visit: &Visit<'_>) -> impl LocalSender<Value = (), Error = Never> {
        let turn = visit.io.yield_now().then(|()| {
            visit.turns.set(visit.turns.get() + 1);
            visit.turns.get() == 3
        });
        turn.repeat_until()
            .then(|()| visit.names.borrow_mut().push(visit.name))
    }
    let ctx = context();
    let names = Rc::new(RefCell::new(Vec::new()));
    ctx.scope_local(|scope| {
        for name in ["one", "two"] {
            let (io, names, turns) = (ctx.local(), Rc::clone(&names), Cell::new(0));
            scope.spawn_with(
                Visit {
                    io,
                    names,
                    name,
                    turns,
                },
                visit,
            );
        }
    });
    assert_eq!(*names.borrow(), ["one", "two"]);
    assert_eq!(Rc::strong_count(&names), 1);
}

/// A child that waits for a handle, and a guard that notes the drop of the value.
struct Held {
    _guard: DropGuard,
    child: Mutex<Option<Manual<(), Never>>>,
}

fn held(value: &Held) -> impl Sender<Value = (), Error = Never> + Send {
    let child = value.child.lock().expect("no panic").take();
    child.expect("the function is called once")
}

#[test]
fn spawn_with_value_is_dropped_before_the_scope_ends_wherever_it_completes() {
    for ending in ["value", "stopped", "panicked"] {
        let ctx = context();
        let trace = Trace::new();
        let (child, handle) = manual::<(), Never>();
        let value = Held {
            _guard: trace.slow_guard("value"),
            child: Mutex::new(Some(child)),
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|threads| {
                ctx.scope(|scope| {
                    scope.spawn_with(value, held);
                    threads.spawn(move || match ending {
                        "value" => handle.value(()),
                        "stopped" => handle.stopped(),
                        _ => handle.panicked("child"),
                    });
                });
                trace.note("scope ended");
            });
        }));
        match ending {
            "panicked" => {
                assert_eq!(message_of(result.expect_err("resumed")), "child");
                trace.expect(&["drop value"]);
            }
            _ => trace.expect(&["drop value", "scope ended"]),
        }
    }
}

#[test]
fn spawn_with_function_that_panics_drops_the_value_and_ends_the_scope() {
    fn bad(_: &DropGuard) -> sendio::AnySender<'static, (), Never> {
        panic!("no session")
    }
    let ctx = context();
    let trace = Trace::new();
    let value = trace.guard("value");
    let result = catch_unwind(AssertUnwindSafe(|| {
        ctx.scope(|scope| scope.spawn_with(value, bad));
    }));
    assert_eq!(message_of(result.expect_err("resumed")), "no session");
    trace.expect(&["drop value"]);
}

#[test]
fn spawn_with_session_sees_the_stop_request_of_the_scope() {
    let ctx = context();
    let seen = Mutex::new(Vec::new());
    let (input, _writer) = std::io::pipe().expect("a pipe");
    ctx.scope(|scope| {
        let io = ctx.scheduler();
        let seen = &seen;
        scope.spawn_with(Connection { io, input, seen }, session);
        scope.request_stop();
    });
    assert_eq!(ctx.metrics().in_flight, 0);
}
