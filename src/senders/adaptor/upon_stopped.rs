//! `upon_stopped`: makes a value of *stopped*.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::upon_stopped`](crate::SenderExt::upon_stopped).
pub type UponStopped<S, F> = Mapped<S, UponStoppedMap<F>>;

/// Delivers the result of a function in place of *stopped*.
#[derive(Clone, Debug)]
pub struct UponStoppedMap<F>(F);

impl<V, E, F> Map<V, E> for UponStoppedMap<F>
where
    F: FnOnce() -> V,
{
    type Value = V;
    type Error = E;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Stopped => Outcome::Value((self.0)()),
            other => other,
        }
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn upon_stopped<S, F>(sender: S, f: F) -> UponStopped<S, F> {
    Mapped::new(sender, UponStoppedMap(f))
}
