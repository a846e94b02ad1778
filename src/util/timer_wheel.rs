//! Keeps the timers of a loop: armed and cancelled in constant time, handed out in order.
//!
//! A timed operation embeds a [`TimerNode`]; the loop of a context owns one [`TimerWheel`], asks it
//! how long it may sleep, tells it the time, and takes out what is due. It never reads a clock and
//! never calls a timer's owner.
//!
//! # Flow
//!
//! ```text
//!              ┌────── wheel: levels of 16 slots ──────┐       heap
//! insert ──┬──>│ .. 4 s .. 268 ms .. 17 ms .. 1 ms     │──┬──> by (deadline, insertion) ──> pop_due
//!          │   └────────── advance(now) moves ─────────┘  │
//!          └────────── due within the tick ───────────────┘
//! ```
//!
//! Most timers are cancelled long before they are due, so they are sorted as late as possible. A
//! deadline is a number of sixteen-valued digits, above a tick of 2^20 ns (1 ms). A timer lies in the
//! slot for the highest digit in which its deadline differs from the time: level and value of the
//! digit name the slot, which is a list. When the time reaches a slot, its timers move to a lower
//! level, or, when not even the lowest digit differs, into the heap. The heap puts those of one tick
//! in order, with the ones that were due already when they came.
//!
//! Slots and heap together are in order at any time: every slot of a level comes before those of the
//! levels above it, and the heap before all slots. So what is due is exact to the nanosecond, and
//! equal deadlines come in order of insertion.
//!
//! # Bounds
//!
//! Memory is that of the operations, and 3 KiB. Insertion takes constant time, removal too, unless
//! the timer is in the heap ([`timer_heap`](super::timer_heap)). A timer that lives to its deadline
//! is moved at most once for each level, 11 times for a deadline centuries away, 4 times for half a
//! minute.
//!
//! [`TimerWheel::advance`] moves at most as many timers as it is told; the rest of the slot stays
//! where it is until the next call, and meanwhile nothing of the slot's time is handed out, so that
//! the order is kept. With n timers in one slot and m moves in a turn, timers of that slot may come
//! n / m turns late, but never early and never out of order.
//!
//! [`TimerWheel::next_deadline`] is at most the first deadline, and before it only when several
//! timers are in the first slot: then it is the beginning of the slot. A loop that sleeps until then
//! wakes up in vain at most once for each slot in which timers are.
//!
//! # Threads
//!
//! Single thread. The methods take `&self` and call nobody, so the wheel may be changed by whatever
//! runs because of a timer.
//!
//! # Safety
//!
//! - INV-TIMER-1: from `insert` until `remove`, `pop_due` or `pop_any` hands it out, a node stays at
//!   its address, is not freed, and is touched by the wheel's thread only. The wheel stays in place
//!   from `init`.
//! - INV-TIMER-3: a node in the wheel is either in the list of one slot, or in the heap and says so
//!   in its `seq`.
//! - INV-LIST-1: the lists hold nodes of the wheel, and are part of it.
//!
//! # References
//!
//! Varghese, Lauck, *Hashed and hierarchical timing wheels: data structures for the efficient
//! implementation of a timer facility*, SOSP (1987), scheme 7.
#![expect(
    unsafe_code,
    reason = "intrusive links between operations that other code owns"
)]

use std::array;
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::ptr::NonNull;

use super::list::{Links, List};
use super::timer_heap::{Batch, SEQ_STEP, TimerHeap, TimerNode};

/// Bits of a deadline below the lowest digit: 2^20 ns are a millisecond, the least that is worth a
/// place outside of the heap.
const TICK_BITS: usize = 20;
/// The part of a deadline within its tick.
const TICK: u64 = (1 << TICK_BITS) - 1;
/// Bits of a digit. A power of two, so that no division is needed to find the digit of a bit.
const DIGIT_BITS: usize = 4;
/// Values of a digit.
const SLOTS: usize = 1 << DIGIT_BITS;
/// Digits of a deadline.
const LEVELS: usize = (u64::BITS as usize - TICK_BITS) / DIGIT_BITS;

/// The timers of one thread; see the module's documentation.
///
/// Dropping a wheel forgets the timers that are in it.
pub(crate) struct TimerWheel {
    /// The last nanosecond of the tick that the time has reached; what is due until then goes into the
    /// heap.
    horizon: Cell<u64>,
    /// For each level, which slots may have timers: a slot without its bit has none.
    occupied: [Cell<u32>; LEVELS],
    /// The slot that the time has reached and that has not been emptied, if any.
    open: Cell<Option<Slot>>,
    /// The sum of all insertions, in steps of the order. At one a nanosecond, 63 bits last 292 years.
    last_seq: Cell<u64>,
    /// How many timers have been taken out.
    gone: Cell<u64>,
    heap: TimerHeap,
    slots: [[List; SLOTS]; LEVELS],
}

/// A slot of the wheel.
#[derive(Clone, Copy)]
struct Slot {
    level: usize,
    digit: usize,
}

