//! One connection, from its first byte to its last: a loop of receive, find, send.

use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::AsFd;

use sendio::prelude::*;
use sendio::protocol::Tcp;
use sendio::{SocketFd, SocketOptions};

use crate::exchange::{Reply, reply};
use crate::send::send;
use crate::server::Connection;
use crate::site::Site;
use crate::status::Status;
use crate::wire::{Incoming, Wire};

/// A connection, with the site that its thread serves.
pub(crate) type Client<'a> = Connection<'a, Site>;

/// Answers requests until the client goes, or has to.
///
/// An error is one of the connection, which has ended then: the client is gone, or it sent nothing
/// or took nothing for too long.
pub(crate) fn session<'a>(
    client: &'a Client<'_>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    // What is sent is complete; to wait for more of it helps nobody.
    _ = SocketFd::<Tcp>::from(client.as_fd()).set_nodelay(true);
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
    let (io, limits) = (client.io(), client.state().limits);
    let first = match wire.has_more() {
        true => Either::Left(ready(wire)),
        false => {
            let space = wire.space();
            let received = client.request(space);
            Either::Right(received.then(move |(n, space)| wire.received(n, space)))
        }
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
    let received = client.io().recv(client, space);
    received.then(move |(n, space)| wire.received(n, space))
}
