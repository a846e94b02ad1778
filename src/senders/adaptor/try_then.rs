//! `try_then`: continues a value with a function that may fail.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::try_then`](crate::SenderExt::try_then).
pub type TryThen<S, F> = Mapped<S, TryThenMap<F>>;

/// Applies a function to the value; its result decides the channel.
#[derive(Clone, Debug)]
pub struct TryThenMap<F>(F);

impl<V, E, F, U> Map<V, E> for TryThenMap<F>
where
    F: FnOnce(V) -> Result<U, E>,
{
    type Value = U;
    type Error = E;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Value(value) => match (self.0)(value) {
                Ok(value) => Outcome::Value(value),
                Err(error) => Outcome::Error(error),
            },
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Stopped => Outcome::Stopped,
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
        }
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn try_then<S, F>(sender: S, f: F) -> TryThen<S, F> {
    Mapped::new(sender, TryThenMap(f))
}
