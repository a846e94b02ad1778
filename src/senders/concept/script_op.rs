//! The operation of every [`Script`]: runs one child after another in one place.
//!
//! # Flow
//!
//! ```text
//! start ─> enter ─┬─ first sender given ─────────┐
//!                 └─ begin ──┐                   v
//!                            ├─ First(s)  ─> connect, start ─> child completes ─> after_first ──┐
//!                            ├─ Second(s) ─> connect, start ─> child completes ─> after_second ─┤
//!                            └─ Complete(outcome) ─> drop script ─> set_* on the receiver       │
//!                            ^──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # States
//!
//! `stage` is written by whoever runs the script: before `start` the owner (who starts next what
//! `make_at` has left at `First` or `Failed`), then the thread on which a child completed. One child at a time exists, so there is one such thread.
//!
//! | stage     | storage holds             | leaves by                                       |
//! |-----------|---------------------------|-------------------------------------------------|
//! | `Pending` | the first sender          | `start`                                         |
//! | `Idle`    | nothing                   | a step                                          |
//! | `First`   | the first child's operation, or what is left of a spent one  | the next step |
//! | `Second`  | the second child's operation, or what is left of a spent one | the next step |
//! | `Over`    | nothing that is dropped; script and receiver are gone | never               |
//!
//! A child is destroyed before the script sees its outcome, and `stage` is `Idle` then. One that has
//! nothing left to be dropped (`OperationState::SPENT`) is forgotten instead: `stage` goes on naming it
//! until the storage is used again, and dropping it would do nothing. In both cases *no child exists*,
//! and the storage may be written.
//!
//! For a script that loops, a child that completes inside its own `start` leaves the next step with the
//! turn of the loop that started it, so the stack does not grow: how that turn is found is in `looping`.
//!
//! # Safety
//!
//! - INV-OP-1: from `start` to completion the operation stays at its address; children reach it by
//!   raw pointer, and no reference to the whole operation is made.
//! - INV-SCR-1: `stage` says what of the storage is to be dropped; it is changed together with it.
//! - INV-SCR-2: the script is borrowed mutably only while no child exists.

#![expect(
    unsafe_code,
    reason = "children live in the operation and point back to it"
)]

mod looping;
mod start;

use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};

use super::operation::OperationState;
use super::outcome::Outcome;
use super::panic::{Panic, catch, discard_into};
use super::receiver::Receiver;
use super::script::{Next, NextOf, Script};
use super::script_receiver::{FirstReceiver, SecondReceiver};
use super::sender::Sender;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Idle,
    First,
    Second,
    /// A start could not even connect the first child; see `start`.
    Failed,
    Over,
}

type FirstOp<M, R> = <<M as Script>::First as Sender>::Operation<FirstReceiver<M, R>>;
type SecondOp<M, R> = <<M as Script>::Second as Sender>::Operation<SecondReceiver<M, R>>;

/// What takes turns in one place of the operation: the first sender and the children's operations.
#[repr(C)] // Each field is at the address of the whole.
union Storage<M: Script, R: Receiver<M::Value, M::Error>> {
    pending: ManuallyDrop<M::First>,
    first: ManuallyDrop<FirstOp<M, R>>,
    second: ManuallyDrop<SecondOp<M, R>>,
}

/// The operation of every [`Script`].
pub struct ScriptOp<M: Script, R: Receiver<M::Value, M::Error>> {
    storage: MaybeUninit<Storage<M, R>>,
    pub(super) script: ManuallyDrop<M>,
    pub(super) receiver: ManuallyDrop<R>,
    /// For scripts that loop, the turn that starts the current child: where the step after the child
    /// goes while `start` runs, else null, if the children stay on their thread; otherwise the frame of
    /// that turn, which may be over. At stage `Failed` a boxed panic.
    turn: *const (),
    stage: Stage,
    _pinned: PhantomPinned,
}

impl<M: Script, R: Receiver<M::Value, M::Error>> ScriptOp<M, R> {
    /// An operation that starts with `first`.
    #[inline]
    pub(crate) const fn new(script: M, first: M::First, receiver: R) -> Self {
        Self {
            storage: MaybeUninit::new(Storage {
                pending: ManuallyDrop::new(first),
            }),
            script: ManuallyDrop::new(script),
            receiver: ManuallyDrop::new(receiver),
            turn: ptr::null(),
            stage: Stage::Pending,
            _pinned: PhantomPinned,
        }
    }

    /// An operation that starts with [`Script::begin`].
    #[inline]
    pub(crate) const fn without_first(script: M, receiver: R) -> Self {
        Self {
            storage: MaybeUninit::uninit(),
            script: ManuallyDrop::new(script),
            receiver: ManuallyDrop::new(receiver),
            turn: ptr::null(),
            stage: Stage::Idle,
            _pinned: PhantomPinned,
        }
    }

