//! Orders timers by deadline, without allocating.
//!
//! A timed operation embeds a [`TimerNode`]; the loop of a context owns one [`TimerHeap`], asks it
//! how long it may sleep, and takes out what is due. It never reads a clock and never calls a
//! timer's owner.
//!
//! # Flow
//!
//! ```text
//! operation { TimerNode, .. } --insert--> TimerHeap --pop_due(now)--> node, in order of
//!                             <--remove--                             (deadline, insertion)
//! ```
//!
//! It is a pairing heap: a tree in which no child comes before its parent. `child` is a node's
//! first child, `next` its next sibling, `prev` its previous sibling or, of a first child, its
//! parent. Insertion compares with the root and links, in constant time; removal of a node without
//! children unlinks it, in constant time; removal of another one pairs up its children, in O(log n)
//! amortised. Nothing recurses, so the depth of the tree does not matter.
//!
//! # Bounds
//!
//! Memory is that of the operations. A single removal may cost as many steps as the node has
//! children: the first one after n insertions in ascending order costs n, paid for by those
//! insertions. [`TimerHeap::pop_due`] takes out one node: the caller bounds the number per turn.
//!
//! # Threads
//!
//! Single thread. The methods take `&self` and call nobody, so the heap may be changed by whatever
//! runs because of a timer.
//!
//! # Safety
//!
//! - INV-TIMER-1: from `insert` until `remove` or `pop_due` hands it out, a node stays at its
//!   address, is not freed, and is touched by the heap's thread only.
//! - INV-TIMER-2: the links of a linked node are null or point to linked nodes of the same heap;
//!   only this module writes them.
//!
//! # References
//!
//! Fredman, Sedgewick, Sleator, Tarjan, *The pairing heap: a new form of self-adjusting heap*,
//! Algorithmica 1 (1986).
#![expect(
    unsafe_code,
    reason = "intrusive links between operations that other code owns"
)]

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};

/// A pointer to a linked node, or null.
type Link = *mut TimerNode;

/// One timer, embedded in an operation.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct TimerNode {
    /// When the timer is due, in nanoseconds of the owner's clock.
    deadline: Cell<u64>,
    /// The place in the order of insertions, which breaks ties; 0 while not linked.
    seq: Cell<u64>,
    /// The first child.
    child: Cell<Link>,
    /// The next sibling.
    next: Cell<Link>,
    /// The previous sibling, or the parent of a first child.
    prev: Cell<Link>,
    /// The heap holds the address.
    pinned: PhantomPinned,
}

// SAFETY: the links are the fields that are not automatically `Send`: an unlinked node has none,
// and a linked one may not be moved (INV-TIMER-1); always.
unsafe impl Send for TimerNode {}

impl TimerNode {
    /// A timer in no heap.
    pub(crate) const fn new(deadline: u64) -> Self {
        Self {
            deadline: Cell::new(deadline),
            seq: Cell::new(0),
            child: Cell::new(ptr::null_mut()),
            next: Cell::new(ptr::null_mut()),
            prev: Cell::new(ptr::null_mut()),
            pinned: PhantomPinned,
        }
    }

    /// When the timer is due.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.get()
    }

    /// Sets when the timer is due. It must not be in a heap.
    pub(crate) fn set_deadline(&self, deadline: u64) {
        assert!(!self.is_linked(), "a timer in a heap keeps its deadline");
        self.deadline.set(deadline);
    }

    /// True while the timer is in a heap.
    pub(crate) fn is_linked(&self) -> bool {
        self.seq.get() != 0
    }

    /// Whether this timer comes before `other`: by deadline, then by insertion.
    #[inline]
    fn precedes(&self, other: &Self) -> bool {
        let (own, others) = (self.deadline.get(), other.deadline.get());
        own < others || (own == others && self.seq.get() < other.seq.get())
    }
}

/// The timers of one thread; see the module's documentation.
///
/// Dropping a heap forgets the timers that are in it.
#[derive(Debug)]
pub(crate) struct TimerHeap {
    /// The timer that is due first.
    root: Cell<Link>,
    /// How many timers are linked.
    len: Cell<usize>,
    /// The `seq` of the last insertion. At one a nanosecond, 64 bits last 584 years.
    last_seq: Cell<u64>,
}

impl TimerHeap {
    /// An empty heap.
    pub(crate) const fn new() -> Self {
        Self {
            root: Cell::new(ptr::null_mut()),
            len: Cell::new(0),
            last_seq: Cell::new(0),
        }
    }

