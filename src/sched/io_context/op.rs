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
//!             └ stop requested, refused, or    │      │      taken (`prepare` failed, │
//!               `prepare` failed: completes    v      │      stopping: completes)     v
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
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;

use super::handle::Io;
pub use super::kind::{Ending, Kind, Progress};
use super::stop_link::StopLink;
use super::verdict::{Verdict, final_verdict, verdict};
use crate::abort::abort;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot, SlotTable};
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::stop::RawToken;
use crate::util::node::{Node, Signal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Queued,
    /// Queued only to be completed at home: how it ends is known.
    QueuedEnded,
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

/// The operation state of [`IoSender`](super::io_sender::IoSender).
#[repr(C)] // The slot comes first: its address is the address of the operation (INV-SLOT-3).
pub struct IoOp<H: Io, K, R> {
    slot: CompletionSlot<H::Backend>,
    /// The link is armed.
    listening: Cell<bool>,
    phase: Cell<Phase>,
    retries: Cell<u8>,
    handle: H,
    kind: UnsafeCell<ManuallyDrop<K>>,
    receiver: UnsafeCell<ManuallyDrop<R>>,
    // What may stay uninitialised comes last, so that the rest is written together.
    /// Initialised when the operation is queued, in the inbox or as ready.
    node: UnsafeCell<MaybeUninit<Node>>,
    /// Initialised when `listening` is set: an operation that nobody can stop has none.
    link: UnsafeCell<MaybeUninit<StopLink<H::Backend>>>,
    /// What to complete with, while `QueuedEnded` or `AwaitsNode`; otherwise uninitialised.
    kept: UnsafeCell<MaybeUninit<Result<Ending, Panic>>>,
    _pinned: PhantomPinned,
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    const TABLE: &'static SlotTable<H::Backend> = &SlotTable {
        complete: Self::completed,
        request: Self::request_again,
        started: Self::started,
        cancel: Self::cancelled_by_context,
    };

    /// An operation that was not started.
    #[inline]
    pub(super) fn new(handle: H, kind: K, receiver: R) -> Self {
        Self {
            slot: CompletionSlot::new(Self::TABLE),
            node: UnsafeCell::new(MaybeUninit::uninit()),
            link: UnsafeCell::new(MaybeUninit::uninit()),
            listening: Cell::new(false),
            phase: Cell::new(Phase::Unstarted),
            retries: Cell::new(0),
            kept: UnsafeCell::new(MaybeUninit::uninit()),
            handle,
            kind: UnsafeCell::new(ManuallyDrop::new(kind)),
            receiver: UnsafeCell::new(ManuallyDrop::new(receiver)),
            _pinned: PhantomPinned,
        }
    }

    // Functions that take `this` require a started, incomplete operation, on the loop's thread
    // unless they say otherwise; the operation may be gone when they return.

    /// Whether the link is armed.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn hears(this: *mut Self) -> bool {
        // SAFETY: alive.
        K::CANCELLABLE && unsafe { (*this).listening.get() }
    }

    /// The operation with this slot.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn of_slot(slot: NonNull<CompletionSlot<H::Backend>>) -> *mut Self {
        slot.as_ptr().cast()
    }

    /// The part that hears stop requests.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn link(this: *mut Self) -> NonNull<StopLink<H::Backend>> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).link).cast()) }
    }

    /// Makes the stop link and arms it with `token`; any thread, in `start`, or the loop's.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn listen(this: *mut Self, token: RawToken, submitting: bool) {
        // SAFETY: not listening, so the place of the link is free; in place until the end, which
        //         disarms it (INV-STOP-1). `listening` is set before a callback may run.
        unsafe {
            Self::link(this).write(StopLink::new(Self::act));
            (*this).listening.set(true);
            let core = (*(&raw const (*this).handle)).core();
            StopLink::arm(Self::link(this), core, token, submitting);
        }
    }

    /// Makes the node, for a queue.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn make_node(this: *mut Self) -> NonNull<Node> {
        // SAFETY: a field of a live operation, in no queue.
        unsafe {
            let node: NonNull<Node> = NonNull::new_unchecked((&raw mut (*this).node).cast());
            node.write(Node::new(Self::ran));
            node
        }
    }

    /// The slot, with the provenance of the whole.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn slot(this: *mut Self) -> NonNull<CompletionSlot<H::Backend>> {
        // SAFETY: the first field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked(this.cast()) }
    }

    /// Submits the next request.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
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

    /// The request again, for a slot that waited for room.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn request_again(slot: NonNull<CompletionSlot<H::Backend>>) -> Request {
        // SAFETY: in the backlog, so not at the kernel: the kind may be borrowed (INV-OP-2).
        unsafe { (*(*Self::of_slot(slot)).kind.get()).request() }
    }

    /// There was room: the request is at the kernel.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn started(slot: NonNull<CompletionSlot<H::Backend>>) -> bool {
        // SAFETY: it was in the backlog, so it is alive.
        unsafe { (*Self::of_slot(slot)).phase.set(Phase::AtKernel) };
        K::CANCELLABLE
    }

    /// The kernel's final result.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn completed(slot: NonNull<CompletionSlot<H::Backend>>, completion: Completion) {
        // SAFETY: at the kernel until now (INV-SLOT-2), so alive; from here on the kind may be
        //         borrowed again (INV-OP-2).
        unsafe {
            let this = Self::of_slot(slot);
            let core = (*(&raw const (*this).handle)).core();
            core.completed(slot, K::CANCELLABLE);
            (*this).phase.set(Phase::Starting);
            match u32::try_from(completion.result) {
                Ok(result) => Self::succeeded(this, result),
                Err(_) => Self::refused(this, completion.result),
            }
        }
    }

    /// A request had this result.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
    unsafe fn succeeded(this: *mut Self, result: u32) {
        // SAFETY: alive, and nothing at the kernel.
        unsafe {
            (*this).retries.set(0);
            let kind = (*this).kind.get();
            match catch(|| (*kind).advance(result)) {
                Ok(Progress::Done) => Self::end(this, Ok(Ending::Success(result))),
                Ok(Progress::More) => Self::go_on(this),
                Err(payload) => Self::end_early(this, Err(payload)),
            }
        }
    }

    /// A request had this result, which is less than zero.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    unsafe fn refused(this: *mut Self, result: i32) {
        // SAFETY: alive, and nothing at the kernel, so the kind may be borrowed (INV-OP-2).
        unsafe {
            let meaning = if K::FINAL {
                final_verdict(result)
            } else {
                verdict(result).seen_by(|error| (*(*this).kind.get()).refused(error))
            };
            match meaning {
                Verdict::Success(result) => Self::succeeded(this, result),
                Verdict::Cancelled => Self::end_early(this, Ok(Ending::Stopped)),
                Verdict::Step => Self::go_on(this),
                Verdict::Interrupted(error) if (*this).retries.get() == RETRIES_MAX => {
                    Self::end_early(this, Ok(Ending::Failure(error)));
                }
                Verdict::Interrupted(_) => {
                    (*this).retries.set((*this).retries.get() + 1);
                    Self::go_on(this);
                }
                Verdict::Failure(error) => Self::end_early(this, Ok(Ending::Failure(error))),
            }
        }
    }

    /// Makes the next request, unless stop was requested meanwhile or the context ends.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn go_on(this: *mut Self) {
        // SAFETY: alive, armed if cancellable, and nothing at the kernel.
        unsafe {
            let draining = (*(&raw const (*this).handle)).core().draining.get();
            let asked = || Self::hears(this) && StopLink::stop_requested(Self::link(this));
            if K::CANCELLABLE && (draining || asked()) {
                Self::end_early(this, Ok(Ending::Stopped));
            } else {
                Self::submit(this);
            }
        }
    }

    /// As [`end`](Self::end), for endings that are not worth being inlined.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    unsafe fn end_early(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: the contract is the same.
        unsafe { Self::end(this, ending) }
    }

    /// Completes, now or when the stop link's node has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
    unsafe fn end(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: alive; nothing at the kernel, in no list.
        unsafe {
            if Self::hears(this) && StopLink::disarm(Self::link(this)) {
                (*this).phase.set(Phase::AwaitsNode);
                (*(*this).kept.get()).write(ending);
                return;
            }
            Self::deliver(this, ending);
        }
    }

    /// Moves kind and receiver out: the operation is over.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
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

    /// As [`deliver`](Self::deliver), for outcomes that are not worth being inlined.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    unsafe fn deliver_early(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: the contract is the same.
        unsafe { Self::deliver(this, ending) }
    }

    /// Completes the receiver.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
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
    ///
    /// # Safety
    ///
    /// - `node` is that of a started, incomplete operation of this type, taken from its queue.
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
                    let claimed = !Self::hears(this) || StopLink::claim(Self::link(this));
                    if claimed && !core.is_stopping() {
                        Self::submit(this);
                    } else {
                        Self::end_early(this, Ok(Ending::Stopped));
                    }
                }
                Phase::QueuedEnded => {
                    (*(&raw const (*this).handle)).core().taken_new();
                    (*this).phase.set(Phase::Starting);
                    if Self::hears(this) {
                        // It has ended already; a stop request changes nothing.
                        StopLink::claim(Self::link(this));
                    }
                    Self::end_early(this, (*(*this).kept.get()).assume_init_read());
                }
                Phase::Ready => Self::end_early(this, Ok(Ending::Stopped)),
                _ => abort("an operation was taken from a queue in which it was not"),
            }
        }
    }

    /// Stop was requested, on the loop's thread or as told by another.
    ///
    /// # Safety
    ///
    /// - `link` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn act(link: NonNull<StopLink<H::Backend>>) {
        // SAFETY: the link is a field of a started, incomplete operation.
        unsafe { Self::stop(link.as_ptr().byte_sub(offset_of!(Self, link)).cast()) }
    }

    /// Ends early.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn stop(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe {
            match (*this).phase.get() {
                Phase::Starting => (*this).phase.set(Phase::StopWanted),
                Phase::Backlogged => {
                    let core = (*(&raw const (*this).handle)).core();
                    core.leave_backlog(Self::slot(this));
                    (*this).phase.set(Phase::Ready);
                    core.ready.push_back(Self::make_node(this));
                }
                Phase::AtKernel => {
                    if !(*this).listening.get() {
                        Self::listen(this, RawToken::NEVER, false);
                    }
                    StopLink::cancel_later(Self::link(this), Self::slot(this));
                }
                // Written when the phase was entered, which is left here.
                Phase::AwaitsNode => {
                    Self::deliver_early(this, (*(*this).kept.get()).assume_init_read());
                }
                Phase::Over => abort("a stop request outlived its operation"),
                _ => {}
            }
        }
    }

    /// The context ends: as if stop had been requested.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    unsafe fn cancelled_by_context(slot: NonNull<CompletionSlot<H::Backend>>) {
        // SAFETY: the operation is alive, in the backlog or at the kernel.
        unsafe {
            let this = Self::of_slot(slot);
            if K::CANCELLABLE || (*this).phase.get() == Phase::Backlogged {
                Self::stop(this);
            }
        }
    }

    /// Starts on another thread: through the inbox. `early` is how it ended before the kernel was
    /// asked, which is told on the loop's thread like everything else.
    ///
    /// # Safety
    ///
    /// - `this` is an operation that is being started on another thread than the loop's.
    #[cold]
    unsafe fn start_remote(this: *mut Self, token: RawToken, early: Option<Result<Ending, Panic>>) {
        // SAFETY: the operation is this thread's until it is queued; then it is the loop's.
        unsafe {
            let handle = (*this).handle;
            (*this).phase.set(Phase::Queued);
            let ended = early.is_some();
            if let Some(ending) = early {
                (*(*this).kept.get()).write(ending);
                (*this).phase.set(Phase::QueuedEnded);
            }
            if K::CANCELLABLE && !token.is_never() {
                Self::listen(this, token, true);
            }
            let rejected = match handle.core().push_new(Self::make_node(this)) {
                Ok(()) => return,
                Err(rejected) => rejected,
            };
            if Self::hears(this) {
                StopLink::disarm_unqueued(Self::link(this));
            }
            let ending = match ended.then(|| (*(*this).kept.get()).assume_init_read()) {
                Some(Err(payload)) => Err(payload),
                _ => Ok(rejected.into_ending()),
            };
            Self::deliver(this, ending);
        }
    }
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> OperationState for IoOp<H, K, R> {
    #[inline(always)]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good.
        unsafe {
            let env = (*(*this).receiver.get()).env();
            let token = env.stop_token();
            let handle = (*this).handle;
            let home = handle.is_home();
            if token.stop_requested() || (home && handle.core().refuses()) {
                return Self::deliver_early(this, Ok(Ending::Stopped));
            }
            let kind = (*this).kind.get();
            let early = match catch(|| (*kind).prepare()) {
                Ok(Ok(Progress::More)) => None,
                Ok(Ok(Progress::Done)) => Some(Ok(Ending::Success(0))),
                Ok(Err(error)) => Some(Ok(Ending::Failure(error))),
                Err(payload) => Some(Err(payload)),
            };
            let token = token.erase();
            if !home {
                return Self::start_remote(this, token, early);
            }
            if let Some(ending) = early {
                return Self::deliver(this, ending);
            }
            (*this).phase.set(Phase::Starting);
            if K::CANCELLABLE && !token.is_never() {
                Self::listen(this, token, false);
                if (*this).phase.get() == Phase::StopWanted {
                    (*this).phase.set(Phase::Starting);
                    return Self::end_early(this, Ok(Ending::Stopped));
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
