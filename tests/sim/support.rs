//! What the tests of the simulator share: pipelines that are right, and worlds.

use std::io;
use std::net::Ipv4Addr;
use std::ops::ControlFlow::{Break, Continue};

use sendio::backends::Sim;
use sendio::prelude::*;
use sendio::sim::{SimConfig, Trace};
use sendio::{TcpListener, TcpStream};

pub(crate) type Ctx = IoContext<Sim>;

/// The error number of a result that is an error.
pub(crate) fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// A gentle world in memory.
pub(crate) fn memory() -> SimConfig {
    SimConfig::new().memory_files().memory_net()
}

/// What a run decided.
pub(crate) fn trace_of(config: &SimConfig, test: impl FnOnce(&Ctx)) -> Trace {
    let trace = Trace::with_text();
    sendio::sim::run(&config.clone().trace(&trace), test);
    trace
}

/// Opens for writing, anew.
pub(crate) fn create() -> OpenOptions {
    OpenOptions::new().write(true).create(true).truncate(true)
}

/// A file, opened.
pub(crate) fn open<'a>(
    ctx: &'a Ctx,
    path: &str,
    options: OpenOptions,
) -> io::Result<FileHandle<IoScheduler<'a, Sim>>> {
    let opened = ctx.block_on(ctx.scheduler().open(path, options));
    opened.map(|file| file.expect("not stopped"))
}

/// The content of a file.
pub(crate) fn content(ctx: &Ctx, path: &str) -> io::Result<Vec<u8>> {
    let file = open(ctx, path, OpenOptions::new().read(true))?;
    let read = repeat_with(Vec::new(), |mut all: Vec<u8>| {
        let at = all.len() as u64;
        file.read_at(vec![0; 100], at).then(move |(n, bytes)| {
            all.extend_from_slice(&bytes[..n]);
            if n == 0 { Break(all) } else { Continue(all) }
        })
    });
    ctx.block_on(read).map(|value| value.expect("not stopped"))
}

/// Copies a file in pieces: reads and writes, all of them.
pub(crate) fn copy_file(ctx: &Ctx, from: &str, to: &str) -> io::Result<()> {
    let io = ctx.scheduler();
    let both = when_all((
        io.open(from, OpenOptions::new().read(true)),
        io.open(to, create()),
    ));
    let (from, to) = ctx.block_on(both)?.expect("not stopped");
    let (from, to) = (&from, &to);
    let copy = repeat_with(0, |at: u64| {
        let read = from.read_at(vec![0; 37], at);
        read.let_value(move |(n, bytes)| {
            let written = to.write_all_at(bytes.slice(..n), at);
            written.then(move |_| {
                if n == 0 {
                    Break(())
                } else {
                    Continue(at + n as u64)
                }
            })
        })
    });
    ctx.block_on(copy).map(|value| value.expect("not stopped"))
}

/// A listener at an address of its own.
pub(crate) fn listener(ctx: &Ctx) -> TcpListener<IoScheduler<'_, Sim>> {
    TcpListener::bind(ctx.scheduler(), (Ipv4Addr::LOCALHOST, 0)).expect("an address")
}

/// Two ends of a connection: of the client, of the server.
pub(crate) type Pair<'a> = (
    TcpStream<IoScheduler<'a, Sim>>,
    TcpStream<IoScheduler<'a, Sim>>,
);

/// A connection.
pub(crate) fn pair(ctx: &Ctx) -> io::Result<Pair<'_>> {
    let listener = listener(ctx);
    let connect = TcpStream::connect(ctx.scheduler(), listener.local_endpoint()?);
    let both = ctx.block_on(when_all((connect, listener.accept())))?;
    let (client, (server, _)) = both.expect("not stopped");
    Ok((client, server))
}

/// Sends back what comes, until the end.
pub(crate) fn echo<'a>(
    server: &'a TcpStream<IoScheduler<'a, Sim>>,
) -> impl Sender<Value = (), Error = io::Error> + Send + 'a {
    repeat_with((), move |()| {
        server.recv(vec![0; 64]).let_value(move |(n, bytes)| {
            let sent = server.send_all(bytes.slice(..n));
            sent.then(move |_| if n == 0 { Break(()) } else { Continue(()) })
        })
    })
}

/// Sends all of `bytes` and receives as many.
pub(crate) fn ask<'a>(
    client: &'a TcpStream<IoScheduler<'a, Sim>>,
    bytes: &'a [u8],
) -> impl Sender<Value = Vec<u8>, Error = io::Error> + Send + 'a {
    let send = client.send_all(bytes);
    let end = send.let_value(|_| client.shutdown(std::net::Shutdown::Write));
    when_all((end, client.recv_exact(vec![0; bytes.len()]))).then(|((), bytes)| bytes)
}

/// A connection on which the server sends back what the client says; what the client got.
pub(crate) fn echo_once(ctx: &Ctx, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (client, server) = pair(ctx)?;
    let both = ctx.block_on(when_all((ask(&client, bytes), echo(&server))))?;
    Ok(both.expect("not stopped").0)
}
