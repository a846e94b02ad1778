//! `unstoppable`: hides the stop token from a sender.

use super::with_stop_token::{WithStopToken, with_stop_token};
use crate::senders::stop::StopToken;

/// The sender of [`SenderExt::unstoppable`](crate::SenderExt::unstoppable).
pub type Unstoppable<S> = WithStopToken<'static, S>;

/// `sender` with a token that never asks to stop.
#[inline]
pub(crate) const fn unstoppable<S>(sender: S) -> Unstoppable<S> {
    with_stop_token(sender, StopToken::NEVER)
}
