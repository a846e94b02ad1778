//! From a request to its reply: reads past the body, finds the file, writes the head.

use std::fs::File;
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;
use std::rc::Rc;
use std::time::SystemTime;

use sendio::prelude::*;

use crate::body::Drain;
use crate::path::FilePath;
use crate::reply::write_reply;
use crate::request::{Body, Head, Method};
use crate::response::{CONTINUE, Connection, Notice};
use crate::session::{Client, receive, unless_timed_out};
use crate::site::{Found, find};
use crate::status::Status;
use crate::wire::Wire;

/// What is sent, and how the connection goes on afterwards.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its output holds the head.
    pub(crate) wire: Wire,
    /// A part of a file that follows.
    pub(crate) body: Option<(Rc<File>, Range<u64>)>,
    pub(crate) end: End,
}

/// How a connection goes on after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the next request.
    Stays,
    /// It ends, as the client wants.
    Closes,
    /// It ends, and the client may not know yet.
    Lingers,
}

impl Reply {
    /// A response after which the connection ends, since nobody knows where the next request begins.
    pub(crate) fn refusal(
        client: &Client<'_>,
        mut wire: Wire,
        status: Status,
        with_body: bool,
    ) -> Self {
        let notice = Notice {
            with_body,
            ..Notice::new(status)
        };
        let (clock, now) = (&client.state().clock, SystemTime::now());
        notice.write(clock, now, Connection::Close, &mut wire.output);
        Self {
            wire,
            body: None,
            end: End::Lingers,
        }
    }
}

/// Reads past the body of the request, and finds what is asked for.
pub(crate) fn reply<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = Reply, Error = io::Error> + 'a {
    let with_body = head.method != Method::Head;
    let wire = match head.body {
        Body::Empty => Either::Left(ready((wire, Ok(())))),
        _ => Either::Right(skip_body(client, wire, head)),
    };
    wire.let_value(move |(wire, skipped)| {
        if let Err(status) = skipped {
            let refusal = Reply::refusal(client, wire, status, with_body);
            return Either::Left(ready(refusal));
        }
        let target = head.target.of_buffer(wire.request());
        let path = unfit(head.method).map_or_else(|| FilePath::of_target(target), Err);
        let found = match path {
            Ok(path) => Either::Left(find(client, path)),
            Err(status) => Either::Right(ready(Found::Refused(status))),
        };
        Either::Right(found.then(move |found| answer(client, wire, &head, found)))
    })
}

/// The status for a method that is not for files.
const fn unfit(method: Method) -> Option<Status> {
    match method {
        Method::Get | Method::Head => None,
        Method::NotForFiles => Some(Status::MethodNotAllowed),
        Method::Unknown => Some(Status::NotImplemented),
    }
}

/// Reads past the body of a request, if that is worth it.
fn skip_body<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = (Wire, Result<(), Status>), Error = io::Error> + 'a {
    let drain = Drain::new(head.body);
    // Who waits for consent is spared the body of a request that is refused anyway.
    let unfit = unfit(head.method);
    let refused = match drain.is_too_long() {
        true => unfit.or(Some(Status::ContentTooLarge)),
        false => unfit.filter(|_| head.expects_continue),
    };
    if let Some(status) = refused {
        return Either::Left(ready((wire, Err(status))));
    }
    let (io, limits) = (client.io(), client.state().limits);
    let consent = match head.expects_continue {
        true => Either::Left(io.send_all(client, CONTINUE).then(drop)),
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
                let more = receive(client, wire);
                Either::Right(more.then(move |wire| Continue((wire, drain))))
            }
        }
    });
    let skipped = consent.sequence(skip).timeout(io, limits.head);
    Either::Right(skipped.let_error(|error| {
        let timed_out = Err(Status::RequestTimeout);
        unless_timed_out(error, (Wire::default(), timed_out))
    }))
}

/// Writes the head of the response, and goes on to the next request.
fn answer(client: &Client<'_>, mut wire: Wire, head: &Head, found: Found) -> Reply {
    let (end, connection) = match (head.keep_alive, client.is_closing()) {
        (false, _) => (End::Closes, Connection::Close),
        (true, true) => (End::Lingers, Connection::Close),
        (true, false) if head.is_http11 => (End::Stays, Connection::Stays),
        (true, false) => (End::Stays, Connection::KeepAlive),
    };
    let (clock, now) = (&client.state().clock, SystemTime::now());
    let mut output = std::mem::take(&mut wire.output);
    let request = wire.request();
    let mut notice = |status, location: Option<&[u8]>| {
        let notice = Notice {
            location,
            with_body: head.method != Method::Head,
            ..Notice::new(status)
        };
        notice.write(clock, now, connection, &mut output);
        None
    };
    let body = match found {
        Found::Refused(status) => notice(status, None),
        Found::Directory(path) => {
            let location = path.location(head.target.of_buffer(request));
            notice(Status::MovedPermanently, Some(&location))
        }
        Found::File {
            file,
            validators,
            path,
        } => {
            let around = (clock, now, connection);
            let wanted = (&validators, path.as_path());
            let range = write_reply(head, request, wanted, around, &mut output);
            (!range.is_empty()).then_some((file, range))
        }
    };
    wire.output = output;
    wire.finish_request(head.len);
    Reply { wire, body, end }
}
