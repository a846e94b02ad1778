//! How an operation starts: straight to the kernel, or by one of the longer ways.
//!
//! Functions that take `this` require a started, incomplete operation, on the loop's thread unless they
//! say otherwise; the operation may be gone when they return.
//!
//! # Safety
//! INV-OP-1, INV-OP-2, as in the module above.

#![expect(unsafe_code, reason = "the operation whose address the kernel holds")]

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};

use super::{Ending, IoOp, Kind, Phase, Progress};
use crate::sched::io_context::core::Core;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::home_source::HomeSource;
use crate::sched::io_context::stop_link::{Listener, StopLink};
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::panic::{Panic, catch};
use crate::senders::concept::receiver::Receiver;
use crate::senders::stop::RawToken;

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> OperationState for IoOp<H, K, R> {
    const SPENT: bool = true;
    const ASIDE: bool = true;

    #[inline]
    unsafe fn start(this: *mut Self) {
        // SAFETY: the contract is the same.
        unsafe {
            if !Self::start_aside(this) {
                Self::start_slowly(this);
            }
        }
    }

    /// The usual start: on the loop's thread, with nothing in the way.
    #[inline(always)]
    unsafe fn start_aside(this: *mut Self) -> bool {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good. From the
        //         submission on it is the loop's, which is this thread.
        unsafe {
            let token = (*(*this).receiver.get()).env().stop_token();
            let core = Self::core(this);
            if token.stop_requested() || !(*this).handle.is_home() || !core.is_clear() {
                return false;
            }
            if K::CANCELLABLE {
                (*this).token.set(MaybeUninit::new(token.erase()));
            }
            let kind = (*this).kind.get();
            // Without a drop, which the compiler would not see to be empty.
            let early = ManuallyDrop::new(catch(move || (*kind).prepare()));
            if !matches!(*early, Ok(Ok(Progress::More))) {
                Self::prepared(this, ManuallyDrop::into_inner(early));
                return false;
            }
            let request = (*kind).request();
            if !core.submit_clear(Self::slot(this), request) {
                (*this).now.phase.set(Phase::Prepared);
                return false;
            }
            Self::submitted(this, core, token.erase());
        }
        true
    }

    #[inline(always)]
    unsafe fn start_after_all(this: *mut Self) {
        // SAFETY: the contract is the same. The kind was prepared at most once, which `phase` says.
        unsafe { Self::start_slowly(this) }
    }
}

