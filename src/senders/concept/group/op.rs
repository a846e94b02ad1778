//! The operation of a group: it launches the children, counts them, and completes.
//!
//! # States
//!
//! | stage     | slots hold                                  | leaves by                          |
//! |-----------|---------------------------------------------|------------------------------------|
//! | `Pending` | the senders                                 | `start`                            |
//! | `Running` | operations and outcomes                     | the last count                     |
//! | `Over`    | nothing; group and receiver are gone        | never                              |
//!
//! # Threads
//!
//! `remaining` counts the children that have not completed, and one for `start`. A child that
//! completes inside `start` on the starting thread is counted in `inline`, which belongs to that
//! thread; `start` subtracts these together with its own count, or, if they are all, touches
//! `remaining` not at all. Such a child finds the operation in `LAUNCHING` of its thread, which the
//! compiler can see through: a group of `just` needs no counter. The subtraction releases the slot
//! that was written and the last one acquires them all; `decisive` is written before a subtraction
//! and read after the last, so it can be `Relaxed`.
//!
//! # Safety
//!
//! - INV-OP-1: from `start` to completion the operation stays in place; children reach it by raw
//!   pointer, and no reference to the whole operation is made.
//! - INV-GRP-1: a slot belongs to the thread that launches its child, then to the child's
//!   completion, and after the last count to whoever counted last.
//! - INV-GRP-2: the operation is alive while somebody holds a count: `start` holds one until it has
//!   started every child, a child until it was counted, which is after its request to stop the
//!   siblings has returned (INV-CB-4).

#![expect(
    unsafe_code,
    reason = "children live in the operation and point back to it"
)]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use super::children::Children;
use super::slot::Finished;
use super::{Group, SlotsOf};
use crate::abort::{AbortGuard, abort};
use crate::senders::concept::env::{Env, RawEnv};
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch, discard};
use crate::senders::concept::receiver::Receiver;
use crate::senders::stop::LinkedSource;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// No completion has weighed yet.
const UNDECIDED: usize = 0;
/// Where the weight begins in `decisive`; the index is below it.
const WEIGHT_SHIFT: u32 = usize::BITS - 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Running,
    Over,
}

/// What has completed inside `start`, on the starting thread.
#[derive(Clone, Copy, Default)]
struct Inline {
    count: usize,
    /// Whether one of these weighed.
    decided: bool,
}

