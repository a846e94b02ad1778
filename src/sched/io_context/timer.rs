//! Timers of an I/O context: `schedule_at` and `schedule_after`.
//!
//! A timer is a node of the context's timer wheel, inside the operation: nothing is allocated, and no
//! system call is made to arm or cancel it. The kernel is asked to wait no longer than the first
//! deadline.
//!
//! # States
//!
//! `phase` belongs to the loop's thread, after `start` on another thread has queued the operation.
//!
//! ```text
//!               start, loop's thread            start, other thread
//! Unstarted ──┬──────────────────────┐      ┌───────────────────────────────────────────> Queued
//!             └ stop requested or    │      │   taken: armed, unless stop was requested or  │
//!               refused: completes   v      │   the context is stopping: then it completes  │
//!                                  Armed <──────────────────────────────────────────────────┘
//!   stop, callback on the loop's     │  due, or the context ends: taken out of the wheel
//!   thread: out of the wheel ┌───────┼───────────────────────┐
//!                            v       │ stop, by the link's   v
//!                         Stopped    │ node: out of the   stop link's node on its way?
//!                            │       v wheel                 │ yes              │ no
//!                            │     Ready                     v                  v
//!             its turn:      │       │ its turn:          AwaitsNode         completes
//!             completes <────┘       └───> completes         └─ it arrives ─> completes
//! ```
//!
//! Completing is as for `IoOp`: the link is disarmed, the receiver is moved out (`Over`) and completed,
//! and nothing of the operation is touched after that. A `Stopped` timer need not disarm its link:
//! the callback ran on the thread of the loop, and it returned before the loop went on.
//!
//! # Safety
//! - INV-OP-1, INV-TIMER-1: in place from `start` to completion, and in the wheel at most once.
//! - INV-TIMER-2: the entry is the first field, and its node the first of the entry, so the loop finds
//!   the operation through it.
//! - INV-CB-2, INV-STOP-1: an armed link is disarmed before the completion, or its callback has
//!   returned.

#![expect(unsafe_code, reason = "a leaf sender with intrusive nodes")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::core::Core;
use super::handle::{Io, LocalIoScheduler};
use super::op::Ending;
use super::stop_link::{Listener, StopLink};
use crate::abort::abort;
use crate::backend::Backend;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::RawToken;
use crate::util::node::{Node, Signal};
use crate::util::timer_heap::TimerNode;

/// A timer in the wheel, and how its operation is reached.
#[repr(C)] // The timer comes first: its address is the address of the entry.
pub(crate) struct TimerEntry {
    /// Initialised by the wheel.
    timer: UnsafeCell<MaybeUninit<TimerNode>>,
    /// What the operation does when it was taken out of the wheel, or out of a queue; initialised
    /// when it is started.
    node: UnsafeCell<MaybeUninit<Node>>,
}

