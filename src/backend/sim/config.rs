//! [`SimConfig`]: what is simulated, and what goes wrong.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::faults::Faults;
use super::trace::Trace;

/// What a simulation simulates, how often something goes wrong, and the seed that decides the rest.
///
/// [`new`](SimConfig::new) is a gentle world: virtual time, and requests that are ready complete in an
/// order that the seed chooses. Everything else is asked for. [`rough`](SimConfig::rough) asks for all
/// that a correct program survives without an error.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sendio::prelude::*;
/// use sendio::sim::{self, Call, SimConfig};
///
/// let config = SimConfig::new()
///     .seed(7)
///     .memory_files()
///     .file("/etc/motd", "hello")
///     .fail_nth(Call::Read, 1, 5); // EIO
/// sim::run(&config, |ctx| {
///     let io = ctx.scheduler();
///     let read = || {
///         io.open("/etc/motd", OpenOptions::new().read(true))
///             .let_value(|file| io.read_at(file, Vec::with_capacity(16), 0))
///     };
///     assert_eq!(ctx.block_on(read()).unwrap_err().raw_os_error(), Some(5));
///     let (_, bytes) = ctx.block_on(read()).unwrap().unwrap();
///     assert_eq!(bytes, b"hello");
///
///     ctx.block_on(io.schedule_after(Duration::from_secs(3600))).unwrap(); // takes no time
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SimConfig {
    pub(super) seed: u64,
    pub(super) virtual_time: bool,
    pub(super) alone: bool,
    pub(super) memory_files: bool,
    pub(super) memory_net: bool,
    pub(super) disk: u64,
    pub(super) preset: Vec<(PathBuf, Arc<[u8]>)>,
    pub(super) socket_buffer: usize,
    pub(super) latency: (Duration, Duration),
    pub(super) faults: Faults,
    pub(super) trace: Option<Trace>,
}

impl SimConfig {
    /// Virtual time, an order by seed 0, nothing else.
    pub const fn new() -> Self {
        Self {
            seed: 0,
            virtual_time: true,
            alone: true,
            memory_files: false,
            memory_net: false,
            disk: u64::MAX,
            preset: Vec::new(),
            socket_buffer: 64 << 10,
            latency: (Duration::from_micros(50), Duration::from_micros(500)),
            faults: Faults::NONE,
            trace: None,
        }
    }

    /// Virtual time, files and network in memory, and everything that a correct program survives
    /// without an error: short transfers, interruptions, delays, cancels that lose or win their race,
    /// full queues, small buffers of sockets.
    pub fn rough() -> Self {
        Self::new()
            .memory_files()
            .memory_net()
            .short_transfers(0.3)
            .interrupts(0.1)
            .delays(0.2, Duration::from_millis(20))
            .late_cancels(0.3)
            .early_cancels(0.3)
            .full_queue(0.1)
            .socket_buffer(2048)
    }

    /// The real world: real time, real files and sockets, other threads; only the order of completions
    /// is simulated. This is what a context has that was given no configuration, with the seed of the
    /// environment variable `SENDIO_SIM_SEED`, or 0: a whole program can be run that way.
    pub fn outside() -> Self {
        let mut config = Self::new();
        config.virtual_time = false;
        config.alone = false;
        config.seed = seed_from_environment().unwrap_or(0);
        config
    }

    /// The number from which all decisions follow.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Records what is decided.
    pub fn trace(mut self, trace: &Trace) -> Self {
        self.trace = Some(trace.clone());
        self
    }

    /// Other threads take part: a loop with nothing to do waits for them instead of giving up. Runs
    /// are not repeatable then, except as far as the threads are.
    pub const fn threads(mut self) -> Self {
        self.alone = false;
        self
    }

    /// Paths are those of a file system in memory, which begins empty but for what
    /// [`file`](SimConfig::file) puts there. The working directory is its root.
    pub const fn memory_files(mut self) -> Self {
        self.memory_files = true;
        self
    }

