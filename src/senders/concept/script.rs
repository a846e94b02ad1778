//! The mechanism of adaptors that run one child after another: `let_value`, `finally`, `repeat`,
//! `continues_on`, ...
//!
//! Such an adaptor is a [`Script`]: safe code that says which sender runs next, and in the end how
//! the whole completes. The operation, its storage and its lifetimes are written once, here.
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

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

use super::env::Env;
use super::operation::OperationState;
use super::outcome::Outcome;
use super::panic::{Panic, catch, discard, discard_into};
use super::receiver::Receiver;
use super::sender::Sender;
use crate::abort::AbortGuard;

/// What a [`Script`] does next.
#[derive(Debug)]
pub enum Next<A, B, V, E> {
    /// Runs a sender of the first kind.
    First(A),
    /// Runs a sender of the second kind.
    Second(B),
    /// Completes the whole.
    Complete(Outcome<V, E>),
}

/// What the steps of script `M` return.
pub(crate) type NextOf<M> =
    Next<<M as Script>::First, <M as Script>::Second, <M as Script>::Value, <M as Script>::Error>;

/// An adaptor that runs children one after another.
///
/// Every step may panic; the panic then completes the whole through the panic channel. The script
/// is dropped before the receiver is completed.
pub trait Script: Sized {
    /// One kind of child.
    type First: Sender;
    /// The other kind of child.
    type Second: Sender;
    /// The value of the whole.
    type Value;
    /// The error of the whole.
    type Error;
    /// Whether a child may be followed by one of the same or an earlier kind. Then children that
    /// complete inline cost no stack, and a stop request is honoured between two of them. Without
    /// it, a second child can only be followed by completion, and the compiler sees through all.
    const LOOPS: bool = false;

    /// Called once, in `start`, with the environment of the receiver.
    #[inline]
    fn enter(&mut self, env: Env<'_>) {
        let _ = env;
    }

    /// The first step of a script that was not given its first sender.
    fn begin(&mut self) -> NextOf<Self>;

    /// The step after a first child.
    fn after_first(
        &mut self,
        outcome: Outcome<<Self::First as Sender>::Value, <Self::First as Sender>::Error>,
    ) -> NextOf<Self>;

    /// The step after a second child.
    fn after_second(
        &mut self,
        outcome: Outcome<<Self::Second as Sender>::Value, <Self::Second as Sender>::Error>,
    ) -> NextOf<Self>;

