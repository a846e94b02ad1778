//! A scheduler of your own: a thread that runs the most urgent work first.
//!
//! An [`Executor`] takes tasks and runs them where and when it likes; [`ExecutorScheduler`] makes it a
//! scheduler for every algorithm. docs/pluggable-event-loop.md goes through it.
#![expect(clippy::print_stdout, reason = "shows what happened")]

use std::collections::BinaryHeap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use backend::BackendArgs;
use clap::Parser;
use sendio::prelude::*;

#[path = "common/backend.rs"]
mod backend;

/// Work that waits. The most urgent comes first, and among equals what came first.
struct Waiting {
    urgency: u8,
    number: u64,
    task: Task,
}

impl Waiting {
    fn key(&self) -> (u8, std::cmp::Reverse<u64>) {
        (self.urgency, std::cmp::Reverse(self.number))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Default)]
struct Queue {
    waiting: BinaryHeap<Waiting>,
    accepted: u64,
    closed: bool,
}

/// Runs tasks on the thread that calls [`run`](Worker::run), the most urgent first.
#[derive(Default)]
struct Worker {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Worker {
    fn push(&self, urgency: u8, task: Task) {
        let mut queue = locked(&self.queue);
        if queue.closed {
            // The operation completes stopped, after the lock is free: what follows may schedule again.
            drop(queue);
            return drop(task);
        }
        queue.accepted += 1;
        let number = queue.accepted;
        queue.waiting.push(Waiting {
            urgency,
            number,
            task,
        });
        self.changed.notify_one();
    }

    /// Runs what comes until [`close`](Worker::close), and what is left then.
    fn run(&self) {
        let mut queue = locked(&self.queue);
        loop {
            if let Some(next) = queue.waiting.pop() {
                drop(queue);
                next.task.run();
                queue = locked(&self.queue);
            } else if queue.closed {
                return;
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn close(&self) {
        locked(&self.queue).closed = true;
        self.changed.notify_all();
    }

    /// The scheduler for work of this urgency.
    fn urgency(&self, urgency: u8) -> ExecutorScheduler<Urgent<'_>> {
        let worker = self;
        ExecutorScheduler::new(Urgent { worker, urgency })
    }
}

/// A worker, and how urgent what it is given is.
#[derive(Clone, Copy)]
struct Urgent<'a> {
    worker: &'a Worker,
    urgency: u8,
}

impl Executor for Urgent<'_> {
    fn execute(&self, task: Task) {
        self.worker.push(self.urgency, task);
    }
}

/// Runs work on a scheduler of its own, beside an I/O context.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    backend: BackendArgs,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let worker = Worker::default();
    let order = &Mutex::new(Vec::new());
    let note = |name: &'static str| move || locked(order).push(name);
    let work = |urgency, name| starts_on(worker.urgency(urgency), just_from(note(name)));

    thread::scope(|threads| {
        // It all waits until the worker runs, which it does when the first has been queued.
        let together = threads.spawn(|| {
            sync_wait(when_all((
                work(1, "later"),
                work(9, "now"),
                work(5, "soon"),
            )))
        });
        while locked(&worker.queue).accepted < 3 {
            thread::yield_now();
        }
        threads.spawn(|| worker.run());
        together.join().ok();

        // A file is read by the I/O context, and looked at by the worker.
        let ctx = args.backend.context()?;
        let io = ctx.scheduler();
        let file = std::fs::File::open("Cargo.toml")?;
        let lines = io
            .read_at(&file, vec![0; 1 << 16], 0)
            .continues_on(worker.urgency(5))
            .then(|(n, bytes)| {
                let lines = bytes[..n].iter().filter(|byte| **byte == b'\n').count();
                (lines, thread::current().id())
            });
        let seen = ctx.block_on(lines);
        worker.close();
        if let Some((lines, there)) = seen? {
            let elsewhere = there != thread::current().id();
            println!("{lines} lines, counted on another thread: {elsewhere}");
        }
        Ok::<(), io::Error>(())
    })?;
    println!("{}", locked(order).join(", "));
    Ok(())
}

/// The content of a lock, also of one in which somebody panicked.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
