//! Writes the head of a response, and the whole of those that have no file behind them.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

use crate::conditional::Validators;
use crate::status::Status;

/// What tells a client to send the body that it holds back.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How the connection goes on after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It stays open, as HTTP/1.1 expects.
    Stays,
    /// It stays open, which a client of HTTP/1.0 has to be told.
    KeepAlive,
    Close,
}

/// The time of day, and its text for the field `Date`, which is made once a second.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: Cell<u64>,
    text: RefCell<String>,
}

impl Clock {
    /// Appends the field `Date`.
    fn write(&self, now: SystemTime, out: &mut Vec<u8>) {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut text = self.text.borrow_mut();
        if text.is_empty() || self.second.replace(second) != second {
            self.second.set(second);
            *text = format!("Date: {}\r\n", HttpDate::from(now));
        }
        out.extend_from_slice(text.as_bytes());
    }
}

/// A response without a file: a redirect, an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice<'a> {
    pub(crate) status: Status,
    /// For a redirect.
    pub(crate) location: Option<&'a [u8]>,
    /// For a range that is not in the file: its length.
    pub(crate) file_len: Option<u64>,
    /// The answer to `HEAD` has the fields of the body, and no body.
    pub(crate) with_body: bool,
}

impl Notice<'static> {
    /// A status, and no more.
    pub(crate) const fn new(status: Status) -> Self {
        Self {
            status,
            location: None,
            file_len: None,
            with_body: true,
        }
    }
}

impl Notice<'_> {
    /// Appends the whole response: its body is the status line.
    pub(crate) fn write(
        &self,
        clock: &Clock,
        now: SystemTime,
        connection: Connection,
        out: &mut Vec<u8>,
    ) {
        let line = self.status.line();
        start(self.status, clock, now, connection, out);
        if self.status == Status::MethodNotAllowed {
            out.extend_from_slice(b"Allow: GET, HEAD\r\n");
        }
        if let Some(location) = self.location {
            field(out, "Location: ", location);
        }
        if let Some(len) = self.file_len {
            out.extend_from_slice(b"Content-Range: bytes */");
            decimal(out, len);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Type: text/plain\r\nContent-Length: ");
        decimal(out, line.len() as u64 + 1);
        out.extend_from_slice(b"\r\n\r\n");
        if self.with_body {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }
}

/// Appends the head of a response with a file: *200*, *206* with its `range`, or *304*.
pub(crate) fn write_file_head(
    status: Status,
    file: &Validators,
    media_type: &str,
    range: &Range<u64>,
    (clock, now, connection): (&Clock, SystemTime, Connection),
    out: &mut Vec<u8>,
) {
    start(status, clock, now, connection, out);
    field(out, "ETag: ", file.etag().as_bytes());
    out.extend_from_slice(b"Last-Modified: ");
    // Writing to a vector does not fail.
    let _ = write!(out, "{}", HttpDate::from(file.last_modified(now)));
    if status != Status::NotModified {
        field(out, "\r\nContent-Type: ", media_type.as_bytes());
        out.extend_from_slice(b"Accept-Ranges: bytes\r\nContent-Length: ");
        decimal(out, range.end - range.start);
    }
    if status == Status::PartialContent {
        out.extend_from_slice(b"\r\nContent-Range: bytes ");
        decimal(out, range.start);
        out.push(b'-');
        decimal(out, range.end - 1);
        out.push(b'/');
        decimal(out, file.len);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// The fields of all responses.
fn start(
    status: Status,
    clock: &Clock,
    now: SystemTime,
    connection: Connection,
    out: &mut Vec<u8>,
) {
    field(out, "HTTP/1.1 ", status.line().as_bytes());
    out.extend_from_slice(b"Server: sendio\r\n");
    clock.write(now, out);
    match connection {
        Connection::Stays => {}
        Connection::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        Connection::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The moment of the examples in RFC 9110.
    fn moment() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn file_head(status: Status, range: Range<u64>) -> String {
        let file = Validators {
            modified: UNIX_EPOCH + Duration::new(255, 15),
            len: 100,
        };
        let clock = Clock::default();
        let around = (&clock, moment(), Connection::Stays);
        let mut out = Vec::new();
        write_file_head(status, &file, "text/css", &range, around, &mut out);
        String::from_utf8(out).unwrap()
    }

    const START: &str = "Server: sendio\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    const VALIDATORS: &str =
        "ETag: \"ff-f-64\"\r\nLast-Modified: Thu, 01 Jan 1970 00:04:15 GMT\r\n";

    #[test]
    fn response_file_has_type_and_length() {
        let expected = format!(
            "HTTP/1.1 200 OK\r\n{START}{VALIDATORS}Content-Type: text/css\r\n\
             Accept-Ranges: bytes\r\nContent-Length: 100\r\n\r\n"
        );
        assert_eq!(file_head(Status::Ok, 0..100), expected);
    }

    #[test]
    fn response_part_says_which() {
        let expected = format!(
            "HTTP/1.1 206 Partial Content\r\n{START}{VALIDATORS}Content-Type: text/css\r\n\
             Accept-Ranges: bytes\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/100\r\n\r\n"
        );
        assert_eq!(file_head(Status::PartialContent, 5..10), expected);
    }

    #[test]
    fn response_not_modified_has_no_length() {
        let expected = format!("HTTP/1.1 304 Not Modified\r\n{START}{VALIDATORS}\r\n");
        assert_eq!(file_head(Status::NotModified, 0..0), expected);
    }

    #[test]
    fn response_notice_has_its_fields() {
        let write = |notice: Notice<'_>, connection| {
            let mut out = Vec::new();
            notice.write(&Clock::default(), moment(), connection, &mut out);
            String::from_utf8(out).unwrap()
        };
        let notice = Notice::new(Status::MethodNotAllowed);
        let text = "Content-Type: text/plain\r\nContent-Length: 23\r\n\r\n";
        assert_eq!(
            write(notice.clone(), Connection::Close),
            format!(
                "HTTP/1.1 405 Method Not Allowed\r\n{START}Connection: close\r\n\
                 Allow: GET, HEAD\r\n{text}405 Method Not Allowed\n"
            )
        );
        let notice = Notice {
            with_body: false,
            ..notice
        };
        assert!(write(notice, Connection::KeepAlive).ends_with(text));
        let notice = Notice {
            location: Some(b"/a/"),
            file_len: Some(7),
            ..Notice::new(Status::RangeNotSatisfiable)
        };
        let text = write(notice, Connection::Stays);
        assert!(
            text.contains("\r\nLocation: /a/\r\nContent-Range: bytes */7\r\n"),
            "{text}"
        );
    }

    #[test]
    fn response_date_changes_with_the_second() {
        let clock = Clock::default();
        let date = |seconds| {
            let mut out = Vec::new();
            clock.write(UNIX_EPOCH + Duration::from_secs(seconds), &mut out);
            String::from_utf8(out).unwrap()
        };
        let first = date(0);
        assert_eq!(first, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(date(0), first);
        assert_eq!(date(1), "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n");
        assert_eq!(date(0), first);
    }
}