    /// The environment that a first child sees: that of the receiver, or another one. A script
    /// that does not call `outer` keeps the receiver from being asked where the child runs.
    #[inline]
    fn first_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        outer()
    }

    /// The environment that a second child sees, as for the first.
    #[inline]
    fn second_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        outer()
    }
}

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
    script: ManuallyDrop<M>,
    receiver: ManuallyDrop<R>,
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
    /// # Safety
    ///
    /// - `this` is a started operation at stage `Idle`, and this thread runs its script.
    /// - The operation may be gone when this returns.
    unsafe fn run_loop(this: *mut Self, first: NextOf<M>) {
        let mut next = first;
        loop {
            if let Next::Complete(outcome) = next {
                // SAFETY: the contract is the same. No frame of this loop is listed here, so an
                //         enclosing loop recognises its own child.
                return unsafe { Self::complete(this, outcome) };
            }
            // SAFETY: stage `Idle`: the receiver was not completed, so it may be asked.
            let env = unsafe { (*this).receiver.env() };
            if env.stop_token().stop_requested() {
                next = Next::Complete(match discard(next) {
                    Ok(()) => Outcome::Stopped,
                    Err(payload) => Outcome::Panicked(payload),
                });
                continue;
            }
            let mut slot: MaybeUninit<NextOf<M>> = MaybeUninit::uninit();
            // SAFETY: stage `Idle`: the operation is this thread's. The frame and its slot live
            //         until the end of this turn; `step` may end the operation's life.
            let finished = unsafe {
                let key = &raw const (*this).stage;
                let frame = Frame::new(key.cast(), slot.as_mut_ptr().cast());
                (*this).frame = &raw const frame;
                frame.around(|| Self::step(this, next))
            };
            if !finished {
                return;
            }
            // SAFETY: the child completed inside its start, on this thread: `resume` has written
            //         the slot and left the operation, alive at stage `Idle`, to this loop.
            next = unsafe { slot.assume_init() };
        }
    }

    /// Does what the script said.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline]
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
            match catch(|| sender.connect(FirstReceiver { parent: this })) {
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
            match catch(|| sender.connect(SecondReceiver { parent: this })) {
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
                Self::resume(this, Next::Complete(outcome));
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
    unsafe fn first_completed(
        this: *mut Self,
        outcome: Outcome<<M::First as Sender>::Value, <M::First as Sender>::Error>,
    ) {
        // SAFETY: the child has completed, so it may be destroyed, inside its own last call; then
        //         no child exists and the script is this thread's (INV-SCR-2).
        let next = unsafe {
            (*this).stage = Stage::Idle;
            let destroyed =
                catch(|| ptr::drop_in_place(Self::storage(this).cast::<FirstOp<M, R>>()));
            let outcome = match destroyed {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            };
            let script = &raw mut (*this).script;
            catch(move || (*script).after_first(outcome))
        };
        // SAFETY: stage `Idle`, and this thread runs the script. Without `LOOPS` the calls form no
        //         cycle, so the compiler can inline a whole chain.
        unsafe {
            match Self::caught(next) {
                next if M::LOOPS => Self::resume(this, next),
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
    unsafe fn second_completed(
        this: *mut Self,
        outcome: Outcome<<M::Second as Sender>::Value, <M::Second as Sender>::Error>,
    ) {
        // SAFETY: as in `first_completed`.
        let next = unsafe {
            (*this).stage = Stage::Idle;
            let destroyed =
                catch(|| ptr::drop_in_place(Self::storage(this).cast::<SecondOp<M, R>>()));
            let outcome = match destroyed {
                Ok(()) => outcome,
                Err(payload) => outcome.replaced_by(payload),
            };
            let script = &raw mut (*this).script;
            catch(move || (*script).after_second(outcome))
        };
        // SAFETY: as in `first_completed`.
        unsafe {
            match Self::caught(next) {
                next if M::LOOPS => Self::resume(this, next),
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

    /// Goes on after a child, here or in the frame of the loop that started it.
    ///
    /// # Safety
    ///
    /// - As for [`run_loop`](Self::run_loop).
    #[inline]
    unsafe fn resume(this: *mut Self, next: NextOf<M>) {
        // SAFETY: stage `Idle`: the operation is alive and this thread's.
        let (key, frame) = unsafe { (&raw const (*this).stage, (*this).frame) };
        if let Some(slot) = Frame::slot_of(key.cast(), frame) {
            // SAFETY: the slot belongs to the running loop of exactly this operation (the frame
            //         has its key, and is the one it noted last), so it is a `NextOf<M>`, and it
            //         is written once per turn.
            return unsafe { slot.cast::<NextOf<M>>().write(next) };
        }
        // SAFETY: the contract is the same.
        unsafe { Self::run_loop(this, next) }
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
                Self::run_loop(this, next);
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

/// A turn of a running loop, listed for its thread while it starts a child.
struct Frame {
    /// An address inside the operation that no other live operation has.
    key: *const (),
    /// Where the step after the child goes.
    slot: *mut (),
    finished: Cell<bool>,
    outer: Cell<*const Self>,
}

thread_local! {
    /// The innermost turn on this thread.
    static INNERMOST: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

impl Frame {
    #[inline]
    const fn new(key: *const (), slot: *mut ()) -> Self {
        Self {
            key,
            slot,
            finished: Cell::new(false),
            outer: Cell::new(ptr::null()),
        }
    }

    /// Runs `body` with this frame in the list; returns whether the child completed meanwhile.
    #[inline]
    fn around(&self, body: impl FnOnce()) -> bool {
        // `step` does not unwind (INV-SND-1 of children); if one breaks that, the list would keep
        // a pointer to a dead frame.
        let guard = AbortGuard::new("a sender's `start` unwound");
        INNERMOST.with(|innermost| self.outer.set(innermost.replace(self)));
        body();
        INNERMOST.with(|innermost| innermost.set(self.outer.get()));
        guard.disarm();
        self.finished.get()
    }

    /// The slot of the innermost turn, if it is `frame` and runs for the operation with `key`;
    /// it then counts as finished.
    #[inline]
    fn slot_of(key: *const (), frame: *const Self) -> Option<*mut ()> {
        let innermost = INNERMOST.with(Cell::get);
        if innermost.is_null() || innermost != frame {
            return None;
        }
        // SAFETY: listed frames are alive: `around` unlists them before it returns, and only this
        //         thread lists frames here.
        let innermost = unsafe { &*innermost };
        if innermost.key != key || innermost.finished.replace(true) {
            return None;
        }
        Some(innermost.slot)
    }
}

/// The receiver of a [`Script`]'s first child.
pub struct FirstReceiver<M: Script, R: Receiver<M::Value, M::Error>> {
    parent: *mut ScriptOp<M, R>,
}

/// The receiver of a [`Script`]'s second child.
pub struct SecondReceiver<M: Script, R: Receiver<M::Value, M::Error>> {
    parent: *mut ScriptOp<M, R>,
}

macro_rules! child_receiver {
    ($Receiver:ident, $Child:ident, $completed:ident, $env:ident) => {
        impl<M: Script, R: Receiver<M::Value, M::Error>>
            Receiver<<M::$Child as Sender>::Value, <M::$Child as Sender>::Error>
            for $Receiver<M, R>
        {
            #[inline]
            fn set_value(self, value: <M::$Child as Sender>::Value) {
                // SAFETY: this receiver was made for the child that `stage` names, which completes
                //         once; the parent stays in place while a child runs (INV-OP-1).
                unsafe { ScriptOp::$completed(self.parent, Outcome::Value(value)) }
            }

            #[inline]
            fn set_error(self, error: <M::$Child as Sender>::Error) {
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed(self.parent, Outcome::Error(error)) }
            }

            #[inline]
            fn set_stopped(self) {
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed(self.parent, Outcome::Stopped) }
            }

            #[inline]
            fn set_panicked(self, payload: Panic) {
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed(self.parent, Outcome::Panicked(payload)) }
            }

            #[inline]
            fn env(&self) -> Env<'_> {
                // SAFETY: the parent is alive while a child exists, its receiver was not completed,
                //         and its script is borrowed shared only while a child exists (INV-SCR-2).
                unsafe {
                    let script = &raw const (*self.parent).script;
                    let receiver = &raw const (*self.parent).receiver;
                    (*script).$env(|| (*receiver).env())
                }
            }
        }

        impl<M: Script, R: Receiver<M::Value, M::Error>> fmt::Debug for $Receiver<M, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Receiver))
                    .finish_non_exhaustive()
            }
        }
    };
}

child_receiver!(FirstReceiver, First, first_completed, first_env);
child_receiver!(SecondReceiver, Second, second_completed, second_env);
