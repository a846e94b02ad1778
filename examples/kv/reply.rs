//! Replies of RESP2, appended to a buffer.

use std::borrow::Cow;

use super::number;

/// A command that failed: the whole text of the error reply, with its code word in front.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Cow<'static, [u8]>);

impl Failure {
    pub(crate) const WRONG_TYPE: Self =
        Self::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const NOT_AN_INTEGER: Self =
        Self::new("ERR value is not an integer or out of range");
    pub(crate) const NOT_POSITIVE: Self = Self::new("ERR value is out of range, must be positive");
    pub(crate) const SYNTAX: Self = Self::new("ERR syntax error");
    pub(crate) const OVERFLOW: Self = Self::new("ERR increment or decrement would overflow");

    pub(crate) const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// The number of arguments does not fit the command.
    pub(crate) fn arity(command: &str) -> Self {
        Self::text(format!(
            "ERR wrong number of arguments for '{command}' command"
        ))
    }

    /// A time to live that is not in the future, or beyond what can be counted.
    pub(crate) fn expire_time(command: &str) -> Self {
        Self::text(format!("ERR invalid expire time in '{command}' command"))
    }
}

pub(crate) const OK: &str = "OK";

pub(crate) fn simple(out: &mut Vec<u8>, text: &str) {
    out.push(b'+');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// An error reply. What would end its line becomes a space.
pub(crate) fn error(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'-');
    let printable = |byte| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    };
    out.extend(text.iter().copied().map(printable));
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn integer(out: &mut Vec<u8>, number: i64) {
    header(out, b':', number);
}

/// A length as an integer.
pub(crate) fn count(out: &mut Vec<u8>, count: usize) {
    integer(out, as_integer(count));
}

pub(crate) fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    // One check of the capacity for the common, short reply.
    out.reserve(bytes.len() + 32);
    header(out, b'$', as_integer(bytes.len()));
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The absence of a value.
pub(crate) fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// The absence of an array.
pub(crate) fn nil_array(out: &mut Vec<u8>) {
    out.extend_from_slice(b"*-1\r\n");
}

pub(crate) fn bulk_or_nil(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => bulk(out, bytes),
        None => nil(out),
    }
}

/// The head of an array of `len` replies, which the caller appends.
pub(crate) fn array(out: &mut Vec<u8>, len: usize) {
    header(out, b'*', as_integer(len));
}

/// An array of bulk strings.
pub(crate) fn bulks<'b>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = &'b [u8]>) {
    array(out, items.len());
    for item in items {
        bulk(out, item);
    }
}

fn header(out: &mut Vec<u8>, kind: u8, number: i64) {
    out.push(kind);
    number::write(out, number);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn as_integer(len: usize) -> i64 {
    i64::try_from(len).expect("nothing in memory is longer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_reply_has_its_form() {
        assert_eq!(written(|out| simple(out, OK)), "+OK\r\n");
        assert_eq!(written(|out| integer(out, -12)), ":-12\r\n");
        assert_eq!(written(|out| bulk(out, b"a\r\nb")), "$4\r\na\r\nb\r\n");
        assert_eq!(written(|out| bulk(out, b"")), "$0\r\n\r\n");
        assert_eq!(written(nil), "$-1\r\n");
        assert_eq!(written(nil_array), "*-1\r\n");
        let items: [&[u8]; 2] = [b"a", b""];
        assert_eq!(
            written(|out| bulks(out, items.into_iter())),
            "*2\r\n$1\r\na\r\n$0\r\n\r\n"
        );
    }

    #[test]
    fn error_with_line_ends_stays_one_line() {
        assert_eq!(written(|out| error(out, b"ERR a\r\nb")), "-ERR a  b\r\n");
    }
}
