//! How a context and its backend are set up.

use std::io;
use std::time::Duration;

use super::report::BackendKind;

/// What a context is built with; see the methods of
/// [`IoContextBuilder`](crate::IoContextBuilder) for meanings and defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The backend that `Auto` has to be.
    pub backend: Option<BackendKind>,
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

impl Options {
    /// Refuses sizes that no backend can have.
    pub(crate) fn check(&self) -> io::Result<()> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.entries == 0 || self.entries > 32768 {
            return invalid(format!(
                "a queue has 1 to 32768 submission entries, not {}",
                self.entries
            ));
        }
        if let Some(completions) = self.completion_entries
            && (completions < self.entries || completions > 65536)
        {
            return invalid(format!(
                "a queue with {} submission entries has as many to 65536 completion entries, not \
                 {completions}",
                self.entries
            ));
        }
        Ok(())
    }

    /// Refuses options that only io_uring has, for a backend that is none.
    pub(crate) fn check_without_ring(&self, name: BackendKind) -> io::Result<()> {
        self.check()?;
        for (asked, option) in [(self.sqpoll.is_some(), "sqpoll"), (self.iopoll, "iopoll")] {
            if asked {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("the option `{option}` needs io_uring: {name} has no ring"),
                ));
            }
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: None,
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
