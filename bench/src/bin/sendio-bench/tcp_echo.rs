//! `tcp-echo`: a scope with one session for each connection; a session owns one buffer.
//!
//! The variant `poll` waits until a connection is readable before it takes a buffer from those that
//! are free, and gives it back after the answer: an idle connection holds none.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::ops::ControlFlow::{Break, Continue};

use sendio::prelude::*;
use sendio::{Backend, PollEvents, TcpListener, TcpStream, accept_loop};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::serve::Control;

use crate::tasks::context;

type Stream<'a, B> = TcpStream<LocalIoScheduler<'a, B>>;

pub(crate) fn run<B: Backend>(args: &Args) -> Result<Report, Failure> {
    let with_poll = match args.variant.as_str() {
        "" => false,
        "poll" => true,
        _ => return Err(Failure::variant(args)),
    };
    let control = Control::open(args)?;
    let ctx = context::<B>()?;
    let io = ctx.local();
    let listener = TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_endpoint()?.to_socket_addr();
    control.ready(address.ok_or_else(|| io::Error::other("not of the Internet"))?)?;
    let free = Buffers::new(args.buf);
    ctx.scope_local(|scope| {
        let each = |(stream, _peer)| {
            if with_poll {
                let free = &free;
                scope.spawn_with(Polled { stream, free }, polled_session);
            } else {
                let buf = args.buf;
                scope.spawn_with(Connection { stream, buf }, session);
            }
        };
        ctx.block_on_local(accept_loop(io, || listener.accept(), each))
    })?;
    Err(io::Error::other("the accept loop was stopped").into())
}

/// A connection, and how long its buffer is.
struct Connection<'a, B: Backend> {
    stream: Stream<'a, B>,
    buf: usize,
}

/// Receives and sends in turn until the client has no more, or the connection fails.
fn session<B: Backend>(
    connection: &Connection<'_, B>,
) -> impl LocalSender<Value = (), Error = Infallible> {
    let Connection { stream, buf } = connection;
    repeat_with(vec![0; *buf], move |buffer| {
        stream.recv(buffer).let_value(move |(n, buffer)| {
            // At the end there is nothing to send, which is done at once.
            let answer = stream.send_all(buffer.slice(..n));
            answer.then(move |sent| {
                if n == 0 {
                    Break(())
                } else {
                    Continue(sent.into_inner())
                }
            })
        })
    })
    .upon_error(drop)
}

/// A connection, and where it takes buffers from.
struct Polled<'a, B: Backend> {
    stream: Stream<'a, B>,
    free: &'a Buffers,
}

/// As [`session`], with a buffer only from the arrival of a request to the end of its answer.
fn polled_session<B: Backend>(
    connection: &Polled<'_, B>,
) -> impl LocalSender<Value = (), Error = Infallible> {
    let Polled { stream, free } = connection;
    repeat_with((), move |()| {
        let request = stream
            .poll(PollEvents::IN)
            .let_value(move |_| stream.recv(free.take()));
        request.let_value(move |(n, buffer)| {
            let answer = stream.send_all(buffer.slice(..n));
            answer.then(move |sent| {
                free.give_back(sent.into_inner());
                if n == 0 { Break(()) } else { Continue(()) }
            })
        })
    })
    .upon_error(drop)
}

/// Buffers that nobody uses. A connection that fails keeps its buffer from coming back.
struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
    len: usize,
}

impl Buffers {
    const fn new(len: usize) -> Self {
        let free = RefCell::new(Vec::new());
        Self { free, len }
    }

    fn take(&self) -> Vec<u8> {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| vec![0; self.len])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        self.free.borrow_mut().push(buffer);
    }
}
