//! Reads past the body of a request that nobody wants: by length, or by chunks (RFC 9112, 7.1).

use httparse::{Status::Complete, Status::Partial, parse_chunk_size};

use crate::request::Body;
use crate::status::Status;

/// The longest body that is read past, with what surrounds chunks; after a longer one the
/// connection ends.
pub(crate) const BODY_MAX: u64 = 1024 * 1024;
/// The longest line between chunks, and the longest trailer field.
const LINE_MAX: usize = 1024;

/// How far a body was read past.
#[derive(Debug)]
pub(crate) struct Drain {
    place: Place,
    budget: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size,
    Data {
        left: u64,
        chunked: bool,
    },
    /// The end of line after the data of a chunk.
    AfterData,
    Trailer,
    Over,
}

impl Drain {
    /// Before the first byte of the body.
    pub(crate) const fn new(body: Body) -> Self {
        let place = match body {
            Body::Empty => Place::Over,
            Body::Length(left) => Place::Data {
                left,
                chunked: false,
            },
            Body::Chunked => Place::Size,
        };
        Self {
            place,
            budget: BODY_MAX,
        }
    }

    /// Whether nothing of the body is left.
    pub(crate) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Whether it is known already that the body is too long.
    pub(crate) fn is_too_long(&self) -> bool {
        matches!(self.place, Place::Data { left, .. } if left > self.budget)
    }

    /// Takes what it can of what has arrived: how many bytes that is. What is left belongs to the
    /// next request if the body [is over](Self::is_over), else it comes again with more behind it.
    ///
    /// # Errors
    ///
    /// The body has no end that could be found, or not soon: the connection has to end.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Status> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let Some((len, next)) = self.step(rest)? else {
                return Ok(taken);
            };
            self.budget = self
                .budget
                .checked_sub(len as u64)
                .ok_or(Status::ContentTooLarge)?;
            taken += len;
            self.place = next;
            if self.is_too_long() {
                return Err(Status::ContentTooLarge);
            }
        }
    }

    /// The next piece: its length and what comes after it. `None`: over, or not enough bytes.
    fn step(&self, bytes: &[u8]) -> Result<Option<(usize, Place)>, Status> {
        match self.place {
            Place::Over => Ok(None),
            Place::Data { left: 0, chunked } => {
                let next = if chunked {
                    Place::AfterData
                } else {
                    Place::Over
                };
                Ok(Some((0, next)))
            }
            Place::Data { left, chunked } => {
                let len = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let left = left - len as u64;
                Ok((len > 0).then_some((len, Place::Data { left, chunked })))
            }
            Place::AfterData => match bytes {
                [b'\r', b'\n', ..] => Ok(Some((2, Place::Size))),
                [] | [b'\r'] => Ok(None),
                _ => Err(Status::BadRequest),
            },
            Place::Size => match parse_chunk_size(bytes) {
                Ok(Complete((len, 0))) => Ok(Some((len, Place::Trailer))),
                Ok(Complete((len, left))) => Ok(Some((
                    len,
                    Place::Data {
                        left,
                        chunked: true,
                    },
                ))),
                Ok(Partial) => unfinished(bytes),
                Err(_) => Err(Status::BadRequest),
            },
            Place::Trailer => match bytes.iter().position(|&byte| byte == b'\n') {
                Some(0) => Ok(Some((1, Place::Over))),
                Some(1) if bytes[0] == b'\r' => Ok(Some((2, Place::Over))),
                Some(end) => Ok(Some((end + 1, Place::Trailer))),
                None => unfinished(bytes),
            },
        }
    }
}

/// A line whose end has not arrived.
fn unfinished<T>(line: &[u8]) -> Result<Option<T>, Status> {
    if line.len() > LINE_MAX {
        return Err(Status::BadRequest);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    /// Reads past `body` in pieces of `size` bytes: what is left after it.
    fn drain(kind: Body, body: &[u8], size: usize) -> Result<Vec<u8>, Status> {
        let mut drain = Drain::new(kind);
        let mut waiting = Vec::new();
        for piece in body.chunks(size) {
            waiting.extend_from_slice(piece);
            let taken = drain.take(&waiting)?;
            waiting.drain(..taken);
        }
        assert!(drain.is_over(), "{drain:?}");
        Ok(waiting)
    }

    #[test]
    fn drain_by_length_leaves_the_next_request() {
        for size in 1..9 {
            assert_eq!(
                drain(Body::Length(5), b"helloGET", size),
                Ok(b"GET".to_vec())
            );
        }
        assert!(Drain::new(Body::Empty).is_over());
    }

    #[test]
    fn drain_chunked_leaves_the_next_request() {
        let body = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET";
        for size in 1..body.len() {
            assert_eq!(drain(Body::Chunked, body, size), Ok(b"GET".to_vec()));
        }
    }

    #[test]
    fn drain_malformed_chunks_are_bad_requests() {
        let long = [&b"5;"[..], &[b'x'; LINE_MAX]].concat();
        let trailer = [&b"0\r\n"[..], &[b'x'; LINE_MAX + 1]].concat();
        let cases = [
            &b"x\r\n"[..],
            b"5\r\nhello!\r\n",
            b"-1\r\n",
            &long,
            &trailer,
        ];
        for body in cases {
            let taken = Drain::new(Body::Chunked).take(body);
            assert_eq!(taken, Err(Status::BadRequest), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn drain_too_long_ends_at_the_limit() {
        assert!(!Drain::new(Body::Length(BODY_MAX)).is_too_long());
        assert!(Drain::new(Body::Length(BODY_MAX + 1)).is_too_long());
        let taken = Drain::new(Body::Chunked).take(b"FFFFFFF\r\n");
        assert_eq!(taken, Err(Status::ContentTooLarge));
        let many = b"1\r\nx\r\n".repeat(200_000);
        let taken = Drain::new(Body::Chunked).take(&many);
        assert_eq!(taken, Err(Status::ContentTooLarge));
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_drain_takes_exactly_the_chunks(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            size in 1_usize..50,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\nnext");
            prop_assert_eq!(drain(Body::Chunked, &body, size), Ok(b"next".to_vec()));
        }

        #[test]
        fn prop_drain_any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut drain = Drain::new(Body::Chunked);
            if let Ok(taken) = drain.take(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
