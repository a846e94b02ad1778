//! What work may ask about its surroundings.
//!
//! # Safety
//! INV-ENV-1: a [`RawEnv`] is turned back into an [`Env`] only while the receiver that it came from
//! has not been completed.

#![expect(
    unsafe_code,
    reason = "environments are snapshot with their lifetime erased"
)]

use std::any::TypeId;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::scheduler::SchedulerRef;
use crate::senders::stop::{RawToken, StopToken};

/// The environment of running work: its stop token, its scheduler, and queries of any type.
///
/// A receiver answers [`env`](crate::Receiver::env) with one. It is a small `Copy` value that
/// borrows from the receiver. [`Env::default`] is the empty environment.
///
/// Clause: [exec.envs].
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let limit = read_env(|env| env.query::<u32>().copied().unwrap_or(10));
/// assert_eq!(sync_wait(limit.with_query(99_u32)), Ok(Some(99)));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Env<'a> {
    stop_token: StopToken<'a>,
    scheduler: Option<SchedulerRef<'a>>,
    queries: Option<&'a QueryNode>,
    _thread_bound: PhantomData<*const ()>,
}

impl<'a> Env<'a> {
    /// The token through which this work may be asked to stop.
    #[doc(alias = "get_stop_token")]
    #[inline]
    #[must_use]
    pub const fn stop_token(self) -> StopToken<'a> {
        self.stop_token
    }

    /// The scheduler on which this work runs, if its starter said so.
    #[doc(alias = "get_scheduler")]
    #[inline]
    #[must_use]
    pub const fn scheduler(self) -> Option<SchedulerRef<'a>> {
        self.scheduler
    }

    /// The value of type `T` that the nearest [`with_query`](crate::SenderExt::with_query) around
    /// this work provides.
    #[must_use]
    pub fn query<T: 'static>(self) -> Option<&'a T> {
        let mut node = self.queries;
        while let Some(query) = node {
            if query.id == TypeId::of::<T>() {
                // SAFETY: `QueryNode::link` paired this id with a pointer to a `T` that lives as
                //         long as the node, which is borrowed for `'a`.
                return Some(unsafe { query.value.get().cast::<T>().as_ref() });
            }
            // SAFETY: the next node belongs to an enclosing receiver, which outlives this one.
            node = query.next.get().map(|next| unsafe { next.as_ref() });
        }
        None
    }

    /// This environment with another stop token.
    #[inline]
    #[must_use]
    pub const fn with_stop_token<'b>(self, stop_token: StopToken<'b>) -> Env<'b>
    where
        'a: 'b,
    {
        let env: Env<'b> = self;
        Env { stop_token, ..env }
    }

    /// This environment with another scheduler.
    #[inline]
    #[must_use]
    pub const fn with_scheduler<'b>(self, scheduler: SchedulerRef<'b>) -> Env<'b>
    where
        'a: 'b,
    {
        let env: Env<'b> = self;
        Env {
            scheduler: Some(scheduler),
            ..env
        }
    }

    /// This environment with one more query in front.
    pub(crate) fn with_query_node(self, node: &'a QueryNode) -> Self {
        Self {
            queries: Some(node),
            ..self
        }
    }

    /// This environment without queries: what may be looked at on another thread.
    pub(crate) const fn without_queries(self) -> Self {
        Self {
            queries: None,
            ..self
        }
    }

    /// The same environment without its lifetime.
    #[inline]
    pub(crate) fn erase(self) -> RawEnv {
        RawEnv {
            stop_token: self.stop_token.erase(),
            scheduler: self.scheduler.map(SchedulerRef::erase),
            queries: self.queries.map(NonNull::from),
        }
    }
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("stop_token", &self.stop_token)
            .field("scheduler", &self.scheduler)
            .field("has_queries", &self.queries.is_some())
            .finish_non_exhaustive()
    }
}

/// An [`Env`] whose lifetime the holder watches itself: the snapshot of an operation.
#[derive(Clone, Copy)]
pub(crate) struct RawEnv {
    stop_token: RawToken,
    scheduler: Option<SchedulerRef<'static>>,
    queries: Option<NonNull<QueryNode>>,
}

impl RawEnv {
    /// The empty environment.
    pub(crate) const EMPTY: Self = Self {
        stop_token: RawToken::NEVER,
        scheduler: None,
        queries: None,
    };

    /// The environment again.
    ///
    /// # Safety
    ///
    /// - The receiver that this came from has not been completed, and will not be during `'a`
    ///   (INV-ENV-1).
    #[inline]
    pub(crate) unsafe fn restore<'a>(self) -> Env<'a> {
        // SAFETY: what the three pointers borrow lives as long as the receiver (contract).
        unsafe {
            Env {
                stop_token: self.stop_token.restore(),
                scheduler: self.scheduler,
                queries: self.queries.map(|node| node.as_ref()),
                _thread_bound: PhantomData,
            }
        }
    }
}

/// One query of an environment: a value of some type, and the enclosing queries.
pub(crate) struct QueryNode {
    id: TypeId,
    value: Cell<NonNull<()>>,
    next: Cell<Option<NonNull<Self>>>,
}

impl QueryNode {
    /// A node for a value of type `T` that answers nothing until it is linked.
    pub(crate) fn new<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            value: Cell::new(NonNull::<T>::dangling().cast()),
            next: Cell::new(None),
        }
    }

    /// Puts the node in front of the queries of `outer`, answering with `value`.
    ///
    /// # Safety
    ///
    /// - `T` is the type that the node was made for.
    /// - `value` stays alive and in place while an environment with this node exists.
    pub(crate) unsafe fn link<T: 'static>(&self, value: &T, outer: Env<'_>) {
        debug_assert!(self.id == TypeId::of::<T>());
        self.value.set(NonNull::from(value).cast());
        self.next.set(outer.queries.map(NonNull::from));
    }
}

impl fmt::Debug for QueryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryNode")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
