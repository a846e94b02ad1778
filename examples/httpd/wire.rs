//! The buffers of a connection: what has arrived, and what is to be sent. No I/O.

use sendio::SliceMut;
use sendio::prelude::*;

use crate::body::Drain;
use crate::pool::Pool;
use crate::request::{HEAD_MAX, Head, parse};
use crate::status::Status;

/// Room for what arrives in one piece: a few requests.
const INPUT: usize = 4096;
/// Goes through the operations of a session by value.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    input: Vec<u8>,
    /// Where in `input` the current request begins.
    start: usize,
    /// How much of the current request has been looked at.
    seen: usize,
    /// The client has closed its side.
    is_closed: bool,
    /// Nothing is answered any more.
    is_last: bool,
    /// What is to be sent next.
    pub(crate) output: Vec<u8>,
}

/// The next thing that a client says.
#[derive(Debug)]
pub(crate) enum Incoming {
    Request(Head),
    /// It is not answered, but for a status that says why.
    Refused {
        status: Status,
        with_body: bool,
    },
    /// It says nothing more.
    Closed,
}

impl Wire {
    /// What has arrived of the current request, and after it.
    pub(crate) fn request(&self) -> &[u8] {
        &self.input[self.start..]
    }

    /// Whether something has arrived that was not asked for yet.
    pub(crate) fn has_more(&self) -> bool {
        self.start < self.input.len()
    }

    /// Whether the client has closed its side.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether the last response has been sent.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// The last response has been sent.
    pub(crate) fn make_last(&mut self) {
        self.is_last = true;
    }

    /// The next request, if all of its head is there. `None`: more has to be received.
    pub(crate) fn incoming(&mut self) -> Option<Incoming> {
        let seen = self.seen;
        self.seen = self.request().len();
        // A head ends with a line, so without a new end of line there is nothing to look for. The
        // first piece is looked at anyway: what is not HTTP is told so at once.
        let is_new = seen == 0 || self.request()[seen..].contains(&b'\n');
        if self.has_more() && (is_new || self.seen >= HEAD_MAX) {
            match parse(self.request()) {
                Ok(Some(head)) => return Some(Incoming::Request(head)),
                Ok(None) => {}
                Err(status) => {
                    return Some(Incoming::Refused {
                        status,
                        with_body: true,
                    });
                }
            }
        }
        self.is_closed.then_some(Incoming::Closed)
    }

    /// Goes on to what follows the current request, whose head takes `len` bytes.
    pub(crate) fn finish_request(&mut self, len: usize) {
        self.start += len;
        self.seen = 0;
    }

    /// Takes what has arrived of a body, which lies after a head of `len` bytes.
    pub(crate) fn drain(&mut self, len: usize, drain: &mut Drain) -> Result<(), Status> {
        let body = self.start + len;
        let taken = drain.take(&self.input[body..])?;
        self.input.drain(body..body + taken);
        Ok(())
    }

    /// Forgets what has arrived.
    pub(crate) fn discard(&mut self) {
        self.input.clear();
        self.start = 0;
        self.seen = 0;
    }

    /// Lends the space for more input; [`received`](Self::received) takes it back.
    pub(crate) fn space(&mut self) -> SliceMut<Vec<u8>> {
        let mut input = std::mem::take(&mut self.input);
        if self.start > 0 {
            input.drain(..self.start);
            self.start = 0;
        }
        if input.capacity() - input.len() < INPUT / 2 {
            input.reserve_exact(INPUT);
        }
        let len = input.len();
        input.slice_mut(len..)
    }

    /// `count` bytes have arrived in the space; none: the client has closed its side.
    pub(crate) fn received(mut self, count: usize, space: SliceMut<Vec<u8>>) -> Self {
        self.input = space.into_inner();
        self.is_closed = count == 0;
        self
    }

    /// Lends the space behind the output for `len` bytes of a file; [`filled`](Self::filled) takes
    /// it back.
    pub(crate) fn block(&mut self, pool: &Pool, len: usize) -> SliceMut<Vec<u8>> {
        let output = pool.enlarge(std::mem::take(&mut self.output), len);
        let start = output.len();
        output.slice_mut(start..start + len)
    }

    /// The space holds what was read.
    pub(crate) fn filled(mut self, block: SliceMut<Vec<u8>>) -> Self {
        self.output = block.into_inner();
        self
    }
}
