//! Models of `src/sched/io_context`: the shipped operations, stop links and wake-ups on a kernel made
//! of cells, in all interleavings.
//!
//! Method: a backend whose requests never end unless they are cancelled, so that a stop request that
//! is lost on its way to the loop, or a wake-up that does not arrive, is a reported deadlock.
#![expect(unsafe_code, reason = "a backend")]

use std::cell::Cell;
use std::io;
use std::ptr::NonNull;
use std::time::Duration;

use loom::sync::{Arc, Notify};
use loom::thread;

use crate::backend::options::Options;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot};
use crate::backend::{Backend, Wait, Wake};
use crate::sched::executor::ExecutorScheduler;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind};
use crate::sched::io_context::scope::Scope;
use crate::sched::io_context::{IoContext, IoContextBuilder};
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::scheduler::{Scheduler, TimedScheduler};
use crate::senders::concept::task::{Executor, Task};
use crate::senders::consumer::sync_wait::sync_wait;
use crate::senders::ext::SenderExt;
use crate::senders::stop::StopSource;

/// Counts wake-ups, and ends the sleep.
struct Bell {
    notify: Notify,
    rung: loom::sync::atomic::AtomicU64,
}

struct Waker(Arc<Bell>);

impl Wake for Waker {
    fn wake(&self) {
        self.0.notify.notify();
        self.0
            .rung
            .fetch_add(1, loom::sync::atomic::Ordering::Release);
    }
}

/// A kernel in which reads wait until they are cancelled, and NOPs end at once.
struct Model {
    bell: Arc<Bell>,
    waiting: Cell<Option<NonNull<CompletionSlot<()>>>>,
    over: Cell<Option<(NonNull<CompletionSlot<()>>, i32)>>,
}

// SAFETY: each request ends once, in `reap`; the one slot is forgotten before its handler runs.
unsafe impl Backend for Model {
    type Slot = ();
    type Waker = Waker;

    fn new(_: &Options) -> io::Result<Self> {
        Ok(Self {
            bell: Arc::new(Bell {
                notify: Notify::new(),
                rung: loom::sync::atomic::AtomicU64::new(0),
            }),
            waiting: Cell::new(None),
            over: Cell::new(None),
        })
    }

    fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.bell))
    }

    unsafe fn submit(&self, slot: NonNull<CompletionSlot<()>>, request: Request) -> bool {
        match request {
            Request::Nop => self.over.set(Some((slot, 0))),
            _ => self.waiting.set(Some(slot)),
        }
        true
    }

    unsafe fn cancel(&self, slot: NonNull<CompletionSlot<()>>) -> bool {
        assert_eq!(
            self.waiting.take(),
            Some(slot),
            "the target is at the kernel"
        );
        self.over.set(Some((slot, -libc::ECANCELED)));
        true
    }

    fn enter(&self, wait: Wait) -> io::Result<()> {
        if wait != Wait::No && self.over.get().is_none() {
            self.bell.notify.wait();
        }
        Ok(())
    }

    fn reap(&self, _: usize) -> usize {
        let Some((slot, result)) = self.over.take() else {
            return 0;
        };
        // SAFETY: the request was accepted, and this is its one completion.
        unsafe { CompletionSlot::complete(slot, Completion { result, flags: 0 }) };
        1
    }

    fn is_ready(&self) -> bool {
        self.over.get().is_some()
    }

    fn may_have_completed(&self) -> bool {
        self.is_ready()
    }

    fn wants_enter(&self) -> bool {
        false
    }

    fn await_wakes(&self, count: u64) {
        while self.bell.rung.load(loom::sync::atomic::Ordering::Acquire) < count {
            thread::yield_now();
        }
    }
}

/// An operation that the model's kernel never ends by itself.
struct Endless;

// SAFETY: the requests name neither memory nor a descriptor.
unsafe impl Kind for Endless {
    type Value = ();

    fn request(&mut self) -> Request {
        Request::Fsync {
            fd: -1,
            data_only: false,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

/// An operation that the model's kernel ends at once, and that can be cancelled all the same.
struct Brief;

// SAFETY: the requests name neither memory nor a descriptor.
unsafe impl Kind for Brief {
    type Value = ();

    fn request(&mut self) -> Request {
        Request::Nop
    }

    fn finish(self, ending: Ending) -> Outcome<(), io::Error> {
        ending.into_outcome().map_value(|_| ())
    }
}

/// A context that other threads may use: it is dropped at the end of the model, once they have been
/// joined or let it go.
struct Owned(NonNull<IoContext<Model>>);

impl Owned {
    fn new() -> Self {
        let builder = IoContextBuilder::<Model>::new().spin(false);
        Self(NonNull::from(Box::leak(Box::new(
            builder.build().expect("a model"),
        ))))
    }

    fn ctx(&self) -> &'static IoContext<Model> {
        // SAFETY: alive until `end`, after which the models use nothing of it.
        unsafe { self.0.as_ref() }
    }

    fn end(self) {
        // SAFETY: it came from a box; nobody borrows it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(body);
}

#[test]
fn operation_at_home_stopped_by_another_thread_ends() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let source = Arc::new(StopSource::new());
        let stopper = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let sender = IoSender::new(ctx.scheduler(), Endless);
        let ended = ctx.block_on(sender.with_stop_token(source.token()));
        assert_eq!(ended.expect("no error"), None);
        // The stopper may still be about to wake the loop: the end waits for that.
        owned.end();
        assert!(stopper.join().expect("the stopper"));
    });
}

