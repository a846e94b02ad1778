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

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    /// Puts `bytes` into the space, as much as fits: what does not.
    fn receive<'a>(wire: Wire, bytes: &'a [u8]) -> (Wire, &'a [u8]) {
        let mut wire = wire;
        let (from, space) = (wire.input.len() - wire.start, wire.space());
        let mut input = space.into_inner();
        let (now, later) = bytes.split_at(bytes.len().min(input.capacity() - input.len()));
        input.extend_from_slice(now);
        let space = input.slice_mut(from..);
        (wire.received(now.len(), space), later)
    }

    /// The targets of all requests in `bytes`, which arrive in pieces of at most `size`, and what
    /// ends them.
    fn targets(bytes: &[u8], size: usize) -> (Vec<String>, Incoming) {
        let (mut wire, mut found) = (Wire::default(), Vec::new());
        let mut pieces = bytes.chunks(size);
        let mut rest: &[u8] = &[];
        loop {
            match wire.incoming() {
                Some(Incoming::Request(head)) => {
                    let mut drain = Drain::new(head.body);
                    while !drain.is_over() {
                        wire.drain(head.len, &mut drain).expect("a short body");
                        if !drain.is_over() {
                            rest = if rest.is_empty() {
                                pieces.next().expect("all")
                            } else {
                                rest
                            };
                            (wire, rest) = receive(wire, rest);
                        }
                    }
                    let target = head.target.of_buffer(wire.request());
                    found.push(String::from_utf8_lossy(target).into_owned());
                    wire.finish_request(head.len);
                }
                Some(end) => return (found, end),
                None => {
                    rest = if rest.is_empty() {
                        pieces.next().unwrap_or_default()
                    } else {
                        rest
                    };
                    (wire, rest) = receive(wire, rest);
                }
            }
        }
    }

    #[test]
    fn wire_head_without_end_is_refused_before_it_takes_much_memory() {
        for size in [1, 100, 5000] {
            let (_, end) = targets(&b"a: x\r\n".repeat(9000), size);
            assert!(matches!(end, Incoming::Refused { .. }), "{size}: {end:?}");
            let endless = [&b"GET / HTTP/1.1\r\nHost: h\r\na: "[..], &[b'x'; 99_999]].concat();
            let (_, end) = targets(&endless, size);
            let status = Status::HeaderTooLarge;
            assert!(
                matches!(end, Incoming::Refused { status: s, .. } if s == status),
                "{end:?}"
            );
        }
        let mut wire = Wire::default();
        while wire.incoming().is_none() {
            (wire, _) = receive(wire, b"x");
            assert!(wire.input.capacity() <= HEAD_MAX + INPUT);
        }
    }

    #[test]
    fn wire_first_piece_that_is_not_http_is_refused_without_a_line() {
        let (wire, _) = receive(Wire::default(), b"\x16\x03\x01");
        let mut wire = wire;
        assert!(matches!(wire.incoming(), Some(Incoming::Refused { .. })));
    }

    #[test]
    fn wire_end_in_the_middle_of_a_head_is_the_end() {
        let (found, end) = targets(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b", 7);
        assert_eq!(found, ["/a"]);
        assert!(matches!(end, Incoming::Closed));
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_wire_requests_are_the_same_however_they_arrive(
            requests in proptest::collection::vec(("/[a-z]{0,60}", 0_usize..50, any::<bool>()), 0..20),
            size in 1_usize..6000,
        ) {
            let mut bytes = Vec::new();
            for (target, len, is_chunked) in &requests {
                let (kind, body) = match (len, is_chunked) {
                    (0, _) => (String::new(), String::new()),
                    (_, true) => ("Transfer-Encoding: chunked\r\n".into(),
                        format!("{len:x}\r\n{}\r\n0\r\n\r\n", "b".repeat(*len))),
                    (_, false) => (format!("Content-Length: {len}\r\n"), "b".repeat(*len)),
                };
                bytes.extend_from_slice(
                    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{kind}\r\n{body}").as_bytes(),
                );
            }
            let (found, end) = targets(&bytes, size);
            let sent: Vec<_> = requests.into_iter().map(|(target, ..)| target).collect();
            prop_assert_eq!(found, sent);
            prop_assert!(matches!(end, Incoming::Closed), "{:?}", end);
        }
    }
}
