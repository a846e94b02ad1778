//! Describes one schedulable task that lives inside an operation, and queues such tasks.
//!
//! An operation that has to run on a context's thread embeds a [`Node`]; a context keeps the nodes
//! that are ready in a [`LocalQueue`] and receives those of other threads through an
//! [`Inbox`](super::inbox::Inbox). Nothing here allocates, and nothing here calls into a node
//! except [`Node::run`].
//!
//! # Flow
//!
//! ```text
//! operation { Node, .. } --push_back--> LocalQueue --pop_front--> Node::run(node, Run | Stop)
//! ```
//!
//! # Bounds
//!
//! A queue has no capacity of its own: its memory is that of the operations. Whoever drains one
//! bounds the number of nodes per turn.
//!
//! # Threads
//!
//! A [`LocalQueue`] belongs to one thread. Its methods take `&self` and keep no reference while
//! they return, so a node that runs may push to the queue it came from.
//!
//! # Safety
//!
//! - INV-NODE-1: from the call that queues a node until the call that hands it out again, the node
//!   stays at its address, is in no other queue, and its memory is not freed.
//! - INV-NODE-2: the link of a node is touched by one party at a time: by whoever queues it, up to
//!   the write that publishes it, then by the owner of the queue.
//!
//! Nodes are reached through raw pointers; no reference to a whole node is made, so an operation
//! may be destroyed by the function that its own node runs.
#![expect(
    unsafe_code,
    reason = "intrusive links between operations that other code owns"
)]

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};

/// What a context tells a node when it hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The task has its turn on the context's thread.
    Run,
    /// The context refuses or ends: complete as stopped, without running.
    Stop,
}

/// One schedulable task, embedded in an operation.
///
/// The alignment leaves three low bits of its address free; the inbox keeps its flags there.
#[repr(C, align(8))]
#[derive(Debug)]
pub(crate) struct Node {
    /// The next node of the queue this one is in; without meaning outside a queue.
    next: Cell<*mut Self>,
    /// What the operation does with its turn.
    run: unsafe fn(NonNull<Self>, Signal),
    /// Queues hold the address.
    pinned: PhantomPinned,
}

// SAFETY: the link is the one field that is not automatically `Send`: no safe method reads or
// writes it, and the unsafe ones require that one party at a time does (INV-NODE-2); always.
unsafe impl Send for Node {}

// SAFETY: a shared reference to a node gives access to nothing: every access goes through an unsafe
// function that requires INV-NODE-2; always.
unsafe impl Sync for Node {}

impl Node {
    /// A node in no queue. `run` is called at most once for each time the node is queued.
    #[inline]
    pub(crate) const fn new(run: unsafe fn(NonNull<Self>, Signal)) -> Self {
        Self {
            next: Cell::new(ptr::null_mut()),
            run,
            pinned: PhantomPinned,
        }
    }

    /// Gives the node its turn. The operation around it may be gone when this returns.
    ///
    /// # Safety
    ///
    /// - `this` points to a live node that is in no queue, with the right to reach the whole
    ///   operation that the node's function expects around it.
    /// - The caller is on the thread, and in the state, that the node's function requires.
    #[inline]
    pub(crate) unsafe fn run(this: NonNull<Self>, signal: Signal) {
        // SAFETY: the node is alive (contract); the function pointer is copied out and the node is
        // not touched after this line.
        let run = unsafe { (*this.as_ptr()).run };
        // SAFETY: the caller vouches for node, thread and state; `this` is not used after the call.
        unsafe { run(this, signal) }
    }

    /// Reads the link.
    ///
    /// # Safety
    ///
    /// `this` is alive and the caller is the one party that may touch its link (INV-NODE-2).
    #[inline]
    pub(super) unsafe fn next(this: NonNull<Self>) -> *mut Self {
        // SAFETY: alive and not touched by anyone else (contract), for this one read.
        unsafe { (*this.as_ptr()).next.get() }
    }

    /// Writes the link.
    ///
    /// # Safety
    ///
    /// As for [`Node::next`].
    #[inline]
    pub(super) unsafe fn set_next(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: alive and not touched by anyone else (contract), for this one write.
        unsafe { (*this.as_ptr()).next.set(next) }
    }
}

/// A first-in first-out queue of nodes for one thread.
///
/// Dropping a queue that holds nodes forgets them: their operations would never complete. Drain it.
#[derive(Debug)]
#[must_use = "the nodes in a queue that is dropped never run"]
pub(crate) struct LocalQueue {
    /// The oldest node; null if the queue is empty.
    head: Cell<*mut Node>,
    /// The newest node; without meaning if the queue is empty.
    tail: Cell<*mut Node>,
}

