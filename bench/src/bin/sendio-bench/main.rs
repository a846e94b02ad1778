//! The contender `sendio`: the workloads written with this library, one file for each.
//!
//! A workload is added as a module and a row of [`WORKLOADS`].

use std::process::ExitCode;

use sendio_bench::contender::{self, Workload};

const WORKLOADS: &[Workload] = &[];

fn main() -> ExitCode {
    contender::main(WORKLOADS)
}
