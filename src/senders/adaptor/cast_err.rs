//! `cast_err`: gives a sender that cannot fail an error type.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::cast_err`](crate::SenderExt::cast_err).
pub type CastErr<S, F> = Mapped<S, CastErrMap<F>>;

/// Has nothing to convert: an `Infallible` error never comes.
pub struct CastErrMap<F>(PhantomData<fn() -> F>);

impl<V, F> Map<V, Infallible> for CastErrMap<F> {
    type Value = V;
    type Error = F;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn map(self, outcome: Outcome<V, Infallible>) -> Outcome<V, F> {
        outcome.map_error(|never| match never {})
    }
}

impl<F> Clone for CastErrMap<F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<F> fmt::Debug for CastErrMap<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CastErrMap")
    }
}

/// `sender` with errors of another type.
#[inline]
pub(crate) const fn cast_err<S, F>(sender: S) -> CastErr<S, F> {
    Mapped::new(sender, CastErrMap(PhantomData))
}
