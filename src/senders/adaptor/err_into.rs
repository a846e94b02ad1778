//! `err_into`: converts an error into a type that is made `From` it.

use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// The sender of [`SenderExt::err_into`](crate::SenderExt::err_into).
pub type ErrInto<S, F> = Mapped<S, ErrIntoMap<F>>;

/// Converts the error with [`Into`].
pub struct ErrIntoMap<F>(PhantomData<fn() -> F>);

impl<V, E: Into<F>, F> Map<V, E> for ErrIntoMap<F> {
    type Value = V;
    type Error = F;
    const PASSES_STOPPED: bool = true;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<V, F> {
        outcome.map_error(E::into)
    }
}

impl<F> Clone for ErrIntoMap<F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<F> fmt::Debug for ErrIntoMap<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrIntoMap")
    }
}

/// `sender` with errors of another type.
#[inline]
pub(crate) const fn err_into<S, F>(sender: S) -> ErrInto<S, F> {
    Mapped::new(sender, ErrIntoMap(PhantomData))
}
