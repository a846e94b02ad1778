//! The place of one child in a group: its sender, then its operation, then its outcome.
//!
//! # States
//!
//! | state     | storage holds         | leaves by                                              |
//! |-----------|-----------------------|--------------------------------------------------------|
//! | `Pending` | the sender            | `launch`, which connects and starts it, or `abandon`   |
//! | `Running` | the operation         | its completion, which destroys it                      |
//! | `Settled` | the outcome           | `take` by the group, or `clear`                        |
//! | `Empty`   | nothing               | never                                                  |
//!
//! # Safety
//! INV-GRP-1 (who owns a slot) and INV-GRP-2 (how long it lives) of `op`. The receiver is a pointer to the slot that may be used for the whole operation, which `launch` is given.

#![expect(unsafe_code, reason = "a union that the state describes")]

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit, needs_drop, offset_of};
use std::ptr;

use super::children::{Child, Children};
use super::op::GroupOp;
use super::{Group, SlotsOf};
use crate::senders::concept::env::Env;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::{Channel, Outcome};
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// The sender of children of kind `I`.
pub(super) type SenderOf<G, const I: usize> = <<G as Group>::Children as Child<I>>::Sender;
type ValueOf<G, const I: usize> = <SenderOf<G, I> as Sender>::Value;
type ErrorOf<G, const I: usize> = <SenderOf<G, I> as Sender>::Error;
type OutcomeOf<G, const I: usize> = Outcome<ValueOf<G, I>, ErrorOf<G, I>>;
type OpOf<G, R, const I: usize> = <SenderOf<G, I> as Sender>::Operation<ChildReceiver<G, R, I>>;

/// What takes turns in one place.
union Storage<G, R, const I: usize>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    sender: ManuallyDrop<SenderOf<G, I>>,
    #[expect(
        dead_code,
        reason = "gives the place its size; it is written and dropped in place"
    )]
    op: ManuallyDrop<OpOf<G, R, I>>,
    outcome: ManuallyDrop<OutcomeOf<G, I>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Settled,
    Empty,
}

/// The place of one child in the operation of a group.
pub struct Slot<G, R, const I: usize>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    storage: MaybeUninit<Storage<G, R, I>>,
    state: State,
}

