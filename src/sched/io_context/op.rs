//! The operation of everything that goes through a backend: written once, for all operations.
//!
//! What differs between `read_at`, `open`, `schedule` and the rest is a [`Kind`]: the request that it
//! makes, what a result means, and what it completes with.
//!
//! # States
//!
//! `phase` belongs to the loop's thread, after `start` on another thread has queued the operation.
//!
//! ```text
//!                       start, loop's thread                  start, other thread
//! Unstarted ──┬────────────────────────────────┐      ┌──────────────────────────> Queued
//!             └ stop requested, refused, or    │      │                              │ taken
//!               `prepare` failed: completes    v      │                              v
//!                                           Starting <───────────────────────────────┘
//!                         room ┌───────────────┴──────────────┐ no room
//!                              v                              v
//!                          AtKernel <───── room ───────── Backlogged
//!        result: more to do    │                              │ stop requested
//!        (back to submit) <────┤                              v
//!                              │                            Ready ─── its turn ──> completes stopped
//!                              v
//!                   stop link's node on its way? ── yes ──> AwaitsNode ── it arrives ──> completes
//!                              └── no ──> completes
//! ```
//!
//! Completing: the link is disarmed, kind and receiver are moved out (`Over`), the kind turns the
//! ending into an outcome and drops what it holds, and the receiver is completed. Nothing of the
//! operation is touched after that.
//!
//! # Cancellation
//!
//! Stop before start completes stopped inline, and the kernel is not touched. Stop in the inbox or
//! in the backlog completes stopped without the kernel. Stop at the kernel sends a cancel, and the
//! result decides: success is delivered as a value, `ECANCELED` and interruptions as stopped.
//!
//! # Safety
//! - INV-OP-1: in place from `start` to completion.
//! - INV-OP-2: `kind`, with the buffers and descriptors in it, is not touched while `AtKernel`; it is
//!   borrowed only between submissions, and moved out after the last completion.
//! - INV-SLOT-3: the slot is the first field.
//! - Dropped between `Unstarted` and `Over`, it aborts: the kernel or the loop holds its address.

#![expect(unsafe_code, reason = "the operation whose address the kernel holds")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::NonNull;

use super::core::Rejected;
use super::handle::{Io, LocalIoScheduler};
use super::stop_link::StopLink;
use super::verdict::{Verdict, final_verdict, verdict};
use crate::abort::abort;
use crate::backend::Backend;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot, SlotTable};
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::RawToken;
use crate::util::node::{Node, Signal};

/// How an operation ended, before its kind has given it a meaning.
#[derive(Debug)]
pub enum Ending {
    /// The last result of the kernel: zero or more.
    Success(u32),
    /// The kernel, or a check before it, refused.
    Failure(io::Error),
    /// It was asked to stop before it did anything more.
    Stopped,
}

impl Rejected {
    /// How an operation ends that was rejected.
    pub(super) fn into_ending(self) -> Ending {
        match self {
            Self::Stopped => Ending::Stopped,
            Self::Full => Ending::Failure(io::Error::new(
                io::ErrorKind::WouldBlock,
                "the context's bound on waiting work from other threads is reached",
            )),
        }
    }
}

impl Ending {
    /// The outcome of an operation that completes with the kernel's result.
    #[inline]
    pub fn into_outcome(self) -> Outcome<u32, io::Error> {
        match self {
            Self::Success(result) => Outcome::Value(result),
            Self::Failure(error) => Outcome::Error(error),
            Self::Stopped => Outcome::Stopped,
        }
    }
}

/// What an operation does after a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is complete.
    Done,
    /// It makes another request.
    More,
}

