//! `materialize` and `dematerialize`: channels as a value, and back.

use std::convert::Infallible;

use crate::senders::concept::map::{Map, Mapped};
use crate::senders::concept::outcome::Outcome;

/// How a sender completed, as a value: what [`SenderExt::materialize`](crate::SenderExt::materialize)
/// delivers.
///
/// Unlike an [`Outcome`] it holds no panic: panics travel on past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Materialized<V, E> {
    /// The value channel.
    Value(V),
    /// The error channel.
    Error(E),
    /// The stopped channel.
    Stopped,
}

impl<V, E> From<Materialized<V, E>> for Outcome<V, E> {
    #[inline]
    fn from(materialized: Materialized<V, E>) -> Self {
        match materialized {
            Materialized::Value(value) => Self::Value(value),
            Materialized::Error(error) => Self::Error(error),
            Materialized::Stopped => Self::Stopped,
        }
    }
}

/// The sender of [`SenderExt::materialize`](crate::SenderExt::materialize).
pub type Materialize<S> = Mapped<S, MaterializeMap>;

/// The sender of [`SenderExt::dematerialize`](crate::SenderExt::dematerialize).
pub type Dematerialize<S> = Mapped<S, DematerializeMap>;

/// Delivers every channel but the panic as a value.
#[derive(Clone, Copy, Debug)]
pub struct MaterializeMap;

/// Delivers a value on the channel that it names.
#[derive(Clone, Copy, Debug)]
pub struct DematerializeMap;

impl<V, E> Map<V, E> for MaterializeMap {
    type Value = Materialized<V, E>;
    type Error = Infallible;

    #[inline]
    fn map(self, outcome: Outcome<V, E>) -> Outcome<Materialized<V, E>, Infallible> {
        match outcome {
            Outcome::Value(value) => Outcome::Value(Materialized::Value(value)),
            Outcome::Error(error) => Outcome::Value(Materialized::Error(error)),
            Outcome::Stopped => Outcome::Value(Materialized::Stopped),
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
        }
    }
}

impl<V, E> Map<Materialized<V, E>, Infallible> for DematerializeMap {
    type Value = V;
    type Error = E;

    #[inline]
    fn map(self, outcome: Outcome<Materialized<V, E>, Infallible>) -> Outcome<V, E> {
        match outcome {
            Outcome::Value(materialized) => materialized.into(),
            Outcome::Error(never) => match never {},
            Outcome::Stopped => Outcome::Stopped,
            Outcome::Panicked(payload) => Outcome::Panicked(payload),
        }
    }
}

/// `sender` with its channels as a value.
#[inline]
pub(crate) const fn materialize<S>(sender: S) -> Materialize<S> {
    Mapped::new(sender, MaterializeMap)
}

/// `sender` with its value as a channel.
#[inline]
pub(crate) const fn dematerialize<S>(sender: S) -> Dematerialize<S> {
    Mapped::new(sender, DematerializeMap)
}