    /// True if no timer is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.get().is_null()
    }

    /// How many timers are linked.
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// The timer that is due first, still linked.
    pub(crate) fn peek(&self) -> Option<NonNull<TimerNode>> {
        NonNull::new(self.root.get())
    }

    /// When the first timer is due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        // SAFETY: the root is linked, so it is alive and on this thread (INV-TIMER-1), for this one
        // read.
        self.peek()
            .map(|root| unsafe { (*root.as_ptr()).deadline() })
    }

    /// Links `node` at the deadline it has.
    ///
    /// # Safety
    ///
    /// `node` is alive, in no heap, and keeps INV-TIMER-1 from here.
    #[inline]
    pub(crate) unsafe fn insert(&self, node: NonNull<TimerNode>) {
        let new = node.as_ptr();
        let seq = self.last_seq.get() + 1;
        self.last_seq.set(seq);
        // SAFETY: alive and ours alone (contract), until it is removed.
        unsafe {
            debug_assert!(!(*new).is_linked(), "a timer is in one heap at a time");
            (*new).seq.set(seq);
        }
        let root = self.root.get();
        // SAFETY: the root is linked, so alive and ours (INV-TIMER-1), and the root of another tree
        // than the new node, which has no relatives (contract).
        unsafe {
            // What was inserted last comes after what has the same deadline.
            if root.is_null() {
                self.root.set(new);
            } else if (*new).deadline() < (*root).deadline() {
                adopt(new, root);
                self.root.set(new);
            } else {
                adopt(root, new);
            }
        }
        self.len.set(self.len.get() + 1);
    }

    /// Unlinks `node`.
    ///
    /// # Safety
    ///
    /// `node` is in this heap.
    pub(crate) unsafe fn remove(&self, node: NonNull<TimerNode>) {
        let gone = node.as_ptr();
        // SAFETY: `gone` is linked, so it and its relatives are alive and only this thread touches
        // them (INV-TIMER-1, INV-TIMER-2), until this function returns.
        unsafe {
            debug_assert!(
                (*gone).is_linked(),
                "a timer that is removed is in the heap"
            );
            let child = (*gone).child.get();
            if !child.is_null() {
                self.remove_parent(gone, child);
            } else if gone == self.root.get() {
                // A root without children was alone.
                self.root.set(ptr::null_mut());
            } else {
                unlink(gone);
            }
            (*gone).seq.set(0);
            (*gone).child.set(ptr::null_mut());
        }
        self.len.set(self.len.get() - 1);
    }

    /// The part of [`remove`](Self::remove) for a node with children, of which `child` is the first.
    ///
    /// # Safety
    ///
    /// As for [`remove`](Self::remove).
    #[inline(never)]
    unsafe fn remove_parent(&self, gone: Link, child: Link) {
        // SAFETY: `gone` gives its children up, and they are disjoint from the rest of the heap;
        // relatives are alive and ours (INV-TIMER-1, INV-TIMER-2), until this function returns.
        unsafe {
            let orphans = merge_siblings(child);
            let root = self.root.get();
            if gone == root {
                self.root.set(orphans);
            } else {
                unlink(gone);
                self.root.set(meld(root, orphans));
            }
        }
    }

    /// Takes out the first timer if it is due at `now`; equal deadlines in order of insertion.
    pub(crate) fn pop_due(&self, now: u64) -> Option<NonNull<TimerNode>> {
        let first = self.peek()?;
        // SAFETY: the root is linked, so it is alive (INV-TIMER-1), for this one read.
        if unsafe { (*first.as_ptr()).deadline() } > now {
            return None;
        }
        // SAFETY: the root is in this heap; from here it belongs to the caller again.
        unsafe { self.remove(first) };
        Some(first)
    }
}

/// Takes `node` out of the list of its siblings.
///
/// # Safety
///
/// `node` is linked and not the root; INV-TIMER-1 holds for it and its relatives.
unsafe fn unlink(node: Link) {
    // SAFETY: a node that is not the root has a `prev`, and relatives are linked, alive and ours
    // (INV-TIMER-1, INV-TIMER-2), until this function returns.
    unsafe {
        let prev = (*node).prev.replace(ptr::null_mut());
        let next = (*node).next.replace(ptr::null_mut());
        if (*prev).child.get() == node {
            (*prev).child.set(next);
        } else {
            (*prev).next.set(next);
        }
        if !next.is_null() {
            (*next).prev.set(prev);
        }
    }
}

/// Joins two trees: the later root becomes the first child of the earlier one, which is returned
/// and keeps its `next` and `prev`.
///
/// # Safety
///
/// `a` and `b` are the roots of two disjoint trees of linked nodes, INV-TIMER-1 holds for them.
unsafe fn meld(a: Link, b: Link) -> Link {
    // SAFETY: roots are linked nodes, alive and ours, of disjoint trees (contract), until this
    // function returns.
    unsafe {
        if (*b).precedes(&*a) {
            adopt(b, a);
            b
        } else {
            adopt(a, b);
            a
        }
    }
}

/// Makes the root `low` the first child of the root `top`, which keeps its `next` and `prev`.
///
/// # Safety
///
/// As for [`meld`]; `top` comes before `low`.
#[inline(always)]
unsafe fn adopt(top: Link, low: Link) {
    // SAFETY: roots and children are linked nodes, alive and ours (contract), until this function
    // returns.
    unsafe {
        let child = (*top).child.replace(low);
        (*low).prev.set(top);
        (*low).next.set(child);
        if !child.is_null() {
            (*child).prev.set(low);
        }
    }
}

/// Joins a list of siblings to one tree, in two passes: neighbours in pairs from the first to the
/// last, then the pairs from the last to the first. The root that is returned has no relatives
/// beside or above it.
///
/// # Safety
///
/// `first` is the first of a list of siblings that its parent has given up; INV-TIMER-1 holds for
/// them and their descendants.
unsafe fn merge_siblings(first: Link) -> Link {
    // SAFETY: siblings are linked nodes, alive and ours (contract), and roots of disjoint trees,
    // until this function returns.
    unsafe {
        let mut pairs: Link = ptr::null_mut();
        let mut rest = first;
        while !rest.is_null() {
            let left = rest;
            let right = (*left).next.get();
            let pair = if right.is_null() {
                rest = ptr::null_mut();
                left
            } else {
                rest = (*right).next.get();
                meld(left, right)
            };
            (*pair).next.set(pairs);
            pairs = pair;
        }
        let mut root = pairs;
        let mut rest = (*root).next.get();
        while !rest.is_null() {
            let pair = rest;
            rest = (*pair).next.get();
            root = meld(root, pair);
        }
        (*root).next.set(ptr::null_mut());
        (*root).prev.set(ptr::null_mut());
        root
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
