//! `map_err`: changes an error with a function.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::map_err`](crate::SenderExt::map_err).
pub type MapErr<S, F> = Mapped<S, MapErrMap<F>>;

/// Applies a function to the error.
#[derive(Clone, Debug)]
pub struct MapErrMap<F>(F);

impl<V, E, F, G> Map<V, E> for MapErrMap<F>
where
    F: FnOnce(E) -> G,
{
    type Value = V;
    type Error = G;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        outcome.map_error(self.0)
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn map_err<S, F>(sender: S, f: F) -> MapErr<S, F> {
    Mapped::new(sender, MapErrMap(f))
}
