//! Carries nodes from any thread to the one thread that runs them, and decides in the same word
//! who has to wake that thread.
//!
//! Each context owns one [`Inbox`]. Producers push nodes that live in their operations; the
//! consumer takes everything at once. The module never blocks and never wakes anybody: it says
//! when a wake-up is owed, and the context has the primitive (an eventfd, a futex).
//!
//! # Flow
//!
//! ```text
//! producers: push, try_push --CAS--> [ newest node | REFUSE | SLEEPING ] --CAS--> take_all
//!                                      |
//!                                      next -> older -> oldest -> null
//! ```
//!
//! # States
//!
//! The word is the address of the newest node (or null) and two flags:
//!
//! | flag       | set by                     | cleared by                                    |
//! | ---------- | -------------------------- | --------------------------------------------- |
//! | `REFUSE`   | [`refuse`], any thread     | [`accept`]                                    |
//! | `SLEEPING` | [`prepare_sleep`]          | [`end_sleep`], or the first [`push`],         |
//! |            |                            | [`try_push`] or [`refuse`] that comes by      |
//!
//! ```text
//!              prepare_sleep                         push, try_push, refuse  => true: wake
//!   AWAKE  -------------------->  ASLEEP (no node)  ------------------------------------->  AWAKE
//!                                    |
//!                                    +-- end_sleep => false (a timeout, a completion) --->  AWAKE
//! ```
//!
//! The consumer brackets each sleep:
//!
//! ```text
//! if inbox.prepare_sleep(refusing_seen) {
//!     wait for completions, for the deadline, or for a wake-up;
//!     if inbox.end_sleep() { owed += 1 }
//! }
//! run what inbox.take_all() gives
//! ```
//!
//! # Wake-ups
//!
//! **None is lost.** All changes of the word are read-modify-write operations, so they have one
//! order. Say the consumer sleeps, that is, its `prepare_sleep` succeeded, and a producer queues a
//! node. Either the producer comes first: then `prepare_sleep` saw a word with a node and did not
//! succeed. Or it comes second: then the first producer after `prepare_sleep` saw `SLEEPING`,
//! cleared it, and wakes; later ones need not, as the consumer takes all nodes after it woke. There
//! is no third case, since "is the queue empty" and "I am going to sleep" are one compare-and-swap.
//! The same holds for `refuse`, whose message is the flag instead of a node: `prepare_sleep` fails
//! while the flag is set, unless the consumer says that it has seen it.
//!
//! **None is unaccounted for** (INV-INBOX-2). `SLEEPING` goes from set to clear once per sleep:
//! either by one other party, which then delivers one wake-up, or by `end_sleep`, and then nobody
//! does. `end_sleep` returns true exactly in the first case. The wake-up may still be under way:
//! the other party has the right to touch the wake primitive until it delivered. So the owner
//! counts the sleeps that ended with true, counts the wake-ups it received, and may close the
//! primitive (and free the inbox) when the numbers agree and no producer is left that may push. A
//! wake-up that arrives late ends a later sleep early, which is harmless.
//!
//! # Refusing
//!
//! `try_push` decides by the compare-and-swap that queues the node. So after `refuse` in the order
//! of the word there is no accepted node that a later `take_all` would miss: each node is
//! either in the word when the consumer next takes, or its producer got [`Refused`] back. `push`
//! (completions, cancels, hops of operations already accepted) is never refused.
//!
//! # Bounds
//!
//! Not bounded: the memory is that of the operations. The compare-and-swap loops are lock-free: one
//! retries only because another one succeeded.
//!
//! # Threads
//!
//! `push`, `try_push`, `refuse` and `is_refusing` may be called by any thread; `refuse` also by a
//! signal handler, of the consumer's thread too. The rest belongs to the consumer: called elsewhere
//! it could disturb the sleep protocol, but not memory. Orderings:
//!
//! - `push`, `try_push`, `refuse`: *release*, so that the consumer's *acquire* in `take_all` (or
//!   in a check of `REFUSE`) sees the node and what was written before. INV-INBOX-1 makes one
//!   acquire enough for all nodes of the chain: each later change is a read-modify-write, so it
//!   continues the release sequence of each earlier push.
//! - The same calls: *acquire*, and `prepare_sleep`: *release*, so that what the consumer did
//!   to the wake primitive before it went to sleep (armed it, reset it) happens before the wake-up.
//! - `end_sleep`, `prepare_sleep`: *acquire*, for what was written before a `refuse`.
//! - `accept`: *release*, and `try_push`: *acquire*, so that who is accepted sees the context
//!   as it was re-opened; who is refused, on the failing load, sees why.
//! - First loads of a loop that ends in a successful compare-and-swap: *relaxed*, a guess only.
//!
//! No `SeqCst`: there is one word, and one word has one order of changes.
//!
//! # Safety
//!
//! - INV-NODE-1 and INV-NODE-2 (`node.rs`) for each node, from the push until it is handed out.
//! - INV-INBOX-1: the word is changed by read-modify-write operations only, and all but
//!   [`take_all`] keep the chain that they found.
//! - INV-INBOX-2: each change of `SLEEPING` from set to clear by a party other than the consumer is
//!   followed by exactly one wake-up, delivered by that party.
//! - The word is all there is in an [`Inbox`]: it lies in an `UnsafeCell`, and so a `&self`
//!   that is still on a producer's stack does not claim memory that the consumer already freed.
//!
//! A push compares addresses. If between its load and its compare-and-swap the newest node was
//! taken, freed, and another one was queued at the same address, it links to that one: by
//! address the right node, and nothing else of the chain was read.
//!
//! # References
//!
//! R. K. Treiber, *Systems Programming: Coping with Parallelism*, IBM RJ 5118, 1986 (the push).
//!
//! [`push`]: Inbox::push
//! [`try_push`]: Inbox::try_push
//! [`refuse`]: Inbox::refuse
//! [`accept`]: Inbox::accept
//! [`take_all`]: Inbox::take_all
//! [`prepare_sleep`]: Inbox::prepare_sleep
//! [`end_sleep`]: Inbox::end_sleep
#![expect(
    unsafe_code,
    reason = "nodes of other threads' operations are linked by address"
)]

