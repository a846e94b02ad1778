//! `when_all`: runs several senders at the same time and collects their values.
//!
//! A [`Group`] in which an error, a stop or a panic of one child asks the others to stop. A panic
//! weighs more than an error, an error more than stopped; among equals the first decides.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use crate::senders::concept::group::{Children, Finished, Group, Grouped};
use crate::senders::concept::outcome::{Channel, Outcome};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;

/// The sender of [`when_all`].
pub type WhenAll<C> = Grouped<WhenAllGroup<C>>;

/// Collects the values of all children of `C`.
pub struct WhenAllGroup<C>(PhantomData<fn() -> C>);

/// Children whose values can be collected: senders with the same error type, as a tuple of up to
/// twelve, an array, or a `Vec`. It cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be collected by `when_all`",
    note = "give it a tuple of up to twelve senders, an array or a `Vec`, all with the same error \
            type: see `.map_err(..)` and `.cast_err()`"
)]
pub trait Collect: Children {
    /// All values: a tuple, an array, or a `Vec`.
    type Values;
    /// The error type of every child.
    type Error;

    /// Takes every value out, if each child completed with one.
    fn values<G, R>(finished: Finished<'_, G, R>) -> Option<Self::Values>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;

    /// Takes the outcome of child `index` out, which is no value.
    fn failure<G, R, V>(
        finished: Finished<'_, G, R>,
        index: usize,
    ) -> Option<Outcome<V, Self::Error>>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>;
}

impl<C: Collect> Group for WhenAllGroup<C> {
    type Children = C;
    type Value = C::Values;
    type Error = C::Error;
    const ONLY_MOVES: bool = true;

    #[inline(always)]
    fn weigh(_: usize, channel: Channel) -> u8 {
        match channel {
            Channel::Value => 0,
            Channel::Stopped => 1,
            Channel::Error => 2,
            Channel::Panicked => Self::PANIC_WEIGHT,
        }
    }

    #[inline(always)]
    fn conclude<R: Receiver<C::Values, C::Error>>(
        self,
        finished: Finished<'_, Self, R>,
        decisive: Option<usize>,
    ) -> Outcome<C::Values, C::Error> {
        let outcome = match decisive {
            None => C::values(finished).map(Outcome::Value),
            Some(index) => C::failure(finished, index),
        };
        outcome.expect("every child completed, and a failure was noted")
    }
}

impl<C> Clone for WhenAllGroup<C> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<C> fmt::Debug for WhenAllGroup<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhenAllGroup").finish_non_exhaustive()
    }
}

/// A sender adaptor that runs several senders at the same time and completes with all their values,
/// once each has completed.
///
/// `senders` is a tuple of up to twelve, an array, or a `Vec`; all have the same error type. An
/// iterator of senders is collected: `when_all(iter.collect::<Vec<_>>())`. Without senders it
/// completes at once.
///
/// Clause: [exec.when.all].
///
/// # Completions
/// in: Values = `A`, `B`, .., Error = `E` -> out: Value = `(A, B, ..)` (of an array: `[A; N]`,
/// of a `Vec`: `Vec<A>`), Error = `E`, stopped if a child was stopped.
///
/// # Errors
/// The first error asks the other senders to stop and is the result when they have completed; it
/// beats *stopped*. The first panic beats both.
///
/// # Cancellation
/// The senders see a stop token of their own, which passes a stop request of the receiver's on. All
/// are started even if stop was requested before; if all still deliver values, these are the result.
///
/// # Threads
/// All are started, in order, where this is started. It completes where the last one completes.
/// Allocation: none; for a `Vec` one when it is connected, and one for the `Vec` of values.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let both = when_all((just(1).then(|n| n + 1), just("two")));
/// assert_eq!(sync_wait(both), Ok(Some((2, "two"))));
///
/// let squares = when_all([1, 2, 3].map(|n| just(n).then(|n| n * n)));
/// assert_eq!(sync_wait(squares), Ok(Some([1, 4, 9])));
///
/// let words = "as many as there are".split(' ');
/// let lengths: Vec<_> = words.map(|word| just(word).then(str::len)).collect();
/// assert_eq!(sync_wait(when_all(lengths)), Ok(Some(vec![2, 4, 2, 5, 3])));
/// ```
///
/// At most so many at a time: lanes that each take one piece of work after another.
///
/// ```
/// use sendio::prelude::*;
/// use std::ops::ControlFlow::{Break, Continue};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let (next, sum) = (AtomicU32::new(1), AtomicU32::new(0));
/// let lane = || {
///     repeat_with((), |()| {
///         let n = next.fetch_add(1, Ordering::Relaxed);
///         if n > 100 {
///             return Either::Left(just(Break(())));
///         }
///         Either::Right(just(n).then(|n| Continue(drop(sum.fetch_add(n, Ordering::Relaxed)))))
///     })
/// };
/// let lanes: [_; 8] = std::array::from_fn(|_| lane());
/// assert!(sync_wait(when_all(lanes)).unwrap().is_some());
/// assert_eq!(sum.into_inner(), 5050);
/// ```
///
/// # See also
/// [`let_value`](crate::SenderExt::let_value) for one after another.
#[inline]
pub const fn when_all<C: Collect>(senders: C) -> WhenAll<C> {
    Grouped::new(senders, WhenAllGroup(PhantomData))
}

