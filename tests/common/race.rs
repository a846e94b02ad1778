//! Lets threads begin at the same moment.

use std::hint;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A gate that opens when `expected` threads stand before it.
///
/// They spin, since a thread that has to be woken comes tens of microseconds late, and give the
/// processor away now and then, so that more threads than processors get there too.
#[derive(Debug)]
struct Gate {
    expected: usize,
    arrived: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        // Release and acquire: what a thread did before the gate is seen by all behind it.
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < self.expected {
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(128) {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }
}

/// Runs `body(0)` to `body(threads - 1)`, each on its own thread, begun together.
///
/// Returns the results in that order; a panic of one is resumed here when all have ended.
pub(crate) fn race<T: Send, F: Fn(usize) -> T + Sync>(threads: usize, body: F) -> Vec<T> {
    let gate = Gate {
        expected: threads,
        arrived: AtomicUsize::new(0),
    };
    let (gate, body) = (&gate, &body);
    let results: Vec<_> = thread::scope(|scope| {
        let run = |index| {
            move || {
                gate.pass();
                body(index)
            }
        };
        let handles: Vec<_> = (0..threads).map(|index| scope.spawn(run(index))).collect();
        handles
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect()
    });
    let resumed = |result: thread::Result<T>| result.unwrap_or_else(|p| panic::resume_unwind(p));
    results.into_iter().map(resumed).collect()
}

/// Runs two different bodies begun together, the first on this thread, and returns both results.
pub(crate) fn race_pair<A, B, F, G>(here: F, there: G) -> (A, B)
where
    B: Send,
    F: FnOnce() -> A,
    G: FnOnce() -> B + Send,
{
    let gate = Gate {
        expected: 2,
        arrived: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            gate.pass();
            there()
        });
        gate.pass();
        let result = here();
        (
            result,
            other
                .join()
                .unwrap_or_else(|payload| panic::resume_unwind(payload)),
        )
    })
}

const _: () = {
    let _ = race::<(), fn(usize)>;
    let _ = race_pair::<(), (), fn(), fn()>;
};
