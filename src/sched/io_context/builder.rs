//! Options of an I/O context.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use super::IoContext;
use super::core::Core;
use crate::backend::options::Options;
use crate::backend::report::BackendKind;
use crate::backend::{Backend, DefaultBackend};

/// Sets the options of an [`IoContext`], and builds it on the thread where it will run.
///
/// # Threads
/// `Send`: make it anywhere, [`build`](IoContextBuilder::build) it on the context's thread.
///
/// # Examples
///
/// ```
/// use sendio::IoContext;
///
/// let ctx = IoContext::builder().entries(64).spin(false).build()?;
/// ctx.run_until_empty();
///
/// let error = IoContext::builder().entries(0).build().unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct IoContextBuilder<B = DefaultBackend> {
    options: Options,
    _backend: PhantomData<fn() -> B>,
}

impl<B: Backend> IoContextBuilder<B> {
    /// Default options.
    pub fn new() -> Self {
        Self {
            options: Options::default(),
            _backend: PhantomData,
        }
    }

    /// The backend, chosen when the program runs. Default: what `SENDIO_BACKEND` in the environment
    /// says, or else the best that works.
    ///
    /// [`build`](IoContextBuilder::build) fails, and says why, if that backend cannot be used, or if the type
    /// of the contexts is another one than [`Auto`](crate::backends::Auto) and not this.
    pub fn backend(mut self, kind: impl Into<Option<BackendKind>>) -> Self {
        self.options.backend = kind.into();
        self
    }

    /// Runs on this type of backend: one that is named where the program is written, or one of your own.
    ///
    /// ```
    /// use sendio::IoContext;
    /// use sendio::backends::Uring;
    ///
    /// let ctx: IoContext<Uring> = IoContext::builder().on::<Uring>().build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on<B2: Backend>(self) -> IoContextBuilder<B2> {
        IoContextBuilder {
            options: self.options,
            _backend: PhantomData,
        }
    }

    /// Entries of the submission queue, a power of two from 1 to 32768. Default: 256.
    ///
    /// More operations than that may be in flight; this is how many one system call submits.
    pub const fn entries(mut self, entries: u32) -> Self {
        self.options.entries = entries;
        self
    }

    /// Entries of the completion queue, at least as many as submission entries. Default: twice as
    /// many. When it overflows the kernel keeps the completions, at some cost.
    pub const fn completion_entries(mut self, entries: u32) -> Self {
        self.options.completion_entries = Some(entries);
        self
    }

    /// Lets a kernel thread submit, which sleeps after `idle` without work. Default: off. It takes
    /// a processor to itself, and cancels may then take long.
    pub const fn sqpoll(mut self, idle: Duration) -> Self {
        self.options.sqpoll = Some(idle);
        self
    }

    /// Polls for completions of `O_DIRECT` files on devices that support it. Default: off. Other
    /// operations, wake-ups by descriptors among them, do not work on such a ring.
    pub const fn iopoll(mut self, on: bool) -> Self {
        self.options.iopoll = on;
        self
    }

    /// How many requests may be in flight at the kernel; further ones wait in the context, first
    /// come, first served. Default: no limit. Do not combine it with operations that wait for long.
    pub const fn in_flight_limit(mut self, limit: usize) -> Self {
        self.options.in_flight_limit = limit;
        self
    }

    /// How many pieces of new work from other threads may wait to be taken. Past it, new work
    /// completes with [`io::ErrorKind::WouldBlock`]. Default: no limit.
    ///
    /// Completions, stop requests and the hops of `continues_on` always fit: they need no memory.
    pub const fn remote_limit(mut self, limit: usize) -> Self {
        self.options.remote_limit = limit;
        self
    }

    /// How many completions, and how many tasks, one turn handles. Default: 256.
    pub const fn turn_limit(mut self, limit: usize) -> Self {
        self.options.turn_limit = limit;
        self
    }

    /// Whether the loop looks for work for some microseconds before it sleeps. Default: on, except
    /// with one processor.
    pub const fn spin(mut self, on: bool) -> Self {
        self.options.spin = on;
        self
    }

    /// Builds the context on the calling thread.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for options that cannot be; otherwise the kernel's error.
    pub fn build(self) -> io::Result<IoContext<B>> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.options.in_flight_limit == 0 {
            return invalid("in_flight_limit must be at least 1: with 0 nothing would ever start");
        }
        if self.options.turn_limit == 0 {
            return invalid("turn_limit must be at least 1: with 0 the loop would do nothing");
        }
        self.options.check()?;
        let backend = B::new(&self.options)?;
        if let Some(kind) = self.options.backend
            && backend.report().kind() != Some(kind)
        {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "{kind} was asked for, and these contexts are made for {}",
                    backend.report().name()
                ),
            ));
        }
        Ok(IoContext::from_core(Core::boxed(self.options, backend)))
    }
}

#[cfg(feature = "sim")]
impl IoContextBuilder<crate::backend::sim::Sim> {
    /// What is simulated. Default: [`SimConfig::outside`](crate::sim::SimConfig::outside).
    pub fn simulate(mut self, config: crate::sim::SimConfig) -> Self {
        self.options.sim = Some(config);
        self
    }
}

impl<B: Backend> Default for IoContextBuilder<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for IoContextBuilder<B> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            _backend: PhantomData,
        }
    }
}
