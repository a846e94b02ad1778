//! The I/O context: a loop on one thread that runs I/O, timers and scheduled work.
//!
//! [`IoContext`] owns a `Core` at a fixed address; `core` says what the loop does. `builder` makes
//! contexts, `handle` has the schedulers, `op` the operation of everything that goes through the
//! backend, `timer` and `hop` those that do not, `scope` structured concurrency, `shutdown` the end.
//!
//! # Safety
//! INV-CTX-2: what is queued from other threads as the last node is run before the loop is left.

#![expect(unsafe_code, reason = "queues the last node of a blocking wait")]

mod builder;
mod clock;
pub(crate) mod core;
pub(crate) mod handle;
mod home_source;
pub(crate) mod hop;
pub(crate) mod io_sender;
mod kind;
pub(crate) mod metrics;
pub(crate) mod op;
pub(crate) mod schedule;
pub(crate) mod scope;
mod shutdown;
pub(crate) mod stop_link;
pub(crate) mod timer;
mod turn;
mod verdict;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Instant;

pub use builder::IoContextBuilder;
pub use shutdown::ShutdownReport;

use self::core::Core;
use self::handle::{IoScheduler, LocalIoScheduler};
use self::metrics::MetricsSnapshot;
use crate::backend::report::BackendReport;
use crate::backend::{Backend, DefaultBackend, NestedBackend};
use crate::senders::concept::env::Env;
use crate::senders::concept::local::{LocalSender, SendSender};
use crate::senders::consumer::wait::{Home, wait_for};
use crate::util::node::Node;

/// A loop that runs I/O, timers and scheduled work on the thread that built it.
///
/// It runs only while one of its methods does: [`block_on`](IoContext::block_on) and
/// [`scope`](IoContext::scope) until their work has completed, [`run`](IoContext::run) until
/// [`request_stop`](IoContext::request_stop), [`run_until_empty`](IoContext::run_until_empty) until
/// nothing is left, [`run_some`](IoContext::run_some) for one turn.
///
/// # Threads
/// Neither `Send` nor `Sync`. Other threads use its [`scheduler`](IoContext::scheduler); to have a
/// context on another thread, send an [`IoContextBuilder`] there.
///
/// The scheduler borrows the context, so other threads that use it are scoped threads of the
/// context's thread. A context that lives as long as the process can be leaked with [`Box::leak`]:
/// its scheduler is `'static` and goes anywhere. Its thread has to go on running it.
///
/// ```
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// std::thread::scope(|threads| {
///     threads.spawn(|| {
///         // The rest of the program, on as many threads as it likes.
///         assert_eq!(sync_wait(io.schedule().then(|()| 42)).unwrap(), Some(42));
///         io.request_stop();
///     });
///     ctx.run();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Dropping
/// Whatever is still in flight is cancelled and waited for, then the backend is closed: nothing is
/// freed under the kernel.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut start = [0; 9];
/// let (n, bytes) = ctx.block_on(ctx.scheduler().read_at(&file, &mut start, 0))?.unwrap();
/// assert_eq!(bytes[..n], *b"[workspac");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct IoContext<B: Backend = DefaultBackend> {
    core: Box<Core<B>>,
    _thread_bound: PhantomData<*const ()>,
}

// No panic of user code leaves the loop, so none finds it half changed.
impl<B: Backend> UnwindSafe for IoContext<B> {}
impl<B: Backend> RefUnwindSafe for IoContext<B> {}

/// The loop is already running, so it cannot be run from within itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRunning;

impl fmt::Display for AlreadyRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the I/O context is already running: it cannot be run from within its own work")
    }
}

impl std::error::Error for AlreadyRunning {}

impl From<AlreadyRunning> for io::Error {
    fn from(error: AlreadyRunning) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, error)
    }
}