    /// Where the storage is.
    ///
    /// # Safety
    ///
    /// - `this` points to a live operation.
    #[inline]
    unsafe fn storage(this: *mut Self) -> *mut Storage<M, R> {
        // SAFETY: `this` is live (contract); no reference is made.
        unsafe { (&raw mut (*this).storage).cast() }
    }

    /// Does what the script said.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn step(this: *mut Self, next: NextOf<M>) {
        // SAFETY: the contract is the same.
        unsafe {
            match next {
                Next::First(sender) => Self::start_first(this, sender),
                Next::Second(sender) => Self::start_second(this, sender),
                Next::Complete(outcome) => Self::complete(this, outcome),
            }
        }
    }

    /// Makes the operation of a child of the first kind; none if it panicked, which is the end.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn connect_first(this: *mut Self, sender: M::First) -> Option<*mut FirstOp<M, R>> {
        // SAFETY: no child exists: the storage is free to be written. The operation is made at its final
        //         address, with a receiver that points to this operation, which stays in place until
        //         it completes (INV-OP-1).
        unsafe {
            let place: *mut FirstOp<M, R> = Self::storage(this).cast();
            match sender.connect_at(place, FirstReceiver::new(this)) {
                Ok(()) => {
                    (*this).stage = Stage::First;
                    Some(place)
                }
                Err(payload) => {
                    Self::complete_early(this, Outcome::Panicked(payload));
                    None
                }
            }
        }
    }

    /// Starts a child of the first kind.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn start_first(this: *mut Self, sender: M::First) {
        // SAFETY: the contract is the same. Nothing is touched after the start.
        unsafe {
            if let Some(place) = Self::connect_first(this, sender)
                && !OperationState::start_aside(place)
            {
                OperationState::start_after_all(place);
            }
        }
    }

    /// Makes the operation of a child of the second kind; none if it panicked, which is the end.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn connect_second(this: *mut Self, sender: M::Second) -> Option<*mut SecondOp<M, R>> {
        // SAFETY: no child exists: the storage is free to be written. The operation is made at its final
        //         address, with a receiver that points to this operation, which stays in place until
        //         it completes (INV-OP-1).
        unsafe {
            let place: *mut SecondOp<M, R> = Self::storage(this).cast();
            match sender.connect_at(place, SecondReceiver::new(this)) {
                Ok(()) => {
                    (*this).stage = Stage::Second;
                    Some(place)
                }
                Err(payload) => {
                    Self::complete_early(this, Outcome::Panicked(payload));
                    None
                }
            }
        }
    }

    /// Starts a child of the second kind.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn start_second(this: *mut Self, sender: M::Second) {
        // SAFETY: the contract is the same. Nothing is touched after the start.
        unsafe {
            if let Some(place) = Self::connect_second(this, sender)
                && !OperationState::start_aside(place)
            {
                OperationState::start_after_all(place);
            }
        }
    }

    /// As [`complete`](Self::complete), where that is not worth being inlined.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[cold]
    unsafe fn complete_early(this: *mut Self, outcome: Outcome<M::Value, M::Error>) {
        // SAFETY: the contract is the same.
        unsafe { Self::complete(this, outcome) }
    }

    /// Completes with the panic that a script without `LOOPS` deserves which went back.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[cold]
    unsafe fn went_back<T>(this: *mut Self, sender: T) {
        let payload: Panic = Box::new("a script without LOOPS went back to an earlier child");
        // SAFETY: the contract is the same.
        unsafe { Self::complete(this, Outcome::Panicked(discard_into(payload, sender))) }
    }

    /// Completes the receiver; the operation may be gone afterwards.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn complete(this: *mut Self, outcome: Outcome<M::Value, M::Error>) {
        // SAFETY: no child exists, and script and receiver are whole; they are taken once, since `Over`
        //         is never left, and not used through `this` afterwards.
        let (script, receiver) = unsafe {
            (*this).stage = Stage::Over;
            (
                ManuallyDrop::take(&mut (*this).script),
                ManuallyDrop::take(&mut (*this).receiver),
            )
        };
        outcome.finish(receiver, script);
    }

    /// Destroys the operation of a child that has completed.
    ///
    /// # Safety
    ///
    /// - The storage holds an operation of type `C`, which has completed.
    #[inline(always)]
    unsafe fn destroy<C: OperationState>(this: *mut Self) -> Result<(), Panic> {
        if C::SPENT {
            return Ok(());
        }
        // SAFETY: it is there, and nobody uses it any more (contract).
        unsafe {
            (*this).stage = Stage::Idle;
            catch(|| ptr::drop_in_place(Self::storage(this).cast::<C>()))
        }
    }

    /// The first child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child that `stage` names, once.
    #[inline(always)]
    pub(super) unsafe fn first_completed<const HOT: bool>(
        this: *mut Self,
        outcome: Outcome<<M::First as Sender>::Value, <M::First as Sender>::Error>,
    ) {
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call; then
        //         no child exists and the script is this thread's (INV-SCR-2).
        let outcome = unsafe {
            match Self::destroy::<FirstOp<M, R>>(this) {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            }
        };
        // SAFETY: no child exists, and this thread runs the script (INV-SCR-2). Without `LOOPS` the calls
        //         form no cycle, so the compiler can inline a whole chain.
        unsafe {
            if M::LOOPS
                && !M::First::DEFERS
                && let Some(slot) = Self::waiting_slot(this)
            {
                return Self::note_first(this, slot, outcome);
            }
            let script = &raw mut (*this).script;
            let next = Self::caught(catch(move || (*script).after_first(outcome)));
            if M::LOOPS {
                return if HOT {
                    Self::run_loop(this, next);
                } else {
                    Self::run_on(this, next);
                };
            }
            match next {
                Next::First(sender) => Self::went_back(this, sender),
                Next::Second(sender) => Self::start_second(this, sender),
                Next::Complete(outcome) => Self::complete(this, outcome),
            }
        }
    }

    /// Asks the script how to go on after a first child that completed inside of its start, for the turn
    /// that waits for it.
    ///
    /// # Safety
    ///
    /// - `slot` comes from [`waiting_slot`](Self::waiting_slot), in the child's completion.
    #[inline(never)]
    unsafe fn note_first(
        this: *mut Self,
        slot: NonNull<NextOf<M>>,
        outcome: Outcome<<M::First as Sender>::Value, <M::First as Sender>::Error>,
    ) {
        // SAFETY: no child exists, and this thread runs the script; the slot is written once a turn.
        unsafe {
            let script = &raw mut (*this).script;
            let next = Self::caught(catch(move || (*script).after_first(outcome)));
            slot.write(next);
        }
    }

    /// The second child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child that `stage` names, once.
    #[inline(always)]
    pub(super) unsafe fn second_completed<const HOT: bool>(
        this: *mut Self,
        outcome: Outcome<<M::Second as Sender>::Value, <M::Second as Sender>::Error>,
    ) {
        // SAFETY: as in `first_completed`.
        let outcome = unsafe {
            match Self::destroy::<SecondOp<M, R>>(this) {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            }
        };
        // SAFETY: no child exists, and this thread runs the script (INV-SCR-2). Without `LOOPS` the calls
        //         form no cycle, so the compiler can inline a whole chain.
        unsafe {
            if M::LOOPS
                && !M::Second::DEFERS
                && let Some(slot) = Self::waiting_slot(this)
            {
                return Self::note_second(this, slot, outcome);
            }
            let script = &raw mut (*this).script;
            let next = Self::caught(catch(move || (*script).after_second(outcome)));
            if M::LOOPS {
                return if HOT {
                    Self::run_loop(this, next);
                } else {
                    Self::run_on(this, next);
                };
            }
            match next {
                Next::First(sender) => Self::went_back(this, sender),
                Next::Second(sender) => Self::went_back(this, sender),
                Next::Complete(outcome) => Self::complete(this, outcome),
            }
        }
    }

    /// Asks the script how to go on after a second child that completed inside of its start, for the turn
    /// that waits for it.
    ///
    /// # Safety
    ///
    /// - `slot` comes from [`waiting_slot`](Self::waiting_slot), in the child's completion.
    #[inline(never)]
    unsafe fn note_second(
        this: *mut Self,
        slot: NonNull<NextOf<M>>,
        outcome: Outcome<<M::Second as Sender>::Value, <M::Second as Sender>::Error>,
    ) {
        // SAFETY: no child exists, and this thread runs the script; the slot is written once a turn.
        unsafe {
            let script = &raw mut (*this).script;
            let next = Self::caught(catch(move || (*script).after_second(outcome)));
            slot.write(next);
        }
    }

    #[inline]
    fn caught(next: Result<NextOf<M>, Panic>) -> NextOf<M> {
        next.unwrap_or_else(|payload| Next::Complete(Outcome::Panicked(payload)))
    }
}

impl<M: Script, R: Receiver<M::Value, M::Error>> Drop for ScriptOp<M, R> {
    #[inline]
    fn drop(&mut self) {
        let storage: *mut Storage<M, R> = self.storage.as_mut_ptr();
        // SAFETY: `stage` says what the storage holds (INV-SCR-1). A child that is dropped before
        //         it completed is the broken contract of `start`; its leaf aborts.
        unsafe {
            match self.stage {
                Stage::Over => return,
                Stage::Pending => ManuallyDrop::drop(&mut (*storage).pending),
                Stage::Idle | Stage::Failed => {}
                Stage::First => ManuallyDrop::drop(&mut (*storage).first),
                Stage::Second => ManuallyDrop::drop(&mut (*storage).second),
            }
            ManuallyDrop::drop(&mut self.script);
            ManuallyDrop::drop(&mut self.receiver);
        }
    }
}

impl<M: Script, R: Receiver<M::Value, M::Error>> fmt::Debug for ScriptOp<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptOp").finish_non_exhaustive()
    }
}
