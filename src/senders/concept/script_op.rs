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
//! `stage` is written by whoever runs the script: before `start` the owner, then the thread on which
//! a child completed. One child at a time exists, so there is one such thread.
//!
//! | stage     | storage holds             | leaves by                                       |
//! |-----------|---------------------------|-------------------------------------------------|
//! | `Pending` | the first sender          | `start`                                         |
//! | `Idle`    | nothing                   | a step                                          |
//! | `First`   | the first child's operation  | its completion, which destroys it            |
//! | `Second`  | the second child's operation | its completion, which destroys it            |
//! | `Over`    | nothing; script and receiver are gone | never                               |
//!
//! A child is destroyed before the script sees its outcome. For a script that loops, a child that
//! completes inside its own `start` leaves its outcome in the frame of the loop (found through a
//! thread-local list of such frames), so the stack does not grow. A frame is looked at by its own
//! thread only, and says for which operation it runs; the operation itself may be gone by the time
//! `start` returns.
//!
//! # Safety
//!
//! - INV-OP-1: from `start` to completion the operation stays at its address; children reach it by
//!   raw pointer, and no reference to the whole operation is made.
//! - INV-SCR-1: `stage` says what the storage holds; it is changed together with the storage.
//! - INV-SCR-2: the script is borrowed mutably only while no child exists.

#![expect(
    unsafe_code,
    reason = "children live in the operation and point back to it"
)]

use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