impl TimerWheel {
    /// A wheel that begins at time 0 and may not be used before [`init`](Self::init).
    pub(crate) fn new() -> Self {
        Self {
            horizon: Cell::new(TICK),
            occupied: [const { Cell::new(0) }; LEVELS],
            open: Cell::new(None),
            last_seq: Cell::new(0),
            gone: Cell::new(0),
            heap: TimerHeap::new(),
            slots: array::from_fn(|_| [const { List::new() }; SLOTS]),
        }
    }

    /// Makes the wheel empty.
    ///
    /// # Safety
    ///
    /// - The wheel stays at this address for as long as it is used.
    pub(crate) unsafe fn init(&self) {
        for list in self.slots.as_flattened() {
            // SAFETY: part of the wheel, which stays in place (contract).
            unsafe { list.init() };
        }
    }

    /// True if there is no timer.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.last_seq.get() == self.gone.get()
    }

    /// How many timers there are.
    pub(crate) fn len(&self) -> usize {
        let steps = self.last_seq.get() - self.gone.get();
        usize::try_from(steps / SEQ_STEP).unwrap_or(usize::MAX)
    }

    /// True if [`advance`](Self::advance) has more to move, whatever the time is.
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.open.get().is_some() && !self.is_empty()
    }

    /// Adds `node`, due at `deadline`.
    ///
    /// # Safety
    ///
    /// - `node` is valid for writes (it need not be initialised), is in no wheel, and keeps
    ///   INV-TIMER-1 from here.
    #[inline(always)]
    pub(crate) unsafe fn insert(&self, node: NonNull<TimerNode>, deadline: u64) {
        let seq = self.last_seq.get() + SEQ_STEP;
        self.last_seq.set(seq);
        // SAFETY: valid, in no list or heap, and keeps the invariant (contract).
        unsafe {
            TimerNode::init(node, deadline, seq);
            if deadline <= self.horizon.get() {
                self.insert_near(node);
            } else {
                self.file(node, deadline);
            }
        }
    }

    /// Puts `node` into the heap.
    ///
    /// # Safety
    ///
    /// - As for [`TimerHeap::insert`].
    #[inline(never)]
    unsafe fn insert_near(&self, node: NonNull<TimerNode>) {
        // SAFETY: the contract is the same.
        unsafe { self.heap.insert(node) };
    }

    /// Puts `node` into the slot for its deadline, which is beyond the horizon.
    ///
    /// # Safety
    ///
    /// - `node` was initialised, is in no list or heap, and keeps INV-TIMER-1 from here.
    #[inline(always)]
    unsafe fn file(&self, node: NonNull<TimerNode>, deadline: u64) {
        // SAFETY: the deadline is beyond the horizon (contract), so they differ.
        let differing = unsafe { NonZeroU64::new_unchecked(deadline ^ self.horizon.get()) };
        // The horizon has all bits of the tick, so the highest one that differs is in a digit.
        let bit = differing.ilog2() as usize & !(DIGIT_BITS - 1);
        let level = bit / DIGIT_BITS - TICK_BITS / DIGIT_BITS;
        let digit = usize::try_from((deadline >> bit) % SLOTS as u64).unwrap_or(0);
        // SAFETY: a bit of a digit has a level, and the remainder bounds the digit. The list was made
        //         empty (`init`); the node is in no list and stays in place (contract).
        unsafe {
            let occupied = self.occupied.get_unchecked(level);
            occupied.set(occupied.get() | 1 << digit);
            let slot = level * SLOTS + digit;
            self.slots
                .as_flattened()
                .get_unchecked(slot)
                .push_back(node.cast());
        }
    }

    /// Takes `node` out.
    ///
    /// # Safety
    ///
    /// - `node` is in this wheel.
    pub(crate) unsafe fn remove(&self, node: NonNull<TimerNode>) {
        // SAFETY: in the wheel, and in the heap if it is in no slot (INV-TIMER-3).
        unsafe {
            if !self.remove_from_slot(node) {
                self.gone.set(self.gone.get() + SEQ_STEP);
                self.heap.remove(node);
            }
        }
    }

    /// Takes `node` out if it is in a slot; whether it was. If not, it is in the heap.
    ///
    /// # Safety
    ///
    /// - `node` is in this wheel.
    #[inline(always)]
    pub(crate) unsafe fn remove_from_slot(&self, node: NonNull<TimerNode>) -> bool {
        // SAFETY: in the wheel, so initialised, alive, and in the list of a slot unless it says that
        //         it is in the heap (INV-TIMER-3). The slot may become empty, and keeps its bit.
        unsafe {
            if TimerNode::is_in_heap(node) {
                return false;
            }
            List::remove(node.cast());
        }
        self.gone.set(self.gone.get() + SEQ_STEP);
        true
    }

    /// A time that is not later than the first deadline, and not always earlier: see the module's
    /// documentation.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if self.is_empty() {
            None
        } else {
            self.bound_of_all()
        }
    }

    /// [`next_deadline`](Self::next_deadline) of a wheel that has timers.
    #[inline(never)]
    fn bound_of_all(&self) -> Option<u64> {
        if self.is_behind() {
            return Some(0);
        }
        let near = self.heap.next_deadline();
        let far = self.first_slot().map(|slot| self.bound(slot));
        match (near, far) {
            (Some(near), Some(far)) => Some(near.min(far)),
            (near, far) => near.or(far),
        }
    }

    /// A time that is not later than the deadlines in a slot that has timers: the deadline itself if
    /// there is one.
    fn bound(&self, slot: Slot) -> u64 {
        let list = &self.slots[slot.level][slot.digit];
        match list.first() {
            // SAFETY: in the list of a slot, so a node in the wheel, which is alive (INV-TIMER-1).
            Some(links) if unsafe { list.after(links) }.is_none() => unsafe {
                TimerNode::deadline(links.cast())
            },
            _ => self.start(slot),
        }
    }

    /// The beginning of a slot that the time has not reached.
    fn start(&self, slot: Slot) -> u64 {
        let shift = shift(slot.level);
        // The time has the digits above; at the highest level there are none.
        let above = u64::MAX << shift << DIGIT_BITS;
        (self.horizon.get() & above) | ((slot.digit as u64) << shift)
    }

    /// The slot with timers that the time reaches first.
    fn first_slot(&self) -> Option<Slot> {
        for (level, occupied) in self.occupied.iter().enumerate() {
            while occupied.get() != 0 {
                let digit = occupied.get().trailing_zeros() as usize;
                if !self.slots[level][digit].is_empty() {
                    return Some(Slot { level, digit });
                }
                // Emptied by removals.
                occupied.set(occupied.get() & (occupied.get() - 1));
            }
        }
        None
    }

    /// Moves the time on to `now`, and with it at most `limit` timers nearer to the heap. If that is
    /// not all, the time stays at the slot that is being emptied ([`is_behind`](Self::is_behind)).
    pub(crate) fn advance(&self, now: u64, limit: usize) {
        let mut left = limit;
        loop {
            let slot = match self.open.get() {
                Some(slot) => slot,
                None => match self.first_slot() {
                    Some(slot) if self.start(slot) <= now => {
                        self.open_slot(slot);
                        slot
                    }
                    _ => break,
                },
            };
            left = self.empty(&self.slots[slot.level][slot.digit], left);
            if left == 0 {
                return;
            }
            self.open.set(None);
        }
        // No slot begins before, so each one stays beyond the horizon and at its level.
        self.horizon.set(self.horizon.get().max(now | TICK));
    }

    /// Moves the time on to the beginning of the first slot that has timers.
    fn open_slot(&self, slot: Slot) {
        self.horizon.set(self.start(slot) | TICK);
        let occupied = &self.occupied[slot.level];
        occupied.set(occupied.get() & !(1 << slot.digit));
        self.open.set(Some(slot));
    }

    /// Moves at most `left` timers from the list of the open slot to where they belong now. Returns
    /// how many more could have been moved, 0 if some may be left.
    fn empty(&self, list: &List, mut left: usize) -> usize {
        let mut near = Batch::new();
        while left > 0
            && let Some(links) = list.pop_front()
        {
            left -= 1;
            let node: NonNull<TimerNode> = links.cast();
            // SAFETY: it was in the list of a slot, so it is a node in the wheel (INV-TIMER-1), and now
            //         in no list. The horizon is in the slot, so the node goes to a lower level.
            unsafe {
                let deadline = TimerNode::deadline(node);
                if deadline <= self.horizon.get() {
                    near.add(node);
                } else {
                    self.file(node, deadline);
                }
            }
        }
        self.heap.insert_all(near);
        left
    }

    /// Takes out the first timer if it is due at `now`; equal deadlines in order of insertion.
    ///
    /// What is due is found as far as the wheel has [advanced](Self::advance).
    #[inline]
    pub(crate) fn pop_due(&self, now: u64) -> Option<NonNull<TimerNode>> {
        // What has not been moved yet is due at the beginning of the open slot, or later.
        let now = if self.is_behind() {
            now.min((self.horizon.get() & !TICK) - 1)
        } else {
            now
        };
        let node = self.heap.pop_due(now)?;
        self.gone.set(self.gone.get() + SEQ_STEP);
        Some(node)
    }

    /// Takes out any timer.
    pub(crate) fn pop_any(&self) -> Option<NonNull<TimerNode>> {
        let slot = self.open.get().filter(|slot| !self.list(*slot).is_empty());
        let far = || slot.or_else(|| self.first_slot());
        let first: Option<NonNull<Links>> = match self.heap.peek() {
            Some(node) => Some(node.cast()),
            None => far().and_then(|slot| self.list(slot).first()),
        };
        let node: NonNull<TimerNode> = first?.cast();
        // SAFETY: found in the heap or in a slot, so it is in the wheel.
        unsafe { self.remove(node) };
        Some(node)
    }

    fn list(&self, slot: Slot) -> &List {
        &self.slots[slot.level][slot.digit]
    }
}

/// How many bits are below the digit of a level.
const fn shift(level: usize) -> usize {
    TICK_BITS + level * DIGIT_BITS
}

impl fmt::Debug for TimerWheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
