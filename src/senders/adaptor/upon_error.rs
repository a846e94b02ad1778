//! `upon_error`: makes a value of an error.

use std::convert::Infallible;

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::upon_error`](crate::SenderExt::upon_error).
pub type UponError<S, F> = Mapped<S, UponErrorMap<F>>;

/// Applies a function to the error, and delivers its result as the value.
#[derive(Clone, Debug)]
pub struct UponErrorMap<F>(F);

impl<V, E, F> Map<V, E> for UponErrorMap<F>
where
    F: FnOnce(E) -> V,
{
    type Value = V;
    type Error = Infallible;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Value(value) => Outcome::Value(value),
            Outcome::Error(error) => Outcome::Value((self.0)(error)),
            Outcome::Stopped => Outcome::Stopped,
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
        }
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn upon_error<S, F>(sender: S, f: F) -> UponError<S, F> {
    Mapped::new(sender, UponErrorMap(f))
}