impl<H: Io, K: Kind, R: Receiver<K::Value, io::Error>> IoOp<H, K, R> {
    /// Submits the next request.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    pub(super) unsafe fn submit(this: *mut Self) {
        // SAFETY: nothing is at the kernel, so the kind may be borrowed (INV-OP-2); slot and what
        //         the request names stay in place until the completion (INV-OP-1).
        unsafe {
            let request = (*(*this).kind.get()).request();
            let core = Self::core(this);
            if core.is_clear() && core.submit_clear(Self::slot(this), request) {
                Self::submitted(this, core, Self::token(this));
                if Self::hears(this) {
                    Self::look_again(this);
                }
            } else {
                Self::submit_or_wait(this);
            }
        }
    }

    /// `prepare` has returned, or panicked: notes how it ended, if it did.
    ///
    /// # Safety
    ///
    /// - `this` is an operation of this type that is being started, by this thread.
    #[cold]
    #[inline(never)]
    unsafe fn prepared(this: *mut Self, early: Result<io::Result<Progress>, Panic>) {
        let ending = match early {
            // SAFETY: alive.
            Ok(Ok(Progress::More)) => return unsafe { (*this).now.phase.set(Phase::Prepared) },
            Ok(Ok(Progress::Done)) => Ok(Ending::Success(0)),
            Ok(Err(error)) => Ok(Ending::Failure(error)),
            Err(payload) => Err(payload),
        };
        // SAFETY: alive.
        unsafe {
            (*(*this).kept.get()).write(ending);
            (*this).now.phase.set(Phase::PreparedEnded);
        }
    }

    /// Starts, whatever stands in the way: on any thread.
    ///
    /// # Safety
    ///
    /// - `this` is an operation of this type that is being started, by this thread.
    #[cold]
    #[inline(never)]
    unsafe fn start_slowly(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good.
        unsafe {
            let token = (*(*this).receiver.get()).env().stop_token();
            let home = (*this).handle.is_home();
            if (*this).now.phase.get() == Phase::Unstarted {
                if token.stop_requested() || (home && Self::core(this).refuses()) {
                    return Self::deliver_early(this, Ok(Ending::Stopped));
                }
                let token = token.erase();
                (*this).token.set(MaybeUninit::new(token));
                let kind = (*this).kind.get();
                let early = catch(move || (*kind).prepare());
                Self::prepared(this, early);
            }
            if !home {
                Self::start_remote(this);
            } else if (*this).now.phase.get() == Phase::PreparedEnded {
                let ending = (*(*this).kept.get()).assume_init_read();
                Self::deliver_early(this, ending);
            } else {
                Self::submit_or_wait(this);
            }
        }
    }

    /// The request is at the kernel.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, at the kernel and in no list; the
    ///   loop's thread.
    #[inline(always)]
    unsafe fn submitted(this: *mut Self, core: &Core<H::Backend>, token: RawToken) {
        // SAFETY: the contract is the same.
        unsafe {
            (*this).now.phase.set(Phase::AtKernel);
            if K::CANCELLABLE {
                Self::enlist(this, core, token);
            }
        }
    }

    /// Puts an operation that is at the kernel where a stop request finds it.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, at the kernel and in no list; the
    ///   loop's thread.
    #[inline(always)]
    unsafe fn enlist(this: *mut Self, core: &Core<H::Backend>, token: RawToken) {
        // SAFETY: in place until its completion, which takes it out of its list (INV-LIST-1); the
        //         token's source is alive while the receiver is incomplete.
        unsafe {
            if let Some(list) = HomeSource::list_of(core, token) {
                return list.as_ref().push_back(Self::slot(this).cast());
            }
            core.in_flight.push_back(Self::slot(this).cast());
            if !token.is_never() && !(*this).now.listening.get() {
                Self::listen(this, token, false);
            }
        }
    }

    /// A link that was armed before the kind was asked for its request heard too early of a stop that
    /// user code in there requested: stops the operation then. A link that is made now sees it itself.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type, at the kernel; the loop's thread.
    #[cold]
    #[inline(never)]
    unsafe fn look_again(this: *mut Self) {
        // SAFETY: alive, and so is the source of its token; nothing completes in here.
        unsafe {
            if Self::token(this).stop_requested() {
                Self::stop(this);
            }
        }
    }

    /// As [`submit`](Self::submit), when something stands in the way.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[cold]
    #[inline(never)]
    unsafe fn submit_or_wait(this: *mut Self) {
        // SAFETY: as in `submit`; a backlogged operation is in place until it is started or ends.
        unsafe {
            let request = (*(*this).kind.get()).request();
            let core = Self::core(this);
            if core.submit_or_wait(Self::slot(this), request) {
                Self::submitted(this, core, Self::token(this));
                if Self::hears(this) {
                    Self::look_again(this);
                }
            } else {
                (*this).now.phase.set(Phase::Backlogged);
                if K::CANCELLABLE && !Self::token(this).is_never() && !(*this).now.listening.get() {
                    Self::listen(this, Self::token(this), false);
                }
            }
            if core.is_draining() {
                Self::cancelled_by_context(Self::slot(this));
            }
        }
    }

    /// Starts on another thread: through the inbox. How it ended before the kernel was asked, if it
    /// did, is told on the loop's thread like everything else.
    ///
    /// # Safety
    ///
    /// - `this` is an operation that is being started on another thread than the loop's.
    #[cold]
    unsafe fn start_remote(this: *mut Self) {
        // SAFETY: the operation is this thread's until it is queued; then it is the loop's.
        unsafe {
            let handle = (*this).handle;
            let ended = (*this).now.phase.get() == Phase::PreparedEnded;
            (*this).now.phase.set(if ended {
                Phase::QueuedEnded
            } else {
                Phase::Queued
            });
            if K::CANCELLABLE && !Self::token(this).is_never() {
                Self::listen(this, Self::token(this), true);
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
            Self::deliver_early(this, ending);
        }
    }
}
