//! What the example servers share: arguments, threads, signals, and an end that loses nothing.
//!
//! A server is a session, `fn(&Connection<State>) -> impl LocalSender`, and a call of [`serve`]. Each
//! thread has a context and a listener of its own; a session runs on the thread that accepted its
//! connection, so the state of a thread needs no lock. docs/SERVERS.md explains the pattern.
#![expect(
    clippy::print_stdout,
    reason = "the address is the program's output, for those who start it"
)]
#![expect(clippy::print_stderr, reason = "errors go to stderr, one line each")]

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use sendio::prelude::*;
use sendio::{Lend, LocalScope, SocketFd, accept_loop};

use afterwards::afterwards;
use backend::BackendArgs;
pub(crate) use connection::Connection;
use connection::{Closing, Worker};
pub(crate) use listening::Listening;

mod afterwards;
#[path = "../common/backend.rs"]
mod backend;
mod connection;
mod listening;

/// A signal requests stop here: no more connections, and what runs comes to an end.
static STOP: StopSource = StopSource::new();
/// A second signal requests stop here: nothing is waited for any more.
static AT_ONCE: StopSource = StopSource::new();

/// How long a connection may still bring a request when the server ends: what its client sent before
/// it could know of the end is on its way.
const GRACE: Duration = Duration::from_millis(100);
/// How long nobody is accepted when that has just failed.
const PAUSE: Duration = Duration::from_millis(10);

/// The arguments that every server has.
#[derive(clap::Args)]
pub(crate) struct ServerArgs {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
    /// How many threads serve, each with a loop and a listener of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub(crate) threads: usize,
    /// How many connections a thread has at most; further ones wait
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = positive)]
    pub(crate) connections: usize,
    /// How long a connection may be silent, or not take what is sent; 0 is for ever
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub(crate) idle: Duration,
    /// How long what runs may take to end after a signal
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) drain: Duration,
    #[command(flatten)]
    pub(crate) backend: BackendArgs,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("{error}")),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Parses the arguments, serves until a signal, and reports: nothing after a signal, one line on
/// stderr for an error.
pub(crate) fn run<A: Parser>(serve: impl FnOnce(&A) -> io::Result<()>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let text = error.to_string();
            // What is missing, or allowed, is in further lines; the usage comes after an empty one.
            let lines = text.lines().take_while(|line| !line.is_empty());
            let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
            return fail(&line.trim_start_matches("error: "));
        }
    };
    let signals = ctrlc::set_handler(|| {
        if !STOP.request_stop() {
            AT_ONCE.request_stop();
        }
    });
    match signals
        .map_err(io::Error::other)
        .and_then(|()| serve(&args))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn Display) -> ExitCode {
    eprintln!("{}: {error}", env!("CARGO_BIN_NAME"));
    ExitCode::FAILURE
}

/// Serves connections of `args.listen`: each thread calls `state` once, and runs `session` on each
/// connection. Returns after a signal, or with the error for which a thread gave up.
pub(crate) fn serve<T, F>(
    args: &ServerArgs,
    state: impl Fn() -> T + Sync,
    session: F,
) -> io::Result<()>
where
    F: for<'a, 'x> Lend<&'x Connection<'a, T>, Out: LocalSender<Value = (), Error = io::Error>>
        + Copy
        + Send,
{
    serve_on(Listening::tcp(args)?, args, state, session)
}

/// [`serve`] on listeners that are there already.
pub(crate) fn serve_on<T, F>(
    mut listening: Listening,
    args: &ServerArgs,
    state: impl Fn() -> T + Sync,
    session: F,
) -> io::Result<()>
where
    F: for<'a, 'x> Lend<&'x Connection<'a, T>, Out: LocalSender<Value = (), Error = io::Error>>
        + Copy
        + Send,
{
    let (started, starts) = mpsc::channel();
    let state = &state;
    thread::scope(|threads| {
        let mut workers = Vec::new();
        for listener in listening.take_sockets() {
            let started = started.clone();
            let worker = thread::Builder::new().spawn_scoped(threads, move || {
                let result = work(listener, args, state, session, &started);
                if result.is_err() {
                    STOP.request_stop();
                }
                result
            });
            workers.push(worker.inspect_err(|_| _ = STOP.request_stop()));
        }
        drop(started);
        // Either all of them serve, or none: one that failed has stopped the others.
        if starts.iter().take(workers.len()).count() == workers.len() {
            println!("listening on {listening}");
            io::stdout().flush()?;
        }
        let mut results = workers.into_iter().map(|worker| match worker?.join() {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("a thread panicked")),
        });
        results.by_ref().fold(Ok(()), Result::and)
    })
}