impl LocalQueue {
    /// An empty queue.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            head: Cell::new(ptr::null_mut()),
            tail: Cell::new(ptr::null_mut()),
        }
    }

    /// The queue of a chain that is linked from its newest node to its oldest, ending in null:
    /// turned round, so that the oldest comes out first.
    ///
    /// # Safety
    ///
    /// `newest` is null or heads such a chain, and every node of it keeps INV-NODE-1 and is handed
    /// over to the new queue.
    #[inline]
    pub(super) unsafe fn from_newest(newest: *mut Node) -> Self {
        let mut head = ptr::null_mut();
        let mut rest = newest;
        while let Some(node) = NonNull::new(rest) {
            // SAFETY: every node of the chain is alive and ours (contract), until it is handed out.
            rest = unsafe { Node::next(node) };
            // SAFETY: as above.
            unsafe { Node::set_next(node, head) };
            head = node.as_ptr();
        }
        Self {
            head: Cell::new(head),
            tail: Cell::new(newest),
        }
    }

    /// True if the queue holds no node.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// Queues `node` behind all others.
    ///
    /// # Safety
    ///
    /// - `node` is alive, in no queue, and the caller may touch it.
    /// - It keeps INV-NODE-1 until this queue, or the one its nodes were moved to, hands it out.
    #[inline]
    pub(crate) unsafe fn push_back(&self, node: NonNull<Node>) {
        // SAFETY: the node is alive and the caller's (contract); ours until it is handed out.
        unsafe { Node::set_next(node, ptr::null_mut()) };
        // SAFETY: a chain of one node, handed over by the caller.
        unsafe { self.link(node.as_ptr(), node.as_ptr()) };
    }

    /// Takes the oldest node out.
    #[inline]
    pub(crate) fn pop_front(&self) -> Option<NonNull<Node>> {
        let node = NonNull::new(self.head.get())?;
        // SAFETY: a queued node is alive and its link belongs to this queue (INV-NODE-1,
        // INV-NODE-2); it leaves the queue here and is not touched after this line.
        self.head.set(unsafe { Node::next(node) });
        Some(node)
    }

    /// Moves all nodes of `other` behind those of this queue, in order, in constant time.
    #[inline]
    pub(crate) fn append(&self, other: Self) {
        if !other.is_empty() {
            // SAFETY: `other` was a well-formed queue, and since it is consumed, its nodes are
            // ours from here.
            unsafe { self.link(other.head.get(), other.tail.get()) };
        }
    }

    /// Hands out at most `limit` nodes, oldest first, each to `run`, also those that `run` adds; how
    /// many it were.
    #[inline]
    pub(crate) fn drain(&self, limit: usize, mut run: impl FnMut(NonNull<Node>)) -> usize {
        let mut left = limit;
        while left > 0 && !self.is_empty() {
            let last = self.tail.get();
            let mut next = self.head.replace(ptr::null_mut());
            while let Some(node) = NonNull::new(next) {
                if left == 0 {
                    self.put_back(node, last);
                    break;
                }
                left -= 1;
                // SAFETY: a queued node is alive and its link belongs to this queue (INV-NODE-1,
                // INV-NODE-2); it is handed out here and not touched after this line.
                next = unsafe { Node::next(node) };
                run(node);
            }
        }
        limit - left
    }

    /// Puts a chain that was taken out before all others.
    #[cold]
    fn put_back(&self, first: NonNull<Node>, last: *mut Node) {
        let later = Self {
            head: Cell::new(self.head.replace(first.as_ptr())),
            tail: Cell::new(self.tail.replace(last)),
        };
        self.append(later);
    }

    /// Moves all nodes to a new queue and leaves this one empty.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Self {
        Self {
            head: Cell::new(self.head.replace(ptr::null_mut())),
            tail: Cell::new(self.tail.get()),
        }
    }

    /// Links a chain behind the newest node.
    ///
    /// # Safety
    ///
    /// `first` leads to `last`, the link of `last` is null, and the nodes are handed over to this
    /// queue under INV-NODE-1.
    unsafe fn link(&self, first: *mut Node, last: *mut Node) {
        if self.is_empty() {
            self.head.set(first);
        } else {
            // SAFETY: the queue is not empty, so `tail` is a queued node: alive, its link ours
            // (INV-NODE-1, INV-NODE-2), for this one write.
            unsafe { Node::set_next(NonNull::new_unchecked(self.tail.get()), first) };
        }
        self.tail.set(last);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
