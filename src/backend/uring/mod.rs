//! The io_uring backend.
//!
//! `setup` makes a ring with the best flags that the kernel has, `encode` turns requests into
//! submission queue entries, and this file submits, enters, reaps and wakes.
//!
//! # Flow
//!
//! A request becomes one entry in the submission queue (`user_data` is the slot's address). One
//! `io_uring_enter` per turn submits all of them, runs the kernel's deferred work, and waits if
//! allowed. Completions are dispatched straight from the completion queue.
//!
//! # Cancellation
//!
//! A cancel is an `ASYNC_CANCEL` entry for the slot's address. Its own completion is skipped or
//! ignored: only the target's last completion ends anything. The slot may be reused as soon as its
//! operation completed, although the cancel may not have been executed: the kernel executes
//! entries in the order of the queue, a cancel never waits, and an entry for the reused address can
//! only be queued behind it.
//!
//! # Bounds
//!
//! A full submission queue is submitted and, if it stays full, reported to the context, which keeps
//! the operation. A full completion queue is flushed by the kernel at the next `enter` with
//! `GETEVENTS`, which every turn makes while the overflow flag is set.
//!
//! # Threads
//!
//! The thread that made the ring, and no other; wakers write to an eventfd that the ring polls.
//!
//! # Safety
//! - INV-RING-1: the queue views point into the ring's mappings, and are gone before the ring.
//! - INV-RING-2: `user_data` is the address of a slot in flight, or one of a few small constants.
//! - INV-SLOT-1, INV-SLOT-2: kept as the trait demands; the kernel posts one last completion for
//!   each entry.
//!
//! # Kernel
//!
//! Linux 5.19 for the ring flags in full; see `setup` for the steps down.

#![expect(
    unsafe_code,
    reason = "hands addresses to the kernel and takes them back"
)]

mod encode;
mod probe;
mod setup;

use std::cell::{Cell, OnceCell, UnsafeCell};
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{
    CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter, opcode, squeue, types,
};

use super::event::{EventFd, EventWaker};
use super::nest::{self, Nest};
use super::options::Options;
use super::report::{BackendKind, BackendReport};
use super::request::Request;
use super::slot::{Completion, CompletionSlot};
use super::{Backend, Counters, NestedBackend, Wait};
use crate::abort::abort;
use encode::{user_data, user_data_address};
pub(crate) use setup::write_flags;

/// `user_data` of cancels: their completions are ignored.
const CANCEL: u64 = 1;
/// `user_data` of the poll on the eventfd.
const WAKE: u64 = 2;
/// Everything below is no slot.
const SLOT_MIN: u64 = 8;

/// The io_uring backend.
pub struct Uring {
    // The views come before the ring, so that they are gone when it goes (INV-RING-1).
    queues: ManuallyDrop<UnsafeCell<Queues>>,
    submitter: Submitter<'static>,
    ring: NonNull<IoUring>,
    event: EventFd,
    /// The poll on the eventfd is under way.
    armed: Cell<bool>,
    sqpoll: bool,
    iopoll: bool,
    /// The kernel sets a flag when it has completions to produce: it does not with a thread of its
    /// own, or when devices are polled.
    tells: bool,
    /// Completions that were reaped.
    reaped: Cell<u64>,
    setup: setup::Setup,
    /// See [`setup::write_flags`].
    write_flags: i32,
    counters: Cell<Counters>,
    /// What another loop waits for, once it has asked.
    nest: OnceCell<Nest>,
}

struct Queues {
    submission: SubmissionQueue<'static>,
    completion: CompletionQueue<'static>,
}

