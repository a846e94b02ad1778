//! Runs a contender's table of workloads the way the benchmark contract asks.
//!
//! `BIN list` prints the names; `BIN WORKLOAD …` prints one JSON line. Exit status: 0 measured,
//! 1 failed, 2 usage, 3 not supported by this contender.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a contender answers its runner on stdout"
)]

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::args::Args;
use crate::report::Report;

/// One row of a contender's table.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name in the contract, such as `nop-batch`.
    pub name: &'static str,
    /// Measures it.
    pub run: fn(&Args) -> Result<Report, Failure>,
}

/// Why a workload has no result.
#[derive(Debug)]
pub enum Failure {
    /// This contender (or kernel) lacks the workload or the variant: exit status 3.
    Unsupported(String),
    /// It was tried and went wrong: exit status 1.
    Io(io::Error),
}

impl Failure {
    /// The answer to a `--variant` that the workload does not know.
    pub fn variant(args: &Args) -> Self {
        Self::Unsupported(format!(
            "{} has no variant {:?}",
            args.workload, args.variant
        ))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Io(error) => write!(f, "failed: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNSUPPORTED: u8 = 3;

/// The `main` of a contender.
pub fn main(workloads: &[Workload]) -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    if args.workload == "list" {
        for workload in workloads {
            println!("{}", workload.name);
        }
        return ExitCode::SUCCESS;
    }
    match run(workloads, &args) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}: {failure}", args.workload);
            match failure {
                Failure::Unsupported(_) => ExitCode::from(UNSUPPORTED),
                Failure::Io(_) => ExitCode::from(FAILED),
            }
        }
    }
}

fn run(workloads: &[Workload], args: &Args) -> Result<Report, Failure> {
    let workload = workloads
        .iter()
        .find(|workload| workload.name == args.workload)
        .ok_or_else(|| Failure::Unsupported("no such workload".to_owned()))?;
    (workload.run)(args)
}

#[cfg(test)]
mod tests {
    use super::{Failure, Workload, run};
    use crate::args::Args;
    use crate::report::Report;

    #[test]
    fn run_unknown_workload_is_unsupported() {
        let table = [Workload {
            name: "known",
            run: |_| Ok(Report::default()),
        }];
        assert!(run(&table, &Args::new("known")).is_ok());
        assert!(matches!(
            run(&table, &Args::new("other")),
            Err(Failure::Unsupported(_))
        ));
    }
}
