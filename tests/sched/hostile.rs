//! Handles that outlive what they belong to, or are used where they should not be, in safe code.
//! Method: the closed descriptor's number is given to other files; tasks are left where they are lost.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Mutex;
use std::thread;

use sendio::backends::{Backend, Options, Uring, Wake};
use sendio::prelude::*;
use sendio::{Executor, ExecutorScheduler, Io, Task};

use tempfile::TempDir;

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
