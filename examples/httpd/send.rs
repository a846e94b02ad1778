//! Sends a reply: head and body, block by block; and says goodbye.

use std::io;
use std::net::Shutdown;
use std::ops::ControlFlow::{self, Break, Continue};
use std::rc::Rc;
use std::time::Duration;

use sendio::prelude::*;

use crate::exchange::{End, Reply};
use crate::pool::BLOCK;
use crate::session::{Client, receive};
use crate::wire::Wire;

/// How long a client is listened to after its last response.
const LINGER: Duration = Duration::from_secs(2);
/// How often, at most: with the above the bound of what is received and thrown away.
const LINGER_ROUNDS: u32 = 256;

/// Sends the reply: the buffers for the next request, if there is to be one.
pub(crate) fn send<'a>(
    client: &'a Client<'_>,
    reply: Reply,
) -> impl LocalSender<Value = ControlFlow<(), Wire>, Error = io::Error> + 'a {
    let Reply { wire, body, end } = reply;
    blocks(client, wire, body).let_value(move |wire| match end {
        End::Stays => Either::Left(ready(Continue(wire))),
        End::Closes if !wire.has_more() => Either::Left(ready(Break(()))),
        End::Closes | End::Lingers => Either::Right(linger(client, wire)),
    })
}

/// Sends what is in the output, then the rest of the file: a block is read behind what is there,
/// so that head and first block leave together.
///
/// Each block has a deadline of its own. Together they are one on the speed of the client: it may
/// be slow, but not without bound.
fn blocks<'a>(
    client: &'a Client<'_>,
    wire: Wire,
    body: Option<(Rc<std::fs::File>, std::ops::Range<u64>)>,
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

/// Ends the connection so that the client gets all of the response: a connection that is closed
/// while input is unread is reset, and the reset can overtake what was sent.
fn linger<'a>(
    client: &'a Client<'_>,
    wire: Wire,
) -> impl LocalSender<Value = ControlFlow<(), Wire>, Error = io::Error> + 'a {
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
    io.shutdown(client, Shutdown::Write)
        .sequence(rest)
        .timeout(io, LINGER)
        .upon_error(|_gone_or_silent| ())
        .then(Break)
        .cast_err()
}
