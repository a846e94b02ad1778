//! The two handles to an I/O context: the scheduler for any thread, and the one for its own.
//!
//! # Safety
//! - INV-CTX-1: the parts of the core that belong to its thread are reached through
//!   [`IoScheduler`] only after the thread was compared, and through [`LocalIoScheduler`] because it
//!   cannot leave the thread.

#![expect(unsafe_code, reason = "a handle that may be used on other threads")]

use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::core::Core;
use super::hop::Hop;
use super::io_sender::IoSender;
use super::schedule::Nop;
use super::timer::Timer;
use crate::backend::Backend;
use crate::senders::concept::scheduler::{LocalScheduler, Scheduler, SchedulerRef, TimedScheduler};
use std::time::{Duration, Instant};

mod sealed {
    /// Keeps [`Io`](super::Io) closed.
    pub trait Sealed {}
}

/// A handle to an I/O context, with the operations of the context as methods.
///
/// [`IoScheduler`] and [`LocalIoScheduler`] are the two handles, and the only ones.
pub trait Io: Copy + sealed::Sealed {
    /// The backend of the context.
    type Backend: Backend;
    /// Whether the handle is used on the context's thread only, so that no check is needed.
    const LOCAL: bool;

    #[doc(hidden)]
    fn core(&self) -> &Core<Self::Backend>;

    /// Whether the calling thread is the context's.
    #[doc(hidden)]
    #[inline]
    fn is_home(&self) -> bool {
        Self::LOCAL || self.core().is_home()
    }
}

/// The scheduler of an I/O context, for any thread: `Copy`, `Send`, `Sync`.
///
/// Its senders may be started anywhere; they complete on the context's thread. Started on that
/// thread they go straight to the kernel's queue, elsewhere through the context's inbox.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let answer = ctx.block_on(ctx.scheduler().schedule().then(|()| 42))?;
/// assert_eq!(answer, Some(42));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct IoScheduler<'ctx, B: Backend = crate::backend::DefaultBackend> {
    core: &'ctx Core<B>,
}

// SAFETY: through a scheduler other threads reach the inbox, the waker and constants only; whatever
//         belongs to the loop's thread is used after a comparison of threads (INV-CTX-1).
unsafe impl<B: Backend> Send for IoScheduler<'_, B> {}
// SAFETY: as for `Send`.
unsafe impl<B: Backend> Sync for IoScheduler<'_, B> {}

/// The scheduler of an I/O context for the context's own thread: `Copy`, not `Send`.
///
/// Its senders are [`LocalSender`](crate::LocalSender)s: they start and complete on this thread, so
/// thread-bound data may be in their pipelines, and no thread is ever compared.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let text = Rc::new("here");
/// let len = ctx.block_on_local(ctx.local().schedule().then(|()| text.len()))?;
/// assert_eq!(len, Some(4));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalIoScheduler<'ctx, B: Backend = crate::backend::DefaultBackend> {
    core: &'ctx Core<B>,
    _thread_bound: PhantomData<*const ()>,
}

impl<'ctx, B: Backend> IoScheduler<'ctx, B> {
    pub(super) const fn new(core: &'ctx Core<B>) -> Self {
        Self { core }
    }

    /// A sender that lets the loop handle what else is ready, then completes on the loop's thread,
    /// without the kernel.
    pub const fn yield_now(self) -> Hop<Self> {
        Hop::new(self)
    }

    /// Asks the context to stop; see [`IoContext::request_stop`](crate::IoContext::request_stop).
    pub fn request_stop(self) -> bool {
        self.core.request_stop()
    }
}

impl<'ctx, B: Backend> LocalIoScheduler<'ctx, B> {
    pub(super) const fn new(core: &'ctx Core<B>) -> Self {
        Self {
            core,
            _thread_bound: PhantomData,
        }
    }

    /// A sender that lets the loop handle what else is ready, then completes, without the kernel.
    pub const fn yield_now(self) -> Hop<Self> {
        Hop::new(self)
    }

    /// The handle for other threads.
    #[must_use]
    pub const fn remote(self) -> IoScheduler<'ctx, B> {
        IoScheduler::new(self.core)
    }
}

impl<B: Backend> sealed::Sealed for IoScheduler<'_, B> {}
impl<B: Backend> sealed::Sealed for LocalIoScheduler<'_, B> {}

impl<B: Backend> Io for IoScheduler<'_, B> {
    type Backend = B;
    const LOCAL: bool = false;
    #[inline]
    fn core(&self) -> &Core<B> {
        self.core
    }
}

impl<B: Backend> Io for LocalIoScheduler<'_, B> {
    type Backend = B;
    const LOCAL: bool = true;
    #[inline]
    fn core(&self) -> &Core<B> {
        self.core
    }
}

macro_rules! scheduler {
    ($Handle:ident, $bound_to_thread:literal) => {
        impl<'ctx, B: Backend> Scheduler for $Handle<'ctx, B> {
            type Schedule = IoSender<Self, Nop>;
            type Transfer = Hop<IoScheduler<'ctx, B>, false>;
            const BOUND_TO_THREAD: bool = $bound_to_thread;

            #[inline]
            fn schedule(&self) -> Self::Schedule {
                IoSender::new(*self, Nop)
            }

            #[inline]
            fn transfer(&self) -> Self::Transfer {
                Hop::new(IoScheduler::new(self.core))
            }

            fn scheduler_ref(&self) -> Option<SchedulerRef<'_>> {
                Some(super::hop::executor_of(self.core))
            }
        }

        impl<'ctx, B: Backend> TimedScheduler for $Handle<'ctx, B> {
            type ScheduleAt = Timer<Self>;

            fn now(&self) -> Instant {
                self.core.instant()
            }

            fn schedule_at(&self, deadline: Instant) -> Timer<Self> {
                Timer::at(*self, deadline)
            }

            fn schedule_after(&self, duration: Duration) -> Timer<Self> {
                Timer::after(*self, duration)
            }
        }

        // No panic of user code leaves the loop, so none finds it half changed.
        impl<B: Backend> UnwindSafe for $Handle<'_, B> {}
        impl<B: Backend> RefUnwindSafe for $Handle<'_, B> {}

        impl<B: Backend> Clone for $Handle<'_, B> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<B: Backend> Copy for $Handle<'_, B> {}

        impl<B: Backend> PartialEq for $Handle<'_, B> {
            fn eq(&self, other: &Self) -> bool {
                std::ptr::eq(self.core, other.core)
            }
        }

        impl<B: Backend> Eq for $Handle<'_, B> {}

        impl<B: Backend> fmt::Debug for $Handle<'_, B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Handle)).finish_non_exhaustive()
            }
        }
    };
}

scheduler!(IoScheduler, false);
scheduler!(LocalIoScheduler, true);

// SAFETY: its transfers are those of the `IoScheduler` of the same context, which is `Send`; they
//         complete on the context's thread, to which this handle is bound, and whose `connect`
//         stores two fields; `BOUND_TO_THREAD` is true.
unsafe impl<B: Backend> LocalScheduler for LocalIoScheduler<'_, B> {}
