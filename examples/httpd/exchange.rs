//! From a request to the last byte of its response: finds the file, writes the head, sends both.

use std::fs::File;
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;
use std::rc::Rc;
use std::time::SystemTime;

use sendio::prelude::*;

use crate::path::FilePath;
use crate::pool::BLOCK;
use crate::reply::write_reply;
use crate::request::{Head, Method};
use crate::response::{Connection, Notice};
use crate::session::Client;
use crate::site::{Found, find};
use crate::status::Status;
use crate::wire::{Incoming, Wire};

/// What is sent, and how the connection goes on afterwards.
#[derive(Debug)]
struct Reply {
    /// Its output holds the head.
    wire: Wire,
    /// A part of a file that follows.
    body: Option<(Rc<File>, Range<u64>)>,
    end: End,
}

/// How a connection goes on after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the next request.
    Stays,
    /// It ends, as the client wants.
    Closes,
    /// It ends, and the client may not know yet.
    Lingers,
}

/// Answers a request: the buffers for what comes next, if anything does.
pub(crate) fn exchange<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    incoming: Incoming,
) -> impl LocalSender<Value = ControlFlow<(), Wire>, Error = io::Error> + 'a {
    let reply = match incoming {
        Incoming::Request(head) => Either::Left(reply(client, wire, head)),
        Incoming::Refused { status, with_body } => {
            Either::Right(ready(refuse(client, wire, status, with_body)))
        }
        Incoming::Closed => unreachable!("there is nobody to answer"),
    };
    reply.let_value(move |Reply { wire, body, end }| {
        send(client, wire, body).then(move |mut wire| match end {
            End::Stays => Continue(wire),
            End::Closes if !wire.has_more() => Break(()),
            End::Closes | End::Lingers => {
                wire.make_last();
                Continue(wire)
            }
        })
    })
}

/// Finds what is asked for.
fn reply<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    head: Head,
) -> impl LocalSender<Value = Reply, Error = io::Error> + 'a {
    let target = head.target.of_buffer(wire.request());
    let unfit = head.method.unfit();
    let path = unfit.map_or_else(|| FilePath::of_target(target), Err);
    let found = match path {
        Ok(path) => Either::Left(find(client, path)),
        Err(status) => Either::Right(ready(Found::Refused(status))),
    };
    found.then(move |found| answer(client, wire, &head, found))
}

/// A response after which the connection ends, since nobody knows where the next request begins.
fn refuse(client: &Client<'_>, mut wire: Wire, status: Status, with_body: bool) -> Reply {
    let notice = Notice {
        with_body,
        ..Notice::new(status)
    };
    let (clock, now) = (&client.state().clock, SystemTime::now());
    notice.write(clock, now, Connection::Close, &mut wire.output);
    Reply {
        wire,
        body: None,
        end: End::Lingers,
    }
}

/// Writes the head of the response, and goes on to the next request.
fn answer(client: &Client<'_>, mut wire: Wire, head: &Head, found: Found) -> Reply {
    // Requests that have arrived already are answered before the server ends.
    let is_ending = client.is_closing() && wire.request().len() == head.len;
    let (end, connection) = match (head.keep_alive, is_ending) {
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

/// Sends what is in the output, then the rest of the file: a block is read behind what is there,
/// so that head and first block leave together.
///
/// Each block has a deadline of its own. Together they are one on the speed of the client: it may
/// be slow, but not without bound.
fn send<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    body: Option<(Rc<File>, Range<u64>)>,
) -> impl LocalSender<Value = Wire, Error = io::Error> + 'a {
    let (file, range) = match body {
        Some((file, range)) => (Some(file), range),
        None => (None, 0..0),
    };
    let (io, site) = (client.io(), client.state());
    repeat_with((wire, range), move |(mut wire, mut range)| {
        let left = usize::try_from(range.end - range.start).unwrap_or(BLOCK);
        let filled = match (&file, left.min(BLOCK)) {
            (Some(file), len @ 1..) => {
                let block = wire.block(&site.pool, len);
                // A file that became shorter than its response says is an error: the connection
                // ends, so that nobody takes the part for the whole.
                let read = io.read_exact_at(Rc::clone(file), block, range.start);
                range.start += len as u64;
                Either::Left(read.then(move |block| wire.filled(block)))
            }
            _ => Either::Right(ready(wire)),
        };
        filled.let_value(move |mut wire| {
            let output = std::mem::take(&mut wire.output);
            let sent = io.send_all(client, output).timeout(io, site.limits.send);
            sent.then(move |mut output| {
                if range.is_empty() {
                    wire.output = site.pool.reduce(output);
                    return Break(wire);
                }
                output.clear();
                wire.output = output;
                Continue((wire, range))
            })
        })
    })
}
