//! `ExecutorScheduler`: what users' executors may do. Method: executors that run, keep, drop, leak
//! and panic, each before and after they handed the task on; and executors that are gone as soon as
//! the operation has completed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use sendio::prelude::*;
use sendio::{SchedulerRef, Task};

use crate::common::outcomes::panic_message;
use crate::common::receivers::{Probe, Trace, connect_and_start, lock, run, run_traced};

/// An executor that is a closure.
#[derive(Clone, Copy)]
struct By<F>(F);

impl<F: Fn(Task)> Executor for By<F> {
    fn execute(&self, task: Task) {
        (self.0)(task);
    }
}

fn schedule<F: Fn(Task) + Copy + Sync>(
    f: F,
) -> impl Sender<Value = (), Error = std::convert::Infallible> {
    ExecutorScheduler::new(By(f)).schedule()
}

#[test]
fn executor_that_runs_drops_or_panics_completes_accordingly() {
    assert!(matches!(run(schedule(Task::run)), Outcome::Value(())));
    assert!(matches!(run(schedule(drop)), Outcome::Stopped));
    assert_eq!(
        panic_message(run(schedule(|_| panic!("unwound")))),
        "unwound"
    );
    let dropped = schedule(|task| {
        drop(task);
        panic!("after the drop")
    });
    assert_eq!(panic_message(run(dropped)), "after the drop");
    let ran = schedule(|task| {
        task.run();
        panic!("after the run")
    });
    assert_eq!(panic_message(run(ran)), "after the run");
}

#[test]
fn executor_that_panics_after_handing_on_loses_the_panic_only() {
    let kept = Mutex::new(None);
    let probe = Probe::new();
    let keep = |task| {
        *lock(&kept) = Some(task);
        panic!("after handing on")
    };
    let _op = connect_and_start(schedule(&keep), probe.receiver());
    probe.expect_nothing();
    let task: Option<Task> = lock(&kept).take();
    task.expect("it was kept").run();
    probe.expect_value();
}

#[test]
fn executor_that_drops_the_task_of_another_operation_while_unwinding_stops_that_one() {
    let kept: Mutex<Option<Task>> = Mutex::new(None);
    let (first, second) = (Probe::new(), Probe::new());
    let keep = |task| *lock(&kept) = Some(task);
    let _kept = connect_and_start(schedule(&keep), first.receiver());
    let swap = |task| {
        let other = lock(&kept).replace(task);
        let _dropped_by_unwinding = other;
        panic!("swapped")
    };
    let _swapped = connect_and_start(schedule(&swap), second.receiver());
    first.expect_stopped();
    second.expect_nothing();
    let task = lock(&kept).take();
    task.expect("it was kept").run();
    second.expect_value();
}

#[test]
fn executor_started_while_the_thread_unwinds_completes() {
    struct StartsInDrop<'a>(&'a AtomicBool);
    impl Drop for StartsInDrop<'_> {
        fn drop(&mut self) {
            assert_eq!(sync_wait(schedule(drop)), Ok(None));
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let completed = AtomicBool::new(false);
    let unwound = std::panic::catch_unwind(|| {
        let _starts = StartsInDrop(&completed);
        panic!("unwinds");
    });
    assert!(unwound.is_err() && completed.into_inner());
}

#[test]
fn executor_goes_on_after_running_a_task_before_the_operation_completes() {
    let trace = Trace::new();
    let sender = schedule(|task| {
        task.run();
        (0..100).for_each(|_| thread::yield_now());
        trace.note("executor");
    });
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(())));
    trace.expect(&["executor", "value"]);
}

#[test]
fn executor_returns_before_a_task_that_another_thread_runs_completes() {
    // The executor and its clone are gone when `sync_wait` returns; both still work after the send.
    struct Worker {
        queue: Mutex<mpsc::Sender<Task>>,
        calls: AtomicUsize,
        gone: Arc<AtomicBool>,
    }
    impl Executor for Worker {
        fn execute(&self, task: Task) {
            let sent = lock(&self.queue).send(task);
            assert!(sent.is_ok(), "the worker listens");
            (0..20).for_each(|_| thread::yield_now());
            self.calls.fetch_add(1, Ordering::Relaxed);
            assert!(
                !self.gone.load(Ordering::Relaxed),
                "used after its consumer returned"
            );
        }
    }
    let (queue, tasks) = mpsc::channel::<Task>();
    let runner = thread::spawn(move || tasks.into_iter().for_each(Task::run));
    let away = RunLoop::new();
    thread::scope(|scope| {
        scope.spawn(|| away.run());
        for _ in 0..100 {
            let gone = Arc::new(AtomicBool::new(false));
            let worker = Worker {
                queue: Mutex::new(queue.clone()),
                calls: AtomicUsize::new(0),
                gone: gone.clone(),
            };
            // `execute` runs on the thread of `away`, the task on that of `runner`.
            let hop = starts_on(away.scheduler(), just(7));
            let hop = hop.continues_on(ExecutorScheduler::new(&worker));
            assert_eq!(sync_wait(hop), Ok(Some(7)));
            gone.store(true, Ordering::Relaxed);
            assert_eq!(worker.calls.load(Ordering::Relaxed), 1);
        }
        away.finish();
    });
    drop(queue);
    runner.join().expect("every task ran");
}

#[test]
fn executor_clone_is_dropped_before_the_completion() {
    #[derive(Clone)]
    struct Guarded(Arc<crate::common::receivers::DropGuard>);
    impl Executor for Guarded {
        fn execute(&self, task: Task) {
            self.0.touch();
            task.run();
        }
    }
    let trace = Trace::new();
    let guarded = Guarded(Arc::new(trace.slow_guard("executor")));
    let sender = {
        let scheduler = ExecutorScheduler::new(guarded);
        scheduler.schedule()
    };
    assert!(matches!(run_traced(sender, &trace), Outcome::Value(())));
    trace.expect(&["drop executor", "value"]);
}

#[test]
fn executor_runs_the_task_of_an_enclosing_start_inside_a_nested_one() {
    let kept: Mutex<Option<Task>> = Mutex::new(None);
    let (outer, inner) = (Probe::new(), Probe::new());
    // Inside the outer `execute` an inner operation is started, whose `execute` runs both tasks.
    let run_both = |task: Task| {
        let enclosing = lock(&kept).take();
        enclosing.expect("the outer task").run();
        outer.expect_nothing();
        task.run();
    };
    let nest = |task| {
        *lock(&kept) = Some(task);
        let _op = connect_and_start(schedule(&run_both), inner.receiver());
        inner.expect_value();
        outer.expect_nothing();
    };
    let _op = connect_and_start(schedule(&nest), outer.receiver());
    outer.expect_value();
}

#[test]
fn executor_leaked_task_never_completes() {
    let probe = Probe::<(), std::convert::Infallible>::new();
    let op = connect_and_start(
        schedule(|task| {
            let _leaked = std::mem::ManuallyDrop::new(task);
        }),
        probe.receiver(),
    );
    probe.expect_nothing();
    // Nobody can end this operation: it stays where it is.
    let _leaked = std::mem::ManuallyDrop::new(op);
}

#[test]
fn executor_scheduler_ref_schedules_without_the_type() {
    let ran = AtomicUsize::new(0);
    let count = By(|task: Task| {
        ran.fetch_add(1, Ordering::Relaxed);
        task.run();
    });
    let erased = SchedulerRef::new(&count);
    assert_eq!(
        sync_wait(erased.schedule().sequence(erased.transfer())),
        Ok(Some(()))
    );
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}
