//! Reads the head of a request: syntax by `httparse`, then what HTTP/1.1 (RFC 9112) asks of it.
//!
//! A [`Head`] owns nothing and borrows nothing: it says where in the buffer things are, so that it
//! can wait for a file beside a buffer that moves from operation to operation.

use httparse::{EMPTY_HEADER, Error, Header, Request};

use crate::status::Status;

/// The longest head that is read, blank lines before it included.
pub(crate) const HEAD_MAX: usize = 16 * 1024;
/// The longest target.
const TARGET_MAX: usize = 8 * 1024;
/// The most fields in a head.
const FIELDS_MAX: usize = 100;

/// A piece of a buffer that is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    len: usize,
}

impl Span {
    /// Where `part` lies in `whole`.
    fn of(whole: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        let len = part.len();
        Self { start, len }
    }

    /// The bytes, of the buffer that it was made of.
    pub(crate) fn of_buffer(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start..self.start + self.len]
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// A method that HTTP has and a file does not.
    NotForFiles,
    Unknown,
}

impl Method {
    /// The status for a method that is not for files.
    pub(crate) const fn unfit(self) -> Option<Status> {
        match self {
            Self::Get | Self::Head => None,
            Self::NotForFiles => Some(Status::MethodNotAllowed),
            Self::Unknown => Some(Status::NotImplemented),
        }
    }
}

/// What follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Empty,
    Length(u64),
    Chunked,
}

/// The values of the fields that make a request conditional, or a part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<Span>,
    pub(crate) if_none_match: Option<Span>,
    pub(crate) if_modified_since: Option<Span>,
    pub(crate) if_unmodified_since: Option<Span>,
    pub(crate) if_range: Option<Span>,
    pub(crate) range: Option<Span>,
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// How many bytes of the buffer it takes.
    pub(crate) len: usize,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: Span,
    /// Whether the client knows HTTP/1.1.
    pub(crate) is_http11: bool,
    pub(crate) keep_alive: bool,
    pub(crate) body: Body,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    pub(crate) conditions: Conditions,
}

/// The head at the start of `buffer`, or `None` if it is not complete.
///
/// # Errors
///
/// The status to answer with. Where the next request would begin is not known then, so the
/// connection ends after the answer.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Head>, Status> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    let parsed = request.parse(buffer);
    let complete = match parsed {
        Ok(status) => status.is_complete(),
        Err(Error::TooManyHeaders) => return Err(Status::HeaderTooLarge),
        Err(Error::Version) if has_other_version(buffer) => {
            return Err(Status::VersionNotSupported);
        }
        Err(_) => return Err(Status::BadRequest),
    };
    // A target that is too long is told from other parts that are, also before it is complete.
    let target = request
        .path
        .map_or_else(|| unfinished_target(buffer), str::len);
    if target > TARGET_MAX {
        return Err(Status::UriTooLong);
    }
    match parsed {
        Ok(httparse::Status::Complete(len)) if len <= HEAD_MAX => {
            head(buffer, &request, len).map(Some)
        }
        _ if complete || buffer.len() >= HEAD_MAX => Err(Status::HeaderTooLarge),
        _ => Ok(None),
    }
}

/// Whether the first line ends in a version of HTTP that is neither 1.0 nor 1.1.
fn has_other_version(buffer: &[u8]) -> bool {
    let line = buffer.trim_ascii_start();
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or(line);
    let version = line.trim_ascii_end().rsplit(|&byte| byte == b' ').next();
    matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit()
            && !matches!((major, minor), (b'1', b'0' | b'1')))
}

/// The length so far of a target whose end has not arrived.
fn unfinished_target(buffer: &[u8]) -> usize {
    let line = buffer.trim_ascii_start();
    let method = line.iter().position(|&byte| byte == b' ');
    method.map_or(0, |method| {
        line[method..]
            .iter()
            .skip(1)
            .take_while(|&&byte| byte > b' ')
            .count()
    })
}