impl TimerEntry {
    const fn new() -> Self {
        Self {
            timer: UnsafeCell::new(MaybeUninit::uninit()),
            node: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The timer was taken out of the wheel: it is due (`Run`), or the context ends (`Stop`).
    ///
    /// # Safety
    ///
    /// - The loop's thread; the timer is that of an entry which was in the wheel and was taken out.
    #[inline]
    pub(super) unsafe fn run(timer: NonNull<TimerNode>, signal: Signal) {
        // SAFETY: the timer is the first field of an entry, whose operation is armed, so it is alive,
        //         with its node, and waits for this.
        unsafe { Node::run(timer.byte_add(offset_of!(Self, node)).cast(), signal) }
    }
}

/// When a timer fires.
#[derive(Clone, Copy, Debug)]
enum When {
    At(Instant),
    After(Duration),
}

/// The sender of a timer.
#[derive(Clone, Copy, Debug)]
#[must_use = "a sender does nothing until a consumer such as `IoContext::block_on` starts it"]
pub struct Timer<H> {
    handle: H,
    when: When,
}

impl<H> Timer<H> {
    pub(super) const fn at(handle: H, deadline: Instant) -> Self {
        Self {
            handle,
            when: When::At(deadline),
        }
    }

    pub(super) const fn after(handle: H, duration: Duration) -> Self {
        Self {
            handle,
            when: When::After(duration),
        }
    }
}

// SAFETY: `TimerOp` completes exactly once, last: when it fires, or when a stop request took it out
//         of the wheel. It may be started on any thread if the handle is the `Send` one.
unsafe impl<H: Io> Sender for Timer<H> {
    type Value = ();
    type Error = io::Error;
    type Operation<R: Receiver<(), io::Error>> = TimerOp<H, R>;
    const STAYS: bool = H::LOCAL;
    const LOOKS: bool = true;

    #[inline]
    fn connect<R: Receiver<(), io::Error>>(self, receiver: R) -> TimerOp<H, R> {
        // How long to wait, or until when: what it is cannot be seen from the other one's unit.
        let (ticks, relative) = match self.when {
            When::At(at) => (self.handle.core().to_ticks(at), false),
            When::After(duration) => {
                let ticks = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                (ticks, true)
            }
        };
        TimerOp {
            entry: TimerEntry::new(),
            ticks: Cell::new(ticks),
            now: Progressing {
                phase: Cell::new(Phase::Unstarted),
                relative: Cell::new(relative),
                listening: Cell::new(false),
                fired: Cell::new(false),
            },
            handle: self.handle,
            receiver: ManuallyDrop::new(receiver),
            link: UnsafeCell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }
}

// SAFETY: started on the context's thread, to which the handle is bound, and completed by the loop
//         there; a stop callback elsewhere only enqueues.
unsafe impl<B: Backend> LocalSender for Timer<LocalIoScheduler<'_, B>> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unstarted,
    Queued,
    Armed,
    /// In the ready queue, after a stop callback on the loop's thread.
    Stopped,
    /// In the ready queue, with a link to be disarmed.
    Ready,
    AwaitsNode,
    Over,
}

/// What changes while an operation runs; together, so that it is written together.
#[repr(C, align(4))]
struct Progressing {
    phase: Cell<Phase>,
    /// `ticks` counts from the start.
    relative: Cell<bool>,
    /// The link is armed.
    listening: Cell<bool>,
    /// While `AwaitsNode`: completes with the value.
    fired: Cell<bool>,
}

/// The operation state of [`Timer`].
#[repr(C)] // The entry comes first: its address is the address of the operation.
pub struct TimerOp<H: Io, R> {
    entry: TimerEntry,
    /// The deadline on the loop's clock; until the start maybe the distance to it.
    ticks: Cell<u64>,
    now: Progressing,
    handle: H,
    receiver: ManuallyDrop<R>,
    /// Initialised when `listening` is set: an operation that nobody can stop has none.
    link: UnsafeCell<MaybeUninit<StopLink>>,
    _pinned: PhantomPinned,
}

impl<H: Io, R: Receiver<(), io::Error>> TimerOp<H, R> {
    // As in `IoOp`: `this` is a started, incomplete operation, on the loop's thread unless said
    // otherwise, and may be gone when the function returns.

    /// The part that hears stop requests.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    #[inline]
    unsafe fn link(this: *mut Self) -> NonNull<StopLink> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).link).cast()) }
    }

    /// The node of the wheel.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type.
    #[inline]
    unsafe fn timer(this: *mut Self) -> NonNull<TimerNode> {
        // SAFETY: the first field, with the provenance of the whole.
        unsafe { NonNull::new_unchecked(this.cast()) }
    }

    /// The node of the queues.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type.
    #[inline]
    unsafe fn node(this: *mut Self) -> NonNull<Node> {
        // SAFETY: a field of a live operation.
        unsafe { NonNull::new_unchecked((&raw mut (*this).entry.node).cast()) }
    }

    /// The deadline of an operation that is being started now.
    #[inline(always)]
    fn deadline(core: &Core<H::Backend>, ticks: u64, relative: bool) -> u64 {
        if relative {
            core.now().saturating_add(ticks)
        } else {
            ticks
        }
    }

    /// Makes the stop link and arms it with `token`; any thread, in `start`. Maybe the operation ends
    /// in here, or on another thread meanwhile.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type whose link is not armed, and which says
    ///   that it is listening.
    #[inline(always)]
    unsafe fn listen(this: *mut Self, token: RawToken, submitting: bool) {
        // SAFETY: nothing has been armed, so the place of the link is free; in place until the end, which
        //         disarms it (INV-STOP-1).
        unsafe {
            Self::link(this).write(StopLink::new::<Self>(submitting));
            StopLink::arm(Self::link(this), token);
        }
    }

    /// Ends, now or when the link's node has arrived.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; the loop's thread.
    unsafe fn end(this: *mut Self, fired: bool) {
        // SAFETY: alive and in no queue.
        unsafe {
            if (*this).now.listening.get() && StopLink::disarm(Self::link(this)) {
                (*this).now.fired.set(fired);
                (*this).now.phase.set(Phase::AwaitsNode);
                return;
            }
            Self::deliver(this, outcome(fired));
        }
    }

    /// Completes the receiver.
    ///
    /// # Safety
    ///
    /// - `this` is a started, incomplete operation of this type; nobody else holds its address.
    #[inline(always)]
    unsafe fn deliver(this: *mut Self, outcome: Outcome<(), io::Error>) {
        // SAFETY: disarmed or never armed, so nobody else holds the address; taken once.
        let receiver = unsafe {
            (*this).now.phase.set(Phase::Over);
            ManuallyDrop::take(&mut *(&raw mut (*this).receiver))
        };
        outcome.deliver(receiver);
    }

    /// The node was run: taken out of the inbox, the ready queue, or the wheel.
    ///
    /// # Safety
    ///
    /// - `node` is that of a started, incomplete operation of this type, taken from its queue.
    unsafe fn ran(node: NonNull<Node>, signal: Signal) {
        // SAFETY: the node is a field of a started operation that waits for this.
        unsafe {
            let at = offset_of!(Self, entry) + offset_of!(TimerEntry, node);
            let this: *mut Self = node.as_ptr().byte_sub(at).cast();
            if (*this).now.phase.get() == Phase::Stopped {
                // The callback has returned: see the module's documentation.
                Self::deliver(this, Outcome::Stopped);
            } else {
                Self::ran_otherwise(this, signal);
            }
        }
    }

    /// The rest of [`ran`](Self::ran).
    ///
    /// # Safety
    ///
    /// - As for [`ran`](Self::ran).
    #[inline(never)]
    unsafe fn ran_otherwise(this: *mut Self, signal: Signal) {
        // SAFETY: the contract is the same.
        unsafe {
            match (*this).now.phase.get() {
                Phase::Queued => {
                    let core = Self::core(this);
                    core.taken_new();
                    // Not begun when the context was asked to stop: it does not begin any more.
                    let claimed = !(*this).now.listening.get() || StopLink::claim(Self::link(this));
                    if claimed && !core.is_stopping() {
                        (*this).now.phase.set(Phase::Armed);
                        core.timers.insert(Self::timer(this), (*this).ticks.get());
                    } else {
                        Self::end(this, false);
                    }
                }
                Phase::Armed => Self::end(this, signal == Signal::Run),
                Phase::Ready => Self::end(this, false),
                _ => abort("a timer was taken from a queue in which it was not"),
            }
        }
    }

    /// Takes the timer out of the wheel, to complete stopped at its turn.
    ///
    /// # Safety
    ///
    /// - `this` is an armed operation of this type; the loop's thread. `core` is its core, and
    ///   `to` says why it is ready.
    #[inline(always)]
    unsafe fn make_ready(this: *mut Self, core: &Core<H::Backend>, to: Phase) {
        // SAFETY: armed, so in the wheel of its core and in no queue.
        unsafe {
            (*this).now.phase.set(to);
            if core.timers.remove_from_slot(Self::timer(this)) {
                core.ready.push_back(Self::node(this));
            } else {
                Self::make_near_ready(this, core);
            }
        }
    }

    /// The rest of [`make_ready`](Self::make_ready), for a timer that is due soon.
    ///
    /// # Safety
    ///
    /// - As for [`make_ready`](Self::make_ready), and the timer is in the wheel.
    #[inline(never)]
    unsafe fn make_near_ready(this: *mut Self, core: &Core<H::Backend>) {
        // SAFETY: the contract is the same.
        unsafe {
            core.timers.remove(Self::timer(this));
            core.ready.push_back(Self::node(this));
        }
    }

    /// Starts on another thread: through the inbox.
    ///
    /// # Safety
    ///
    /// - `this` is an operation that is being started on another thread than the loop's.
    #[cold]
    unsafe fn start_remote(this: *mut Self, token: RawToken) {
        // SAFETY: the operation is this thread's until it is queued; then it is the loop's.
        unsafe {
            let core = Self::core(this);
            let now = &(*this).now;
            (*this).ticks.set(Self::deadline(
                core,
                (*this).ticks.get(),
                now.relative.get(),
            ));
            Self::node(this).write(Node::new(Self::ran));
            now.phase.set(Phase::Queued);
            now.listening.set(!token.is_never());
            if !token.is_never() {
                Self::listen(this, token, true);
            }
            if let Err(rejected) = core.push_new(Self::node(this)) {
                if !token.is_never() {
                    StopLink::disarm_unqueued(Self::link(this));
                }
                let ending: Ending = rejected.into_ending();
                Self::deliver(this, ending.into_outcome().map_value(|_| ()));
            }
        }
    }

    /// Starts when [`start_aside`](OperationState::start_aside) would not.
    ///
    /// # Safety
    ///
    /// - `this` is an operation of this type that is being started, by this thread.
    #[cold]
    #[inline(never)]
    unsafe fn start_slowly(this: *mut Self) {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good.
        unsafe {
            let token = (*(&raw const (*this).receiver)).env().stop_token();
            if token.stop_requested() || (*this).handle.is_home() {
                // At home only a refusal, or a request that has come, leads here.
                Self::deliver(this, Outcome::Stopped);
            } else {
                Self::start_remote(this, token.erase());
            }
        }
    }
}

