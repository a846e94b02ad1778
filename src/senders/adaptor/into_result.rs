//! `into_result`: makes a `Result` of value and error.

use std::convert::Infallible;

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::into_result`](crate::SenderExt::into_result).
pub type IntoResult<S> = Mapped<S, IntoResultMap>;

/// Delivers value and error as one `Result`.
#[derive(Clone, Copy, Debug)]
pub struct IntoResultMap;

impl<V, E> Map<V, E> for IntoResultMap {
    type Value = Result<V, E>;
    type Error = Infallible;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Self::Value, Self::Error> {
        match outcome {
            Outcome::Value(value) => Outcome::Value(Ok(value)),
            Outcome::Error(error) => Outcome::Value(Err(error)),
            Outcome::Stopped => Outcome::Stopped,
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
        }
    }
}

/// `sender` with errors as values.
#[inline]
pub(crate) const fn into_result<S>(sender: S) -> IntoResult<S> {
    Mapped::new(sender, IntoResultMap)
}
