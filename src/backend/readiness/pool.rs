//! The threads for calls that block: on files, names and devices. One set for the process.
//!
//! # Flow
//!
//! ```text
//! loop: submit ─> queue (under the lock) ─> thread: carry out ─> inbox of the loop ─> loop: `take`
//!       take_back <─┘                                             └ wakes it if it sleeps
//! ```
//!
//! # Bounds
//!
//! At most [`threads_max`] threads, made when they are needed; one that has had nothing to do for
//! [`IDLE`] ends. The queue has no bound of its own: its memory is that of the operations, and a context
//! has a bound on them. A job that waits in it can be taken back; one that runs cannot.
//!
//! If there is no thread and none can be made, the loop's own thread does the job.
//!
//! # Threads
//!
//! Jobs cross twice: under the lock on the way there, and through the inbox on the way back, whose
//! model (`src/loom/inbox.rs`) is that of every other message to a loop. Who clears the inbox's mark of
//! a sleeping loop writes its eventfd once, and the loop waits for as many writes before it ends. It waits
//! for the threads that are about to leave it as well (`Home::visitors`), so nothing of it is touched, and
//! no descriptor of it is open, when it has ended.
//!
//! # Safety
//! - INV-READY-4: a job in the queue, or with a thread, is the pool's, except that the loop may take it
//!   back under the lock while it is in the queue.
//! - INV-LIST-1: the queue is changed under the lock only; its jobs are in place (INV-SLOT-1).
//! - INV-NODE-1, INV-INBOX-2: as the inbox demands.

#![expect(unsafe_code, reason = "jobs lie in operations of other threads")]

use std::ptr::NonNull;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::blocking::carry_out;
use super::guard::Blocked;
use super::slot::SlotCore;
use crate::abort::abort;
use crate::backend::Wake;
use crate::backend::event::EventWaker;
use crate::sync::Backoff;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::util::inbox::Inbox;
use crate::util::list::List;
use crate::util::node::{Node, Signal};

/// How long a thread waits for something to do.
const IDLE: Duration = Duration::from_secs(3);

/// What threads know of a loop: where they put what is done, and how they wake it.
pub(crate) struct Home {
    pub(super) inbox: Inbox,
    pub(super) waker: EventWaker,
    /// Threads that may touch this.
    visitors: AtomicUsize,
}

impl Home {
    pub(super) fn new(waker: EventWaker) -> Self {
        Self {
            inbox: Inbox::new(),
            waker,
            visitors: AtomicUsize::new(0),
        }
    }

    /// Waits until no thread touches this any more: for the few instructions between the return of the last
    /// job and the end of the visit.
    pub(super) fn await_visitors(&self) {
        let mut backoff = Backoff::default();
        while self.visitors.load(Ordering::Acquire) != 0 {
            backoff.wait();
        }
    }
}

struct Queue {
    /// Jobs that no thread has; made empty by the first one.
    jobs: List,
    made: bool,
    /// How many they are.
    len: usize,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
}

// SAFETY: the list is the field that is not `Send`; it is reached under the lock only, and its links
//         are those of jobs that are the pool's (INV-READY-4).
unsafe impl Send for Queue {}

struct Pool {
    queue: Mutex<Queue>,
    more: Condvar,
}

static POOL: Pool = Pool {
    queue: Mutex::new(Queue {
        jobs: List::new(),
        made: false,
        len: 0,
        threads: 0,
        idle: 0,
    }),
    more: Condvar::new(),
};

/// How many threads there are at most: 2 to 8, twice as many as processors.
pub(super) fn threads_max() -> usize {
    // To ask costs the reading of files.
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        thread::available_parallelism().map_or(2, |count| (2 * count.get()).clamp(2, 8))
    })
}

fn lock() -> MutexGuard<'static, Queue> {
    // No code of users runs under it, so it is never found half changed.
    POOL.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a job to the threads; `false` if there are none, and the job is the caller's again.