/// How a timer ends that was due, or not.
const fn outcome(fired: bool) -> Outcome<(), io::Error> {
    if fired {
        Outcome::Value(())
    } else {
        Outcome::Stopped
    }
}

impl<H: Io, R: Receiver<(), io::Error>> OperationState for TimerOp<H, R> {
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

    /// The usual start: on the loop's thread.
    #[inline(always)]
    unsafe fn start_aside(this: *mut Self) -> bool {
        // SAFETY: the operation is alive, unstarted, and this thread's; in place for good. From the
        //         insertion on it is the loop's, which is this thread. A request on another thread
        //         that comes before `listen` runs the callback in there.
        unsafe {
            // First, so that a compiler that sees the connection as well need not look.
            let (ticks, relative) = ((*this).ticks.get(), (*this).now.relative.get());
            let core = Self::core(this);
            let token = (*(&raw const (*this).receiver)).env().stop_token();
            if token.stop_requested() || !(*this).handle.is_home() || core.refuses() {
                return false;
            }
            let token = token.erase();
            let deadline = Self::deadline(core, ticks, relative);
            Self::node(this).write(Node::new(Self::ran));
            (&raw mut (*this).now).write(Progressing {
                phase: Cell::new(Phase::Armed),
                relative: Cell::new(relative),
                listening: Cell::new(!token.is_never()),
                fired: Cell::new(false),
            });
            core.timers.insert(Self::timer(this), deadline);
            if !token.is_never() {
                Self::listen(this, token, false);
            }
        }
        true
    }
}