/// Checks what `httparse` has found, and keeps what matters.
fn head(buffer: &[u8], request: &Request<'_, '_>, len: usize) -> Result<Head, Status> {
    let is_http11 = request.version == Some(1);
    let fields = Fields::read(buffer, request.headers)?;
    if fields.hosts > 1 || (is_http11 && fields.hosts == 0) {
        return Err(Status::BadRequest);
    }
    let body = match (fields.coding, fields.length) {
        // Two parties could understand these differently: a request smuggled past a proxy.
        (Some(_), Some(_)) => return Err(Status::BadRequest),
        (Some(_), None) if !is_http11 => return Err(Status::BadRequest),
        (Some(true), None) => Body::Chunked,
        (Some(false), None) => return Err(Status::NotImplemented),
        (None, None | Some(0)) => Body::Empty,
        (None, Some(length)) => Body::Length(length),
    };
    if fields.other_expectation && is_http11 {
        return Err(Status::ExpectationFailed);
    }
    let method = match request.method.unwrap_or_default() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" | "TRACE" | "CONNECT" => {
            Method::NotForFiles
        }
        _ => Method::Unknown,
    };
    let target = request.path.unwrap_or_default().as_bytes();
    Ok(Head {
        len,
        method,
        target: match method {
            Method::Get | Method::Head => Span::of(buffer, path_and_query(target)?),
            Method::NotForFiles | Method::Unknown => Span::of(buffer, target),
        },
        is_http11,
        keep_alive: !fields.close && (is_http11 || fields.keep_alive),
        body,
        expects_continue: fields.expects_continue && is_http11 && body != Body::Empty,
        conditions: fields.conditions,
    })
}

/// Path and query of a target in one of the two forms that a request for a file may have.
fn path_and_query(target: &[u8]) -> Result<&[u8], Status> {
    if target.starts_with(b"/") {
        return Ok(target);
    }
    let absolute = [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
    let rest = absolute.ok_or(Status::BadRequest)?;
    let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    match rest.iter().position(is_end) {
        None if !rest.is_empty() => Ok(&rest[rest.len()..]),
        Some(end) if end > 0 => Ok(&rest[end..]),
        _ => Err(Status::BadRequest),
    }
}

/// What the fields of a head say, of those that matter here.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    /// Whether the one coding of the body is `chunked`.
    coding: Option<bool>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    other_expectation: bool,
    conditions: Conditions,
}

impl Fields {
    fn read(buffer: &[u8], headers: &[Header<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        let mut ranges = 0;
        for header in headers {
            let value = header.value.trim_ascii();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            // Of a condition that is repeated the first one counts.
            let first = |field: &mut Option<Span>| {
                field.get_or_insert(Span::of(buffer, value));
            };
            let conditions = &mut fields.conditions;
            match header.name.len() {
                4 if is("Host") => {
                    fields.hosts += 1;
                    let is_odd = |byte: &u8| byte.is_ascii_whitespace() || b"/?#@,".contains(byte);
                    if value.iter().any(is_odd) {
                        return Err(Status::BadRequest);
                    }
                }
                5 if is("Range") => {
                    ranges += 1;
                    first(&mut conditions.range);
                }
                6 if is("Expect") => match value.eq_ignore_ascii_case(b"100-continue") {
                    true => fields.expects_continue = true,
                    false => fields.other_expectation = true,
                },
                8 if is("If-Match") => first(&mut conditions.if_match),
                8 if is("If-Range") => first(&mut conditions.if_range),
                10 if is("Connection") => fields.connection(value),
                13 if is("If-None-Match") => first(&mut conditions.if_none_match),
                14 if is("Content-Length") => fields.content_length(value)?,
                17 if is("If-Modified-Since") => first(&mut conditions.if_modified_since),
                17 if is("Transfer-Encoding") => {
                    let is_chunked = value.eq_ignore_ascii_case(b"chunked");
                    fields.coding = Some(is_chunked && fields.coding.is_none());
                }
                19 if is("If-Unmodified-Since") => first(&mut conditions.if_unmodified_since),
                _ => {}
            }
        }
        if ranges > 1 {
            fields.conditions.range = None;
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = text.and_then(|text| text.parse().ok());
        match (length, self.length) {
            (Some(length), None) => self.length = Some(length),
            (Some(length), Some(earlier)) if length == earlier => {}
            _ => return Err(Status::BadRequest),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
