//! `then`: continues a value with a function.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::then`](crate::SenderExt::then).
pub type Then<S, F> = Mapped<S, ThenMap<F>>;

/// Applies a function to the value.
#[derive(Clone, Debug)]
pub struct ThenMap<F>(F);

impl<V, E, F, U> Map<V, E> for ThenMap<F>
where
    F: FnOnce(V) -> U,
{
    type Value = U;
    type Error = E;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<U, E> {
        outcome.map_value(self.0)
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn then<S, F>(sender: S, f: F) -> Then<S, F> {
    Mapped::new(sender, ThenMap(f))
}
