//! Where work runs: schedulers, timed schedulers, and the type-erased reference in environments.
//!
//! # Safety
//! INV-SCHED-1: an erased `SchedulerRef` is used only while the executor that it points to lives,
//! which the environment that it came from guarantees (INV-ENV-1).

#![expect(unsafe_code, reason = "erases the lifetime of a scheduler reference")]

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::sender::Sender;
use super::task::{Direct, Executor, Task};

/// A handle to a place where work runs.
///
/// A user's own scheduler is easiest made from an [`Executor`] with
/// [`ExecutorScheduler`](crate::ExecutorScheduler). Implement this trait by hand for senders of
/// your own, or around another scheduler.
///
/// Clause: [exec.sched].
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use sendio::{SchedulerRef, prelude::*};
///
/// /// Counts what goes through another scheduler.
/// #[derive(Clone)]
/// struct Counting<'a, S> { inner: S, count: &'a AtomicUsize }
///
/// impl<S: Scheduler> Scheduler for Counting<'_, S> {
///     type Schedule = S::Schedule;
///     type Transfer = S::Transfer;
///
///     fn schedule(&self) -> S::Schedule {
///         self.count.fetch_add(1, Ordering::Relaxed);
///         self.inner.schedule()
///     }
///
///     fn transfer(&self) -> S::Transfer {
///         self.count.fetch_add(1, Ordering::Relaxed);
///         self.inner.transfer()
///     }
///
///     // Work that asks for its scheduler gets the inner one: such hops are not counted.
///     fn scheduler_ref(&self) -> Option<SchedulerRef<'_>> {
///         self.inner.scheduler_ref()
///     }
/// }
///
/// let count = AtomicUsize::new(0);
/// let counting = Counting { inner: Inline, count: &count };
/// let work = starts_on(counting.clone(), just(1)).continues_on(counting);
/// assert_eq!(sync_wait(work), Ok(Some(1)));
/// assert_eq!(count.into_inner(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scheduler",
    label = "not a `Scheduler`",
    note = "schedulers are passed by value, they are handles: `ctx.scheduler()`, `ctx.local()`, \
            `run_loop.scheduler()`, `Inline`",
    note = "`ExecutorScheduler::new(executor)` is a scheduler if the executor is `Clone + Sync`, as \
            `&E` and `Arc<E>` are"
)]
pub trait Scheduler: Clone {
    /// The sender of [`schedule`](Scheduler::schedule).
    type Schedule: Sender<Value = ()>;
    /// The sender of [`transfer`](Scheduler::transfer).
    type Transfer: Sender<Value = ()>;

    /// Whether this is a [`LocalScheduler`]. Work that is brought to one may come from any thread,
    /// so it does not see the queries of the environment, which belong to the scheduler's thread.
    const BOUND_TO_THREAD: bool = false;

    /// A sender that completes on this scheduler.
    fn schedule(&self) -> Self::Schedule;

    /// A sender that brings work that already runs to this scheduler: what
    /// [`continues_on`](crate::SenderExt::continues_on) uses.
    ///
    /// Return `self.schedule()` unless new work can be refused where running work cannot.
    fn transfer(&self) -> Self::Transfer;

    /// A type-erased reference to this scheduler, offered to the work that runs on it as
    /// [`Env::scheduler`](crate::Env::scheduler); `None` leaves the environment's as it is. It may
    /// not panic, since nobody could be told: the process aborts.
    fn scheduler_ref(&self) -> Option<SchedulerRef<'_>> {
        None
    }
}

/// A scheduler with a clock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scheduler with a clock",
    label = "not a `TimedScheduler`",
    note = "the schedulers of an `IoContext` have one: `ctx.scheduler()`, `ctx.local()`"
)]
pub trait TimedScheduler: Scheduler {
    /// The sender of [`schedule_at`](TimedScheduler::schedule_at).
    type ScheduleAt: Sender<Value = ()>;

    /// The scheduler's clock, which never goes back.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// A sender that completes on this scheduler at `deadline` or shortly after, never before.
    fn schedule_at(&self, deadline: Instant) -> Self::ScheduleAt;

    /// A sender that completes on this scheduler when `duration` has passed since it was started.
    fn schedule_after(&self, duration: Duration) -> Self::ScheduleAt;
}

/// A scheduler whose transfers bring work from any thread to the thread on which the scheduler
/// lives.
///
/// # Safety
///
/// The implementor promises that
///
/// - `Transfer` senders made by [`Scheduler::transfer`] may be connected, started and destroyed on
///   any thread, whatever their auto traits say, and complete on the thread to which the scheduler
///   value is bound, on every channel;
/// - connecting one does not panic;
/// - [`BOUND_TO_THREAD`](Scheduler::BOUND_TO_THREAD) is `true`.
pub unsafe trait LocalScheduler: Scheduler {}