/// An outcome that is no value, for another value type.
#[inline(always)]
fn without_value<V, W, E>(outcome: Outcome<V, E>) -> Option<Outcome<W, E>> {
    match outcome {
        Outcome::Value(_) => None,
        Outcome::Error(error) => Some(Outcome::Error(error)),
        Outcome::Stopped => Some(Outcome::Stopped),
        Outcome::Panicked(payload) => Some(Outcome::Panicked(payload)),
    }
}

macro_rules! tuples {
    ($(($First:ident 0 $(, $S:ident $i:tt)*);)+) => {$(
        impl<$First: Sender, $($S: Sender<Error = $First::Error>),*> Collect
            for ($First, $($S,)*)
        {
            type Values = ($First::Value, $($S::Value,)*);
            type Error = $First::Error;

            #[inline(always)]
            fn values<G, R>(mut finished: Finished<'_, G, R>) -> Option<Self::Values>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                Some((
                    finished.take_value::<0>(0)?,
                    $(finished.take_value::<$i>(0)?,)*
                ))
            }

            fn failure<G, R, V>(
                mut finished: Finished<'_, G, R>,
                index: usize,
            ) -> Option<Outcome<V, Self::Error>>
            where
                G: Group<Children = Self>,
                R: Receiver<G::Value, G::Error>,
            {
                match index {
                    0 => without_value(finished.take::<0>(0)?),
                    $($i => without_value(finished.take::<$i>(0)?),)*
                    _ => None,
                }
            }
        }
    )+};
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9, M 10);
    (A 0, B 1, C 2, D 3, E 4, F 5, H 6, J 7, K 8, L 9, M 10, N 11);
}

impl Collect for () {
    type Values = ();
    type Error = Infallible;

    fn values<G, R>(_: Finished<'_, G, R>) -> Option<()>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        Some(())
    }

    fn failure<G, R, V>(_: Finished<'_, G, R>, _: usize) -> Option<Outcome<V, Infallible>>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        None
    }
}

impl<S: Sender, const N: usize> Collect for [S; N] {
    type Values = [S::Value; N];
    type Error = S::Error;

    #[inline]
    fn values<G, R>(mut finished: Finished<'_, G, R>) -> Option<[S::Value; N]>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        Some(std::array::from_fn(|element| {
            finished
                .take_value::<0>(element)
                .expect("each child completed with a value")
        }))
    }

    fn failure<G, R, V>(
        mut finished: Finished<'_, G, R>,
        index: usize,
    ) -> Option<Outcome<V, S::Error>>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        without_value(finished.take::<0>(index)?)
    }
}

impl<S: Sender> Collect for Vec<S> {
    type Values = Vec<S::Value>;
    type Error = S::Error;

    #[inline]
    fn values<G, R>(mut finished: Finished<'_, G, R>) -> Option<Vec<S::Value>>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        let count = finished.count();
        let value = |element| {
            finished
                .take_value::<0>(element)
                .expect("each child completed with a value")
        };
        Some((0..count).map(value).collect())
    }

    fn failure<G, R, V>(
        mut finished: Finished<'_, G, R>,
        index: usize,
    ) -> Option<Outcome<V, S::Error>>
    where
        G: Group<Children = Self>,
        R: Receiver<G::Value, G::Error>,
    {
        without_value(finished.take::<0>(index)?)
    }
}
