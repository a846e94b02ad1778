//! How the operation of a script starts.
//!
//! A script that does not loop, with its first child given, can be started aside: it is, if its child
//! can. When the short start fails before there is a child, the panic waits in `turn` for the long one.
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

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the operation is alive, in place for good, and not started: stage `Pending` or
        //         `Idle`, script and receiver are whole, and no child exists (INV-SCR-2).
        unsafe {
            let next = if (*this).stage == Stage::Pending {
                match Self::enter_with_first(this) {
                    Ok(sender) => Next::First(sender),
                    Err(payload) => Next::Complete(Outcome::Panicked(payload)),
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
        // SAFETY: as in `start`. The child is made at its final address, as in `connect_first`.
        unsafe {
            if M::LOOPS || (*this).stage != Stage::Pending {
                return false;
            }
            let place: *mut FirstOp<M, R> = Self::storage(this).cast();
            let connected = Self::enter_with_first(this)
                .and_then(|sender| catch(|| place.write(sender.connect(FirstReceiver::new(this)))));
            match connected {
                Ok(()) => {
                    (*this).stage = Stage::First;
                    OperationState::start_aside(place)
                }
                Err(payload) => Self::fail(this, payload),
            }
        }
    }

    #[inline]
    unsafe fn start_after_all(this: *mut Self) {
        // SAFETY: the contract is the same. The stage says how far the short start came; at `First`
        //         it has connected the child and failed to start it aside. A panic in `turn` was boxed
        //         by `fail`.
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

    /// The same, and takes the first sender out.
    ///
    /// # Safety
    ///
    /// - `this` is being started, at stage `Pending`, which it leaves.
    #[inline(always)]
    unsafe fn enter_with_first(this: *mut Self) -> Result<M::First, Panic> {
        // SAFETY: the stage says that the sender is there (INV-SCR-1); taken once, since the stage
        //         changes.
        unsafe {
            let entered = Self::enter(this);
            let sender = ManuallyDrop::take(&mut (*Self::storage(this)).pending);
            (*this).stage = Stage::Idle;
            match entered {
                Ok(()) => Ok(sender),
                Err(payload) => Err(discard_into(payload, sender)),
            }
        }
    }

    /// Keeps a panic of a short start for the long one.
    ///
    /// # Safety
    ///
    /// - `this` is being started, and no child exists.
    #[cold]
    unsafe fn fail(this: *mut Self, payload: Panic) -> bool {
        // SAFETY: alive; a script that does not loop has no other use for `turn`.
        unsafe {
            (*this).turn = ptr::from_mut(Box::leak(Box::new(payload)))
                .cast_const()
                .cast();
            (*this).stage = Stage::Failed;
        }
        false
    }
}