#[cfg(not(all(test, loom)))]
thread_local! {
    /// The operation that launches its children on this thread, the innermost one.
    static LAUNCHING: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

#[cfg(all(test, loom))]
loom::thread_local! {
    static LAUNCHING: Cell<*const ()> = Cell::new(ptr::null());
}

/// The operation of every [`Group`].
pub struct GroupOp<G: Group, R: Receiver<G::Value, G::Error>> {
    pub(super) slots: SlotsOf<G, R>,
    group: ManuallyDrop<G>,
    receiver: ManuallyDrop<R>,
    /// The receiver's environment, which several children may ask at the same time.
    env: RawEnv,
    source: LinkedSource,
    remaining: AtomicUsize,
    /// Weight and index of the decisive completion, or `UNDECIDED`.
    decisive: AtomicUsize,
    /// The starting thread's alone, while it is inside `start`.
    inline: Cell<Inline>,
    linked: bool,
    stage: Stage,
    _pinned: PhantomPinned,
}

impl<G: Group, R: Receiver<G::Value, G::Error>> GroupOp<G, R> {
    /// An operation that is not started.
    #[inline]
    pub(super) fn new(children: G::Children, group: G, receiver: R) -> Self {
        let slots = children.into_slots();
        // SAFETY: the slots are alive: they are right here.
        let count = unsafe { G::Children::count(&raw const slots) };
        Self {
            slots,
            group: ManuallyDrop::new(group),
            receiver: ManuallyDrop::new(receiver),
            env: RawEnv::EMPTY,
            source: LinkedSource::new(),
            remaining: AtomicUsize::new(count + 1),
            decisive: AtomicUsize::new(UNDECIDED),
            inline: Cell::new(Inline::default()),
            linked: false,
            stage: Stage::Pending,
            _pinned: PhantomPinned,
        }
    }

    /// Completes without having started a child.
    ///
    /// # Safety
    ///
    /// - `this` is at stage `Pending` and being started; it may be gone afterwards.
    #[cold]
    unsafe fn complete_early(this: *mut Self, outcome: Outcome<G::Value, G::Error>) {
        // SAFETY: no child exists, so slots, group and receiver are this thread's; the two are
        //         taken once, since `Over` is never left.
        let (panicked, group, receiver) = unsafe {
            (*this).stage = Stage::Over;
            (
                G::Children::abandon(&raw mut (*this).slots),
                ManuallyDrop::take(&mut (*this).group),
                ManuallyDrop::take(&mut (*this).receiver),
            )
        };
        let outcome = match panicked {
            None => outcome,
            Some(payload) => outcome.replaced_by(payload),
        };
        outcome.finish(receiver, group);
    }

    /// Launches every child.
    ///
    /// # Safety
    ///
    /// - `this` is being started and its slots hold senders; the caller holds a count.
    #[inline(always)]
    unsafe fn launch(this: *mut Self) {
        // No child unwinds out of its start; if one did, `LAUNCHING` would name a dead operation.
        let guard = AbortGuard::new("a sender's `start` unwound");
        let outer = LAUNCHING.with(|innermost| innermost.replace(this.cast_const().cast()));
        // SAFETY: the contract is the same; a projection keeps what the pointer may reach.
        unsafe { G::Children::launch(&raw mut (*this).slots) };
        LAUNCHING.with(|innermost| innermost.set(outer));
        guard.disarm();
    }

    /// Child `index` has left its outcome, which weighs that much, in its slot.
    ///
    /// # Safety
    ///
    /// - Called once for each child, which gives its count back hereby: the operation may be gone
    ///   afterwards (INV-GRP-2).
    #[inline(always)]
    pub(super) unsafe fn settled(this: *mut Self, index: usize, weight: u8) {
        // SAFETY: the child's count keeps the operation alive until it is given back. If this
        //         thread launches the children of this operation, it does so below on its stack,
        //         so `inline` is its own.
        unsafe {
            if weight > 0 {
                Self::decide(this, weight, index);
            }
            if LAUNCHING.with(Cell::get) == this.cast_const().cast() {
                let Inline { count, decided } = (*this).inline.get();
                (*this).inline.set(Inline {
                    count: count + 1,
                    decided: decided || weight > 0,
                });
            } else {
                Self::give_back(this, 1);
            }
        }
    }

    /// Notes a completion that weighs, and stops the others.
    ///
    /// # Safety
    ///
    /// - The caller holds a count (INV-GRP-2).
    #[cold]
    unsafe fn decide(this: *mut Self, weight: u8, index: usize) {
        // SAFETY: the count keeps the operation alive, also while `request_stop` runs (INV-CB-4).
        let (decisive, source) = unsafe { (&(*this).decisive, &(*this).source) };
        let own = usize::from(weight) << WEIGHT_SHIFT | index;
        let heavier = |seen: usize| (seen >> WEIGHT_SHIFT < usize::from(weight)).then_some(own);
        // An error means that something heavier, or as heavy and earlier, stays.
        let _ = decisive.fetch_update(Ordering::Relaxed, Ordering::Relaxed, heavier);
        source.request_stop();
    }

    /// Gives counts back; the last one completes.
    ///
    /// # Safety
    ///
    /// - The caller holds these counts; the operation may be gone afterwards.
    #[inline(never)]
    unsafe fn give_back(this: *mut Self, counts: usize) {
        // SAFETY: the counts keep the operation alive until the subtraction; the last one has it
        //         for itself.
        unsafe {
            if (*this).remaining.fetch_sub(counts, Ordering::AcqRel) == counts {
                Self::complete(this, Self::decisive(this));
            }
        }
    }

    /// The index of the decisive completion.
    ///
    /// # Safety
    ///
    /// - `this` points to a live operation.
    unsafe fn decisive(this: *mut Self) -> Option<usize> {
        // SAFETY: alive (contract).
        let word = unsafe { (*this).decisive.load(Ordering::Relaxed) };
        (word != UNDECIDED).then_some(word & !(usize::MAX << WEIGHT_SHIFT))
    }

    /// Completes the receiver; the operation may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - No count is left, so the operation is the caller's.
    #[inline(always)]
    unsafe fn complete(this: *mut Self, decisive: Option<usize>) {
        // SAFETY: the operation is this thread's alone, but for a stop request from upstream, which
        //         `unlink` ends (all children have completed, so no callback is registered). Group
        //         and receiver are taken once, since `Over` is never left.
        let (group, receiver) = unsafe {
            if (*this).linked {
                LinkedSource::unlink(NonNull::new_unchecked(&raw mut (*this).source));
            }
            (*this).stage = Stage::Over;
            (
                ManuallyDrop::take(&mut (*this).group),
                ManuallyDrop::take(&mut (*this).receiver),
            )
        };
        // SAFETY: every child has completed and none is launched again: the slots are this
        //         thread's (INV-GRP-1), until the receiver is completed below.
        let (outcome, panicked) = unsafe {
            let slots = &raw mut (*this).slots;
            let conclude = || group.conclude(Finished::new(&mut *slots), decisive);
            let outcome = if G::ONLY_MOVES {
                let guard = AbortGuard::new("a group that only moves outcomes panicked");
                let outcome = conclude();
                guard.disarm();
                outcome
            } else {
                catch(conclude).unwrap_or_else(Outcome::Panicked)
            };
            (outcome, G::Children::clear(slots))
        };
        match panicked {
            None => outcome.deliver(receiver),
            Some(payload) => outcome.replaced_by(payload).deliver(receiver),
        }
    }

    /// The environment of the children.
    ///
    /// # Safety
    ///
    /// - `this` points to a started operation that has not completed during `'a`.
    #[inline]
    pub(super) unsafe fn child_env<'a>(this: *const Self) -> Env<'a> {
        // SAFETY: the receiver was not completed (contract; INV-ENV-1), and the source lives in the
        //         operation; `env` is not written after the first child was launched.
        unsafe {
            let source: &'a LinkedSource = &(*this).source;
            (*this).env.restore().with_stop_token(source.token())
        }
    }
}

impl<G: Group, R: Receiver<G::Value, G::Error>> OperationState for GroupOp<G, R> {
    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, in place for good, and not started: all of it is this
        //         thread's until the first child is launched, and it stays alive until the count
        //         of this call is given back (INV-GRP-2). The receiver keeps the upstream source
        //         alive until it is completed, which `unlink` precedes.
        unsafe {
            let receiver: &R = &(*this).receiver;
            let env = receiver.env();
            let group = &raw mut (*this).group;
            match catch(move || (*group).enter(env)) {
                Ok(None) => {}
                Ok(Some(outcome)) => return Self::complete_early(this, outcome),
                Err(payload) => return Self::complete_early(this, Outcome::Panicked(payload)),
            }
            (*this).stage = Stage::Running;
            (*this).env = env.erase();
            if env.stop_token().stop_possible() {
                (*this).linked = true;
                let source = NonNull::new_unchecked(&raw mut (*this).source);
                LinkedSource::link(source, env.stop_token().erase());
            }
            Self::launch(this);
            let Inline { count, decided } = (*this).inline.get();
            if count == G::Children::count(&raw const (*this).slots) {
                // Nobody else has a count.
                let decisive = if decided { Self::decisive(this) } else { None };
                return Self::complete(this, decisive);
            }
            Self::give_back(this, count + 1);
        }
    }
}

impl<G: Group, R: Receiver<G::Value, G::Error>> Drop for GroupOp<G, R> {
    #[inline]
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => {}
            Stage::Running => abort("a group of operations was destroyed before it completed"),
            Stage::Pending => {
                // SAFETY: unstarted: senders, group and receiver are all there, and nobody else
                //         has them.
                let dropped = unsafe {
                    let senders = G::Children::abandon(&raw mut self.slots);
                    let group = discard(ManuallyDrop::take(&mut self.group));
                    ManuallyDrop::drop(&mut self.receiver);
                    senders.or(group.err())
                };
                resume(dropped);
            }
        }
    }
}

/// Resumes a panic of what an unstarted operation owned.
#[inline]
fn resume(payload: Option<Panic>) {
    if let Some(payload) = payload {
        std::panic::resume_unwind(payload);
    }
}

impl<G: Group, R: Receiver<G::Value, G::Error>> fmt::Debug for GroupOp<G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupOp").finish_non_exhaustive()
    }
}
