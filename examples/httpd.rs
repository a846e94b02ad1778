//! Serves the files below a directory over HTTP/1.1: `httpd --root DIR [--listen ADDR] [--threads N]`.
//!
//! `session` is one connection, a loop of three parts: `incoming` receives a request, `find` opens
//! its file, `exchange` sends head and content. All that needs no I/O (`request`, `body`, `path`,
//! `range`, `conditional`, `reply`, `response`) is plain functions with tests of their own:
//! `cargo test --example httpd`.
//!
//! - **Requests**: GET and HEAD, HTTP/1.0 and 1.1, keep-alive, pipelined. A body is read past if it
//!   is not longer than 1 MiB.
//! - **Ranges**: one. A request for several gets the whole file, which the standard allows.
//! - **Conditions**: by entity tag and by date; `If-Range`.
//! - **Paths** cannot leave the root, neither by `..` (which is resolved, or refused with 400, before
//!   a file is looked for) nor by a symbolic link (the kernel refuses: `RESOLVE_BENEATH`).
//! - **Time**: a request has to be there 10 seconds after its first byte (`--head`, else 408), and a
//!   block of 128 KiB has to be taken in a minute (`--send`).
//! - **Memory**: a block of each file that is being sent, and about 4 KiB for a connection.
//! - **Changes** of files are seen at once, since each request opens its file, through the ring: there
//!   is no cache but the kernel's. What is sent of a file that changes meanwhile is a mixture, unless
//!   it is replaced by a rename.
//! - **Descriptors**: one for a connection, one for a file. Without one it answers 503; so that there
//!   are some left, `--connections` is to be below the limit of the process.
//! - **End**: after a signal, requests that were made before are answered.

#[path = "httpd/body.rs"]
mod body;
#[path = "httpd/conditional.rs"]
mod conditional;
#[path = "httpd/exchange.rs"]
mod exchange;
#[path = "httpd/mime.rs"]
mod mime;
#[path = "httpd/path.rs"]
mod path;
#[path = "httpd/pool.rs"]
mod pool;
#[path = "httpd/range.rs"]
mod range;
#[path = "httpd/reply.rs"]
mod reply;
#[path = "httpd/request.rs"]
mod request;
#[path = "httpd/response.rs"]
mod response;
#[path = "server/mod.rs"]
mod server;
#[path = "httpd/session.rs"]
mod session;
#[path = "httpd/site.rs"]
mod site;
#[path = "httpd/status.rs"]
mod status;
#[path = "httpd/wire.rs"]
mod wire;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use pool::Pool;
use response::Clock;
use server::ServerArgs;
use session::session;
use site::{Limits, Site};

/// Serves the files below a directory over HTTP/1.1.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// The directory whose files are served
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// How long a client may take to send a request, from its first byte
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = server::seconds)]
    head: Duration,
    /// How long a client may take to receive 128 KiB
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = server::seconds)]
    send: Duration,
}

fn serve(args: &Args) -> io::Result<()> {
    let root = open_root(&args.root).map_err(|error| {
        io::Error::new(error.kind(), format!("{}: {error}", args.root.display()))
    })?;
    let (root, limits) = (
        Arc::new(root),
        Limits {
            head: args.head,
            send: args.send,
        },
    );
    let site = || Site {
        root: Arc::clone(&root),
        limits,
        clock: Clock::default(),
        pool: Pool::default(),
    };
    server::serve(&args.server, site, session)
}

/// The directory to serve.
fn open_root(path: &std::path::Path) -> io::Result<File> {
    let root = File::open(path)?;
    match root.metadata()?.is_dir() {
        true => Ok(root),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

fn main() -> ExitCode {
    server::run(serve)
}
