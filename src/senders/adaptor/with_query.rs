//! `with_query`: offers a value to the work in a sender, found by its type.
//!
//! # Threads
//! Concurrent work shares the value, so the sender is `Send` only if the value is `Send + Sync`.
//!
//! # Safety
//! The value and its node lie in the receiver, which stays in place while an environment made from
//! it is used: the contract of [`Surroundings::change`].

#![expect(unsafe_code, reason = "links a query to the value beside it")]

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::with_env::{Surrounded, Surroundings};
use crate::senders::concept::env::{Env, QueryNode};

/// The sender of [`SenderExt::with_query`](crate::SenderExt::with_query).
pub type WithQuery<S, T> = Surrounded<S, QueryChange<T>>;

/// Answers the query for `T`.
pub struct QueryChange<T> {
    value: T,
    /// `Send` as a shared value is.
    _shared: PhantomData<Arc<T>>,
}

/// A [`QueryChange`] of running work.
pub struct LinkedQuery<T> {
    node: QueryNode,
    value: T,
}

impl<T: 'static> Surroundings for QueryChange<T> {
    type Connected = LinkedQuery<T>;

    #[inline]
    fn connect(self) -> LinkedQuery<T> {
        LinkedQuery {
            node: QueryNode::new::<T>(),
            value: self.value,
        }
    }

    #[inline]
    fn change<'a>(connected: &'a LinkedQuery<T>, outer: Env<'a>) -> Env<'a> {
        // SAFETY: the node was made for `T`, and the value stays beside it (contract of `change`).
        unsafe { connected.node.link(&connected.value, outer) };
        outer.with_query_node(&connected.node)
    }
}

impl<T: Clone> Clone for QueryChange<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            _shared: PhantomData,
        }
    }
}

impl<T> fmt::Debug for QueryChange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryChange").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for LinkedQuery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedQuery").finish_non_exhaustive()
    }
}

/// `sender`, in which `value` is found.
#[inline]
pub(crate) const fn with_query<S, T: 'static>(sender: S, value: T) -> WithQuery<S, T> {
    Surrounded::new(
        sender,
        QueryChange {
            value,
            _shared: PhantomData,
        },
    )
}