impl<G, R, const I: usize> Slot<G, R, I>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    /// A slot with its sender.
    #[inline]
    pub(super) const fn new(sender: SenderOf<G, I>) -> Self {
        Self {
            storage: MaybeUninit::new(Storage {
                sender: ManuallyDrop::new(sender),
            }),
            state: State::Pending,
        }
    }

    /// Where the storage is.
    ///
    /// # Safety
    ///
    /// - `this` points to a live slot.
    #[inline]
    unsafe fn storage(this: *mut Self) -> *mut Storage<G, R, I> {
        // SAFETY: `this` is live (contract); no reference is made.
        unsafe { (&raw mut (*this).storage).cast() }
    }

    /// Connects the child in place and starts it.
    ///
    /// # Safety
    ///
    /// - The slot is `Pending`, in an operation that is being started, and `this` may be used for
    ///   the whole operation; the caller holds a count of it (INV-GRP-2).
    #[inline(always)]
    pub(super) unsafe fn launch(this: *mut Self) {
        // SAFETY: the slot is this thread's until its child is started (INV-GRP-1); the operation
        //         is started at its final address, and stays there until the child was counted
        //         (INV-OP-1). Nothing is touched after the start.
        unsafe {
            let storage = Self::storage(this);
            let sender = ManuallyDrop::take(&mut (*storage).sender);
            (*this).state = State::Empty;
            match catch(move || sender.connect(ChildReceiver { slot: this })) {
                Ok(op) => {
                    let place: *mut OpOf<G, R, I> = storage.cast();
                    place.write(op);
                    (*this).state = State::Running;
                    OperationState::start(place);
                }
                Err(payload) => Self::settle(this, Outcome::Panicked(payload)),
            }
        }
    }

    /// The child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child, once.
    #[inline(always)]
    unsafe fn completed(this: *mut Self, outcome: OutcomeOf<G, I>) {
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call; the
        //         slot is this thread's (INV-GRP-1).
        unsafe {
            let place: *mut OpOf<G, R, I> = Self::storage(this).cast();
            let outcome = match catch(move || ptr::drop_in_place(place)) {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            };
            Self::settle(this, outcome);
        }
    }

    /// Stores the outcome and tells the operation.
    ///
    /// # Safety
    ///
    /// - The slot holds nothing and is this thread's, which gives the child's count back hereby.
    #[inline(always)]
    unsafe fn settle(this: *mut Self, outcome: OutcomeOf<G, I>) {
        // SAFETY: the storage is free to be written (contract). The pointer may be used for the
        //         whole operation (contract of `launch`), which lives until `settled` has counted.
        unsafe {
            let (op, index) = Self::parent(this);
            let (outcome, weight) = Self::weighed(index, outcome);
            Self::storage(this).cast::<OutcomeOf<G, I>>().write(outcome);
            (*this).state = State::Settled;
            GroupOp::settled(op, index, weight);
        }
    }

    /// How much `outcome` weighs. A panic of the group while it decides that is the outcome then.
    #[inline(always)]
    fn weighed(index: usize, outcome: OutcomeOf<G, I>) -> (OutcomeOf<G, I>, u8) {
        let channel = outcome.channel();
        if channel == Channel::Panicked {
            return (outcome, G::PANIC_WEIGHT);
        }
        match catch(|| G::weigh(index, channel)) {
            Ok(weight) => (outcome, weight),
            Err(payload) => (outcome.replaced_by(payload), G::PANIC_WEIGHT),
        }
    }

    /// The operation that this slot is in, and the index of the child.
    ///
    /// # Safety
    ///
    /// - `this` is a slot of a live operation and may be used for the whole of it.
    #[inline(always)]
    unsafe fn parent(this: *mut Self) -> (*mut GroupOp<G, R>, usize) {
        // SAFETY: `locate` gives the address of the field `slots` of the operation, and may use all
        //         of it; the step back stays within.
        unsafe {
            let (slots, index) = <G::Children as Child<I>>::locate(this);
            let op = slots.byte_sub(offset_of!(GroupOp<G, R>, slots));
            (op.cast(), index)
        }
    }

    /// Takes the outcome out.
    ///
    /// # Safety
    ///
    /// - `this` points to a live slot that is the caller's.
    #[inline(always)]
    unsafe fn take(this: *mut Self) -> Option<OutcomeOf<G, I>> {
        // SAFETY: the state says what the storage holds, and is changed together with it.
        unsafe {
            if (*this).state != State::Settled {
                return None;
            }
            (*this).state = State::Empty;
            Some(ManuallyDrop::take(&mut (*Self::storage(this)).outcome))
        }
    }

    /// Takes the value out, if the outcome is one.
    ///
    /// # Safety
    ///
    /// - `this` points to a live slot that is the caller's.
    #[inline(always)]
    unsafe fn take_value(this: *mut Self) -> Option<ValueOf<G, I>> {
        // SAFETY: as for `take`. Only the value is read, not the whole outcome: this lets the
        //         compiler forget what else was ever written there.
        unsafe {
            if (*this).state != State::Settled {
                return None;
            }
            let outcome: *const OutcomeOf<G, I> = Self::storage(this).cast();
            let Outcome::Value(value) = &*outcome else {
                return None;
            };
            (*this).state = State::Empty;
            Some(ptr::read(value))
        }
    }

    /// Drops the sender; a panic of that is returned.
    ///
    /// # Safety
    ///
    /// - `this` points to a live slot that is the caller's and `Pending`, and not used afterwards.
    #[inline(always)]
    pub(super) unsafe fn abandon(this: *mut Self) -> Option<Panic> {
        if !needs_drop::<SenderOf<G, I>>() {
            return None;
        }
        // SAFETY: the sender is there, and is not dropped again (contract).
        let dropped = unsafe {
            let storage = Self::storage(this);
            catch(move || ManuallyDrop::drop(&mut (*storage).sender))
        };
        dropped.err()
    }

    /// Drops the outcome if it is still there; a panic of that is returned.
    ///
    /// # Safety
    ///
    /// - `this` points to a live slot that is the caller's, and whose child has completed.
    #[inline(always)]
    pub(super) unsafe fn clear(this: *mut Self) -> Option<Panic> {
        // SAFETY: as for `take`.
        let dropped = unsafe {
            if (*this).state != State::Settled {
                return None;
            }
            (*this).state = State::Empty;
            let storage = Self::storage(this);
            catch(move || ManuallyDrop::drop(&mut (*storage).outcome))
        };
        dropped.err()
    }
}

