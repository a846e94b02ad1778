//! A piece of work that waits in an operation state, as a one-word handle that may be handed around.
//!
//! # States
//!
//! A task is *run* (the operation goes on), *dropped* (the operation completes stopped) or *leaked*
//! (the operation never completes; nothing is freed, so nothing is unsound).
//!
//! # Safety
//! INV-TASK-1: the node of a task stays alive and in place until the task is consumed, because the
//! operation that embeds it completes only through it.

#![expect(
    unsafe_code,
    reason = "the handle is a pointer into an operation state"
)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::util::node::{Node, Signal};

/// Work that an [`Executor`] was asked to run: a one-word handle to an operation that waits.
///
/// Running a task continues the operation on the calling thread; user closures run inside, and
/// their panics travel through the operation, never out of [`run`](Task::run). A task that is
/// dropped completes its operation with *stopped*, on the dropping thread. A task that is leaked
/// leaves its operation waiting for ever, so whoever waits for it hangs, but nothing is unsound.
///
/// # Examples
///
/// ```
/// use std::sync::{Mutex, mpsc};
/// use sendio::{Executor, ExecutorScheduler, Scheduler, SenderExt, Task, sync_wait};
///
/// struct Worker(Mutex<mpsc::Sender<Task>>);
/// impl Executor for Worker {
///     fn execute(&self, task: Task) {
///         // A closed channel drops the task: the operation completes stopped.
///         let _ = self.0.lock().unwrap().send(task);
///     }
/// }
///
/// let (queue, tasks) = mpsc::channel::<Task>();
/// let worker = Worker(Mutex::new(queue));
/// let thread = std::thread::spawn(move || tasks.into_iter().for_each(Task::run));
/// let answer = sync_wait(ExecutorScheduler::new(&worker).schedule().then(|()| 42));
/// assert_eq!(answer, Ok(Some(42)));
/// drop(worker);
/// thread.join().unwrap();
/// ```
#[must_use = "dropping a task completes its operation with `stopped`"]
pub struct Task {
    node: NonNull<Node>,
}

// SAFETY: tasks are made for operations of senders that may complete on any thread only
//         (`Task::new`), so running or dropping it elsewhere is what such an operation allows.
unsafe impl Send for Task {}

impl Task {
    /// A handle to `node`.
    ///
    /// # Safety
    ///
    /// - `node` is embedded in a started operation that waits for exactly this handle (INV-TASK-1).
    /// - The operation may be completed on any thread, or the handle stays on its thread.
    #[inline]
    pub(crate) const unsafe fn new(node: NonNull<Node>) -> Self {
        Self { node }
    }

    /// Gives up the handle without consuming the task.
    #[inline]
    pub(crate) fn into_node(self) -> NonNull<Node> {
        ManuallyDrop::new(self).node
    }

    /// Continues the operation on the calling thread.
    #[inline]
    pub fn run(self) {
        let node = self.into_node();
        // SAFETY: the handle was the only one, so the node is alive (INV-TASK-1) and was not run.
        unsafe { Node::run(node, Signal::Run) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: as in `run`; the handle is gone after this.
        unsafe { Node::run(self.node, Signal::Stop) }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

/// Where tasks run: the whole of what a user's own scheduler has to provide.
///
/// [`ExecutorScheduler`](crate::ExecutorScheduler) turns an executor into a scheduler that works in
/// every algorithm. No `unsafe` is needed, and nothing is allocated for a task.
///
/// `execute` may run the task at once, keep it, send it to another thread, or drop it. It may be
/// called from any thread. An operation goes on when `execute` has returned: a task that is consumed
/// inside `execute` takes effect right after it, and one that is consumed on another thread in the
/// meantime waits there for the return. So the executor may borrow what the consumer owns, and
/// `execute` must not wait until its task has run.
///
/// A panic that leaves `execute` after the task was handed on is dropped (its message was printed by
/// the panic hook); if the task was consumed inside, the panic travels to the consumer of the
/// operation.
pub trait Executor {
    /// Takes responsibility for `task`.
    fn execute(&self, task: Task);

    /// Another way to hand on a task, for this crate's own executors.
    #[doc(hidden)]
    fn direct(&self) -> Option<Direct<'_>> {
        None
    }
}

/// A way to hand a task to an executor that touches nothing once the task is published, so that the
/// operation, and all that its consumer owns, may be gone by then.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a> {
    executor: NonNull<()>,
    push: unsafe fn(NonNull<()>, Task),
    _borrow: PhantomData<&'a ()>,
}

impl Direct<'_> {
    /// The way `push` to `executor`.
    ///
    /// # Safety
    ///
    /// - `push` may be called with `executor` during the lifetime.
    /// - It touches nothing but its own frame after it has published the task (INV-LOOP-1).
    #[inline]
    pub(crate) const unsafe fn new(
        executor: NonNull<()>,
        push: unsafe fn(NonNull<()>, Task),
    ) -> Self {
        Self {
            executor,
            push,
            _borrow: PhantomData,
        }
    }

    /// The same way without its lifetime, whose holder watches it (INV-SCHED-1).
    #[inline]
    pub(crate) const fn erase(self) -> Direct<'static> {
        Direct {
            executor: self.executor,
            push: self.push,
            _borrow: PhantomData,
        }
    }

    /// Hands on `task`.
    #[inline]
    pub(crate) fn push(self, task: Task) {
        // SAFETY: the executor is borrowed until the task is published (contract of `new`).
        unsafe { (self.push)(self.executor, task) }
    }
}

impl<E: Executor + ?Sized> Executor for &E {
    #[inline]
    fn execute(&self, task: Task) {
        (**self).execute(task);
    }

    #[inline]
    fn direct(&self) -> Option<Direct<'_>> {
        (**self).direct()
    }
}

impl<E: Executor + ?Sized> Executor for std::sync::Arc<E> {
    #[inline]
    fn execute(&self, task: Task) {
        (**self).execute(task);
    }

    #[inline]
    fn direct(&self) -> Option<Direct<'_>> {
        (**self).direct()
    }
}
