//! `stopped_as_error`: makes an error of *stopped*.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::stopped_as_error`](crate::SenderExt::stopped_as_error).
pub type StoppedAsError<S, F> = Mapped<S, StoppedAsErrorMap<F>>;

/// Delivers what a function returns as the error, in place of *stopped*.
#[derive(Clone, Debug)]
pub struct StoppedAsErrorMap<F>(F);

impl<V, E, F> Map<V, E> for StoppedAsErrorMap<F>
where
    F: FnOnce() -> E,
{
    type Value = V;
    type Error = E;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Stopped => Outcome::Error((self.0)()),
            other => other,
        }
    }
}

/// `sender` followed by `f`.
#[inline]
pub(crate) const fn stopped_as_error<S, F>(sender: S, f: F) -> StoppedAsError<S, F> {
    Mapped::new(sender, StoppedAsErrorMap(f))
}
