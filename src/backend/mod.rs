//! What an I/O context runs on: the trait of backends, and the backends.
//!
//! A backend knows slots and requests, not senders. The context calls it on its own thread only.
//!
//! # Flow
//!
//! ```text
//! operation ─ Request ─> submit ─> [kernel] ─> reap ─ Completion ─> slot's handler ─> operation
//!                        cancel ─> [kernel] ─┘ (the target's own completion decides)
//! ```
//!
//! # Safety
//! - INV-SLOT-1: from an accepted `submit` to its final completion a slot stays at its address, and
//!   so does all memory that its request names. The backend holds the pointers for that long.
//! - INV-SLOT-2: each accepted request has exactly one final completion, and it is the last use of
//!   the slot by the backend and by the kernel. No result of a cancel ends ownership.

#![expect(unsafe_code, reason = "declares an unsafe trait over intrusive slots")]

pub(crate) mod aio;
pub(crate) mod auto;
pub(crate) mod clock;
pub(crate) mod epoll;
pub(crate) mod event;
pub(crate) mod nest;
pub(crate) mod options;
pub(crate) mod readiness;
pub(crate) mod report;
pub(crate) mod request;
#[cfg(feature = "sim")]
pub(crate) mod sim;
pub(crate) mod slot;
pub(crate) mod uring;

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::time::Duration;

use clock::VirtualClock;
use options::Options;
use report::BackendReport;
use request::Request;
use slot::CompletionSlot;

/// Wakes a context that sleeps, from any thread.
pub trait Wake: Send + Sync {
    /// Ends the sleep, or keeps the next one from beginning. Each call counts:
    /// [`Backend::await_wakes`] waits for a number of them.
    fn wake(&self);
}

/// How long [`Backend::enter`] may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// Until something happens.
    Forever,
    /// Until something happens, or this has passed.
    For(Duration),
}

/// The kernel interface under an I/O context.
///
/// The functions without a default are what every backend needs; those with one let a context do less,
/// or be more precise. `docs/pluggable-event-loop.md` walks through a whole backend.
///
/// All methods are called on the thread that made the backend, and none of them from within
/// another, except that handlers called by [`reap`](Backend::reap) may call
/// [`submit`](Backend::submit) and [`cancel`](Backend::cancel).
///
/// # Safety
///
/// The implementor promises:
///
/// - a request for which `submit` returned `true` has exactly one final completion, which `reap`
///   hands to the slot's handler, and after which neither backend nor kernel uses the slot or the
///   memory that the request names;
/// - a request for which `submit` returned `false` was not started, and its slot is not kept;
/// - `cancel` asks for an early end and nothing more: the target still has its final completion;
/// - `submit` and `cancel` call no handler;
/// - `reap` holds no borrow of the backend that a handler's calls could conflict with;
/// - a [`Waker`](Backend::Waker) that another thread is calling stays good until
///   [`await_wakes`](Backend::await_wakes) has counted that call.
pub unsafe trait Backend: Sized + 'static {
    /// Storage of the backend inside each operation: uninitialised when the operation is submitted,
    /// never dropped, the backend's until the final completion.
    type Slot: 'static;
    /// Wakes the thread that sleeps in [`enter`](Backend::enter). [`EventFd`](event::EventFd) has one.
    type Waker: Wake;

    /// A backend for the calling thread.
    ///
    /// # Errors
    /// Options that it cannot follow: `InvalidInput` or `Unsupported`, saying which. Otherwise the
    /// kernel's error.
    fn new(options: &Options) -> io::Result<Self>;

    /// What other threads wake this backend with.
    fn waker(&self) -> Self::Waker;

    /// Starts `request`; `false` if there is no room now, in which case the caller tries again
    /// after the next [`enter`](Backend::enter).
    ///
    /// What the backend cannot do it accepts, and completes with `-EOPNOTSUPP`.
    ///
    /// # Safety
    ///
    /// - `slot` is not in use, and it and all memory that `request` names keep INV-SLOT-1: they stay
    ///   where they are, and are not touched, until the final completion.
    unsafe fn submit(&self, slot: NonNull<CompletionSlot<Self::Slot>>, request: Request) -> bool;

    /// Asks for an early end of the request in `slot`; `false` if there is no room now. The final
    /// completion says what became of it: `-ECANCELED` if nothing was done, otherwise the result.
    ///
    /// # Safety
    ///
    /// - The request in `slot` was accepted and has not had its final completion.
    unsafe fn cancel(&self, slot: NonNull<CompletionSlot<Self::Slot>>) -> bool;

    /// Hands everything submitted to the kernel, lets it make progress, and sleeps as allowed.
    ///
    /// Interruptions and passing shortages are not errors: it returns early and is called again.
    ///
    /// # Errors
    /// That the kernel will never run this backend again; the context aborts the process, since
    /// operations still belong to the kernel.
    fn enter(&self, wait: Wait) -> io::Result<()>;

    /// Hands at most `limit` completions to their handlers; returns how many final ones these were.
    fn reap(&self, limit: usize) -> usize;

    /// Whether [`reap`](Backend::reap) would find something, or an [`enter`](Backend::enter) that
    /// does not sleep would let the kernel produce something. Cheap: no system call. `false` where
    /// that is not known.
    fn is_ready(&self) -> bool;

    /// Blocks until `count` calls of [`Wake::wake`] have been made since the beginning.
    fn await_wakes(&self, count: u64);

    /// Whether an operation may have completed without its handler having run. If not, then what
    /// completes from now on does so after whatever has happened before this call. Cheap.
    fn may_have_completed(&self) -> bool {
        true
    }

    /// Whether an [`enter`](Backend::enter) that does not sleep would do something. Cheap.
    fn wants_enter(&self) -> bool {
        true
    }

    /// Whether something was submitted that the kernel has not been told of.
    fn has_unsubmitted(&self) -> bool {
        false
    }

    /// The time of this backend, if it is not the kernel's. Asked for once.
    fn clock(&self) -> Option<VirtualClock> {
        None
    }

    /// How often the kernel was entered, and other counts.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// What this backend is, and what was tried before it.
    fn report(&self) -> BackendReport {
        BackendReport::of_type::<Self>()
    }
}

/// A backend whose context can be run by another loop, which waits for a descriptor.
pub trait NestedBackend: Backend {
    /// The descriptor that becomes readable when a turn would make progress.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Takes back what made the descriptor readable so far. A wake-up, a completion or an
    /// [`alert`](NestedBackend::alert) that comes later makes it readable again.
    fn quiet(&self);

    /// Makes the descriptor readable when `left` has passed, at a wake-up, or when the kernel has
    /// completed something, whichever is first; `None` is without a time. Called after
    /// [`quiet`](NestedBackend::quiet).
    fn alert(&self, left: Option<Duration>);
}

/// The backend of contexts that do not name one. To have another one everywhere, this is the one line
/// to change.
pub type DefaultBackend = auto::Auto;

/// What a backend counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls that submit or wait.
    pub enters: u64,
    /// Requests handed to the kernel, cancels included.
    pub submitted: u64,
    /// How often the kernel was entered with completions that had not fitted its queue.
    pub overflows: u64,
}
