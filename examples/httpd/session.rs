//! One connection, from its first byte to its last: a loop of receive, find, send.

use std::fs::File;
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sendio::prelude::*;

use crate::body::Drain;
use crate::path::FilePath;
use crate::reply;
use crate::request::{Body, Head, Method};
use crate::response::{CONTINUE, Connection, Notice};
use crate::site::{Found, Site, find};
use crate::status::Status;
use crate::wire::{Incoming, Wire};

/// How many bytes of a file are in memory at a time.
const BLOCK: u64 = 128 * 1024;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until the first byte of a request.
    pub(crate) idle: Duration,
    /// From the first byte of a request until its head is complete; also for its body.
    pub(crate) head: Duration,
    /// To take a block of the response.
    pub(crate) send: Duration,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) site: &'a Site<'a>,
    pub(crate) limits: Limits,
}

/// Answers requests until the client goes, or has to.
pub(crate) fn session<'a>(
    client: &'a Client<'_>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    repeat_with(Wire::default(), move |wire| {
        incoming(client, wire).let_value(move |(wire, incoming)| match incoming {
            Incoming::Closed => Either::Left(ready(Break(()))),
            Incoming::Refused(status) => {
                let reply = Reply::refusal(client, wire, status);
                Either::Right(Either::Left(send(client, reply)))
            }
            Incoming::Request(head) => {
                let reply = reply(client, wire, head);
                let exchange = reply.let_value(move |reply| send(client, reply));
                Either::Right(Either::Right(exchange))
            }
        })
    })
}

/// Receives until a head is complete.
fn incoming<'a>(
    client: &'a Client<'_>,
    mut wire: Wire,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> + 'a {
    if let Some(incoming) = wire.incoming() {
        return Either::Left(ready((wire, incoming)));
    }
    let Limits { idle, head, .. } = client.limits;
    let first = match wire.has_more() {
        true => Either::Left(ready(wire)),
        false => Either::Right(receive(client, wire).timeout(client.site.io, idle)),
    };
    Either::Right(first.let_value(move |mut wire| {
        if let Some(incoming) = wire.incoming() {
            return Either::Left(ready((wire, incoming)));
        }
        let rest = repeat_with(wire, move |wire| {
            receive(client, wire).then(|mut wire| match wire.incoming() {
                Some(incoming) => Break((wire, incoming)),
                None => Continue(wire),
            })
        });
        Either::Right(rest.timeout(client.site.io, head).let_error(timed_out))
    }))
}

/// Who takes too long is told so.
fn timed_out(
    error: io::Error,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            let refused = Incoming::Refused(Status::RequestTimeout);
            Either::Left(ready((Wire::default(), refused)))
        }
        _ => Either::Right(just_error(error)),
    }
}

/// Receives what has arrived.
fn receive<'a>(
    client: &'a Client<'_>,
    mut wire: Wire,
) -> impl LocalSender<Value = Wire, Error = io::Error> + 'a {
    let space = wire.space();
    client
        .site
        .io
        .read_some(&client.stream, space)
        .then(move |(n, space)| wire.received(n, space))
}

/// What is sent, and how the connection goes on afterwards.
#[derive(Debug)]
struct Reply {
    /// Its output holds the head.
    wire: Wire,
    body: Option<(Rc<File>, Range<u64>)>,
    connection: Connection,
}

impl Reply {
    /// A response after which the connection ends.
    fn refusal(client: &Client<'_>, mut wire: Wire, status: Status) -> Self {
        let connection = Connection::Close;
        let clock = &client.site.clock;
        Notice::new(status).write(clock, SystemTime::now(), connection, &mut wire.output);
        Self {
            wire,
            body: None,
            connection,
        }
    }
}

/// Reads past the body of the request, and finds what is asked for.
fn reply<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = Reply, Error = io::Error> + 'a {
    let body = match head.body {
        Body::Empty => Either::Left(ready((wire, Ok(())))),
        Body::Length(_) | Body::Chunked => Either::Right(skip_body(client, wire, head)),
    };
    body.let_value(move |(wire, skipped)| {
        let path = skipped.and_then(|()| match head.method {
            Method::Get | Method::Head => FilePath::of_target(head.target.of_buffer(wire.request())),
            Method::NotForFiles => Err(Status::MethodNotAllowed),
            Method::Unknown => Err(Status::NotImplemented),
        });
        let connection = reply::connection(&head, skipped.is_err());
        match path {
            Err(status) => {
                let found = Found::Refused(status);
                Either::Left(ready(answer(client, wire, head, connection, found)))
            }
            Ok(path) => Either::Right(
                find(client.site, path)
                    .then(move |found| answer(client, wire, head, connection, found)),
            ),
        }
    })
}

