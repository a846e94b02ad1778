//! One connection, from its first byte to its last: a loop of receive, find, send.

use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::OwnedFd;
use std::time::Duration;

use sendio::prelude::*;

use crate::exchange::{Reply, reply};
use crate::send::send;
use crate::site::Site;
use crate::status::Status;
use crate::wire::{Incoming, Wire};

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

/// A connection, and what it needs to be served.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) stream: OwnedFd,
    pub(crate) site: &'a Site<'a>,
}

/// Answers requests until the client goes, or has to.
///
/// An error is one of the connection, which has ended then: the client is gone, or it sent nothing
/// or took nothing for too long.
pub(crate) fn session<'a>(
    client: &'a Client<'_>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    repeat_with(Wire::default(), move |wire| {
        incoming(client, wire).let_value(move |(wire, incoming)| match incoming {
            Incoming::Closed => Either::Left(ready(Break(()))),
            Incoming::Refused(status) => {
                let reply = Reply::refusal(client, wire, status, true);
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

/// Receives until a head is complete. For the first byte there is time, for the rest there is not:
/// who sends a head byte by byte is cut off, whatever the bytes are.
fn incoming<'a>(
    client: &'a Client<'_>,
    mut wire: Wire,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> + 'a {
    if let Some(incoming) = wire.incoming() {
        return Either::Left(ready((wire, incoming)));
    }
    let (io, limits) = (client.site.io, client.site.limits);
    let first = match wire.has_more() {
        true => Either::Left(ready(wire)),
        false => Either::Right(receive(client, wire).timeout(io, limits.idle)),
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
        Either::Right(rest.timeout(io, limits.head).let_error(|error| {
            let timed_out = Incoming::Refused(Status::RequestTimeout);
            unless_timed_out(error, (Wire::default(), timed_out))
        }))
    }))
}

/// `value` in place of an error that says that time was up.
pub(crate) fn unless_timed_out<T>(
    error: io::Error,
    value: T,
) -> impl LocalSender<Value = T, Error = io::Error> {
    match error.kind() {
        io::ErrorKind::TimedOut => Either::Left(ready(value)),
        _ => Either::Right(just_error(error)),
    }
}

/// Receives what has arrived.
pub(crate) fn receive<'a>(
    client: &'a Client<'_>,
    mut wire: Wire,
) -> impl LocalSender<Value = Wire, Error = io::Error> + 'a {
    let space = wire.space();
    let received = client.site.io.recv(&client.stream, space);
    received.then(move |(n, space)| wire.received(n, space))
}
