//! One connection, from its first byte to its last: a loop of receive, find, send.

use std::io;
use std::net::Shutdown;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::AsFd;
use std::time::Duration;

use sendio::prelude::*;
use sendio::protocol::Tcp;
use sendio::{SocketFd, SocketOptions};

use crate::body::Drain;
use crate::exchange::exchange;
use crate::request::{Body, Head, Method};
use crate::response::CONTINUE;
use crate::server::Connection;
use crate::site::Site;
use crate::status::Status;
use crate::wire::{Incoming, Wire};

/// How long a client is listened to after its last response.
const LINGER: Duration = Duration::from_secs(2);
/// How often, at most: with the above the bound of what is received and thrown away.
const LINGER_ROUNDS: u32 = 256;

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
        if wire.is_last() {
            return Either::Left(linger(client, wire).then(Break).boxed_local());
        }
        // The type of a sender contains those around it. Boxes between the parts keep each of them
        // short, and with them the time that the compiler takes; they cost two allocations a request.
        let incoming = incoming(client, wire).boxed_local();
        let round = incoming.let_value(move |(wire, incoming)| match incoming {
            Incoming::Closed => Either::Left(ready(Break(()))),
            _ => Either::Right(exchange(client, wire, incoming).boxed_local()),
        });
        Either::Right(round)
    })
}

/// Receives until a head is complete, and past the body of the request. For the first byte there is
/// time, for the rest there is not: who sends a head byte by byte is cut off, whatever the bytes are.
fn incoming<'a>(
    client: &'a Client<'_>,
    mut wire: Wire,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> + 'a {
    let first = match wire.has_more() {
        true => Either::Left(ready(wire)),
        false => {
            let space = wire.space();
            let received = client.request(space);
            Either::Right(received.then(move |(n, space)| wire.received(n, space)))
        }
    };
    first.let_value(move |mut wire| match wire.incoming() {
        Some(Incoming::Request(head)) if head.body != Body::Empty => {
            Either::Right(skip_body(client, wire, head).boxed_local())
        }
        Some(incoming) => Either::Left(ready((wire, incoming))),
        None => Either::Right(rest(client, wire).boxed_local()),
    })
}

/// Receives the rest of a head, and past the body.
fn rest<'a>(
    client: &'a Client<'_>,
    wire: Wire,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> + 'a {
    let head = repeat_with(wire, move |wire| {
        receive(client, wire).then(|mut wire| match wire.incoming() {
            Some(incoming) => Break((wire, incoming)),
            None => Continue(wire),
        })
    });
    let head = head.timeout(client.io(), client.state().limits.head);
    head.let_error(or_timed_out)
        .let_value(move |(wire, incoming)| match incoming {
            Incoming::Request(head) if head.body != Body::Empty => {
                Either::Right(skip_body(client, wire, head))
            }
            _ => Either::Left(ready((wire, incoming))),
        })
}

/// Reads past the body of a request, if that is worth it.
fn skip_body<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> + 'a {
    let drain = Drain::new(head.body);
    let refused = move |status| Incoming::Refused {
        status,
        with_body: head.method != Method::Head,
    };
    // Who waits for consent is spared the body of a request that is refused anyway.
    let unfit = head.method.unfit();
    let status = match drain.is_too_long() {
        true => unfit.or(Some(Status::ContentTooLarge)),
        false => unfit.filter(|_| head.expects_continue),
    };
    if let Some(status) = status {
        return Either::Left(ready((wire, refused(status))));
    }
    let consent = match head.expects_continue {
        true => Either::Left(client.io().send_all(client, CONTINUE).then(drop)),
        false => Either::Right(ready(())),
    };
    let skip = repeat_with((wire, drain), move |(mut wire, mut drain)| {
        let over = match wire.drain(head.len, &mut drain) {
            Err(status) => Some(refused(status)),
            Ok(()) if drain.is_over() => Some(Incoming::Request(head)),
            Ok(()) if wire.is_closed() => Some(Incoming::Closed),
            Ok(()) => None,
        };
        match over {
            Some(incoming) => Either::Left(ready(Break((wire, incoming)))),
            None => {
                let more = receive(client, wire);
                Either::Right(more.then(move |wire| Continue((wire, drain))))
            }
        }
    });
    let skipped = consent.sequence(skip);
    let skipped = skipped.timeout(client.io(), client.state().limits.head);
    Either::Right(skipped.let_error(or_timed_out))
}

/// Who took too long is told so.
fn or_timed_out(error: io::Error) -> impl LocalSender<Value = (Wire, Incoming), Error = io::Error> {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            let refused = Incoming::Refused {
                status: Status::RequestTimeout,
                with_body: true,
            };
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
    let received = client.io().recv(client, space);
    received.then(move |(n, space)| wire.received(n, space))
}

/// Ends the connection so that the client gets all of the response: a connection that is closed
/// while input is unread is reset, and the reset can overtake what was sent.
fn linger<'a>(
    client: &'a Client<'_>,
    wire: Wire,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    let io = client.io();
    let rest = repeat_with((wire, 0), move |(mut wire, rounds)| {
        wire.discard();
        receive(client, wire).then(
            move |wire| match wire.is_closed() || rounds == LINGER_ROUNDS {
                true => Break(()),
                false => Continue((wire, rounds + 1)),
            },
        )
    });
    let end = io.shutdown(client, Shutdown::Write).sequence(rest);
    end.timeout(io, LINGER)
        .upon_error(|_gone_or_silent| ())
        .cast_err()
}
