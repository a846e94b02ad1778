//! Finds the addresses of names: `resolve`.
//!
//! The resolver of the C library (`getaddrinfo(3)`) blocks, so it runs on threads of its own, which
//! are made when they are needed and end when nothing waits for them. There are at most
//! [`THREADS_MAX`] in the process; what comes beyond that waits in order for one of them, without a
//! bound but that of the callers, who wait for it.
//!
//! # Cancellation
//!
//! A lookup that has begun cannot be cancelled: nothing in the C library could. A stop that comes
//! before a thread takes it completes stopped when its turn comes.

use std::collections::VecDeque;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::sched::executor::{ExecutorSchedule, ExecutorScheduler};
use crate::senders::adaptor::continues_on::ContinuesOn;
use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::scheduler::Scheduler;
use crate::senders::concept::task::{Executor, Task};
use crate::tokens::endpoint::Endpoint;

/// How many lookups run at the same time.
const THREADS_MAX: usize = 16;

/// The sender of [`SocketOps::resolve`](crate::SocketOps::resolve).
pub type Resolve<H> = ContinuesOn<Mapped<ExecutorSchedule<Lookups>, Lookup>, H>;

/// The lookup of `host` on a thread for lookups; completes there.
pub(crate) fn lookup(host: String, port: u16) -> Mapped<ExecutorSchedule<Lookups>, Lookup> {
    let failure = Failure::default();
    let scheduler = ExecutorScheduler::new(Lookups(failure.clone()));
    Mapped::new(
        scheduler.schedule(),
        Lookup {
            host,
            port,
            failure,
        },
    )
}

/// Why there is no thread for a lookup.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// What waits for a thread, and how many there are.
struct Queue {
    waiting: VecDeque<Task>,
    threads: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    waiting: VecDeque::new(),
    threads: 0,
});

/// The lock on `mutex`; no user code runs under it, so it is never found half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The executor of lookups.
#[derive(Clone, Debug)]
pub struct Lookups(Failure);

impl Executor for Lookups {
    fn execute(&self, task: Task) {
        let mut queue = lock(&QUEUE);
        queue.waiting.push_back(task);
        if queue.threads == THREADS_MAX {
            return;
        }
        let named = thread::Builder::new().name("sendio-resolve".to_owned());
        match named.spawn(look_up_all) {
            Ok(_) => queue.threads += 1,
            // Another thread will come to it.
            Err(_) if queue.threads > 0 => {}
            Err(error) => {
                *lock(&self.0) = Some(error);
                let unserved = queue.waiting.pop_back();
                drop(queue);
                drop(unserved);
            }
        }
    }
}

/// A thread: runs what waits until nothing does.
fn look_up_all() {
    loop {
        let mut queue = lock(&QUEUE);
        let Some(task) = queue.waiting.pop_front() else {
            queue.threads -= 1;
            return;
        };
        drop(queue);
        // A panic on the way stays in the operation.
        task.run();
    }
}

/// Turns a place on a thread into the addresses of a name.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    failure: Failure,
}

impl<E> Map<(), E> for Lookup {
    type Value = Vec<Endpoint>;
    type Error = io::Error;

    fn map(self, outcome: Outcome<(), E>) -> Outcome<Vec<Endpoint>, io::Error> {
        match outcome {
            Outcome::Value(()) => match (&*self.host, self.port).to_socket_addrs() {
                Ok(found) => Outcome::Value(found.map(Endpoint::from).collect()),
                Err(error) => Outcome::Error(error),
            },
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
            Outcome::Stopped | Outcome::Error(_) => match lock(&self.failure).take() {
                Some(error) => Outcome::Error(error),
                None => Outcome::Stopped,
            },
        }
    }
}
