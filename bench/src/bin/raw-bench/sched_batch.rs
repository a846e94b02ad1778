//! `sched-batch`: tasks that go through a run queue of their own thread, again and again.
//!
//! The queue is a singly linked list through the tasks. A turn takes the whole list, runs every
//! task through its function pointer, and then looks at the ring's completion queue, as a loop has
//! to that serves I/O too; the kernel is not entered while there are tasks to run.
//!
//! # Safety
//!
//! INV: a task is linked at most once, is not moved while it is linked, and outlives the queue's
//! use of it; the tasks are in a vector that is not touched otherwise while the queue runs.
#![expect(unsafe_code, reason = "an intrusive list is raw pointers")]

use std::ptr;

use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};

struct Task {
    next: *mut Self,
    run: unsafe fn(*mut Self, &mut Queue),
    passes: u64,
}

struct Queue {
    head: *mut Task,
    tail: *mut Task,
    left: u64,
}

impl Queue {
    /// # Safety
    ///
    /// - `task` is valid, not linked, and keeps its address until it has been run.
    #[inline(always)]
    unsafe fn push(&mut self, task: *mut Task) {
        // SAFETY: `task` is valid and unlinked (caller); `tail`, if there is one, is linked and so
        // still valid by the same promise made when it was pushed.
        unsafe {
            (*task).next = ptr::null_mut();
            if self.head.is_null() {
                self.head = task;
            } else {
                (*self.tail).next = task;
            }
        }
        self.tail = task;
    }

    /// Runs what is queued now; what that queues is for the next turn.
    #[inline]
    fn turn(&mut self) {
        let mut task = std::mem::replace(&mut self.head, ptr::null_mut());
        while !task.is_null() {
            // SAFETY: a linked task is valid until it has run; it is unlinked by the read of its
            // `next`, and not touched here after it has run.
            unsafe {
                let next = (*task).next;
                ((*task).run)(task, self);
                task = next;
            }
        }
    }
}

/// One pass of a task: counts, and queues itself as long as there are passes left.
///
/// # Safety
///
/// - `task` is valid and not linked.
unsafe fn pass(task: *mut Task, queue: &mut Queue) {
    // SAFETY: `task` is valid, unlinked (caller) and in a vector that outlives the queue's use.
    unsafe {
        (*task).passes += 1;
        if queue.left > 0 {
            queue.left -= 1;
            queue.push(task);
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let mut uring = ring::build(8)?;
    let mut ring = Ring::new(&mut uring)?;
    let task = || Task {
        next: ptr::null_mut(),
        run: pass,
        passes: 0,
    };
    let mut tasks: Vec<Task> = std::iter::repeat_with(task)
        .take(args.depth as usize)
        .collect();
    let tasks: &mut [Task] = &mut tasks;
    let first = tasks.as_mut_ptr();
    let count = tasks.len();
    meter.measure(args, 50_000_000, |ops| {
        let linked = ops.min(count as u64);
        let mut queue = Queue {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            left: ops - linked,
        };
        for index in 0..usize::try_from(linked).unwrap_or(count) {
            // SAFETY: `index` is below the vector's length; the vector lives until after
            // `measure`, and no task is linked before the loop or after the turns below.
            unsafe { queue.push(first.add(index)) };
        }
        while !queue.head.is_null() {
            queue.turn();
            if ring.peek() {
                return Err(Failure::Io(std::io::Error::other(
                    "a completion of nothing",
                )));
            }
        }
        Ok(())
    })
}
