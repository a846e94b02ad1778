//! `stopped_as_optional`: makes `None` of *stopped*.

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::stopped_as_optional`](crate::SenderExt::stopped_as_optional).
pub type StoppedAsOptional<S> = Mapped<S, StoppedAsOptionalMap>;

/// Wraps the value into `Some`; *stopped* is `None`.
#[derive(Clone, Copy, Debug)]
pub struct StoppedAsOptionalMap;

impl<V, E> Map<V, E> for StoppedAsOptionalMap {
    type Value = Option<V>;
    type Error = E;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Stopped => Outcome::Value(None),
            other => other.map_value(Some),
        }
    }
}

/// `sender` with *stopped* as a value.
#[inline]
pub(crate) const fn stopped_as_optional<S>(sender: S) -> StoppedAsOptional<S> {
    Mapped::new(sender, StoppedAsOptionalMap)
}
