//! Ends the process when going on would break a memory guarantee.
//!
//! Two situations lead here: a started operation state is destroyed before it completed (the kernel
//! or another thread still holds its address), and a panic unwinds where nothing may unwind (out of
//! a completion function, or between `start` and completion of a blocking consumer).

use std::io::Write;

/// Prints `message` to stderr and aborts the process.
#[inline(always)]
pub(crate) fn abort(message: &str) -> ! {
    print_and_abort(&message)
}

/// The C ABI tells callers that this does not unwind, so that a destructor that may abort needs no
/// landing pad.
#[cold]
#[inline(never)]
extern "C" fn print_and_abort(message: &&str) -> ! {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "sendio: {message}; aborting");
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that aborts"
    )]
    std::process::abort()
}

/// Aborts when it is dropped; disarm it with [`AbortGuard::disarm`].
///
/// Held across code that must not unwind. It costs nothing when the compiler can see that the code
/// does not unwind.
#[must_use]
pub(crate) struct AbortGuard {
    message: &'static str,
}

impl AbortGuard {
    /// A guard that aborts with `message` when a panic unwinds through its scope.
    #[inline]
    pub(crate) const fn new(message: &'static str) -> Self {
        Self { message }
    }

    /// Leaves the guarded region normally.
    #[inline]
    pub(crate) const fn disarm(self) {
        let _ = std::mem::ManuallyDrop::new(self);
    }
}

impl Drop for AbortGuard {
    fn drop(&mut self) {
        abort(self.message)
    }
}
