//! The fourth channel: catching panics of user code and carrying them to the consumer.
//!
//! Every call of user code goes through [`catch`], also the drops of what users handed in
//! ([`discard`]). When the code cannot unwind the compiler removes the catch.

use std::any::Any;
use std::mem::needs_drop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abort::AbortGuard;

/// The payload of a panic on its way to the consumer, which resumes it with
/// [`std::panic::resume_unwind`].
pub type Panic = Box<dyn Any + Send>;

/// Runs user code and returns its panic instead of unwinding.
#[inline]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`; a panic of its destructor is returned.
#[inline]
pub(crate) fn discard<T>(value: T) -> Result<(), Panic> {
    if needs_drop::<T>() {
        catch(move || drop(value))
    } else {
        Ok(())
    }
}

/// Drops a payload that lost against an earlier one.
///
/// A payload whose own destructor panics aborts: there is nobody left to tell.
#[cold]
pub(crate) fn discard_payload(payload: Panic) {
    let guard = AbortGuard::new("a panic payload panicked while it was dropped");
    drop(payload);
    guard.disarm();
}

/// Drops `value`; a panic of its destructor is dropped as well, after the first payload in `first`.
#[cold]
pub(crate) fn discard_into<T>(first: Panic, value: T) -> Panic {
    if let Err(second) = discard(value) {
        discard_payload(second);
    }
    first
}