impl Uring {
    /// The views of the two queues.
    ///
    /// # Safety
    ///
    /// - The result is not used after another call of this function, or across a handler.
    #[expect(
        clippy::mut_from_ref,
        reason = "one thread, and no two uses overlap (contract)"
    )]
    #[inline]
    unsafe fn queues(&self) -> &mut Queues {
        // SAFETY: the backend is bound to its thread, and uses do not overlap (contract).
        unsafe { &mut *self.queues.get() }
    }

    /// Whether there is something to reap.
    #[inline]
    fn has_completions(&self) -> bool {
        // SAFETY: not used after this function.
        let completion = unsafe { &mut self.queues().completion };
        completion.sync();
        !CompletionQueue::is_empty(completion)
    }

    /// Whether the kernel has asked to be entered.
    #[inline]
    fn is_flagged(&self) -> bool {
        // SAFETY: not used after this function.
        let submission = unsafe { &self.queues().submission };
        submission.taskrun() || submission.cq_overflow()
    }

    /// What the rings of this kernel cannot do, of what every program needs.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        probe::lacks(&self.submitter)
    }

    /// Puts an entry into the queue, submitting the queue first if it is full.
    #[inline(always)]
    fn push(&self, entry: &squeue::Entry) -> bool {
        // SAFETY: neither view is used across `flush`. The entry names memory that is valid as
        //         INV-SLOT-1 says, or none.
        unsafe {
            // Looked at beforehand, so that the entry is put together in its place in the queue.
            if self.queues().submission.is_full() {
                self.flush();
            }
            self.queues().submission.push(entry).is_ok()
        }
    }

    /// Submits what is queued without looking at completions.
    #[cold]
    #[inline(never)]
    fn flush(&self) {
        if let Err(error) = self.enter_kernel(0, EnterFlags::empty(), None)
            && !is_passing(&error)
        {
            abort("io_uring_enter failed");
        }
    }

    fn enter_kernel(
        &self,
        wanted: u32,
        flags: EnterFlags,
        args: Option<&SubmitArgs<'_, '_>>,
    ) -> io::Result<usize> {
        // SAFETY: not used after this block.
        let (queued, overflow) = unsafe {
            let submission = &mut self.queues().submission;
            submission.sync();
            (submission.len(), submission.cq_overflow())
        };
        let queued = u32::try_from(queued).unwrap_or(u32::MAX);
        let mut flags = flags;
        if self.sqpoll {
            // SAFETY: not used after this line.
            if unsafe { self.queues() }.submission.need_wakeup() {
                flags |= EnterFlags::SQ_WAKEUP;
            }
            if flags.is_empty() && queued > 0 {
                flags |= EnterFlags::SQ_WAIT;
            }
        }
        // SAFETY: the argument, if any, outlives the call and matches `EXT_ARG`.
        let result = unsafe {
            match args {
                Some(args) => self
                    .submitter
                    .enter(queued, wanted, flags.bits(), Some(args)),
                None => self
                    .submitter
                    .enter::<libc::sigset_t>(queued, wanted, flags.bits(), None),
            }
        };
        // SAFETY: not used after this line.
        unsafe { self.queues() }.submission.sync();
        let mut counters = self.counters.get();
        counters.enters += 1;
        // What the kernel left in the queue is counted when it takes it.
        counters.submitted += *result.as_ref().unwrap_or(&0) as u64;
        counters.overflows += u64::from(overflow);
        self.counters.set(counters);
        result
    }

    /// Polls the eventfd, so that a wake-up ends a sleep in `enter`; whether that is so.
    fn arm(&self) -> bool {
        if !self.armed.get() {
            let poll = opcode::PollAdd::new(types::Fd(self.event.as_fd().as_raw_fd()), POLLIN)
                .multi(true)
                .build()
                .user_data(WAKE);
            self.armed.set(self.push(&poll));
        }
        self.armed.get()
    }

    /// Whether the kernel has requests; for rings that poll, on which every entry has one completion.
    fn has_requests(&self) -> bool {
        self.counters.get().submitted > self.reaped.get()
    }

    /// Sleeps on the eventfd while nothing is at the kernel, for rings that poll for completions.
    fn pause(&self, wait: Wait) {
        if self.has_requests() {
            return;
        }
        let timeout = match wait {
            Wait::For(duration) => i32::try_from(duration.as_millis() + 1).unwrap_or(i32::MAX),
            _ => -1,
        };
        let mut poll = libc::pollfd {
            fd: self.event.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd.
        if unsafe { libc::poll(&raw mut poll, 1, timeout) } == 1 {
            self.event.take();
        }
    }
}