    /// A file that is there from the beginning, with the directories above it. For
    /// [`memory_files`](SimConfig::memory_files).
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl AsRef<[u8]>) -> Self {
        let content = Arc::from(content.as_ref());
        self.preset.push((path.into(), content));
        self
    }

    /// How many bytes fit into the files in memory: past it, writes are short, then fail with
    /// `ENOSPC`.
    pub const fn disk_size(mut self, bytes: u64) -> Self {
        self.disk = bytes;
        self
    }

    /// TCP and UDP go through a network in memory. What the sockets of a run are connected to are other
    /// sockets of the run, and nothing else.
    pub const fn memory_net(mut self) -> Self {
        self.memory_net = true;
        self
    }

    /// How many bytes a connection in memory holds in each direction. Default: 64 KiB.
    pub const fn socket_buffer(mut self, bytes: usize) -> Self {
        self.socket_buffer = bytes;
        self
    }

    /// How long something is under way in the network in memory. Default: 50 to 500 µs. Datagrams
    /// overtake each other, bytes of a connection do not.
    pub const fn latency(mut self, range: RangeInclusive<Duration>) -> Self {
        self.latency = (*range.start(), *range.end());
        self
    }

    /// How many transfers are cut short, of those that may be: of files, pipes and streams.
    pub const fn short_transfers(mut self, probability: f64) -> Self {
        self.faults.short = probability;
        self
    }

    /// How many requests are interrupted: `EINTR`, `EAGAIN` and `ERESTARTSYS` as results, after which an
    /// operation makes its request again.
    pub const fn interrupts(mut self, probability: f64) -> Self {
        self.faults.interrupts = probability;
        self
    }

    /// How many requests fail with an error that is usual for them: `EIO`, `ENOSPC`, `ECONNRESET`, ...
    pub const fn errors(mut self, probability: f64) -> Self {
        self.faults.errors = probability;
        self
    }

    /// How many requests of one kind fail with this error number.
    pub fn errors_of(mut self, call: Call, probability: f64, errno: i32) -> Self {
        self.faults.errors_of.push((call, probability, errno));
        self
    }

    /// Lets the `n`-th request of a kind, from 1 on, fail with this error number. Requests that are made
    /// again after an interruption count each time.
    pub fn fail_nth(mut self, call: Call, n: u64, errno: i32) -> Self {
        self.faults.script.push((call, n, errno));
        self
    }

    /// How many requests are held back, although they could complete, and for how long at most.
    pub const fn delays(mut self, probability: f64, at_most: Duration) -> Self {
        self.faults.delays = probability;
        self.faults.delay_max = at_most;
        self
    }

    /// How many cancels arrive too late: the request goes on for a while, and may complete with its real
    /// result.
    pub const fn late_cancels(mut self, probability: f64) -> Self {
        self.faults.late_cancels = probability;
        self
    }

    /// How many cancels win against a result that was there already, but not yet told.
    pub const fn early_cancels(mut self, probability: f64) -> Self {
        self.faults.early_cancels = probability;
        self
    }

    /// How often there is no room for a request or a cancel, which then waits in the context. Below 1.
    pub const fn full_queue(mut self, probability: f64) -> Self {
        self.faults.full_queue = probability;
        self
    }

    /// How many transfers of the network in memory find the connection reset.
    pub const fn resets(mut self, probability: f64) -> Self {
        self.faults.resets = probability;
        self
    }

    /// How many connections of the network in memory are refused.
    pub const fn refusals(mut self, probability: f64) -> Self {
        self.faults.refusals = probability;
        self
    }

    /// How many datagrams of the network in memory are lost.
    pub const fn loss(mut self, probability: f64) -> Self {
        self.faults.loss = probability;
        self
    }

    /// How many datagrams of the network in memory arrive twice.
    pub const fn duplicates(mut self, probability: f64) -> Self {
        self.faults.duplicates = probability;
        self
    }

    pub(super) fn check(&self) -> io::Result<()> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if let Err(text) = self.faults.check() {
            return invalid(text);
        }
        if self.socket_buffer == 0 {
            return invalid("socket_buffer: a connection holds at least one byte".to_owned());
        }
        if self.latency.0 > self.latency.1 {
            return invalid("latency: the range is empty".to_owned());
        }
        Ok(())
    }
}

impl Default for SimConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The seed that the environment names, for repeating one run.
pub(crate) fn seed_from_environment() -> Option<u64> {
    std::env::var("SENDIO_SIM_SEED").ok()?.trim().parse().ok()
}