#[test]
fn operation_that_ends_while_it_is_stopped_leaves_nothing_queued() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let source = Arc::new(StopSource::new());
        let stopper = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let sender = IoSender::new(ctx.scheduler(), Brief);
        let ended = ctx.block_on(sender.with_stop_token(source.token()));
        assert!(ended.is_ok());
        assert!(stopper.join().expect("the stopper"));
        // The node of the stop request has come home before the operation completed.
        assert_eq!(ctx.run_some(), Ok(0));
        owned.end();
    });
}

#[test]
fn operation_from_another_thread_stopped_at_home_ends() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let io = ctx.scheduler();
        let source = Arc::new(StopSource::new());
        let starter = thread::spawn({
            let source = Arc::clone(&source);
            move || {
                let sender = IoSender::new(io, Endless);
                let ended = sync_wait(sender.with_stop_token(source.token()));
                assert_eq!(ended.expect("no error"), None);
                io.request_stop();
            }
        });
        source.request_stop();
        ctx.run();
        starter.join().expect("the starter");
        owned.end();
    });
}

#[test]
fn timer_at_home_stopped_by_another_thread_ends() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let source = Arc::new(StopSource::new());
        let stopper = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let timer = ctx.scheduler().schedule_after(Duration::MAX);
        let ended = ctx.block_on(timer.with_stop_token(source.token()));
        assert_eq!(ended.expect("no error"), None);
        owned.end();
        assert!(stopper.join().expect("the stopper"));
    });
}

#[test]
fn hop_of_another_thread_and_its_wake_up_arrive() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let io = ctx.scheduler();
        let other = thread::spawn(move || {
            assert_eq!(sync_wait(io.yield_now()), Ok(Some(())));
            io.request_stop();
        });
        ctx.run();
        other.join().expect("the other thread");
        owned.end();
    });
}

/// Completes on a thread of its own.
#[derive(Clone)]
struct Elsewhere;

impl Executor for Elsewhere {
    fn execute(&self, task: Task) {
        thread::spawn(move || task.run());
    }
}

#[test]
fn last_node_of_a_wait_comes_home_before_the_context_ends() {
    model(|| {
        let owned = Owned::new();
        let elsewhere = ExecutorScheduler::new(Elsewhere);
        let ended = owned.ctx().block_on(elsewhere.schedule());
        assert_eq!(ended, Ok(Some(())));
        // The thread that completed may still be about to wake the loop.
        owned.end();
    });
}

/// The scope of a model, for another thread of it.
fn shared<'a, 'scope, 'env>(
    scope: &'scope Scope<'scope, 'env, Model>,
) -> &'a Scope<'static, 'static, Model> {
    // SAFETY: the thread that gets it is part of the scope's work, or joined before the scope ends.
    unsafe { std::mem::transmute(scope) }
}

#[test]
fn operation_of_a_scope_that_another_thread_stops_ends() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        ctx.scope(|scope| {
            let shared = shared(scope);
            // The thread ends before its work completes, so the scope waits for it.
            let stop = ExecutorScheduler::new(Elsewhere).schedule();
            scope.spawn(stop.then(move |()| assert!(shared.request_stop())));
            // Started before the request, while it is made, or after it.
            let endless = IoSender::new(ctx.scheduler(), Endless);
            scope.spawn(endless.upon_error(|_| ()));
        });
        owned.end();
    });
}

#[test]
fn operation_of_a_scope_that_ends_while_it_is_stopped_lets_the_scope_close() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        ctx.scope(|scope| {
            let shared = shared(scope);
            let stop = ExecutorScheduler::new(Elsewhere).schedule();
            scope.spawn(stop.then(move |()| assert!(shared.request_stop())));
            let brief = IoSender::new(ctx.scheduler(), Brief);
            scope.spawn(brief.upon_error(|_| ()));
        });
        assert_eq!(ctx.run_some(), Ok(0), "nothing of the scope is left");
        owned.end();
    });
}

#[test]
fn scope_that_closes_while_it_is_stopped_waits_for_the_request() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let stopper = ctx.scope(|scope| {
            let shared = shared(scope);
            let token = scope.stop_token();
            let stopper = thread::spawn(move || shared.request_stop());
            // Until the request has been made, but maybe not yet told.
            while !token.stop_requested() {
                thread::yield_now();
            }
            stopper
        });
        owned.end();
        assert!(stopper.join().expect("the stopper"));
    });
}

#[test]
fn operation_of_a_scope_started_by_another_thread_is_stopped_at_home() {
    model(|| {
        let owned = Owned::new();
        let ctx = owned.ctx();
        let io = ctx.scheduler();
        ctx.scope(|scope| {
            let start = ExecutorScheduler::new(Elsewhere).schedule();
            scope.spawn(
                start.let_value(move |()| IoSender::new(io, Endless).upon_error(|_| ()).cast_err()),
            );
            scope.request_stop();
        });
        owned.end();
    });
}