/// `POLLIN` as the poll entry wants it.
const POLLIN: u32 = 1;
const _: () = assert!(libc::POLLIN == 1);

/// Interruptions and passing shortages, after which one enters again.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ETIME | libc::ENOMEM)
    )
}

// SAFETY: each accepted entry gets exactly one completion without F_MORE, which `reap` dispatches
//         once; requests are one-shot. The kernel does not use entry, slot or memory after that.
unsafe impl Backend for Uring {
    type Slot = ();
    type Waker = EventWaker;

    fn new(options: &Options) -> io::Result<Self> {
        let (ring, setup) = setup::build(options)?;
        let event = EventFd::new()?;
        let ring = NonNull::from(Box::leak(Box::new(ring)));
        // SAFETY: the ring is on the heap and freed in `drop`, after the views (INV-RING-1); these
        //         are the only views.
        let (queues, mut submitter) = unsafe {
            let ring: &'static IoUring = ring.as_ref();
            let queues = Queues {
                submission: ring.submission_shared(),
                completion: ring.completion_shared(),
            };
            (queues, ring.submitter())
        };
        // Saves the look-up of the descriptor in each call; not needed for anything.
        let _ = submitter.register_ring_fd();
        Ok(Self {
            queues: ManuallyDrop::new(UnsafeCell::new(queues)),
            submitter,
            ring,
            event,
            armed: Cell::new(false),
            sqpoll: options.sqpoll.is_some(),
            iopoll: options.iopoll,
            tells: setup.sets_flag() && !options.iopoll,
            reaped: Cell::new(0),
            setup,
            write_flags: setup::write_flags(),
            counters: Cell::new(Counters::default()),
            nest: OnceCell::new(),
        })
    }

    fn waker(&self) -> EventWaker {
        self.event.waker()
    }

    #[inline(always)]
    unsafe fn submit(&self, slot: NonNull<CompletionSlot<()>>, request: Request) -> bool {
        self.push(&encode::encode(request, self.write_flags).user_data(user_data(slot)))
    }

    unsafe fn cancel(&self, slot: NonNull<CompletionSlot<()>>) -> bool {
        let entry = opcode::AsyncCancel::new(user_data(slot))
            .build()
            .user_data(CANCEL);
        self.push(&entry)
    }

