//! The mechanism of adaptors that run children at the same time: `when_all`, `timeout`, ...
//!
//! Such an adaptor is a [`Group`]: safe code that says which completions decide, and in the end how
//! the whole completes. The operation, the counting, and the stop request to the siblings are
//! written once, in the submodules: `op` is the operation, `slot` the place of one child, and the
//! others say what the children can be.
//!
//! # Flow
//!
//! ```text
//! start ─> enter ─> link own source ─> connect and start child 0, 1, ... ─> leave start
//!                                             │                                │
//! child completes ─> destroy its operation, store its outcome                  │
//!      └─ does it weigh? note it, unless something heavier or earlier is noted │
//!                        request stop on the own source                        │
//!      └─ count it ──> the last one: unlink ─> conclude ─> drop the rest ─> set_*
//! ```
//!
//! # Cancellation
//!
//! The children see the token of a source in the operation, linked to the receiver's token if that
//! can stop at all. A stop request upstream, or a completion that weighs, stops every child; the
//! children decide what becomes of it. Children that start later start with the stop requested.
//!
//! # Safety
//!
//! The invariants are those of the operation, see `op`.

#![expect(unsafe_code, reason = "`Sender` and `LocalSender` are unsafe traits")]

use std::fmt;
use std::marker::PhantomData;

use super::env::Env;
use super::local::LocalSender;
use super::outcome::{Channel, Outcome};
use super::receiver::Receiver;
use super::sender::Sender;

mod array;
mod children;
mod op;
mod slot;
mod vec;

pub use array::Element;
pub use children::{Child, Children, LocalChildren};
pub use op::GroupOp;
pub use slot::{ChildReceiver, Finished, Slot};
pub use vec::{VecElement, VecSlots};

/// An adaptor that runs its children at the same time.
///
/// The children are a tuple, an array or a `Vec` of senders. All are started, in order; the group
/// completes when all have completed. Their outcomes wait in the operation until then.
pub trait Group: Sized {
    /// The children.
    type Children: Children;
    /// The value of the whole.
    type Value;
    /// The error of the whole.
    type Error;

    /// Called once, in `start`, with the environment of the receiver. `Some` completes the whole
    /// without starting a child. It may panic.
    #[inline]
    fn enter(&mut self, env: Env<'_>) -> Option<Outcome<Self::Value, Self::Error>> {
        let _ = env;
        None
    }

    /// How much the completion of child `index` on `channel` weighs: with 0 the others go on, with
    /// more they are asked to stop. The heaviest completion, among equals the first, is the
    /// decisive one. A panic weighs [`PANIC_WEIGHT`](Group::PANIC_WEIGHT), whatever this says. It may
    /// panic; that is the child's outcome then.
    fn weigh(index: usize, channel: Channel) -> u8;

    /// The weight of a panic.
    const PANIC_WEIGHT: u8 = u8::MAX;

    /// Whether [`conclude`](Group::conclude) runs no user code, so that it cannot panic. Then the
    /// compiler sees through it; a panic aborts.
    const ONLY_MOVES: bool = false;

    /// Makes the completion of the whole from those of the children. `decisive` is the index of the
    /// decisive one, if one weighed. What is not taken is dropped afterwards. It may panic.
    fn conclude<R: Receiver<Self::Value, Self::Error>>(
        self,
        finished: Finished<'_, Self, R>,
        decisive: Option<usize>,
    ) -> Outcome<Self::Value, Self::Error>;
}

/// The outcomes that rest in the operation of group `G`.
type OutcomesOf<G> = <<G as Group>::Children as Children>::Outcomes;
/// The slots in the operation of group `G` with receiver `R`.
type SlotsOf<G, R> = <<G as Group>::Children as Children>::Slots<G, R>;

/// A sender that runs a [`Group`]: the type behind `when_all`, `timeout` and others.
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Grouped<G: Group> {
    children: G::Children,
    group: G,
    // Outcomes rest in the operation, so they decide about `Send` too.
    _outcomes: PhantomData<OutcomesOf<G>>,
}

impl<G: Group> Grouped<G> {
    /// `children`, run as `group` says.
    #[inline]
    pub const fn new(children: G::Children, group: G) -> Self {
        Self {
            children,
            group,
            _outcomes: PhantomData,
        }
    }
}

impl<G: Group<Children: Clone> + Clone> Clone for Grouped<G> {
    fn clone(&self) -> Self {
        Self::new(self.children.clone(), self.group.clone())
    }
}

impl<G: Group<Children: fmt::Debug>> fmt::Debug for Grouped<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped")
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

// SAFETY: `GroupOp` completes once, last, and lets nothing unwind; group and children are fields and
//         the outcomes are named, so `Send` covers all that rests in it.
unsafe impl<G: Group> Sender for Grouped<G> {
    type Value = G::Value;
    type Error = G::Error;
    type Operation<R: Receiver<G::Value, G::Error>> = GroupOp<G, R>;

    #[inline]
    fn connect<R: Receiver<G::Value, G::Error>>(self, receiver: R) -> GroupOp<G, R> {
        GroupOp::new(self.children, self.group, receiver)
    }
}

// SAFETY: every child completes on the thread that started it, which is the one that started the
//         group, so the last count and the completion are there.
unsafe impl<G: Group<Children: LocalChildren>> LocalSender for Grouped<G> {}