use super::loop_frame::Frame;
use super::operation::OperationState;
use super::outcome::Outcome;
use super::panic::{Panic, catch, discard, discard_into};
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
    /// The turn that started the current child, for scripts that loop; maybe over.
    frame: *const Frame,
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
            frame: ptr::null(),
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
            frame: ptr::null(),
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

    /// Runs steps until a child is under way or the receiver was completed; for scripts that loop.
    ///
    /// The first turn is inlined into whatever resumes the loop: in a loop whose children complete
    /// later there is no other.
    ///
    /// # Safety
    ///
    /// - `this` is a started operation at stage `Idle`, and this thread runs its script.
    /// - The operation may be gone when this returns.
    #[inline(always)]
    unsafe fn run_loop(this: *mut Self, first: NextOf<M>) {
        // SAFETY: the contract is the same; a turn that answers has left the operation to us.
        unsafe {
            if let Some(next) = Self::turn(this, first) {
                Self::run_on(this, next);
            }
        }
    }

    /// The turns after a first one whose child completed inline.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(never)]
    unsafe fn run_on(this: *mut Self, first: NextOf<M>) {
        let mut next = first;
        // SAFETY: as in `run_loop`.
        while let Some(after) = unsafe { Self::turn(this, next) } {
            next = after;
        }
    }

    /// Does what the script said; the answer is what it says next, if the child completed inside of
    /// its start. Without an answer, the operation may be gone.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn turn(this: *mut Self, next: NextOf<M>) -> Option<NextOf<M>> {
        // SAFETY: the contract is the same. No frame of this loop is listed here, so an enclosing
        //         loop recognises its own child. Stage `Idle` until a child is started.
        unsafe {
            match next {
                Next::Complete(outcome) => Self::complete(this, outcome),
                Next::First(sender) if Self::stop_requested(this) => Self::stopped(this, sender),
                Next::Second(sender) if Self::stop_requested(this) => Self::stopped(this, sender),
                // Such a child does not complete inside of its start, so there is nothing to note.
                Next::First(sender) if M::First::DEFERS => Self::start_first(this, sender),
                Next::Second(sender) if M::Second::DEFERS => Self::start_second(this, sender),
                next => return Self::framed(this, next),
            }
        }
        None
    }

    /// Starts a child that may complete inside of its start; the answer is as for
    /// [`turn`](Self::turn).
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn framed(this: *mut Self, next: NextOf<M>) -> Option<NextOf<M>> {
        let mut slot: MaybeUninit<NextOf<M>> = MaybeUninit::uninit();
        // SAFETY: stage `Idle`: the operation is this thread's. The frame and its slot live
        //         until the end of this turn; `step` may end the operation's life.
        let finished = unsafe {
            let key = &raw const (*this).stage;
            let frame = Frame::new(key.cast(), slot.as_mut_ptr().cast());
            (*this).frame = &raw const frame;
            let guard = frame.enter();
            Self::step(this, next);
            frame.leave(guard)
        };
        // SAFETY: the child completed inside its start, on this thread: `resume` has written
        //         the slot and left the operation, alive at stage `Idle`, to this loop.
        finished.then(|| unsafe { slot.assume_init() })
    }

    /// Whether the receiver wants the loop to end.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn stop_requested(this: *mut Self) -> bool {
        // SAFETY: stage `Idle`: the receiver was not completed, so it may be asked.
        unsafe { (*this).receiver.env() }
            .stop_token()
            .stop_requested()
    }

    /// Ends a loop before its next child `sender`, because stop was requested.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[cold]
    unsafe fn stopped<T>(this: *mut Self, sender: T) {
        let outcome = match discard(sender) {
            Ok(()) => Outcome::Stopped,
            Err(payload) => Outcome::Panicked(payload),
        };
        // SAFETY: the contract is the same.
        unsafe { Self::complete(this, outcome) }
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

    /// Starts a child of the first kind.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn start_first(this: *mut Self, sender: M::First) {
        // SAFETY: stage `Idle`: the storage is free to be written. A child's operation is started
        //         at its final address with a receiver that points to this operation, which stays
        //         in place until it completes (INV-OP-1). Nothing is touched after a start.
        unsafe {
            match catch(|| sender.connect(FirstReceiver::new(this))) {
                Ok(op) => {
                    let place: *mut FirstOp<M, R> = Self::storage(this).cast();
                    place.write(op);
                    (*this).stage = Stage::First;
                    OperationState::start(place);
                }
                Err(payload) => Self::not_connected(this, payload),
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
        // SAFETY: as in `start_first`.
        unsafe {
            match catch(|| sender.connect(SecondReceiver::new(this))) {
                Ok(op) => {
                    let place: *mut SecondOp<M, R> = Self::storage(this).cast();
                    place.write(op);
                    (*this).stage = Stage::Second;
                    OperationState::start(place);
                }
                Err(payload) => Self::not_connected(this, payload),
            }
        }
    }

    /// Completes with the panic of a child's `connect`; a loop does so after its turn, when its
    /// frame is not listed any more.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[cold]
    unsafe fn not_connected(this: *mut Self, payload: Panic) {
        let outcome = Outcome::Panicked(payload);
        // SAFETY: the contract is the same.
        unsafe {
            if M::LOOPS {
                Self::resume(this, move || Next::Complete(outcome), false, false);
            } else {
                Self::complete(this, outcome);
            }
        }
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
        // SAFETY: stage `Idle`: script and receiver are whole; they are taken once, since `Over`
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

    /// The first child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child that `stage` names, once.
    #[inline(always)]
    pub(super) unsafe fn first_completed(
        this: *mut Self,
        outcome: Outcome<<M::First as Sender>::Value, <M::First as Sender>::Error>,
    ) {
        let hot = matches!(outcome, Outcome::Value(_));
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call; then
        //         no child exists and the script is this thread's (INV-SCR-2).
        let outcome = unsafe {
            (*this).stage = Stage::Idle;
            let destroyed =
                catch(|| ptr::drop_in_place(Self::storage(this).cast::<FirstOp<M, R>>()));
            match destroyed {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            }
        };
        // SAFETY: stage `Idle`: the script is this thread's (INV-SCR-2).
        let after = || unsafe {
            let script = &raw mut (*this).script;
            Self::caught(catch(move || (*script).after_first(outcome)))
        };
        // SAFETY: stage `Idle`, and this thread runs the script. Without `LOOPS` the calls form no
        //         cycle, so the compiler can inline a whole chain.
        unsafe {
            if M::LOOPS {
                return Self::resume(this, after, hot, M::First::DEFERS);
            }
            match after() {
                Next::First(sender) => Self::went_back(this, sender),
                Next::Second(sender) => Self::start_second(this, sender),
                Next::Complete(outcome) => Self::complete(this, outcome),
            }
        }
    }

    /// The second child has completed with `outcome`.
    ///
    /// # Safety
    ///
    /// - Called from the completion of the child that `stage` names, once.
    #[inline(always)]
    pub(super) unsafe fn second_completed(
        this: *mut Self,
        outcome: Outcome<<M::Second as Sender>::Value, <M::Second as Sender>::Error>,
    ) {
        let hot = matches!(outcome, Outcome::Value(_));
        // SAFETY: as in `first_completed`.
        let outcome = unsafe {
            (*this).stage = Stage::Idle;
            let destroyed =
                catch(|| ptr::drop_in_place(Self::storage(this).cast::<SecondOp<M, R>>()));
            match destroyed {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            }
        };
        // SAFETY: stage `Idle`: the script is this thread's (INV-SCR-2).
        let after = || unsafe {
            let script = &raw mut (*this).script;
            Self::caught(catch(move || (*script).after_second(outcome)))
        };
        // SAFETY: stage `Idle`, and this thread runs the script. Without `LOOPS` the calls form no
        //         cycle, so the compiler can inline a whole chain.
        unsafe {
            if M::LOOPS {
                return Self::resume(this, after, hot, M::Second::DEFERS);
            }
            match after() {
                Next::First(sender) => Self::went_back(this, sender),
                Next::Second(sender) => Self::went_back(this, sender),
                Next::Complete(outcome) => Self::complete(this, outcome),
            }
        }
    }

    #[inline]
    fn caught(next: Result<NextOf<M>, Panic>) -> NextOf<M> {
        next.unwrap_or_else(|payload| Next::Complete(Outcome::Panicked(payload)))
    }

    /// Goes on after a child with what the script says, here or in the frame of the loop that
    /// started it; a child that is `deferred` (`DEFERS`) has not completed inside of its start, so no
    /// frame waits for it. What is `hot` is inlined.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn resume(
        this: *mut Self,
        after: impl FnOnce() -> NextOf<M>,
        hot: bool,
        deferred: bool,
    ) {
        // SAFETY: stage `Idle`: the operation is alive and this thread's.
        let (key, frame) = unsafe { (&raw const (*this).stage, (*this).frame) };
        if !deferred && let Some(slot) = Frame::slot_of(key.cast(), frame) {
            // SAFETY: the slot belongs to the running loop of exactly this operation (the frame
            //         has its key, and is the one it noted last), so it is a `NextOf<M>`, and it
            //         is written once per turn.
            return unsafe { slot.cast::<NextOf<M>>().write(after()) };
        }
        // SAFETY: the contract is the same.
        unsafe {
            if hot {
                Self::run_loop(this, after());
            } else {
                Self::run_on(this, after());
            }
        }
    }
}

impl<M: Script, R: Receiver<M::Value, M::Error>> OperationState for ScriptOp<M, R> {
    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, in place for good, and not started: stage `Pending` or
        //         `Idle`, script and receiver are whole, and no child exists (INV-SCR-2).
        unsafe {
            let entered = {
                let env = (*this).receiver.env();
                let script = &raw mut (*this).script;
                catch(move || (*script).enter(env))
            };
            let next = if (*this).stage == Stage::Pending {
                let sender = ManuallyDrop::take(&mut (*Self::storage(this)).pending);
                (*this).stage = Stage::Idle;
                match entered {
                    Ok(()) => Next::First(sender),
                    Err(payload) => {
                        Next::Complete(Outcome::Panicked(discard_into(payload, sender)))
                    }
                }
            } else {
                let script = &raw mut (*this).script;
                Self::caught(entered.and_then(|()| catch(move || (*script).begin())))
            };
            if M::LOOPS {
                Self::run_on(this, next);
            } else {
                Self::step(this, next);
            }
        }
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
                Stage::Idle => {}
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
