//! Carries what every benchmark contender shares: arguments, counters and the result line.
//!
//! A contender is a binary that hands a table of [`contender::Workload`]s to [`contender::main`].
//! A workload reads its [`args::Args`], opens a [`meter::Meter`] on the loop's thread before it
//! builds its runtime, runs its operations through [`meter::Meter::measure`] and returns the
//! [`report::Report`]; the rest of the command-line contract is kept here, once.
//!
//! # Flow
//!
//! ```text
//! main -> contender::main -> Workload::run(&Args) -> Meter::new -> (runtime) -> measure -> Report
//! ```
//!
//! # Adding a contender
//!
//! Create `src/bin/NAME/main.rs` with a table of workloads and a line in `scripts/bench`. The
//! input data of a workload ([`work`], [`file`](mod@file)) comes from here, so that contenders
//! differ in their machinery alone.

pub mod affinity;
pub mod alloc;
pub mod args;
pub mod contender;
pub mod file;
pub mod gate;
pub mod latency;
pub mod meter;
pub mod open_files;
pub mod perf;
pub mod report;
pub mod ring;
pub mod serve;
pub mod sockets;
pub mod syscalls;
pub mod work;
