//! Sends back what it receives: `echo --listen ADDR [--threads N]`, or `echo --unix PATH`.

use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sendio::prelude::*;
use server::{Connection, Listening, ServerArgs};

#[path = "server/mod.rs"]
mod server;

/// Sends back what it receives.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Listen on a Unix socket instead: a file that is made, and removed in the end
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    unix: Option<PathBuf>,
}

/// One connection: receives and sends in turn, until the client has no more. A client that does not
/// take its answers is not read from meanwhile, so the buffer is all that it costs.
fn session(connection: &Connection<'_, ()>) -> impl LocalSender<Value = (), Error = io::Error> {
    repeat_with(vec![0; 16 * 1024], move |buffer| {
        connection.request(buffer).let_value(move |(n, buffer)| {
            if n == 0 {
                return Either::Left(ready(Break(())));
            }
            let answer = connection.send_all(buffer.slice(..n));
            Either::Right(answer.then(|sent| Continue(sent.into_inner())))
        })
    })
}

fn serve(args: &Args) -> io::Result<()> {
    let Some(path) = &args.unix else {
        return server::serve(&args.server, || (), session);
    };
    let listening = Listening::unix(path, args.server.threads)?;
    server::serve_on(listening, &args.server, || (), session)
}

fn main() -> ExitCode {
    server::run(serve)
}