/// What distinguishes one operation from the others.
///
/// The functions are called on the loop's thread, but `prepare` on the one that starts. The value is
/// pinned from `prepare` to the last result: pointers into it may be given to the kernel, and it is
/// not touched while a request is at the kernel. All may panic except `request`.
///
/// # Safety
///
/// The implementor promises for each [`Request`] that `request` returns:
///
/// - Its pointers are good for what the request does with them, and its descriptors are open, or are
///   numbers for which the kernel has no file, as long as the value is not moved, not borrowed and not
///   dropped (INV-OP-2). If the value is `Send`, that holds on every thread.
/// - If it gives a descriptor away (`Close`), or the kernel may have done only a part, then
///   [`FINAL`](Kind::FINAL), [`advance`](Kind::advance) and [`finish`](Kind::finish) see to it that
///   nothing is given away twice.
/// - `request` does not panic.
pub unsafe trait Kind: Sized {
    /// What the operation completes with.
    type Value;
    /// Whether a stop request is passed on to the kernel.
    const CANCELLABLE: bool = true;
    /// Whether the first result of the kernel counts, whatever it is: for a request that must not be
    /// made twice. Otherwise an interruption is tried again, and `ECANCELED` means *stopped*.
    const FINAL: bool = false;

    /// The first step, before anything is submitted: the place to ask for descriptors and to check
    /// arguments. `Done` completes without the kernel, with a result of zero.
    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        Ok(Progress::More)
    }

    /// The next request.
    fn request(&mut self) -> Request;

    /// A request had this result, zero or more: the kernel's, so a new descriptor is the operation's,
    /// and so many bytes were transferred.
    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        let _ = result;
        Progress::Done
    }

    /// Turns the ending into the outcome, and drops everything that the operation holds.
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error>;
}

/// The sender of every operation of an I/O context: the handle, and what kind of operation it is.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct IoSender<H, K> {
    handle: H,
    kind: K,
}

impl<H: Io, K: Kind> IoSender<H, K> {
    /// The operation `kind` on the context of `handle`: for operations of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::backends::Request;
    /// use sendio::io::{Ending, IoSender, Kind};
    /// use sendio::prelude::*;
    ///
    /// /// Asks nothing of the kernel, and gets its answer.
    /// struct Ping;
    ///
    /// // SAFETY: the request names neither memory nor a descriptor.
    /// unsafe impl Kind for Ping {
    ///     type Value = u32;
    ///
    ///     fn request(&mut self) -> Request {
    ///         Request::Nop
    ///     }
    ///
    ///     fn finish(self, ending: Ending) -> Outcome<u32, std::io::Error> {
    ///         ending.into_outcome()
    ///     }
    /// }
    ///
    /// let ctx = IoContext::new()?;
    /// assert_eq!(ctx.block_on(IoSender::new(ctx.scheduler(), Ping))?, Some(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub const fn new(handle: H, kind: K) -> Self {
        Self { handle, kind }
    }

    /// The same operation with its kind changed: other results of the same request.
    #[inline]
    pub(crate) fn map_kind<L: Kind>(self, f: impl FnOnce(K) -> L) -> IoSender<H, L> {
        IoSender {
            handle: self.handle,
            kind: f(self.kind),
        }
    }
}

// SAFETY: `IoOp` completes exactly once, last, as its states say, and does not unwind out of
//         `start`. It may be started on any thread if the handle is the `Send` one.
unsafe impl<H: Io, K: Kind> Sender for IoSender<H, K> {
    type Value = K::Value;
    type Error = io::Error;
    type Operation<R: Receiver<K::Value, io::Error>> = IoOp<H, K, R>;