/// One thread: a context, and a scope with one piece of work for each connection.
fn work<T, F>(
    listener: OwnedFd,
    args: &ServerArgs,
    state: &(impl Fn() -> T + Sync),
    session: F,
    started: &mpsc::Sender<()>,
) -> io::Result<()>
where
    F: for<'a, 'x> Lend<&'x Connection<'a, T>, Out: LocalSender<Value = (), Error = io::Error>>
        + Copy,
{
    let ctx = args.backend.context()?;
    let io = ctx.local();
    let worker = Worker {
        io,
        args,
        state: state(),
        closing: Closing::default(),
    };
    // Nobody listens if another thread has failed; then stop was requested.
    _ = started.send(());
    ctx.scope_local(|scope| {
        // A client that comes when all places are taken waits in the listener.
        let accept = || {
            let room = scope.wait_below(args.connections).cast_err();
            room.let_value(|()| io.accept(&listener))
        };
        let each = |(socket, peer)| {
            let connection = Connection::new(&worker, socket, peer);
            scope.spawn_with(
                Accepted {
                    connection,
                    session,
                },
                accepted,
            );
        };
        let accepting = accept_loop(io, accept, each).with_stop_token(STOP.token());
        let ended = ctx.block_on_local(accepting);
        let rest = Rest {
            ctx: &ctx,
            scope,
            limit: args.connections,
            begin: Instant::now(),
            patience: args.drain,
        };
        // The kernel connects nobody else to it, so that there is an end to those that wait. A Unix
        // socket cannot refuse; it can have no more than one wait.
        let closing: SocketFd<'_> = listener.as_fd().into();
        let closed = closing.refuse_new().or_else(|_| closing.listen(0));
        worker.closing.begin();
        rest.serve_for_a_while(accept_loop(io, accept, each));
        worker.closing.end_waiting();
        rest.serve_those_that_wait(|| io.accept(&listener), each);
        drop(listener);
        rest.end();
        ended.and(closed)
    })
}

/// The end of a thread: who is connected is served, also who waits in the listener.
struct Rest<'x, 'scope, 'env> {
    ctx: &'x IoContext,
    scope: &'scope LocalScope<'scope, 'env>,
    limit: usize,
    begin: Instant,
    patience: Duration,
}

impl Rest<'_, '_, '_> {
    /// The value of `work`, unless it fails, or is not there at `end`, or there was a second signal.
    fn by<S: LocalSender<Error = io::Error>>(
        &self,
        end: Option<Instant>,
        work: S,
    ) -> Option<S::Value> {
        let work = match end {
            Some(end) => Either::Left(work.deadline(self.ctx.local(), end)),
            None => Either::Right(work),
        };
        let ended = self
            .ctx
            .block_on_local(work.with_stop_token(AT_ONCE.token()));
        ended.ok().flatten()
    }

    /// When patience ends; `None` is never.
    fn end_of_patience(&self) -> Option<Instant> {
        self.begin.checked_add(self.patience)
    }

    /// Lets everything go on for a moment: what clients sent before they could know of the end is on
    /// its way, and so are clients to which the kernel has said that they are connected.
    fn serve_for_a_while<S: LocalSender<Value = Infallible, Error = io::Error>>(
        &self,
        accepting: S,
    ) {
        let end = Some(self.begin + GRACE.min(self.patience));
        self.by(end, accepting);
        // A listener that is broken takes nothing from those that are connected.
        self.by(end, self.scope.wait_empty().cast_err());
    }

    /// Accepts what waits in the listener, as others leave and make room.
    fn serve_those_that_wait<T, S: LocalSender<Value = T, Error = io::Error>>(
        &self,
        accept: impl Fn() -> S,
        each: impl Fn(T),
    ) {
        let (io, end) = (self.ctx.local(), self.end_of_patience());
        loop {
            let room = self.scope.wait_below(self.limit).cast_err();
            if self.by(end, room).is_none() {
                return;
            }
            let look = StopSource::new();
            let one = accept()
                .with_stop_token(look.token())
                .stopped_as_optional()
                .into_result()
                .cast_err();
            // The kernel looks at the listener first. What it finds there wins against the stop.
            let enough = io.schedule().then(|()| look.request_stop());
            match self.by(end, when_all((one, enough))) {
                Some((Ok(Some(accepted)), _)) => each(accepted),
                // One was lost, or there is no descriptor: not at once again.
                Some((Err(_), _)) => {
                    if self.by(end, io.schedule_after(PAUSE)).is_none() {
                        return;
                    }
                }
                Some((Ok(None), _)) | None => return,
            }
        }
    }

    /// Waits for all that is left, as long as there is patience.
    fn end(&self) {
        let all = self.scope.wait_empty().cast_err();
        if self.by(self.end_of_patience(), all).is_none() {
            self.scope.request_stop();
        }
    }
}

/// A connection and what is to be done with it.
struct Accepted<'a, T, F> {
    connection: Connection<'a, T>,
    session: F,
}

/// The session of one connection; its failure, or panic, is the end of this connection only.
fn accepted<'a, T, F>(
    accepted: &Accepted<'a, T, F>,
) -> impl LocalSender<Value = (), Error = Infallible>
where
    F: for<'x> Lend<&'x Connection<'a, T>, Out: LocalSender<Value = (), Error = io::Error>> + Copy,
{
    let connection = &accepted.connection;
    afterwards((accepted.session)(connection), move |outcome| {
        let orderly = match outcome {
            Outcome::Value(()) | Outcome::Stopped => true,
            Outcome::Error(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_closing()
            }
            Outcome::Error(error) => {
                connection.note(&error);
                false
            }
            Outcome::Panicked(_) => {
                connection.note(&"the session panicked");
                false
            }
        };
        connection.leave(orderly)
    })
}
