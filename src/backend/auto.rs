//! The backend that is chosen when a context is made: the best that the kernel allows, or the one that
//! the program or the user names.
//!
//! `choose` decides; this file passes everything on to what was chosen. An operation of io_uring costs
//! one compare more than on [`Uring`](super::uring::Uring) itself.
//!
//! # Safety
//! INV-SLOT-4: the storage of [`AutoSlot`] begins with that of each backend inside, at the same
//! alignment, so that a slot of this backend is one of the backend inside too. What that one promises
//! is what this one promises, since it passes on each call, and nothing else.

#![expect(
    unsafe_code,
    reason = "hands slots to the backend inside, as slots of that backend"
)]

mod choose;

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::time::Duration;

use super::aio::Aio;
use super::clock::VirtualClock;
use super::epoll::Epoll;
use super::event::EventWaker;
use super::options::Options;
use super::report::{BackendReport, Refusal};
use super::request::Request;
#[cfg(feature = "sim")]
use super::sim::Sim;
use super::slot::CompletionSlot;
use super::uring::Uring;
use super::{Backend, Counters, NestedBackend, Wait};

/// The best backend that works here: io_uring, then AIO, then epoll.
///
/// Named by [`IoContextBuilder::backend`](crate::IoContextBuilder::backend), or by `SENDIO_BACKEND` in
/// the environment (`uring`, `aio`, `epoll`, `sim`, or `auto`), it is that one or an error.
/// [`IoContext::backend_report`](crate::IoContext::backend_report) says which it is and why.
///
/// # Examples
///
/// ```
/// use sendio::backends::Auto;
/// use sendio::{BackendKind, IoContext};
///
/// let ctx = IoContext::<Auto>::new()?;
/// println!("{}", ctx.backend_report());
///
/// let ctx = IoContext::builder().backend(BackendKind::Epoll).build()?;
/// assert_eq!(ctx.backend_report().kind(), Some(BackendKind::Epoll));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Auto {
    inner: Inner,
    reason: &'static str,
    refused: Vec<Refusal>,
}

/// Calls each backend by the name of its variant; the cases are the backends.
macro_rules! backends {
    ($($(#[$on:meta])* $Variant:ident($Backend:ty),)+) => {
        /// What was chosen.
        #[cfg_attr(
            feature = "sim",
            expect(clippy::large_enum_variant, reason = "there is one for each context")
        )]
        enum Inner {
            $($(#[$on])* $Variant($Backend),)+
        }

        /// What the backends store in an operation, one of them.
        #[repr(C)] // INV-SLOT-4
        #[expect(non_snake_case, reason = "named like the variants")]
        union Storage {
            $($(#[$on])* $Variant: ManuallyDrop<<$Backend as Backend>::Slot>,)+
            /// So that the alignment is this one, whichever there are.
            aligned: u64,
        }

        $($(#[$on])* const _: () = assert!(
            align_of::<<$Backend as Backend>::Slot>() <= align_of::<Storage>()
        );)+

        /// Passes a call on.
        macro_rules! inside {
            ($auto:expr, $b:ident => $call:expr) => {
                match &$auto.inner {
                    $($(#[$on])* Inner::$Variant($b) => $call,)+
                }
            };
        }
    };
}

backends! {
    Uring(Uring),
    Aio(Aio),
    Epoll(Epoll),
    #[cfg(feature = "sim")]
    Sim(Sim),
}

/// What [`Auto`] stores in an operation.
#[repr(transparent)]
pub struct AutoSlot(Storage);

/// The header of a slot is as aligned as the storage, so that the storage follows it at once, whichever
/// it is (INV-SLOT-4).
const _: () = assert!(align_of::<AutoSlot>() == align_of::<CompletionSlot<()>>());

// SAFETY: each call is passed on to the one backend inside, under the same contract; the slots are
//         slots of that backend too (INV-SLOT-4).
unsafe impl Backend for Auto {
    type Slot = AutoSlot;
    type Waker = EventWaker;

    fn new(options: &Options) -> io::Result<Self> {
        choose::choose(options)
    }

    fn waker(&self) -> EventWaker {
        inside!(self, backend => backend.waker())
    }

    #[inline(always)]
    unsafe fn submit(&self, slot: NonNull<CompletionSlot<AutoSlot>>, request: Request) -> bool {
        // SAFETY: the contract is the same, and the slot is one of the backend inside too.
        unsafe {
            match &self.inner {
                Inner::Uring(ring) => ring.submit(slot.cast(), request),
                _ => self.submit_elsewhere(slot, request),
            }
        }
    }

    unsafe fn cancel(&self, slot: NonNull<CompletionSlot<AutoSlot>>) -> bool {
        // SAFETY: as in `submit`.
        inside!(self, backend => unsafe { backend.cancel(slot.cast()) })
    }

    fn enter(&self, wait: Wait) -> io::Result<()> {
        inside!(self, backend => backend.enter(wait))
    }

    #[inline]
    fn reap(&self, limit: usize) -> usize {
        inside!(self, backend => backend.reap(limit))
    }

    #[inline]
    fn is_ready(&self) -> bool {
        inside!(self, backend => backend.is_ready())
    }

    fn await_wakes(&self, count: u64) {
        inside!(self, backend => backend.await_wakes(count));
    }

    #[inline]
    fn may_have_completed(&self) -> bool {
        inside!(self, backend => backend.may_have_completed())
    }

    #[inline]
    fn wants_enter(&self) -> bool {
        inside!(self, backend => backend.wants_enter())
    }

    #[inline]
    fn has_unsubmitted(&self) -> bool {
        inside!(self, backend => backend.has_unsubmitted())
    }

    fn clock(&self) -> Option<VirtualClock> {
        inside!(self, backend => backend.clock())
    }

    fn counters(&self) -> Counters {
        inside!(self, backend => backend.counters())
    }

    fn report(&self) -> BackendReport {
        inside!(self, backend => backend.report()).chosen(self.reason, self.refused.clone())
    }
}

impl Auto {
    /// Starts a request on a backend that is not the usual one.
    ///
    /// # Safety
    ///
    /// - As for [`Backend::submit`].
    #[cold]
    #[inline(never)]
    unsafe fn submit_elsewhere(
        &self,
        slot: NonNull<CompletionSlot<AutoSlot>>,
        request: Request,
    ) -> bool {
        // SAFETY: the contract is the same, and the slot is one of the backend inside too.
        inside!(self, backend => unsafe { backend.submit(slot.cast(), request) })
    }
}

impl NestedBackend for Auto {
    fn as_fd(&self) -> BorrowedFd<'_> {
        inside!(self, backend => NestedBackend::as_fd(backend))
    }

    fn quiet(&self) {
        inside!(self, backend => backend.quiet());
    }

    fn alert(&self, left: Option<Duration>) {
        inside!(self, backend => backend.alert(left));
    }
}

impl fmt::Debug for AutoSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoSlot").finish_non_exhaustive()
    }
}

impl fmt::Debug for Auto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auto")
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}