    #[inline]
    fn connect<R: Receiver<K::Value, io::Error>>(self, receiver: R) -> IoOp<H, K, R> {
        IoOp {
            slot: CompletionSlot::new(IoOp::<H, K, R>::TABLE),
            node: Node::new(IoOp::<H, K, R>::ran),
            link: StopLink::new(IoOp::<H, K, R>::act),
            phase: Cell::new(Phase::Unstarted),
            retries: Cell::new(0),
            kept: UnsafeCell::new(None),
            handle: self.handle,
            kind: UnsafeCell::new(ManuallyDrop::new(self.kind)),
            receiver: UnsafeCell::new(ManuallyDrop::new(receiver)),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and completed by the loop
//         there; a stop callback elsewhere only enqueues.
unsafe impl<B: Backend, K: Kind> LocalSender for IoSender<LocalIoScheduler<'_, B>, K> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Queued,
    Starting,
    StopWanted,
    Backlogged,
    AtKernel,
    Ready,
    AwaitsNode,
    Over,
}

/// How often one result that asks for a retry is retried at once, before it counts as an error.
const RETRIES_MAX: u8 = 32;

/// The operation state of [`IoSender`].
#[repr(C)] // The slot comes first: its address is the address of the operation (INV-SLOT-3).
pub struct IoOp<H: Io, K, R> {
    slot: CompletionSlot<H::Backend>,
    node: Node,
    link: StopLink<H::Backend>,
    phase: Cell<Phase>,
    retries: Cell<u8>,
    /// What to complete with, while `AwaitsNode`.
    kept: UnsafeCell<Option<Result<Ending, Panic>>>,
    handle: H,
    kind: UnsafeCell<ManuallyDrop<K>>,
    receiver: UnsafeCell<ManuallyDrop<R>>,
    _pinned: PhantomPinned,
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    const TABLE: &'static SlotTable<H::Backend> = &SlotTable {
        complete: Self::completed,
        request: Self::request_again,
        started: Self::started,
        cancel: Self::cancelled_by_context,
    };

    // Functions that take `this` require a started, incomplete operation, on the loop's thread
    // unless they say otherwise; the operation may be gone when they return.

    #[inline]
    unsafe fn of_slot(slot: NonNull<CompletionSlot<H::Backend>>) -> *mut Self {
        slot.as_ptr().cast()
    }

    unsafe fn link(this: *mut Self) -> NonNull<StopLink<H::Backend>> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked(&raw mut (*this).link) }
    }

    #[inline]
    unsafe fn slot(this: *mut Self) -> NonNull<CompletionSlot<H::Backend>> {
        // SAFETY: the first field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked(this.cast()) }
    }

    /// Submits the next request.
    #[inline]
    unsafe fn submit(this: *mut Self) {
        // SAFETY: nothing is at the kernel, so the kind may be borrowed (INV-OP-2); slot and what
        //         the request names stay in place until the completion (INV-OP-1).
        unsafe {
            let request = (*(*this).kind.get()).request();
            let core = (*(&raw const (*this).handle)).core();
            let there = core.submit(Self::slot(this), request, K::CANCELLABLE);
            (*this).phase.set(if there {
                Phase::AtKernel
            } else {
                Phase::Backlogged
            });
            if core.draining.get() {
                Self::cancelled_by_context(Self::slot(this));
            }
        }
    }

    unsafe fn request_again(slot: NonNull<CompletionSlot<H::Backend>>) -> Request {
        // SAFETY: in the backlog, so not at the kernel: the kind may be borrowed (INV-OP-2).
        unsafe { (*(*Self::of_slot(slot)).kind.get()).request() }
    }

    unsafe fn started(slot: NonNull<CompletionSlot<H::Backend>>) -> bool {
        // SAFETY: it was in the backlog, so it is alive.
        unsafe { (*Self::of_slot(slot)).phase.set(Phase::AtKernel) };
        K::CANCELLABLE
    }

    /// The kernel's final result.
    #[inline]
    unsafe fn completed(slot: NonNull<CompletionSlot<H::Backend>>, completion: Completion) {
        // SAFETY: at the kernel until now (INV-SLOT-2), so alive; from here on the kind may be
        //         borrowed again (INV-OP-2).
        unsafe {
            let this = Self::of_slot(slot);
            let core = (*(&raw const (*this).handle)).core();
            core.completed(slot, K::CANCELLABLE);
            (*this).phase.set(Phase::Starting);
            let meaning = if K::FINAL {
                final_verdict(completion.result)
            } else {
                verdict(completion.result)
            };
            match meaning {
                Verdict::Success(result) => {
                    (*this).retries.set(0);
                    let kind = (*this).kind.get();
                    match catch(|| (*kind).advance(result)) {
                        Ok(Progress::Done) => Self::end(this, Ok(Ending::Success(result))),
                        Ok(Progress::More) => Self::go_on(this),
                        Err(payload) => Self::end(this, Err(payload)),
                    }
                }
                Verdict::Cancelled => Self::end(this, Ok(Ending::Stopped)),
                Verdict::Interrupted(error) if (*this).retries.get() == RETRIES_MAX => {
                    Self::end(this, Ok(Ending::Failure(error)));
                }
                Verdict::Interrupted(_) => {
                    (*this).retries.set((*this).retries.get() + 1);
                    Self::go_on(this);
                }
                Verdict::Failure(error) => Self::end(this, Ok(Ending::Failure(error))),
            }
        }
    }

    /// Makes the next request, unless stop was requested meanwhile or the context ends.
    #[inline]
    unsafe fn go_on(this: *mut Self) {
        // SAFETY: alive, armed if cancellable, and nothing at the kernel.
        unsafe {
            let draining = (*(&raw const (*this).handle)).core().draining.get();
            if K::CANCELLABLE && (draining || StopLink::stop_requested(Self::link(this))) {
                Self::end(this, Ok(Ending::Stopped));
            } else {
                Self::submit(this);
            }
        }
    }

    /// Completes, now or when the stop link's node has arrived.
    #[inline]
    unsafe fn end(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: alive; nothing at the kernel, in no list.
        unsafe {
            if K::CANCELLABLE && StopLink::disarm(Self::link(this)) {
                (*this).phase.set(Phase::AwaitsNode);
                *(*this).kept.get() = Some(ending);
                return;
            }
            Self::deliver(this, ending);
        }
    }

    /// Moves kind and receiver out: the operation is over.
    #[inline]
    unsafe fn take(this: *mut Self) -> (K, R) {
        // SAFETY: incomplete, so both are there; `Over` keeps them from being taken again. Any
        //         thread: start, before anybody else knew, or the loop's.
        unsafe {
            (*this).phase.set(Phase::Over);
            (
                ManuallyDrop::take(&mut *(*this).kind.get()),
                ManuallyDrop::take(&mut *(*this).receiver.get()),
            )
        }
    }

    /// Completes the receiver.
    #[inline]
    unsafe fn deliver(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: disarmed, so nobody else holds the address.
        let (kind, receiver) = unsafe { Self::take(this) };
        match ending {
            Ok(ending) => match catch(move || kind.finish(ending)) {
                Ok(outcome) => outcome.deliver(receiver),
                Err(payload) => receiver.set_panicked(payload),
            },
            Err(payload) => Outcome::Panicked(payload).finish(receiver, kind),
        }
    }

    /// The node was run: taken from the inbox, or from the ready queue.
    unsafe fn ran(node: NonNull<Node>, _: Signal) {
        // SAFETY: the node is a field of a started operation that waits for this.
        unsafe {
            let this: *mut Self = node.as_ptr().byte_sub(offset_of!(Self, node)).cast();
            match (*this).phase.get() {
                Phase::Queued => {
                    let core = (*(&raw const (*this).handle)).core();
                    core.taken_new();
                    (*this).phase.set(Phase::Starting);
                    // Not begun when the context was asked to stop: it does not begin any more.
                    if StopLink::claim(Self::link(this)) && !core.is_stopping() {
                        Self::submit(this);
                    } else {
                        Self::end(this, Ok(Ending::Stopped));
                    }
                }
                Phase::Ready => Self::end(this, Ok(Ending::Stopped)),
                _ => abort("an operation was taken from a queue in which it was not"),
            }
        }
    }

    /// Stop was requested, on the loop's thread or as told by another.
    unsafe fn act(link: NonNull<StopLink<H::Backend>>) {
        // SAFETY: the link is a field of a started, incomplete operation.
        unsafe {
            let this: *mut Self = link.as_ptr().byte_sub(offset_of!(Self, link)).cast();
            match (*this).phase.get() {
                Phase::Starting => (*this).phase.set(Phase::StopWanted),
                Phase::Backlogged => {
                    let core = (*(&raw const (*this).handle)).core();
                    core.leave_backlog(Self::slot(this));
                    (*this).phase.set(Phase::Ready);
                    core.ready
                        .push_back(NonNull::new_unchecked(&raw mut (*this).node));
                }
                Phase::AtKernel => StopLink::cancel_later(link),
                Phase::AwaitsNode => match (*(*this).kept.get()).take() {
                    Some(ending) => Self::deliver(this, ending),
                    None => abort("an operation waited without an ending"),
                },
                _ => {}
            }
        }
    }

    /// The context ends: as if stop had been requested.
    unsafe fn cancelled_by_context(slot: NonNull<CompletionSlot<H::Backend>>) {
        // SAFETY: the operation is alive, in the backlog or at the kernel.
        unsafe {
            let this = Self::of_slot(slot);
            if K::CANCELLABLE || (*this).phase.get() == Phase::Backlogged {
                Self::act(Self::link(this));
            }
        }
    }

    /// Starts on another thread: through the inbox.
    #[cold]
    unsafe fn start_remote(this: *mut Self, token: RawToken) {
        // SAFETY: the operation is this thread's until it is queued; then it is the loop's.
        unsafe {
            let handle = (*this).handle;
            let token = if K::CANCELLABLE {
                token
            } else {
                RawToken::NEVER
            };
            (*this).phase.set(Phase::Queued);
            StopLink::arm(
                Self::link(this),
                handle.core(),
                Self::slot(this).as_ptr(),
                token,
                true,
            );
            let node = NonNull::new_unchecked(&raw mut (*this).node);
            let rejected = match handle.core().push_new(node) {
                Ok(()) => return,
                Err(rejected) => rejected,
            };
            StopLink::disarm_unqueued(Self::link(this));
            Self::deliver(this, Ok(rejected.into_ending()));
        }
    }
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> OperationState for IoOp<H, K, R> {
    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good.
        unsafe {
            let env = (*(*this).receiver.get()).env();
            let token = env.stop_token();
            let handle = (*this).handle;
            let home = handle.is_home();
            if token.stop_requested() || (home && handle.core().refuses()) {
                return Self::deliver(this, Ok(Ending::Stopped));
            }
            let kind = (*this).kind.get();
            match catch(|| (*kind).prepare()) {
                Ok(Ok(Progress::More)) => {}
                Ok(Ok(Progress::Done)) => return Self::deliver(this, Ok(Ending::Success(0))),
                Ok(Err(error)) => return Self::deliver(this, Ok(Ending::Failure(error))),
                Err(payload) => return Self::deliver(this, Err(payload)),
            }
            let token = token.erase();
            if !home {
                return Self::start_remote(this, token);
            }
            (*this).phase.set(Phase::Starting);
            if K::CANCELLABLE {
                let slot = Self::slot(this).as_ptr();
                StopLink::arm(Self::link(this), handle.core(), slot, token, false);
                if (*this).phase.get() == Phase::StopWanted {
                    (*this).phase.set(Phase::Starting);
                    return Self::end(this, Ok(Ending::Stopped));
                }
            }
            Self::submit(this);
        }
    }
}

impl<H: Io, K, R> Drop for IoOp<H, K, R> {
    #[inline]
    fn drop(&mut self) {
        match self.phase.get() {
            Phase::Over => {}
            Phase::Unstarted => {
                // SAFETY: never started: both are there, and nobody else has them.
                unsafe {
                    ManuallyDrop::drop(self.kind.get_mut());
                    ManuallyDrop::drop(self.receiver.get_mut());
                }
            }
            _ => abort("an I/O operation was destroyed before it completed"),
        }
    }
}

impl<H: Io, K, R> fmt::Debug for IoOp<H, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoOp")
            .field("phase", &self.phase.get())
            .finish_non_exhaustive()
    }
}
