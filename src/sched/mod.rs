//! Where work runs: contexts, their schedulers, and users' executors.

pub(crate) mod executor;
pub(crate) mod inline;
pub(crate) mod io_context;
pub(crate) mod run_loop;
#[cfg(feature = "sim")]
pub(crate) mod simulation;