impl<G, R, const I: usize> fmt::Debug for Slot<G, R, I>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// The receiver of a group's child.
pub struct ChildReceiver<G, R, const I: usize>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    slot: *mut Slot<G, R, I>,
}

impl<G, R, const I: usize> Receiver<ValueOf<G, I>, ErrorOf<G, I>> for ChildReceiver<G, R, I>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    #[inline]
    fn set_value(self, value: ValueOf<G, I>) {
        // SAFETY: this receiver was made for the child in the slot, which completes once.
        unsafe { Slot::completed(self.slot, Outcome::Value(value)) }
    }

    #[inline]
    fn set_error(self, error: ErrorOf<G, I>) {
        // SAFETY: as in `set_value`.
        unsafe { Slot::completed(self.slot, Outcome::Error(error)) }
    }

    #[inline]
    fn set_stopped(self) {
        // SAFETY: as in `set_value`.
        unsafe { Slot::completed(self.slot, Outcome::Stopped) }
    }

    #[inline]
    fn set_panicked(self, payload: Panic) {
        // SAFETY: as in `set_value`.
        unsafe { Slot::completed(self.slot, Outcome::Panicked(payload)) }
    }

    #[inline]
    fn env(&self) -> Env<'_> {
        // SAFETY: the child has not completed, so the operation is alive and has not either.
        unsafe {
            let (op, _) = Slot::parent(self.slot);
            GroupOp::child_env(op)
        }
    }
}

impl<G, R, const I: usize> fmt::Debug for ChildReceiver<G, R, I>
where
    G: Group<Children: Child<I>>,
    R: Receiver<G::Value, G::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildReceiver").finish_non_exhaustive()
    }
}

/// The outcomes of a group's children, when all have completed.
pub struct Finished<'a, G: Group, R: Receiver<G::Value, G::Error>> {
    slots: &'a mut SlotsOf<G, R>,
}

impl<'a, G: Group, R: Receiver<G::Value, G::Error>> Finished<'a, G, R> {
    /// The outcomes in `slots`.
    #[inline]
    pub(super) const fn new(slots: &'a mut SlotsOf<G, R>) -> Self {
        Self { slots }
    }

    /// How many children there were.
    #[inline(always)]
    #[must_use]
    pub fn count(&self) -> usize {
        // SAFETY: the slots are borrowed, and not cleared before that ends.
        unsafe { G::Children::count(&raw const *self.slots) }
    }

    /// Takes the outcome of the child of kind `I` out: of a tuple's member `I`, or of element
    /// `element` of an array or a `Vec` (kind 0). `None` if it was taken before.
    ///
    /// # Panics
    ///
    /// If an array or a `Vec` has no such element.
    #[inline(always)]
    pub fn take<const I: usize>(&mut self, element: usize) -> Option<OutcomeOf<G, I>>
    where
        G::Children: Child<I>,
    {
        let slots: *mut SlotsOf<G, R> = self.slots;
        // SAFETY: the slots are borrowed exclusively, which makes them the caller's.
        unsafe { Slot::take(<G::Children as Child<I>>::slot(slots, element)) }
    }

    /// Takes the value of such a child out; `None` if there is none.
    ///
    /// # Panics
    ///
    /// If an array or a `Vec` has no such element.
    #[inline(always)]
    pub fn take_value<const I: usize>(&mut self, element: usize) -> Option<ValueOf<G, I>>
    where
        G::Children: Child<I>,
    {
        let slots: *mut SlotsOf<G, R> = self.slots;
        // SAFETY: as in `take`.
        unsafe { Slot::take_value(<G::Children as Child<I>>::slot(slots, element)) }
    }
}

impl<G: Group, R: Receiver<G::Value, G::Error>> fmt::Debug for Finished<'_, G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("children", &self.count())
            .finish()
    }
}