/// Writes the head of the response.
fn answer(
    client: &Client<'_>,
    mut wire: Wire,
    head: Head,
    connection: Connection,
    found: Found,
) -> Reply {
    let (clock, now) = (&client.site.clock, SystemTime::now());
    let mut output = std::mem::take(&mut wire.output);
    let request = wire.request();
    let with_body = head.method != Method::Head;
    let mut notice = |status, location: Option<&[u8]>| {
        let notice = Notice {
            location,
            with_body,
            ..Notice::new(status)
        };
        notice.write(clock, now, connection, &mut output);
    };
    let body = match found {
        Found::Refused(status) => {
            notice(status, None);
            None
        }
        Found::Directory(path) => {
            let location = path.location(head.target.of_buffer(request));
            notice(Status::MovedPermanently, Some(&location));
            None
        }
        Found::File {
            file,
            validators,
            path,
        } => {
            let around = (clock, now, connection);
            let wanted = (&validators, path.as_path());
            let range = reply::write_reply(&head, request, wanted, around, &mut output);
            (!range.is_empty()).then_some((file, range))
        }
    };
    wire.output = output;
    wire.finish_request(head.len);
    Reply {
        wire,
        body,
        connection,
    }
}

/// Reads past the body of a request.
fn skip_body<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = (Wire, Result<(), Status>), Error = io::Error> + 'a {
    let drain = Drain::new(head.body);
    let is_wanted = head.expects_continue && !drain.is_too_long();
    let consent = match is_wanted {
        true => Either::Left(client.site.io.write_all(&client.stream, CONTINUE).then(drop)),
        false => Either::Right(ready(())),
    };
    let skip = repeat_with((wire, drain), move |(mut wire, mut drain)| {
        let over = match wire.drain(head.len, &mut drain) {
            Err(status) => Some(Err(status)),
            Ok(()) if drain.is_over() => Some(Ok(())),
            Ok(()) if wire.is_closed() => Some(Err(Status::BadRequest)),
            Ok(()) => None,
        };
        match over {
            Some(result) => Either::Left(ready(Break((wire, result)))),
            None => {
                let more = receive(client, wire).then(move |wire| Continue((wire, drain)));
                Either::Right(more)
            }
        }
    });
    consent
        .sequence(skip)
        .timeout(client.site.io, client.limits.head)
}

/// Sends head and body, block by block.
fn send<'a>(
    client: &'a Client<'_>,
    reply: Reply,
) -> impl LocalSender<Value = ControlFlow<(), Wire>, Error = io::Error> + 'a {
    let Reply {
        wire,
        body,
        connection,
    } = reply;
    let (file, range) = match body {
        Some((file, range)) => (Some(file), range),
        None => (None, 0..0),
    };
    let io = client.site.io;
    let blocks = repeat_with((wire, range), move |(mut wire, mut range)| {
        let len = (range.end - range.start).min(BLOCK);
        let filled = match (&file, usize::try_from(len)) {
            (Some(file), Ok(size @ 1..)) => {
                let block = wire.block(size);
                let read = io.read_exact_at(Rc::clone(file), block, range.start);
                range.start += len;
                Either::Left(read.then(move |block| wire.filled(block)))
            }
            _ => Either::Right(ready(wire)),
        };
        filled.let_value(move |mut wire| {
            let output = std::mem::take(&mut wire.output);
            io.write_all(&client.stream, output)
                .timeout(io, client.limits.send)
                .then(move |mut output| {
                    output.clear();
                    wire.output = output;
                    match range.is_empty() {
                        true => Break(wire),
                        false => Continue((wire, range)),
                    }
                })
        })
    });
    blocks.then(move |wire| match connection {
        Connection::Close => Break(()),
        Connection::Stays | Connection::KeepAlive => Continue(wire),
    })
}
