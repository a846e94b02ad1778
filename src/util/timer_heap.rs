//! Orders the timers that are due soon by deadline, without allocating.
//!
//! A timed operation embeds a [`TimerNode`]. The [`TimerWheel`](super::timer_wheel::TimerWheel) of a
//! context keeps the node until its time is near, and then hands it to the one [`TimerHeap`] in it.
//!
//! # Flow
//!
//! ```text
//! TimerWheel --insert--> TimerHeap --pop_due(now)--> node, in order of (deadline, insertion)
//!            --insert_all-->        <--remove--
//! ```
//!
//! It is a pairing heap: a tree in which no child comes before its parent. `child` is a node's
//! first child, `next` its next sibling, `prev` its previous sibling or, of a first child, its
//! parent. Insertion compares with the root and links, in constant time; removal of a node without
//! children unlinks it, in constant time; removal of another one pairs up its children, in O(log n)
//! amortised. Nothing recurses, so the depth of the tree does not matter.
//!
//! Nodes that come together are put into a [`Batch`] first, whose tree becomes one child of the root.
//!
//! # Bounds
//!
//! Memory is that of the operations. A single removal may cost as many steps as the node has
//! children: the first one after n insertions in ascending order costs n, paid for by those
//! insertions; after n nodes in batches of m, it costs n / m + m. [`TimerHeap::pop_due`] takes out
//! one node: the caller bounds the number per turn.
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
//! - INV-TIMER-2: the links of a node in the heap are null or point to nodes in the same heap; only
//!   this module writes them. They are initialised when the node is put into the heap.
//!
//! # References
//!
//! Fredman, Sedgewick, Sleator, Tarjan, *The pairing heap: a new form of self-adjusting heap*,
//! Algorithmica 1 (1986).
#![expect(
    unsafe_code,
    reason = "intrusive links between operations that other code owns"
)]

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::list::Links;

/// A pointer to a node in the heap, or null.
type Link = *mut TimerNode;

/// Set in the `seq` of a node that is in the heap.
const IN_HEAP: u64 = 1;
/// The distance of one `seq` from the next, which leaves room for [`IN_HEAP`].
pub(super) const SEQ_STEP: u64 = 2;

/// One timer, embedded in an operation. It need not be initialised: who keeps it does that.
#[repr(C)] // The links of a list come first: their address is the address of the node.
pub(crate) struct TimerNode {
    /// Of the wheel, while the node is in one of its slots.
    links: UnsafeCell<MaybeUninit<Links>>,
    /// When the timer is due, in nanoseconds of the owner's clock.
    deadline: Cell<u64>,
    /// The place in the order of insertions, which breaks ties, and [`IN_HEAP`].
    seq: Cell<u64>,
    /// The first child.
    child: Cell<Link>,
    /// The next sibling.
    next: Cell<Link>,
    /// The previous sibling, or the parent of a first child.
    prev: Cell<Link>,
    /// Lists and heap hold the address.
    pinned: PhantomPinned,
}

impl TimerNode {
    /// Initialises deadline and place in the order of `node`, which is in no heap then.
    ///
    /// # Safety
    ///
    /// - `node` is valid for writes, of this thread alone, and in no list or heap.
    #[inline(always)]
    pub(super) unsafe fn init(node: NonNull<Self>, deadline: u64, seq: u64) {
        debug_assert!(seq & IN_HEAP == 0, "the order counts in steps");
        // SAFETY: valid and ours (contract); written in place, as the rest is not initialised.
        unsafe {
            (&raw mut (*node.as_ptr()).deadline).write(Cell::new(deadline));
            (&raw mut (*node.as_ptr()).seq).write(Cell::new(seq));
        }
    }

    /// When the timer is due.
    ///
    /// # Safety
    ///
    /// - `node` is alive and was initialised; only this thread changes it.
    #[inline]
    pub(super) unsafe fn deadline(node: NonNull<Self>) -> u64 {
        // SAFETY: alive and initialised (contract), for this one read.
        unsafe { (*node.as_ptr()).deadline.get() }
    }

    /// Whether the timer is in a heap, and not only initialised.
    ///
    /// # Safety
    ///
    /// - `node` is alive and was initialised; only this thread changes it.
    #[inline]
    pub(super) unsafe fn is_in_heap(node: NonNull<Self>) -> bool {
        // SAFETY: alive and initialised (contract), for this one read.
        unsafe { (*node.as_ptr()).seq.get() & IN_HEAP != 0 }
    }

    /// Whether this timer comes before `other`: by deadline, then by insertion.
    #[inline]
    fn precedes(&self, other: &Self) -> bool {
        let (own, others) = (self.deadline.get(), other.deadline.get());
        own < others || (own == others && self.seq.get() < other.seq.get())
    }
}

/// The timers of one thread that are due soon; see the module's documentation.
///
/// Dropping a heap forgets the timers that are in it.
#[derive(Debug)]
pub(crate) struct TimerHeap {
    /// The timer that is due first.
    root: Cell<Link>,
}

/// Nodes that are put into a heap together.
#[derive(Debug)]
pub(super) struct Batch {
    /// The node that was added last; the others follow as its siblings.
    first: Link,
}

