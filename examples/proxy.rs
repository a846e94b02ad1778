//! Passes connections on: `proxy --listen ADDR --to ADDR [--threads N]`.
//!
//! Both directions of a connection are copied at the same time, each until its end, which is passed on
//! too. What fails on one side is a reset on the other: nothing that was cut off looks complete.
//!
//! After a signal it accepts nobody else. A connection on which nothing passes is closed in good order
//! within a fifth of a second, whatever `--drain` says. On the others both directions go on, until they
//! have ended, until nothing passes any more, or until `--drain` is over: then both sides are reset.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sendio::prelude::*;
use sendio::{AnyLocalSender, SocketFd, SocketOptions, TcpStream};
use server::{Connection, ServerArgs};

#[path = "server/mod.rs"]
mod server;

/// Passes connections on to another server.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// The server to which connections are passed on
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// How long connecting to it may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = server::seconds)]
    connect: Duration,
}

/// Where connections go, the first address that answers.
struct Target {
    addresses: Vec<SocketAddr>,
    patience: Duration,
}

/// How much is passed on at once, in each direction.
const BLOCK: usize = 32 * 1024;

/// The two sides of a connection, and what its two directions share.
struct Pair<'a> {
    client: &'a Connection<'a, Target>,
    server: TcpStream<LocalIoScheduler<'a>>,
    /// When something was last passed on, in either direction.
    last: Cell<Instant>,
    /// How many directions wait for a side to take what it is sent; that is no silence.
    sending: Cell<u8>,
    /// Nothing is left to pass on.
    complete: Cell<bool>,
}

impl<'a> Pair<'a> {
    fn new(client: &'a Connection<'a, Target>, server: TcpStream<LocalIoScheduler<'a>>) -> Self {
        Self {
            client,
            server,
            last: Cell::new(Instant::now()),
            sending: Cell::new(0),
            complete: Cell::new(false),
        }
    }

    /// When it will have been silent too long.
    fn end(&self) -> Instant {
        if self.sending.get() > 0 {
            self.last.set(Instant::now());
        }
        self.last.get() + self.client.silence_max()
    }

    /// Something came, and is sent on.
    fn begin(&self) {
        self.sending.set(self.sending.get() + 1);
    }

    /// It was sent.
    fn sent(&self) {
        self.sending.set(self.sending.get() - 1);
        self.last.set(Instant::now());
    }

    /// What to do about an error: a stop may just mean that the other direction is not silent.
    fn check(&self, error: io::Error) -> io::Result<()> {
        if error.raw_os_error() != Some(libc::ECANCELED) {
            return Err(error);
        }
        if Instant::now() < self.end() {
            return Ok(());
        }
        self.complete.set(true);
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Pair<'_> {
    /// What was cut off must not look complete: both sides are reset.
    fn drop(&mut self) {
        if !self.complete.get() {
            reset(self.client.as_fd());
            reset(self.server.as_fd());
        }
    }
}

/// Makes closing the socket a reset.
fn reset(socket: BorrowedFd<'_>) {
    let socket: SocketFd<'_> = socket.into();
    // Without effect on one that was reset by its peer.
    _ = socket.set_linger(Some(Duration::ZERO));
}

/// One direction: passes on what comes, in the end the end, and leaves the other one alone. Boxed
/// once for each connection, so that the types of what is around it stay short.
fn copy<'p>(
    pair: &'p Pair<'_>,
    from: BorrowedFd<'p>,
    to: BorrowedFd<'p>,
) -> AnyLocalSender<'p, (), io::Error> {
    let io = pair.client.io();
    repeat_with(vec![0; BLOCK], move |buffer| {
        let received = pair.client.io().recv(from, buffer).returning_buffer();
        let received = pair
            .client
            .unless_closing(received.deadline(io, pair.end()));
        received.let_value(move |(result, buffer)| match result {
            Ok(0) => {
                // It fails if the whole connection has ended, which the other direction will see.
                let end = io.shutdown(to, Shutdown::Write).upon_error(drop).cast_err();
                Either::Left(Either::Left(end.then(|()| Break(()))))
            }
            Ok(n) => {
                pair.begin();
                let sent = pair.client.in_time(io.send_all(to, buffer.slice(..n)));
                Either::Left(Either::Right(sent.then(|sent| {
                    pair.sent();
                    Continue(sent.into_inner())
                })))
            }
            Err(error) => {
                let checked = ready(error).try_then(|error| pair.check(error));
                Either::Right(checked.then(|()| Continue(buffer)))
            }
        })
    })
    .boxed_local()
}

/// Both directions; what fails in one of them ends both.
fn pass(pair: &Pair<'_>) -> impl LocalSender<Value = (), Error = io::Error> {
    let (client, server) = (pair.client.as_fd(), pair.server.as_fd());
    when_all((copy(pair, client, server), copy(pair, server, client)))
        .then(|((), ())| pair.complete.set(true))
}

fn session(client: &Connection<'_, Target>) -> impl LocalSender<Value = (), Error = io::Error> {
    let Target {
        addresses,
        patience,
    } = client.state();
    let connect = repeat_with(&addresses[..], move |rest| {
        let (address, rest) = rest.split_first().expect("a name has an address");
        let stream = TcpStream::connect(client.io(), *address).into_result();
        stream.then(move |stream| match stream {
            Err(_) if !rest.is_empty() => Continue(rest),
            stream => Break(stream),
        })
    });
    connect
        .cast_err()
        .try_then(|stream| stream)
        .timeout(client.io(), *patience)
        .map_err(|error| {
            reset(client.as_fd());
            error
        })
        .let_value(move |server| let_ref(Pair::new(client, server), pass))
}

fn serve(args: &Args) -> io::Result<()> {
    let at = |error| io::Error::other(format!("{}: {error}", args.to));
    let addresses: Vec<_> = args.to.to_socket_addrs().map_err(at)?.collect();
    let state = || Target {
        addresses: addresses.clone(),
        patience: args.connect,
    };
    server::serve(&args.server, state, session)
}

fn main() -> ExitCode {
    server::run(serve)
}