///
/// # Safety
///
/// - `core` is `Pooled`, in no list, and its home is that of a loop which takes it from its inbox, or
///   takes it back, before it ends.
pub(super) unsafe fn submit(core: NonNull<SlotCore>) -> bool {
    let mut queue = lock();
    if !queue.made {
        // SAFETY: a static stays where it is.
        unsafe { queue.jobs.init() };
        queue.made = true;
    }
    // SAFETY: in no list, and in place until it leaves this one (INV-READY-3, INV-READY-4).
    unsafe {
        queue.jobs.push_back(SlotCore::links(core));
        (*core.as_ptr()).queued.set(true);
    }
    queue.len += 1;
    if queue.len <= queue.idle {
        drop(queue);
        POOL.more.notify_one();
        return true;
    }
    if queue.threads < threads_max() {
        if begin_thread() {
            queue.threads += 1;
        } else if queue.threads == 0 {
            // SAFETY: it was put in above, and the lock has been held since.
            unsafe { queue.remove(core) };
            return false;
        }
    }
    true
}

fn begin_thread() -> bool {
    // Signals are for the threads of the program.
    let _blocked = Blocked::all();
    let named = thread::Builder::new().name("sendio-files".to_owned());
    named.spawn(work).is_ok()
}

/// Takes a job back that no thread has begun; whether that is so.
///
/// # Safety
///
/// - `core` was given to the threads, and has not come back.
pub(super) unsafe fn take_back(core: NonNull<SlotCore>) -> bool {
    let mut queue = lock();
    // SAFETY: alive, since it has not come back; `queued` is touched under the lock only.
    unsafe {
        let waits = (*core.as_ptr()).queued.get();
        if waits {
            queue.remove(core);
        }
        waits
    }
}

impl Queue {
    /// Takes a job out.
    ///
    /// # Safety
    ///
    /// - `core` is in the queue.
    unsafe fn remove(&mut self, core: NonNull<SlotCore>) {
        // SAFETY: it is there (contract), and the lock is held by whoever has `self`.
        unsafe {
            List::remove(SlotCore::links(core));
            (*core.as_ptr()).queued.set(false);
        }
        self.len -= 1;
    }

    /// Takes the first job out.
    fn next(&mut self) -> Option<NonNull<SlotCore>> {
        let links = self.jobs.first()?;
        // SAFETY: only jobs are in the queue.
        unsafe {
            let core = SlotCore::of_links(links);
            self.remove(core);
            Some(core)
        }
    }
}

/// What a thread does.
fn work() {
    let mut queue = lock();
    loop {
        if let Some(core) = queue.next() {
            drop(queue);
            // SAFETY: it is this thread's from here on (INV-READY-4).
            unsafe {
                carry_out(core);
                give_back(core);
            }
            queue = lock();
            continue;
        }
        queue.idle += 1;
        let (after, timeout) = POOL
            .more
            .wait_timeout(queue, IDLE)
            .unwrap_or_else(PoisonError::into_inner);
        queue = after;
        queue.idle -= 1;
        if timeout.timed_out() && queue.len == 0 {
            queue.threads -= 1;
            return;
        }
    }
}

/// Gives a job that is done back to its loop.
///
/// # Safety
///
/// - `core` is this thread's, and has its result.
unsafe fn give_back(core: NonNull<SlotCore>) {
    // SAFETY: the loop is there until it has got its jobs back, and no thread visits its home. The end of
    //         the visit is the last touch of it; the job is not touched after it was queued.
    unsafe {
        let home = (*core.as_ptr()).home;
        // Relaxed: the job that is queued next makes it visible.
        (*home).visitors.fetch_add(1, Ordering::Relaxed);
        let node = SlotCore::node(core);
        node.write(Node::new(never_run));
        if (*home).inbox.push(node) {
            (*home).waker.wake();
        }
        (*home).visitors.fetch_sub(1, Ordering::Release);
    }
}

/// These nodes are looked at by their loop, and not run.
///
/// # Safety
///
/// - None.
unsafe fn never_run(_: NonNull<Node>, _: Signal) {
    abort("a job was taken for a task");
}

#[cfg(all(test, not(loom)))]
mod tests;
