//! Senders made of senders: one file per algorithm.

use std::convert::Infallible;

use super::factory::just::{Just, KnownStopped};

pub(crate) mod boxed;
pub(crate) mod cast_err;
pub(crate) mod continues_on;
pub(crate) mod either;
pub(crate) mod err_into;
pub(crate) mod finally;
pub(crate) mod into_result;
pub(crate) mod let_error;
pub(crate) mod let_ref;
pub(crate) mod let_stopped;
pub(crate) mod let_value;
pub(crate) mod map_err;
pub(crate) mod materialize;
pub(crate) mod on;
pub(crate) mod repeat;
pub(crate) mod repeat_n;
pub(crate) mod repeat_until;
pub(crate) mod repeat_with;
pub(crate) mod retry_when;
pub(crate) mod sequence;
pub(crate) mod starts_on;
pub(crate) mod stop_when;
pub(crate) mod stopped_as_error;
pub(crate) mod stopped_as_optional;
pub(crate) mod then;
pub(crate) mod timeout;
pub(crate) mod try_then;
pub(crate) mod unstoppable;
pub(crate) mod upon_error;
pub(crate) mod upon_panicked;
pub(crate) mod upon_stopped;
pub(crate) mod when_all;
pub(crate) mod with_env;
pub(crate) mod with_query;
pub(crate) mod with_stop_token;

/// The second kind of child of a script that has only one kind.
pub(crate) type NoSecond = Just<KnownStopped<Infallible, Infallible>>;
