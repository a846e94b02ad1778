//! Waits for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once.
///
/// Long enough for a loaded machine or a sanitizer, and below the limit of the test runner, so that
/// the message of the wait is seen and not that of the runner.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The deadline for something that should happen at once.
pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Returns once `condition` holds; fails the test with `what` if it does not by `deadline`.
///
/// The condition is asked at least once, also after the deadline. Between two questions the thread
/// yields, later it parks for a millisecond; whoever makes the condition true may unpark it.
#[track_caller]
pub(crate) fn wait_until<F: FnMut() -> bool>(deadline: Instant, what: &str, mut condition: F) {
    let mut asked = 0_u32;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        asked = asked.saturating_add(1);
        if asked < 200 {
            thread::yield_now();
        } else {
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

const _: () = {
    let _ = soon;
    let _ = wait_until::<fn() -> bool>;
};