/// Converts the error of a scheduler into the error of the work that moves there.
///
/// `Infallible` becomes anything, `io::Error` stays itself. For error types of your own implement
/// it: `impl IntoError<MyError> for std::io::Error`.
#[diagnostic::on_unimplemented(
    message = "the scheduler can fail with `{Self}`, which the work's error `{E}` does not cover",
    note = "work that cannot fail (its error is `Infallible`) gets the scheduler's error by \
            `.cast_err::<{Self}>()`, other work by `.map_err(..)`",
    note = "for an error type of your own, implement `IntoError` for `{Self}`"
)]
pub trait IntoError<E> {
    /// The conversion.
    fn into_error(self) -> E;
}

impl<E> IntoError<E> for Infallible {
    fn into_error(self) -> E {
        match self {}
    }
}

impl IntoError<Self> for std::io::Error {
    fn into_error(self) -> Self {
        self
    }
}

impl IntoError<Box<dyn std::error::Error + Send + Sync>> for std::io::Error {
    fn into_error(self) -> Box<dyn std::error::Error + Send + Sync> {
        Box::new(self)
    }
}

/// A type-erased, copyable reference to a scheduler: what an environment carries.
///
/// It schedules a node inside the waiting operation, so nothing is allocated. It is itself a
/// [`Scheduler`].
#[derive(Clone, Copy)]
pub struct SchedulerRef<'a> {
    executor: NonNull<()>,
    functions: &'static Functions,
    _borrow: PhantomData<&'a (dyn Executor + Sync)>,
}

/// What can be done with an executor whose type was erased.
struct Functions {
    execute: unsafe fn(NonNull<()>, Task),
    direct: unsafe fn(NonNull<()>) -> Option<Direct<'static>>,
}

/// The functions of executor `E`.
struct FunctionsOf<E>(PhantomData<E>);

impl<E: Executor + Sync> FunctionsOf<E> {
    const ALL: &'static Functions = &Functions {
        execute: execute_on::<E>,
        direct: direct_to::<E>,
    };
}

// SAFETY: it is a shared reference to a `Sync` executor.
unsafe impl Send for SchedulerRef<'_> {}
// SAFETY: as for `Send`.
unsafe impl Sync for SchedulerRef<'_> {}

impl<'a> SchedulerRef<'a> {
    /// A reference to whatever runs tasks.
    #[inline]
    #[must_use]
    pub const fn new<E: Executor + Sync>(executor: &'a E) -> Self {
        Self {
            executor: NonNull::from_ref(executor).cast(),
            functions: FunctionsOf::<E>::ALL,
            _borrow: PhantomData,
        }
    }

    /// The same reference without its lifetime.
    #[inline]
    pub(crate) const fn erase(self) -> SchedulerRef<'static> {
        SchedulerRef {
            executor: self.executor,
            functions: self.functions,
            _borrow: PhantomData,
        }
    }
}

/// Hands `task` to the executor of type `E` behind `executor`.
///
/// # Safety
///
/// - `executor` points to a live `E`.
unsafe fn execute_on<E: Executor + Sync>(executor: NonNull<()>, task: Task) {
    // SAFETY: alive and of this type (contract); not used after this line.
    unsafe { executor.cast::<E>().as_ref() }.execute(task);
}

/// The direct way to the executor of type `E` behind `executor`.
///
/// # Safety
///
/// - `executor` points to an `E` that is alive until the task is published that goes this way.
unsafe fn direct_to<E: Executor + Sync>(executor: NonNull<()>) -> Option<Direct<'static>> {
    // SAFETY: alive and of this type (contract).
    let executor = unsafe { executor.cast::<E>().as_ref() };
    executor.direct().map(Direct::erase)
}

impl Executor for SchedulerRef<'_> {
    #[inline]
    fn execute(&self, task: Task) {
        // SAFETY: `new` paired the function with its type; the executor is borrowed, or its life is
        //         watched by whoever erased the borrow (INV-SCHED-1).
        unsafe { (self.functions.execute)(self.executor, task) }
    }

    #[inline]
    fn direct(&self) -> Option<Direct<'_>> {
        // SAFETY: as in `execute`; the lifetime of the result is cut to that of the borrow.
        unsafe { (self.functions.direct)(self.executor) }
    }
}

impl fmt::Debug for SchedulerRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchedulerRef").finish_non_exhaustive()
    }
}
