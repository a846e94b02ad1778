//! `read_env`: a value that is taken from the environment at the start.

use std::convert::Infallible;
use std::fmt;

use super::just::{Just, Known};
use crate::senders::concept::env::Env;
use crate::senders::concept::panic::catch;
use crate::senders::concept::receiver::Receiver;

/// The sender of [`read_env`].
pub type ReadEnv<F> = Just<KnownEnv<F>>;

/// Knows how to take a value from the environment.
#[derive(Clone)]
pub struct KnownEnv<F>(F);

impl<F, V> Known for KnownEnv<F>
where
    F: for<'x> FnOnce(Env<'x>) -> V,
{
    type Value = V;
    type Error = Infallible;

    #[inline]
    fn complete(self, receiver: impl Receiver<V, Infallible>) {
        match catch(|| (self.0)(receiver.env())) {
            Ok(value) => receiver.set_value(value),
            Err(payload) => receiver.set_panicked(payload),
        }
    }
}

impl<F> fmt::Debug for KnownEnv<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromEnv").finish_non_exhaustive()
    }
}

/// A sender factory that completes with what `f` makes of the environment, read when it is started.
///
/// `f` takes the environment for any lifetime, so nothing borrowed from it can escape: copy or clone
/// what is needed.
///
/// Clause: [exec.read.env].
///
/// # Completions
/// Value = what `f` returns, no error (`Infallible`), never stopped. A panic of `f` travels to the
/// consumer.
///
/// # Cancellation
/// None by itself; `f` may look at the stop token.
///
/// # Threads
/// `f` runs inside `start`, where the sender is started. Allocation: none.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let can_stop = read_env(|env| env.stop_token().stop_possible());
/// assert_eq!(sync_wait(can_stop), Ok(Some(false)));
/// ```
///
/// # See also
/// [`just_from`](crate::just_from) when no environment is needed.
#[inline]
pub const fn read_env<F, V>(f: F) -> ReadEnv<F>
where
    F: for<'x> FnOnce(Env<'x>) -> V,
{
    Just::new(KnownEnv(f))
}
