//! `just_from`: a value that is computed at the start.

use std::convert::Infallible;
use std::fmt;

use super::just::{Just, Known};
use crate::senders::concept::panic::catch;
use crate::senders::concept::receiver::Receiver;

/// The sender of [`just_from`].
pub type JustFrom<F> = Just<KnownFrom<F>>;

/// Knows how to compute a value.
#[derive(Clone)]
pub struct KnownFrom<F>(F);

impl<F: FnOnce() -> V, V> Known for KnownFrom<F> {
    type Value = V;
    type Error = Infallible;

    #[inline]
    fn complete(self, receiver: impl Receiver<V, Infallible>) {
        match catch(self.0) {
            Ok(value) => receiver.set_value(value),
            Err(payload) => receiver.set_panicked(payload),
        }
    }
}

impl<F> fmt::Debug for KnownFrom<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("From").finish_non_exhaustive()
    }
}

/// A sender factory that completes with what `f` returns, computed when it is started.
///
/// # Completions
/// Value = what `f` returns, no error (`Infallible`), never stopped. A panic of `f` travels to the
/// consumer.
///
/// # Cancellation
/// None: `f` runs even if stop was requested.
///
/// # Threads
/// `f` runs inside `start`, where the sender is started. Allocation: none.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use sendio::prelude::*;
///
/// let calls = Cell::new(0);
/// let s = just_from(|| calls.replace(1));
/// assert_eq!(calls.get(), 0);
/// assert_eq!(sync_wait_local(s), Ok(Some(0)));
/// assert_eq!(calls.get(), 1);
/// ```
///
/// # See also
/// [`just`](crate::just) for a value that is there already; [`read_env`](crate::read_env) when the
/// environment is needed.
#[inline]
pub const fn just_from<F, V>(f: F) -> JustFrom<F>
where
    F: FnOnce() -> V,
{
    Just::new(KnownFrom(f))
}
