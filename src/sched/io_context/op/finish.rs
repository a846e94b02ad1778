//! How an operation ends: what the kernel's result means, and the completion of the receiver.
//!
//! Functions that take `this` require a started, incomplete operation, on the loop's thread unless they
//! say otherwise; the operation may be gone when they return.
//!
//! # Safety
//! INV-OP-1, INV-OP-2, as in the module above.

#![expect(unsafe_code, reason = "the operation whose address the kernel holds")]

use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::{Ending, IoOp, Kind, Phase, Progress, RETRIES_MAX};
use crate::backend::slot::{Completion, SlotHeader};
use crate::sched::io_context::core::Core;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::stop_link::{Listener, StopLink};
use crate::sched::io_context::verdict::{Verdict, final_verdict, verdict};
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::panic::{Panic, catch, discard};
use crate::senders::concept::receiver::Receiver;

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    /// The kernel's final result.
    ///
    /// # Safety
    ///
    /// - `slot` is that of a started, incomplete operation of this type; the loop's thread.
    #[inline]
    pub(super) unsafe fn completed(slot: NonNull<SlotHeader>, completion: Completion) {
        // SAFETY: at the kernel until now (INV-SLOT-2), so alive; from here on the kind may be
        //         borrowed again (INV-OP-2).
        unsafe {
            let this = Self::of_slot(slot);
            Core::<H::Backend>::completed(slot, K::CANCELLABLE);
            if K::CANCELLABLE {
                // A stop request that comes now finds nothing at the kernel.
                (*this).now.phase.set(Phase::Starting);
            }
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
            let kind = (*this).kind.get();
            match catch(move || (*kind).advance(result)) {
                Ok(Progress::Done) => Self::end(this, result),
                Ok(Progress::More) => {
                    (*this).now.retries.set(0);
                    Self::go_on(this);
                }
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
    #[inline(never)]
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
                Verdict::Interrupted(error) if (*this).now.retries.get() == RETRIES_MAX => {
                    Self::end_early(this, Ok(Ending::Failure(error)));
                }
                Verdict::Interrupted(_) => {
                    (*this).now.retries.set((*this).now.retries.get() + 1);
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
        // SAFETY: alive, and nothing at the kernel; the token's source is alive as long as the
        //         receiver is incomplete.
        unsafe {
            let core = Self::core(this);
            if K::CANCELLABLE && (core.is_draining() || Self::token(this).stop_requested()) {
                Self::end_early(this, Ok(Ending::Stopped));
            } else {
                Self::submit(this);
            }
        }
    }

    /// Completes after the kernel's last result, now or when the stop link's node has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
    unsafe fn end(this: *mut Self, result: u32) {
        // SAFETY: alive; nothing at the kernel, in no list.
        unsafe {
            if Self::hears(this) && StopLink::disarm(Self::link(this)) {
                return Self::await_node(this, Ok(Ending::Success(result)));
            }
            Self::deliver(this, result);
        }
    }

    /// As [`end`](Self::end), for endings that are not worth being inlined.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn end_early(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: alive; nothing at the kernel, in no list.
        unsafe {
            if Self::hears(this) && StopLink::disarm(Self::link(this)) {
                return Self::await_node(this, ending);
            }
            Self::deliver_early(this, ending);
        }
    }

    /// Keeps the ending until the stop link's node has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    #[inline(never)]
    unsafe fn await_node(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: alive.
        unsafe {
            (*this).now.phase.set(Phase::AwaitsNode);
            (*(*this).kept.get()).write(ending);
        }
    }

    /// Moves the receiver out, and tells where the kind is, which is the caller's from now on: the
    /// operation is over.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn take(this: *mut Self) -> (*mut K, R) {
        // SAFETY: incomplete, so both are there; `Over` keeps them from being taken again. Any
        //         thread: start, before anybody else knew, or the loop's.
        unsafe {
            (*this).now.phase.set(Phase::Over);
            (
                (*this).kind.get().cast(),
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
    #[inline(never)]
    pub(super) unsafe fn deliver_early(this: *mut Self, ending: Result<Ending, Panic>) {
        // SAFETY: disarmed, so nobody else holds the address.
        let (kind, receiver) = unsafe { Self::take(this) };
        let outcome = match ending {
            Ok(ending) => {
                // SAFETY: taken, so it is used here and by nobody else; in place until the receiver is
                //         completed.
                let finish = move || unsafe { K::finish_at(kind, ending) };
                catch(finish).unwrap_or_else(Outcome::Panicked)
            }
            Err(payload) => {
                // SAFETY: as above.
                let kind = unsafe { kind.read() };
                match discard(kind) {
                    Ok(()) => Outcome::Panicked(payload),
                    Err(second) => Outcome::Panicked(payload).replaced_by(second),
                }
            }
        };
        receiver.set_rarely(outcome);
    }

    /// Completes the receiver after the kernel's last result.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline(always)]
    unsafe fn deliver(this: *mut Self, result: u32) {
        // SAFETY: disarmed, so nobody else holds the address.
        let (kind, receiver) = unsafe { Self::take(this) };
        // SAFETY: taken, so it is used here and by nobody else; in place until the receiver is completed.
        let finish = move || unsafe { K::finish_at(kind, Ending::Success(result)) };
        match catch(finish) {
            Ok(outcome) => outcome.deliver(receiver),
            Err(payload) => receiver.set_rarely(Outcome::Panicked(payload)),
        }
    }
}