impl IoContext {
    /// A context on the calling thread, with default options: on io_uring, or where that may not be used
    /// on AIO or epoll; `SENDIO_BACKEND` in the environment names another choice. What it is says
    /// [`backend_report`](IoContext::backend_report).
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` without a free descriptor. If a backend was named: why that one cannot be used,
    /// or `InvalidInput` if there is none of this name. `Unsupported` if none can be used, with a reason
    /// for each.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Sets options first.
    pub fn builder() -> IoContextBuilder {
        IoContextBuilder::new()
    }
}

impl<B: Backend> IoContext<B> {
    pub(crate) fn from_core(core: Box<Core<B>>) -> Self {
        Self {
            core,
            _thread_bound: PhantomData,
        }
    }

    /// The handle for any thread.
    #[must_use]
    pub fn scheduler(&self) -> IoScheduler<'_, B> {
        IoScheduler::new(&self.core)
    }

    /// The handle for this thread, which needs no `Send`.
    #[must_use]
    pub fn local(&self) -> LocalIoScheduler<'_, B> {
        LocalIoScheduler::new(&self.core)
    }

    /// Runs `sender` and drives the loop until it has completed: `Ok(Some(value))`, `Ok(None)` if
    /// it was stopped, or `Err(error)`.
    ///
    /// Whatever else runs on the context makes progress meanwhile. The sender may borrow from the
    /// caller.
    ///
    /// # Panics
    /// If this context is already running on this thread. A panic of user code in the work is
    /// resumed here.
    ///
    /// # Cancellation
    /// The work sees no stop token; give it one with
    /// [`with_stop_token`](crate::SenderExt::with_stop_token).
    ///
    /// # Threads
    /// The sender may complete on any thread. Allocation: none.
    pub fn block_on<S: SendSender>(&self, sender: S) -> Result<Option<S::Value>, S::Error> {
        let _driving = self.core.drive("IoContext::block_on");
        wait_for(sender, &*self.core)
    }

    /// Runs a local sender, like [`block_on`](IoContext::block_on): `Rc`, `Cell` and operations of
    /// [`local`](IoContext::local) may be in it.
    ///
    /// # Panics
    /// As for [`block_on`](IoContext::block_on).
    pub fn block_on_local<S: LocalSender>(&self, sender: S) -> Result<Option<S::Value>, S::Error> {
        let _driving = self.core.drive("IoContext::block_on_local");
        wait_for(sender, &*self.core)
    }

    /// Runs the loop until [`request_stop`](IoContext::request_stop). What was queued before the
    /// request is still taken (and completes stopped where it has not begun); operations in flight
    /// stay in flight.
    ///
    /// # Panics
    /// If this context is already running on this thread.
    pub fn run(&self) {
        let _driving = self.core.drive("IoContext::run");
        while !self.core.is_stopping() {
            self.core.turn(true, false);
        }
        // What other threads queued before the refusal is in the inbox now, and nothing follows.
        self.core.take_arrivals();
    }

    /// Runs one turn of the loop without blocking: submits, reaps, dispatches. Returns how many
    /// completions, timers and tasks were handled.
    ///
    /// # Errors
    /// [`AlreadyRunning`] when called from work that the loop runs.
    pub fn run_some(&self) -> Result<usize, AlreadyRunning> {
        if self.core.is_driven() {
            return Err(AlreadyRunning);
        }
        let _driving = self.core.drive("IoContext::run_some");
        let mut handled = self.core.turn(false, true);
        self.core.settle();
        if handled == 0 && self.core.backend_ready() {
            // The submission just made may have completed at once.
            handled += self.core.turn(false, true);
            self.core.settle();
        }
        Ok(handled)
    }

    /// Runs the loop until nothing is in flight, waiting or queued. May be called again.
    ///
    /// # Panics
    /// If this context is already running on this thread.
    pub fn run_until_empty(&self) {
        let _driving = self.core.drive("IoContext::run_until_empty");
        while !self.core.is_empty() {
            self.core.turn(true, true);
        }
    }

    /// Refuses new work and lets [`run`](IoContext::run) return; `true` for the first request.
    ///
    /// New work, from other threads or from outside of the loop, completes stopped. Work that runs
    /// on the loop may go on, and is ended by [`shutdown`](IoContext::shutdown) or by dropping the
    /// context. Other threads ask with [`IoScheduler::request_stop`].
    pub fn request_stop(&self) -> bool {
        self.core.request_stop()
    }

    /// Whether [`request_stop`](IoContext::request_stop) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    /// Takes new work again after [`request_stop`](IoContext::request_stop).
    pub fn restart(&self) {
        self.core.accept_again();
    }

    /// Which backend the context runs on, and which were refused before it and why.
    pub fn backend_report(&self) -> BackendReport {
        self.core.backend.report()
    }

    /// The time on the context's clock, from which deadlines are counted. On a simulator it is virtual;
    /// otherwise it is [`Instant::now`].
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.instant()
    }

    /// What the context has counted so far.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.core.snapshot()
    }
}

impl<B: NestedBackend> AsFd for IoContext<B> {
    /// A descriptor that is readable when [`run_some`](IoContext::run_some) would make progress, for
    /// use in another loop. Call `run_some` after taking the descriptor, after starting work, and
    /// before each wait. It may be readable once in vain. The first call makes three descriptors.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.nest();
        self.core.backend.as_fd()
    }
}

impl<B: Backend> Home for Core<B> {
    #[inline]
    fn env(&self) -> Env<'_> {
        Env::default().with_scheduler(hop::executor_of(self))
    }

    unsafe fn push_last(&self, node: NonNull<Node>) {
        // SAFETY: the contract is the same; the waker outlives a wake-up that is owed (INV-CTX-2).
        unsafe { self.push(node) }
    }

    fn drive_until(&self, over: &Cell<bool>) {
        self.turn_until(|| over.get());
    }
}

impl<B: Backend> Drop for IoContext<B> {
    fn drop(&mut self) {
        self.core.end();
    }
}

impl<B: Backend> fmt::Debug for IoContext<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoContext")
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}
