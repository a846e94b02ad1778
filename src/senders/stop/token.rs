//! Views a stop source: the token that users copy around, and its lifetime-erased twin.
//!
//! # Safety
//!
//! [`RawToken`] forgets the borrow of the source; INV-CB-3 takes its place.

#![expect(unsafe_code, reason = "a token without its lifetime")]

use std::fmt;
use std::ptr::{self, NonNull};

use super::callback::run_with_callback;
use super::source::StopSource;

/// A copyable view of a [`StopSource`], or of nothing: then no stop will ever come. Clauses:
/// [stoptoken.inplace], [stoptoken.never].
///
/// Two tokens are equal if they view the same source, or both none.
///
/// # Examples
///
/// ```
/// use sendio::{StopSource, StopToken};
///
/// let source = StopSource::new();
/// assert_eq!(source.token(), source.token());
/// assert_ne!(source.token(), StopToken::NEVER);
/// assert!(!StopToken::default().stop_possible());
/// ```
///
/// # See also
///
/// [`StopSource`], where requests are made; [`StopCallback`](crate::StopCallback), a closure that
/// runs at the request.
#[derive(Clone, Copy, Default)]
pub struct StopToken<'a> {
    source: Option<&'a StopSource>,
}

impl<'a> StopToken<'a> {
    /// The token that views nothing: no stop is possible, callbacks never run.
    pub const NEVER: Self = Self { source: None };

    /// A view of `source`.
    #[inline]
    pub(super) const fn of(source: &'a StopSource) -> Self {
        Self {
            source: Some(source),
        }
    }

    /// Whether there is a source that may be asked to stop, or was.
    #[inline]
    #[must_use]
    pub const fn stop_possible(self) -> bool {
        self.source.is_some()
    }

    /// Whether a stop was requested. What the requester wrote before the request is then visible.
    #[inline]
    #[must_use]
    pub fn stop_requested(self) -> bool {
        self.source.is_some_and(StopSource::stop_requested)
    }

    /// Runs `body`; if a stop is requested before `body` ends, runs `f` once, on the requesting
    /// thread. If the stop was requested before, `f` runs first, here.
    ///
    /// When this returns, `f` does not run and will not run, so `f` may borrow what lives here.
    ///
    /// # Panics
    ///
    /// A panic of `body` leaves this function, after `f` was deregistered. A panic of `f` is kept
    /// until `body` has returned and then leaves this function; if both panic, that of `body` wins.
    ///
    /// # Threads
    ///
    /// If `f` runs on another thread when `body` ends, this waits for it. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use sendio::StopSource;
    ///
    /// let source = StopSource::new();
    /// let calls = AtomicU32::new(0);
    /// let count = || {
    ///     calls.fetch_add(1, Ordering::Relaxed);
    /// };
    /// let answer = source.token().with_callback(count, || {
    ///     source.request_stop();
    ///     42
    /// });
    /// assert_eq!((answer, calls.load(Ordering::Relaxed)), (42, 1));
    /// ```
    pub fn with_callback<T>(self, f: impl FnOnce() + Send, body: impl FnOnce() -> T) -> T {
        run_with_callback(self, f, body)
    }

    /// The same token without its lifetime, for operations that cannot name it.
    #[inline]
    pub(crate) fn erase(self) -> RawToken {
        RawToken {
            source: self.source.map(NonNull::from),
        }
    }
}

impl PartialEq for StopToken<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.source, other.source) {
            (Some(one), Some(two)) => ptr::eq(one, two),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for StopToken<'_> {}

impl fmt::Debug for StopToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken")
            .field("stop_possible", &self.stop_possible())
            .field("stop_requested", &self.stop_requested())
            .finish()
    }
}

/// A [`StopToken`] whose lifetime the holder watches itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawToken {
    source: Option<NonNull<StopSource>>,
}

// SAFETY: the pointer makes it neither; it is used as a shared reference to a `Sync` source, and
//         each such use is unsafe and asks for a live source.
unsafe impl Send for RawToken {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawToken {}

impl RawToken {
    /// The token that views nothing.
    pub(crate) const NEVER: Self = Self { source: None };

    /// Whether this token views nothing.
    #[inline]
    pub(crate) const fn is_never(self) -> bool {
        self.source.is_none()
    }

    /// Whether a stop was requested.
    ///
    /// # Safety
    ///
    /// - The source, if there is one, is alive.
    #[inline]
    pub(crate) unsafe fn stop_requested(self) -> bool {
        // SAFETY: the source is alive (contract); the reference ends with this expression.
        self.source
            .is_some_and(|source| unsafe { source.as_ref() }.stop_requested())
    }

    /// The source, if it was made as part of `home` ([`StopSource::homed`]).
    ///
    /// # Safety
    ///
    /// - The source, if there is one, is alive.
    #[inline]
    pub(crate) unsafe fn homed_source(self, home: *const ()) -> Option<NonNull<StopSource>> {
        match self.source {
            // SAFETY: the source is alive (contract); the reference ends with this expression.
            Some(source) if unsafe { source.as_ref() }.is_homed(home) => Some(source),
            _ => None,
        }
    }

    /// The token again, for a lifetime that the caller vouches for.
    ///
    /// # Safety
    ///
    /// - The source, if there is one, is alive for `'a`.
    #[inline]
    pub(crate) unsafe fn restore<'a>(self) -> StopToken<'a> {
        let source = self.source.map(|source| {
            // SAFETY: the source is alive for `'a` (contract).
            unsafe { source.as_ref() }
        });
        StopToken { source }
    }

    /// The source, if there is one.
    #[inline]
    pub(super) const fn source(self) -> Option<NonNull<StopSource>> {
        self.source
    }
}