impl Batch {
    /// Of no nodes.
    pub(super) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
        }
    }

    /// Adds a node.
    ///
    /// # Safety
    ///
    /// - `node` was initialised, is in no list or heap, and keeps INV-TIMER-1 from here; the batch is
    ///   given to a heap.
    pub(super) unsafe fn add(&mut self, node: NonNull<TimerNode>) {
        // SAFETY: alive and ours alone (contract).
        unsafe { init_links(node.as_ptr(), self.first) };
        self.first = node.as_ptr();
    }
}

impl TimerHeap {
    /// An empty heap.
    pub(crate) const fn new() -> Self {
        Self {
            root: Cell::new(ptr::null_mut()),
        }
    }

    /// The timer that is due first, still in the heap.
    #[inline]
    pub(crate) fn peek(&self) -> Option<NonNull<TimerNode>> {
        NonNull::new(self.root.get())
    }

    /// When the first timer is due.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        // SAFETY: the root is in the heap, so alive and on this thread (INV-TIMER-1), for this one
        // read.
        self.peek().map(|root| unsafe { TimerNode::deadline(root) })
    }

    /// Puts `node` in at the deadline it has.
    ///
    /// # Safety
    ///
    /// - `node` was initialised, is in no list or heap, and keeps INV-TIMER-1 from here.
    pub(crate) unsafe fn insert(&self, node: NonNull<TimerNode>) {
        // SAFETY: alive and ours alone (contract): a tree of its own.
        unsafe {
            init_links(node.as_ptr(), ptr::null_mut());
            self.join(node.as_ptr());
        }
    }

    /// Puts all nodes of a batch in.
    pub(super) fn insert_all(&self, batch: Batch) {
        if !batch.first.is_null() {
            // SAFETY: a list of siblings without a parent, which are in no heap (contract of `add`).
            unsafe { self.join(merge_siblings(batch.first)) };
        }
    }

    /// Joins a tree.
    ///
    /// # Safety
    ///
    /// - `tree` is the root of a tree of nodes that belong to no heap; they keep INV-TIMER-1.
    unsafe fn join(&self, tree: Link) {
        let root = self.root.get();
        let joined = if root.is_null() {
            tree
        } else {
            // SAFETY: the root is in the heap, so alive and ours (INV-TIMER-1), and the root of another
            // tree (contract).
            unsafe { meld(root, tree) }
        };
        self.root.set(joined);
    }

    /// Takes `node` out.
    ///
    /// # Safety
    ///
    /// - `node` is in this heap.
    pub(crate) unsafe fn remove(&self, node: NonNull<TimerNode>) {
        let gone = node.as_ptr();
        // SAFETY: `gone` is in the heap, so it and its relatives are alive and only this thread
        // touches them (INV-TIMER-1, INV-TIMER-2), until this function returns.
        unsafe {
            debug_assert!(
                TimerNode::is_in_heap(node),
                "a timer that is removed is in the heap"
            );
            (*gone).seq.set((*gone).seq.get() & !IN_HEAP);
            let child = (*gone).child.get();
            if gone == self.root.get() {
                self.root.set(merge_siblings(child));
                return;
            }
            unlink(gone);
            if !child.is_null() {
                self.root.set(meld(self.root.get(), merge_siblings(child)));
            }
        }
    }

    /// Takes out the first timer if it is due at `now`; equal deadlines in order of insertion.
    pub(crate) fn pop_due(&self, now: u64) -> Option<NonNull<TimerNode>> {
        let first = self.peek()?;
        // SAFETY: the root is in the heap, so it is alive (INV-TIMER-1), for this one read.
        if unsafe { TimerNode::deadline(first) } > now {
            return None;
        }
        // SAFETY: the root is in this heap; from here it belongs to the caller again.
        unsafe { self.remove(first) };
        Some(first)
    }
}

/// Makes `node` a tree of its own in the heap, with `next` as its sibling.
///
/// # Safety
///
/// `node` was initialised and is this thread's alone.
unsafe fn init_links(node: Link, next: Link) {
    // SAFETY: alive and ours (contract); the links are not initialised, so they are written in place.
    unsafe {
        debug_assert!(
            (*node).seq.get() & IN_HEAP == 0,
            "a timer is in one heap at a time"
        );
        (*node).seq.set((*node).seq.get() | IN_HEAP);
        (&raw mut (*node).child).write(Cell::new(ptr::null_mut()));
        (&raw mut (*node).next).write(Cell::new(next));
        (&raw mut (*node).prev).write(Cell::new(ptr::null_mut()));
    }
}

/// Takes `node` out of the list of its siblings.
///
/// # Safety
///
/// `node` is in the heap and not the root; INV-TIMER-1 holds for it and its relatives.
unsafe fn unlink(node: Link) {
    // SAFETY: a node that is not the root has a `prev`, and relatives are alive and ours
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
/// `a` and `b` are the roots of two disjoint trees of nodes in the heap, INV-TIMER-1 holds for them.
unsafe fn meld(a: Link, b: Link) -> Link {
    // SAFETY: roots are nodes in the heap, alive and ours, of disjoint trees (contract), until this
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
    // SAFETY: roots and children are nodes in the heap, alive and ours (contract), until this function
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
/// beside or above it, or null if there is no sibling.
///
/// # Safety
///
/// `first` is null or the first of a list of siblings that its parent has given up; INV-TIMER-1 holds
/// for them and their descendants.
unsafe fn merge_siblings(first: Link) -> Link {
    if first.is_null() {
        return first;
    }
    // SAFETY: siblings are nodes in the heap, alive and ours (contract), and roots of disjoint trees,
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