// SAFETY: the link lies there, and is in place while it is armed, as its operation is (INV-OP-1).
unsafe impl<H: Io, R: Receiver<(), io::Error>> Listener for TimerOp<H, R> {
    type Backend = H::Backend;
    const LINK: usize = offset_of!(Self, link);

    #[inline]
    unsafe fn core<'a>(this: *mut Self) -> &'a Core<H::Backend> {
        // SAFETY: alive (contract); the core outlives its operations, and what the handle refers to
        //         does not depend on where the handle is.
        unsafe { &*(&raw const *(*(&raw const (*this).handle)).core()) }
    }

    unsafe fn act(this: *mut Self) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe {
            match (*this).now.phase.get() {
                Phase::Armed => Self::make_ready(this, Self::core(this), Phase::Ready),
                Phase::AwaitsNode => Self::deliver(this, outcome((*this).now.fired.get())),
                _ => abort("a stop request reached a timer that was not armed"),
            }
        }
    }

    #[inline(always)]
    unsafe fn act_at_home(this: *mut Self, core: &Core<H::Backend>) {
        // SAFETY: a started, incomplete operation, on the loop's thread.
        unsafe {
            if (*this).now.phase.get() != Phase::Armed {
                abort("a stop request reached a timer that was not armed");
            }
            Self::make_ready(this, core, Phase::Stopped);
        }
    }
}

impl<H: Io, R> Drop for TimerOp<H, R> {
    #[inline]
    fn drop(&mut self) {
        match self.now.phase.get() {
            Phase::Over => {}
            // SAFETY: never started: the receiver is there, and nobody else has it.
            Phase::Unstarted => unsafe { ManuallyDrop::drop(&mut self.receiver) },
            _ => abort("a timer was destroyed before it completed"),
        }
    }
}

impl<H: Io, R> fmt::Debug for TimerOp<H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerOp")
            .field("phase", &self.now.phase.get())
            .finish_non_exhaustive()
    }
}
