//! `with_stop_token`: gives a sender another stop token.

use super::with_env::{Surrounded, Surroundings};
use crate::senders::concept::env::Env;
use crate::senders::stop::StopToken;

/// The sender of [`SenderExt::with_stop_token`](crate::SenderExt::with_stop_token).
pub type WithStopToken<'t, S> = Surrounded<S, StopTokenChange<'t>>;

/// Answers with its own stop token.
#[derive(Clone, Copy, Debug)]
pub struct StopTokenChange<'t>(StopToken<'t>);

impl Surroundings for StopTokenChange<'_> {
    type Connected = Self;

    #[inline]
    fn connect(self) -> Self {
        self
    }

    #[inline]
    fn change<'a>(connected: &'a Self, outer: Env<'a>) -> Env<'a> {
        outer.with_stop_token(connected.0)
    }
}

/// `sender` with `token`.
#[inline]
pub(crate) const fn with_stop_token<S>(sender: S, token: StopToken<'_>) -> WithStopToken<'_, S> {
    Surrounded::new(sender, StopTokenChange(token))
}
