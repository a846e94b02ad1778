//! How a context and its backend are set up.

use std::time::Duration;

/// What a context is built with; see the methods of
/// [`IoContextBuilder`](crate::IoContextBuilder) for meanings and defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Entries of the submission queue: a power of two, 1 to 32768.
    pub entries: u32,
    /// Entries of the completion queue; `None` is the backend's choice.
    pub completion_entries: Option<u32>,
    /// A kernel thread polls the submission queue, and sleeps after this time without work.
    pub sqpoll: Option<Duration>,
    /// Completions are polled for; for `O_DIRECT` files on devices that support it.
    pub iopoll: bool,
    /// How many requests may be in flight at the kernel; further ones wait in the context.
    pub in_flight_limit: usize,
    /// How many pieces of new work from other threads may wait in the context.
    pub remote_limit: usize,
    /// Completions and tasks handled in one turn.
    pub turn_limit: usize,
    /// Whether the loop looks for work for a while before it sleeps.
    pub spin: bool,
    /// What the simulator simulates; nothing to other backends.
    #[cfg(feature = "sim")]
    pub sim: Option<super::sim::config::SimConfig>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entries: 256,
            completion_entries: None,
            sqpoll: None,
            iopoll: false,
            in_flight_limit: usize::MAX,
            remote_limit: usize::MAX,
            turn_limit: 256,
            spin: true,
            #[cfg(feature = "sim")]
            sim: None,
        }
    }
}
