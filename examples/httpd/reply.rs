//! Decides what a request for a file is answered with. No I/O.

use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use crate::conditional::{Validators, Verdict};
use crate::mime;
use crate::range::{Wanted, wanted};
use crate::request::{Head, Method, Span};
use crate::response::{Clock, Connection, Notice, write_file_head};
use crate::status::Status;

/// Appends the head of the response to a request for this file, or the whole response if none of
/// the file is sent: the part of the file that follows.
pub(crate) fn write_reply(
    head: &Head,
    request: &[u8],
    (file, path): (&Validators, &Path),
    (clock, now, connection): (&Clock, SystemTime, Connection),
    out: &mut Vec<u8>,
) -> Range<u64> {
    let (conditions, with_body) = (&head.conditions, head.method == Method::Get);
    let notice = |status, file_len| Notice {
        status,
        location: None,
        file_len,
        with_body,
    };
    let field = |span: Option<Span>| span.map(|span| span.of_buffer(request));
    let whole = 0..file.len;
    let (status, range) = match file.verdict(conditions, request, now) {
        Verdict::Failed => {
            notice(Status::PreconditionFailed, None).write(clock, now, connection, out);
            return 0..0;
        }
        Verdict::NotModified => (Status::NotModified, 0..0),
        Verdict::Send => match field(conditions.range) {
            // Ranges are defined for GET alone.
            Some(range) if with_body && file.allows_range(field(conditions.if_range), now) => {
                match wanted(range, file.len) {
                    Wanted::Whole => (Status::Ok, whole),
                    Wanted::Part(part) => (Status::PartialContent, part),
                    Wanted::Nothing => {
                        let len = Some(file.len);
                        let notice = notice(Status::RangeNotSatisfiable, len);
                        notice.write(clock, now, connection, out);
                        return 0..0;
                    }
                }
            }
            _ => (Status::Ok, whole),
        },
    };
    let around = (clock, now, connection);
    write_file_head(status, file, mime::of(path), &range, around, out);
    if with_body { range } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::request::parse;

    /// Status line and content length of the reply to a request with these fields, and what of the
    /// file is sent.
    fn reply(method: &str, fields: &str) -> (String, Option<u64>, Range<u64>) {
        let text = format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let head = parse(text.as_bytes()).unwrap().expect("complete");
        let file = Validators {
            modified: UNIX_EPOCH + Duration::from_secs(1000),
            len: 10,
        };
        let (clock, mut out) = (Clock::default(), Vec::new());
        let around = (&clock, SystemTime::now(), Connection::Stays);
        let file = (&file, Path::new("a.txt"));
        let range = write_reply(&head, text.as_bytes(), file, around, &mut out);
        let text = String::from_utf8(out).unwrap();
        let status = text.lines().next().unwrap().trim_start_matches("HTTP/1.1 ");
        let len = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        (
            status.to_owned(),
            len.map(|len| len.parse().unwrap()),
            range,
        )
    }

    #[test]
    fn reply_follows_method_conditions_and_range() {
        let cases = [
            ("GET", "", "200 OK", Some(10), 0..10),
            ("HEAD", "", "200 OK", Some(10), 0..0),
            (
                "GET",
                "Range: bytes=2-3\r\n",
                "206 Partial Content",
                Some(2),
                2..4,
            ),
            ("HEAD", "Range: bytes=2-3\r\n", "200 OK", Some(10), 0..0),
            ("GET", "Range: bytes=0-1,4-5\r\n", "200 OK", Some(10), 0..10),
            (
                "GET",
                "Range: bytes=1-2\r\nRange: bytes=3-4\r\n",
                "200 OK",
                Some(10),
                0..10,
            ),
            (
                "GET",
                "Range: bytes=10-\r\n",
                "416 Range Not Satisfiable",
                Some(26),
                0..0,
            ),
            (
                "GET",
                "Range: bytes=2-3\r\nIf-Range: \"x\"\r\n",
                "200 OK",
                Some(10),
                0..10,
            ),
            (
                "GET",
                "If-None-Match: *\r\nRange: bytes=99-\r\n",
                "304 Not Modified",
                None,
                0..0,
            ),
            (
                "GET",
                "If-Match: \"x\"\r\n",
                "412 Precondition Failed",
                Some(24),
                0..0,
            ),
        ];
        for (method, fields, status, len, range) in cases {
            let expected = (status.to_owned(), len, range);
            assert_eq!(reply(method, fields), expected, "{method} {fields}");
        }
    }
}
