//! Runs pipelines in simulations: one seed, or many.

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::io_context::{IoContext, IoContextBuilder};
use crate::backend::sim::Sim;
use crate::backend::sim::config::{SimConfig, seed_from_environment};
use crate::backend::sim::trace::Trace;

/// A context in a simulation.
///
/// # Errors
/// `InvalidInput` for a configuration that cannot be; `EMFILE` without free descriptors.
///
/// # Examples
///
/// ```
/// use sendio::sim::{self, SimConfig};
///
/// let ctx = sim::context(&SimConfig::rough().seed(1))?;
/// ctx.run_until_empty();
/// let error = sim::context(&SimConfig::new().loss(1.5)).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn context(config: &SimConfig) -> io::Result<IoContext<Sim>> {
    IoContextBuilder::<Sim>::new()
        .simulate(config.clone())
        .spin(false)
        .build()
}

/// Runs `test` with a context in a simulation.
///
/// # Panics
/// If there can be no such context. A panic of `test` is its own.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::sim::{self, SimConfig};
///
/// let answer = sim::run(&SimConfig::new(), |ctx| ctx.block_on(just(42)));
/// assert_eq!(answer, Ok(Some(42)));
/// ```
pub fn run<T>(config: &SimConfig, test: impl FnOnce(&IoContext<Sim>) -> T) -> T {
    match context(config) {
        Ok(ctx) => test(&ctx),
        Err(error) => panic!("the simulation cannot be made: {error}"),
    }
}

/// A seed with which a test fails.
#[derive(Clone, Debug)]
#[must_use]
pub struct Failure {
    seed: u64,
    message: String,
    trace: Trace,
    repeats: bool,
}

impl Failure {
    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What the test said when it panicked.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The decisions of the run, as a text too.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether a second run with this seed was the same. If not, the test depends on something besides
    /// the seed: real time, threads, the order of a hash map.
    #[must_use]
    pub const fn repeats(&self) -> bool {
        self.repeats
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        writeln!(f, "seed {seed} fails: {}", self.message)?;
        let text = self.trace.text();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(20)..];
        writeln!(
            f,
            "the last {} of {} decisions:",
            shown.len(),
            self.trace.steps()
        )?;
        for line in shown {
            writeln!(f, "  {line}")?;
        }
        if self.repeats {
            write!(
                f,
                "run this seed alone with SENDIO_SIM_SEED={seed}, or SimConfig::seed({seed})"
            )
        } else {
            write!(
                f,
                "a second run with this seed was another one: the test depends on more than the seed"
            )
        }
    }
}

/// Runs `test` once for each seed, until one fails; the failure, with a trace from a second run.
///
/// If the environment variable `SENDIO_SIM_SEED` has a number, that is the only seed.
///
/// # Panics
/// If there can be no context with this configuration.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::sim::{self, SimConfig};
/// use std::cell::Cell;
///
/// // It relies on an order that nobody promises.
/// let failure = sim::find(0..100, &SimConfig::new(), |ctx| {
///     let (io, last) = (ctx.local(), Cell::new(0));
///     let step = |n| io.schedule().then(move |()| n);
///     let note = |n| last.set(n);
///     ctx.block_on_local(when_all((step(1).then(note), step(2).then(note)))).unwrap();
///     assert_eq!(last.get(), 2, "the second is last");
/// });
/// let failure = failure.expect("one of a hundred orders is the other one");
/// assert!(failure.message().contains("the second is last"));
/// assert!(failure.repeats());
/// ```
pub fn find(
    seeds: Range<u64>,
    config: &SimConfig,
    test: impl Fn(&IoContext<Sim>),
) -> Option<Failure> {
    let seeds = match seed_from_environment() {
        Some(seed) => seed..seed.saturating_add(1),
        None => seeds,
    };
    for seed in seeds {
        let trace = Trace::new();
        let Err(payload) = attempt(config, seed, &trace, &test) else {
            continue;
        };
        let again = Trace::with_text();
        let failed_again = attempt(config, seed, &again, &test).is_err();
        return Some(Failure {
            seed,
            message: message_of(&*payload),
            repeats: failed_again && again.hash() == trace.hash(),
            trace: again,
        });
    }
    None
}

/// Runs `test` once for each seed: the test of a pipeline, in as many worlds.
///
/// If the environment variable `SENDIO_SIM_SEED` has a number, that is the only seed.
///
/// # Panics
/// If a seed fails, with the seed, the message of the test, the last decisions of the run, and how to run
/// it again.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
/// use sendio::sim::{self, SimConfig};
///
/// let config = SimConfig::rough().file("/in", "some bytes");
/// sim::explore(0..100, &config, |ctx| {
///     let io = ctx.scheduler();
///     let read = io
///         .open("/in", OpenOptions::new().read(true))
///         .let_value(|file| io.read_exact_at(file, vec![0; 10], 0));
///     let bytes = ctx.block_on(read).unwrap().unwrap();
///     assert_eq!(bytes, b"some bytes");
/// });
/// ```
#[track_caller]
pub fn explore(seeds: Range<u64>, config: &SimConfig, test: impl Fn(&IoContext<Sim>)) {
    if let Some(failure) = find(seeds, config, test) {
        panic!("{failure}");
    }
}

fn attempt(
    config: &SimConfig,
    seed: u64,
    trace: &Trace,
    test: impl Fn(&IoContext<Sim>),
) -> Result<(), Box<dyn Any + Send>> {
    let config = config.clone().seed(seed).trace(trace);
    catch_unwind(AssertUnwindSafe(|| run(&config, test)))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