    fn enter(&self, wait: Wait) -> io::Result<()> {
        // Without the poll a wake-up would not be noticed: then one does not sleep, and tries again.
        let wait = if wait == Wait::No || self.iopoll || self.arm() {
            wait
        } else {
            Wait::No
        };
        let mut flags = EnterFlags::GETEVENTS;
        let result = match wait {
            Wait::No => self.enter_kernel(0, flags, None),
            // Completions of a polling ring are looked for inside the call, which must not block:
            // only the eventfd brings wake-ups, and it cannot be polled on such a ring.
            _ if self.iopoll => self
                .enter_kernel(0, flags, None)
                .inspect(|_| self.pause(wait)),
            Wait::Forever => self.enter_kernel(1, flags, None),
            Wait::For(duration) => {
                let timeout = Timespec::from(duration);
                flags |= EnterFlags::EXT_ARG;
                let args = SubmitArgs::new().timespec(&timeout);
                self.enter_kernel(1, flags, Some(&args))
            }
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn reap(&self, limit: usize) -> usize {
        // SAFETY: not used after this block.
        let count = unsafe {
            let completion = &mut self.queues().completion;
            completion.sync();
            completion.len().min(limit)
        };
        let mut own = 0;
        for _ in 0..count {
            // SAFETY: the entry is copied out before the handler runs. As many entries as we take were
            //         there at the start, and nobody else takes any.
            let next = unsafe {
                let completion = &mut self.queues().completion;
                std::hint::assert_unchecked(!CompletionQueue::is_empty(completion));
                completion.next()
            };
            let Some(entry) = next else { break };
            let completion = Completion {
                result: entry.result(),
                flags: entry.flags(),
            };
            let user_data = entry.user_data();
            if user_data >= SLOT_MIN {
                let slot: *mut CompletionSlot<()> =
                    std::ptr::with_exposed_provenance_mut(user_data_address(user_data));
                // SAFETY: the address is that of a slot in flight (INV-RING-2), whose one
                //         completion this is; no view of the queues is in use.
                unsafe { CompletionSlot::complete(NonNull::new_unchecked(slot), completion) };
            } else {
                own += 1;
                if user_data == WAKE && !io_uring::cqueue::more(completion.flags) {
                    self.armed.set(false);
                }
            }
        }
        if count > 0 {
            // SAFETY: not used after this line.
            unsafe { self.queues() }.completion.sync();
            self.reaped.set(self.reaped.get() + count as u64);
        }
        count - own
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.has_completions() || self.wants_enter()
    }

    #[inline]
    fn may_have_completed(&self) -> bool {
        !self.tells || self.has_completions() || self.is_flagged()
    }

    #[inline]
    fn wants_enter(&self) -> bool {
        self.has_unsubmitted() || self.is_flagged() || (self.iopoll && self.has_requests())
    }

    #[inline]
    fn has_unsubmitted(&self) -> bool {
        // SAFETY: not used after this line.
        !unsafe { self.queues() }.submission.is_empty()
    }

    fn await_wakes(&self, count: u64) {
        self.event.await_wakes(count);
    }

    fn counters(&self) -> Counters {
        self.counters.get()
    }

    fn report(&self) -> BackendReport {
        BackendReport::new(BackendKind::Uring, self.setup.to_string())
    }
}

impl NestedBackend for Uring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let nest = nest::get_or_make(&self.nest, || {
            let nest = Nest::new([self.event.as_fd()])?;
            // The ring's own descriptor does not wake a sleeper when completions are deferred to the
            // ring's thread (`DEFER_TASKRUN`): it is readable then, but nobody is told. A registered
            // eventfd is told, since Linux 6.1.
            let event = nest.event().as_raw_fd();
            self.submitter.register_eventfd(event)?;
            Ok(nest)
        });
        if let Some(nest) = nest {
            return nest.as_fd();
        }
        // SAFETY: the ring, and so its descriptor, is open as long as `self` (INV-RING-1).
        unsafe { BorrowedFd::borrow_raw(self.ring.as_ref().as_raw_fd()) }
    }

    fn quiet(&self) {
        if let Some(nest) = self.nest.get() {
            nest.quiet();
            self.event.take();
        }
    }

    fn alert(&self, left: Option<Duration>) {
        let Some(nest) = self.nest.get() else {
            return;
        };
        if left == Some(Duration::ZERO) || self.is_ready() {
            nest.signal();
        } else if let Some(left) = left {
            nest.set_timer(left);
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // The thread's table of registered rings would keep the ring alive until the thread ends.
        let _ = self.submitter.unregister_ring_fd();
        // SAFETY: the context has drained the ring. The views go first, then the ring, whose box
        //         was leaked in `new`; `submitter` has no destructor and is not used again.
        unsafe {
            ManuallyDrop::drop(&mut self.queues);
            drop(Box::from_raw(self.ring.as_ptr()));
        }
    }
}

impl AsFd for Uring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        NestedBackend::as_fd(self)
    }
}

impl fmt::Debug for Uring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uring")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}