use std::ptr::{self, NonNull};

use super::node::{LocalQueue, Node};
use crate::sync::atomic::{AtomicPtr, Ordering};

/// New work is turned away.
const REFUSE: usize = 0b01;
/// The consumer sleeps, or is about to: whoever clears this owes it a wake-up.
const SLEEPING: usize = 0b10;
/// All bits that are not part of the address.
const FLAGS: usize = REFUSE | SLEEPING;

const _: () = assert!(
    align_of::<Node>() > FLAGS,
    "the flags must fit below the address"
);

/// The consumer takes no new work; the node stays with the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// What a call of [`Inbox::refuse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a wake-up may be owed"]
pub(crate) struct Refusal {
    /// This call is the one that closed the inbox.
    pub(crate) first: bool,
    /// The caller owes the consumer exactly one wake-up.
    pub(crate) wake: bool,
}

/// A queue of nodes with many producers and one consumer; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The newest node, `REFUSE` and `SLEEPING`.
    head: AtomicPtr<Node>,
}

impl Inbox {
    /// An empty inbox that accepts, with a consumer that is awake.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Queues `node`, whether new work is refused or not.
    ///
    /// True: the consumer slept and the caller owes it exactly one wake-up (INV-INBOX-2). Once the
    /// node is queued, this touches neither it nor, if the answer is false, the inbox.
    ///
    /// # Safety
    ///
    /// - `node` is alive, in no queue, and the caller may touch it. It keeps INV-NODE-1 until the
    ///   consumer takes it out of the queue that [`Inbox::take_all`] returns.
    /// - What the node's function touches may be touched on the consumer's thread.
    /// - The inbox is alive until `node` is queued; if a wake-up is then owed, the wake
    ///   primitive is kept alive by the owner, who waits for that wake-up.
    #[must_use = "a wake-up may be owed"]
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<Node>) -> bool {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the caller's contract is `link`'s.
            match unsafe { self.link(head, node) } {
                Ok(wake) => return wake,
                Err(now) => head = now,
            }
        }
    }

    /// Queues `node` as new work, unless the consumer refuses. The result is that of
    /// [`Inbox::push`]; when refused, nobody else has seen the node.
    ///
    /// # Safety
    ///
    /// As for [`Inbox::push`]; after [`Refused`] the promises about the node end.
    pub(crate) unsafe fn try_push(&self, node: NonNull<Node>) -> Result<bool, Refused> {
        let mut head = self.head.load(Ordering::Acquire);
        while head.addr() & REFUSE == 0 {
            // SAFETY: the caller's contract is `link`'s.
            match unsafe { self.link(head, node) } {
                Ok(wake) => return Ok(wake),
                Err(now) => head = now,
            }
        }
        Err(Refused)
    }

    /// One attempt to put `node` in front of `head`, to keep `REFUSE` and to clear `SLEEPING`:
    /// whether that was set, or the word as it is now.
    ///
    /// # Safety
    ///
    /// As for [`Inbox::push`]; on failure the node still belongs to the caller.
    #[inline]
    unsafe fn link(&self, head: *mut Node, node: NonNull<Node>) -> Result<bool, *mut Node> {
        debug_assert_eq!(node.addr().get() & FLAGS, 0, "a node is aligned");
        // SAFETY: the node is alive and not yet published, so its link is the caller's
        // (INV-NODE-2); not touched after the exchange below succeeds.
        unsafe { Node::set_next(node, head.map_addr(|word| word & !FLAGS)) };
        let queued = node.as_ptr().map_addr(|addr| addr | (head.addr() & REFUSE));
        self.head
            .compare_exchange_weak(head, queued, Ordering::AcqRel, Ordering::Acquire)
            .map(|before| before.addr() & SLEEPING != 0)
    }

    /// Turns new work away from here on, and ends the consumer's sleep.
    ///
    /// It takes no lock, allocates nothing, and so may be called by a signal handler.
    pub(crate) fn refuse(&self) -> Refusal {
        // A call that changes nothing writes all the same: it publishes what came before it.
        let before = self
            .change(Ordering::AcqRel, |word| (word | REFUSE) & !SLEEPING)
            .addr();
        Refusal {
            first: before & REFUSE == 0,
            wake: before & SLEEPING != 0,
        }
    }

    /// Takes new work again.
    pub(crate) fn accept(&self) {
        self.change(Ordering::Release, |word| word & !REFUSE);
    }

    /// True between [`Inbox::refuse`] and [`Inbox::accept`].
    pub(crate) fn is_refusing(&self) -> bool {
        self.head.load(Ordering::Acquire).addr() & REFUSE != 0
    }

    /// Consumer: takes all nodes, in the order in which they were queued. Nothing is written if
    /// there are none.
    #[inline]
    pub(crate) fn take_all(&self) -> LocalQueue {
        if self.is_empty() {
            return LocalQueue::new();
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            debug_assert_eq!(head.addr() & SLEEPING, 0, "who takes is awake");
            let emptied = ptr::without_provenance_mut(head.addr() & REFUSE);
            match self.head.compare_exchange_weak(
                head,
                emptied,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                // SAFETY: the chain was built by `link` alone, ends in null, and its nodes keep
                // INV-NODE-1; the exchange made it ours, and its acquire makes the links visible
                // (INV-INBOX-1); until the queue hands each node out.
                Ok(chain) => unsafe {
                    return LocalQueue::from_newest(chain.map_addr(|word| word & !FLAGS));
                },
                Err(now) => head = now,
            }
        }
    }

    /// Consumer: true if no node waits. One load.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).addr() & !FLAGS == 0
    }

    /// Consumer: announces that it goes to sleep. False: do not sleep, there is a node, or a
    /// refusal that the caller has not seen (`refusing_seen` is whether it has acted on one since
    /// the last [`Inbox::accept`]).
    ///
    /// After true, the next call on the consumer's side is [`Inbox::end_sleep`].
    #[must_use = "false means that there is something to do"]
    pub(crate) fn prepare_sleep(&self, refusing_seen: bool) -> bool {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            debug_assert_eq!(head.addr() & SLEEPING, 0, "who goes to sleep is awake");
            let refusal_unseen = head.addr() & REFUSE != 0 && !refusing_seen;
            if head.addr() & !FLAGS != 0 || refusal_unseen {
                return false;
            }
            let asleep = head.map_addr(|word| word | SLEEPING);
            match self
                .head
                .compare_exchange_weak(head, asleep, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    /// Consumer: says that it is awake again, once after each successful
    /// [`Inbox::prepare_sleep`].
    ///
    /// True: somebody else ended the sleep, so exactly one wake-up was or will be delivered, and is
    /// to be waited for before the wake primitive is closed (INV-INBOX-2).
    #[must_use = "a wake-up may be on its way"]
    pub(crate) fn end_sleep(&self) -> bool {
        let mut head = self.head.load(Ordering::Acquire);
        // Only the consumer sets the flag, so once it is seen clear, it stays clear.
        while head.addr() & SLEEPING != 0 {
            let awake = head.map_addr(|word| word & !SLEEPING);
            match self
                .head
                .compare_exchange_weak(head, awake, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return false,
                Err(now) => head = now,
            }
        }
        true
    }

    /// Consumer: sleeps after a successful [`Inbox::prepare_sleep`] until the head word changes, or
    /// for no reason. Producers that owe a wake-up call [`wake`] with [`Inbox::word`].
    pub(crate) fn sleep(&self) {
        // The node's address is zero while asleep, so the low half of the word is the flags; a
        // push clears `SLEEPING`, so it changes this half whatever the address.
        let word = self.head.load(Ordering::Relaxed).addr();
        if word & SLEEPING == 0 {
            return;
        }
        let low = u32::try_from(word & FLAGS).unwrap_or(0);
        // SAFETY: FUTEX_WAIT reads the word, which lives as long as `self`; no timeout is passed.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.word(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                low,
                ptr::null::<libc::timespec>(),
            );
        }
    }

    /// The address on which the consumer sleeps: the low half of the head word.
    pub(crate) const fn word(&self) -> *const u32 {
        let word: *const u32 = (&raw const self.head).cast();
        if cfg!(target_endian = "big") {
            word.wrapping_add(1)
        } else {
            word
        }
    }

    /// Changes the flags by `change`, which keeps the address; the word as it was.
    fn change(&self, order: Ordering, change: impl Fn(usize) -> usize) -> *mut Node {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let changed = head.map_addr(&change);
            match self
                .head
                .compare_exchange_weak(head, changed, order, Ordering::Relaxed)
            {
                Ok(before) => return before,
                Err(now) => head = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

/// Wakes the consumer that sleeps on `word`, an [`Inbox::word`] whose inbox may be gone: the kernel
/// looks only for sleepers on that address, and a stranger there wakes up for no reason.
pub(crate) fn wake(word: *const u32) {
    // SAFETY: FUTEX_WAKE takes the address as a key and does not access the memory.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}
