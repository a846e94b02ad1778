//! The steps of adaptors that run one child after another: `let_value`, `finally`, `repeat`,
//! `continues_on`, ...
//!
//! Such an adaptor is a [`Script`]: safe code that says which sender runs next, and in the end how
//! the whole completes. The operation, its storage and its lifetimes are written once, in
//! `script_op`; the senders around it are in `scripted`.

use super::env::Env;
use super::outcome::Outcome;
use super::sender::Sender;

/// What a [`Script`] does next.
#[derive(Debug)]
pub enum Next<A, B, V, E> {
    /// Runs a sender of the first kind.
    First(A),
    /// Runs a sender of the second kind.
    Second(B),
    /// Completes the whole.
    Complete(Outcome<V, E>),
}

/// What the steps of script `M` return.
pub(crate) type NextOf<M> =
    Next<<M as Script>::First, <M as Script>::Second, <M as Script>::Value, <M as Script>::Error>;

/// An adaptor that runs children one after another.
///
/// Every step may panic; the panic then completes the whole through the panic channel. The script
/// is dropped before the receiver is completed. [`first_env`](Script::first_env) and
/// [`second_env`](Script::second_env) are no steps and may not panic: a child that asks has no way to
/// tell, so the process aborts.
///
/// [`Scripted`](crate::adaptor::Scripted) makes a sender of a script and its first sender,
/// [`Scripting`](crate::adaptor::Scripting) of a script that makes its first sender itself. Each step
/// is told how a child ended on all four channels, panics included, and passes on what is not its
/// business. A step that returns a child which the script may not run then panics: see
/// [`LOOPS`](Script::LOOPS).
///
/// # Examples
///
/// ```
/// use sendio::adaptor::{Next, Script, Scripted};
/// use sendio::prelude::*;
///
/// /// Runs another sender if the first one did not succeed.
/// struct OrElse<A, B> {
///     other: Option<B>,
///     first: std::marker::PhantomData<fn() -> A>,
/// }
///
/// impl<A: Sender, B: Sender<Value = A::Value>> Script for OrElse<A, B> {
///     type First = A;
///     type Second = B;
///     type Value = A::Value;
///     type Error = B::Error;
///
///     fn begin(&mut self) -> Next<A, B, A::Value, B::Error> {
///         unreachable!("the first sender is given to `Scripted::new`")
///     }
///
///     fn after_first(&mut self, outcome: Outcome<A::Value, A::Error>) -> Next<A, B, A::Value, B::Error> {
///         match (outcome, self.other.take()) {
///             (Outcome::Value(value), _) => Next::Complete(Outcome::Value(value)),
///             (Outcome::Panicked(payload), _) => Next::Complete(Outcome::Panicked(payload)),
///             (_, Some(other)) => Next::Second(other),
///             (_, None) => unreachable!("there is one first child"),
///         }
///     }
///
///     fn after_second(&mut self, outcome: Outcome<B::Value, B::Error>) -> Next<A, B, A::Value, B::Error> {
///         Next::Complete(outcome)
///     }
/// }
///
/// fn or_else<A: Sender, B: Sender<Value = A::Value>>(first: A, other: B) -> Scripted<OrElse<A, B>> {
///     Scripted::new(first, OrElse { other: Some(other), first: std::marker::PhantomData })
/// }
///
/// let parsed = ready("seven").try_then(str::parse::<u32>);
/// assert_eq!(sync_wait(or_else(parsed, just(7))), Ok(Some(7)));
/// ```
pub trait Script: Sized {
    /// One kind of child.
    type First: Sender;
    /// The other kind of child. Without one, name any sender, for example
    /// [`Just`](crate::factory::Just)`<`[`KnownStopped`](crate::factory::KnownStopped)`<(), Infallible>>`.
    type Second: Sender;
    /// The value of the whole.
    type Value;
    /// The error of the whole.
    type Error;
    /// Whether a child may be followed by one of the same or an earlier kind. Then children that
    /// complete inline cost no stack, and a stop request is honoured between two of them. Without
    /// it, a second child can only be followed by completion, and the compiler sees through all.
    const LOOPS: bool = false;
    /// Whether the children see the receiver's stop token, and one that was stopped ends the whole. A
    /// loop then leaves it to children that look at their token ([`Sender::LOOKS`]) to honour a stop
    /// request; `false` is always right.
    #[doc(hidden)]
    const PASSES_STOP: bool = false;

    /// Called once, in `start`, with the environment of the receiver.
    #[inline]
    fn enter(&mut self, env: Env<'_>) {
        let _ = env;
    }

    /// The first step of a script that was not given its first sender: of
    /// [`Scripting`](crate::adaptor::Scripting). Never called in a
    /// [`Scripted`](crate::adaptor::Scripted).
    fn begin(&mut self) -> NextOf<Self>;

    /// The step after a first child.
    fn after_first(
        &mut self,
        outcome: Outcome<<Self::First as Sender>::Value, <Self::First as Sender>::Error>,
    ) -> NextOf<Self>;

    /// The step after a second child.
    fn after_second(
        &mut self,
        outcome: Outcome<<Self::Second as Sender>::Value, <Self::Second as Sender>::Error>,
    ) -> NextOf<Self>;

    /// The environment that a first child sees: that of the receiver, or another one. A script
    /// that does not call `outer` keeps the receiver from being asked where the child runs.
    #[inline]
    fn first_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        outer()
    }

    /// The environment that a second child sees, as for the first.
    #[inline]
    fn second_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        outer()
    }
}
