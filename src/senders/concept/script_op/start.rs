//! How the operation of a script starts.
//!
//! A script that does not loop, with its first child given, can be started aside if that child can
//! (`ASIDE`). In an operation that is made at its place (`make_at`), to be started next, that child is
//! connected at once, so that it is not moved again. When there is a panic before there is a child, it
//! waits in `turn` for the long start.
//!
//! # Safety
//! INV-OP-1, INV-SCR-1 and INV-SCR-2, as in the module above.

#![expect(
    unsafe_code,
    reason = "children live in the operation and point back to it"
)]

use std::mem::ManuallyDrop;
use std::ptr;

use super::{FirstOp, ScriptOp, Stage};
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch, discard_into};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::script::{Next, Script};
use crate::senders::concept::script_receiver::FirstReceiver;
use crate::senders::concept::sender::Sender;

impl<M: Script, R: Receiver<M::Value, M::Error>> OperationState for ScriptOp<M, R> {
    const SPENT: bool = true;
    const ASIDE: bool = !M::LOOPS && FirstOp::<M, R>::ASIDE;

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, in place for good, and not started: stage `Pending` or
        //         `Idle`, script and receiver are whole, and no child exists (INV-SCR-2).
        unsafe {
            let next = if (*this).stage == Stage::Pending {
                let sender = Self::take_pending(this);
                match Self::enter(this) {
                    Ok(()) => Next::First(sender),
                    Err(payload) => {
                        Next::Complete(Outcome::Panicked(discard_into(payload, sender)))
                    }
                }
            } else {
                let entered = Self::enter(this);
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

    #[inline(always)]
    unsafe fn start_aside(this: *mut Self) -> bool {
        // SAFETY: the operation is alive, in place for good, and not started. At `Pending` script and
        //         receiver are whole, and no child exists; at `First` the child is connected, unstarted.
        unsafe {
            if !Self::ASIDE {
                return false;
            }
            if (*this).stage == Stage::Pending {
                let sender = Self::take_pending(this);
                Self::enter_first(this, sender);
            }
            if (*this).stage != Stage::First {
                return false;
            }
            let place: *mut FirstOp<M, R> = Self::storage(this).cast();
            OperationState::start_aside(place)
        }
    }

    #[inline]
    unsafe fn start_after_all(this: *mut Self) {
        // SAFETY: the contract is the same. The stage says how far the short start came; at `First`
        //         it has failed to start the child aside. A panic in `turn` was boxed by `fail`.
        unsafe {
            match (*this).stage {
                Stage::First => {
                    let place: *mut FirstOp<M, R> = Self::storage(this).cast();
                    OperationState::start_after_all(place);
                }
                Stage::Failed => {
                    let payload: Box<Panic> = Box::from_raw((*this).turn.cast_mut().cast());
                    (*this).stage = Stage::Idle;
                    Self::complete(this, Outcome::Panicked(*payload));
                }
                _ => Self::start(this),
            }
        }
    }
}

impl<M: Script, R: Receiver<M::Value, M::Error>> ScriptOp<M, R> {
    /// Makes an operation that is started next, in place: with its first child connected, if it can be
    /// started aside.
    ///
    /// # Safety
    ///
    /// - As for [`Sender::connect_at`].
    #[inline(always)]
    pub(crate) unsafe fn make_at(this: *mut Self, script: M, first: M::First, receiver: R) {
        // SAFETY: good for writes, and in place for good (contract); each field but the storage is
        //         written before it is used.
        unsafe {
            if !Self::ASIDE {
                return this.write(Self::new(script, first, receiver));
            }
            (&raw mut (*this).script).write(ManuallyDrop::new(script));
            (&raw mut (*this).receiver).write(ManuallyDrop::new(receiver));
            (&raw mut (*this).turn).write(ptr::null());
            (&raw mut (*this).stage).write(Stage::Idle);
            Self::enter_first(this, first);
        }
    }

    /// Shows the script its environment, and connects the first child, which is `sender`; if one of them
    /// panics, the panic is kept for the long start.
    ///
    /// # Safety
    ///
    /// - `this` is being started, and no child exists; it can be started aside.
    #[inline(always)]
    unsafe fn enter_first(this: *mut Self, sender: M::First) {
        // SAFETY: the child is made at its final address, as in `connect_first`, and started next.
        unsafe {
            let place: *mut FirstOp<M, R> = Self::storage(this).cast();
            let connected = match Self::enter(this) {
                Ok(()) => sender.connect_at(place, FirstReceiver::new(this)),
                Err(payload) => Err(discard_into(payload, sender)),
            };
            match connected {
                Ok(()) => (*this).stage = Stage::First,
                Err(payload) => Self::fail(this, payload),
            }
        }
    }

    /// Shows the script its environment.
    ///
    /// # Safety
    ///
    /// - `this` is being started, and no child exists.
    #[inline(always)]
    unsafe fn enter(this: *mut Self) -> Result<(), Panic> {
        // SAFETY: script and receiver are whole, and this thread's (contract).
        unsafe {
            let env = (*this).receiver.env();
            let script = &raw mut (*this).script;
            catch(move || (*script).enter(env))
        }
    }

    /// Takes the first sender out.
    ///
    /// # Safety
    ///
    /// - `this` is being started, at stage `Pending`, which it leaves.
    #[inline(always)]
    unsafe fn take_pending(this: *mut Self) -> M::First {
        // SAFETY: the stage says that the sender is there (INV-SCR-1); taken once, since the stage
        //         changes.
        unsafe {
            let sender = ManuallyDrop::take(&mut (*Self::storage(this)).pending);
            (*this).stage = Stage::Idle;
            sender
        }
    }

    /// Keeps a panic of a short start for the long one.
    ///
    /// # Safety
    ///
    /// - `this` is being started, and no child exists.
    #[cold]
    unsafe fn fail(this: *mut Self, payload: Panic) {
        // SAFETY: alive; a script that does not loop has no other use for `turn`.
        unsafe {
            (*this).turn = ptr::from_mut(Box::leak(Box::new(payload)))
                .cast_const()
                .cast();
            (*this).stage = Stage::Failed;
        }
    }
}
