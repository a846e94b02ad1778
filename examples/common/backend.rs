//! The arguments that say on what an example's contexts run.
#![expect(clippy::print_stderr, reason = "what is asked for with --verbose")]

use std::io;
use std::sync::Once;

use sendio::{BackendKind, IoContext};

/// Which backend, and whether to tell.
#[derive(clap::Args)]
pub(crate) struct BackendArgs {
    /// What I/O runs on: uring, aio, epoll, or sim if it is built with that; without this what SENDIO_BACKEND says, or the best
    /// that works
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendKind>,
    /// Tell on stderr what I/O runs on, and what goes wrong with connections
    #[arg(long)]
    pub(crate) verbose: bool,
}

impl BackendArgs {
    /// A context for this thread.
    pub(crate) fn context(&self) -> io::Result<IoContext> {
        static TOLD: Once = Once::new();
        let ctx = IoContext::builder().backend(self.backend).build()?;
        if self.verbose {
            TOLD.call_once(|| eprintln!("{}", ctx.backend_report()));
        }
        Ok(ctx)
    }
}
