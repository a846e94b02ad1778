//! Commands as clients send them, read incrementally out of one buffer.
//!
//! A command is an array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) or one line of words.
//! [`Parser::advance`] is given all bytes from the beginning of the command on, each time with more
//! of them, and continues where it stopped: a byte is looked at once, however the input is split.
//! Arguments are not copied, they are places in the buffer; only the words of a line are, because
//! quotes and escapes are resolved in them.

use super::inline;
use super::number;

/// The longest line, as Redis has it: a command of words, or the count of arguments or bytes.
const LINE_MAX: usize = 64 * 1024;
/// The most bytes of one argument: `proto-max-bulk-len`.
const BULK_MAX: i64 = 512 * 1024 * 1024;
/// The most arguments of one command.
const ARGUMENTS_MAX: i64 = i32::MAX as i64;
/// Room for arguments that is kept from one command to the next.
const ARGUMENTS_KEPT: usize = 1024;

/// What breaks the protocol; the connection ends after it was told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    InlineTooBig,
    UnbalancedQuotes,
    CountTooBig,
    BadCount,
    LengthTooBig,
    BadLength,
    NoLength(u8),
}

impl Malformed {
    /// The text of the error reply.
    pub(crate) fn text(self) -> Vec<u8> {
        let text = match self {
            Self::InlineTooBig => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::CountTooBig => "too big mbulk count string",
            Self::BadCount => "invalid multibulk length",
            Self::LengthTooBig => "too big bulk count string",
            Self::BadLength => "invalid bulk length",
            Self::NoLength(byte) => {
                return [
                    b"ERR Protocol error: expected '$', got '",
                    &[byte][..],
                    b"'",
                ]
                .concat();
            }
        };
        format!("ERR Protocol error: {text}").into_bytes()
    }
}

/// How far the parser came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The bytes up to here are a whole command.
    Command(usize),
    /// The bytes up to here are whole and say nothing: an empty line, an empty array.
    Nothing(usize),
    /// At least so many more bytes are needed.
    Missing(usize),
}

/// An argument's place.
type Span = (usize, usize);

/// The arguments of one command, its name first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(crate) fn len(self) -> usize {
        self.spans.len()
    }

    /// The argument at `index`, which exists.
    #[inline]
    pub(crate) fn at(self, index: usize) -> &'a [u8] {
        let (begin, end) = self.spans[index];
        &self.bytes[begin..end]
    }

    /// The arguments from `first` on.
    pub(crate) fn from(self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let bytes = self.bytes;
        self.spans[first..]
            .iter()
            .map(move |&(begin, end)| &bytes[begin..end])
    }

    /// The arguments from `first` on, two at a time.
    pub(crate) fn pairs(
        self,
        first: usize,
    ) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let bytes = self.bytes;
        self.spans[first..].chunks_exact(2).map(move |pair| {
            let ((a, b), (c, d)) = (pair[0], pair[1]);
            (&bytes[a..b], &bytes[c..d])
        })
    }
}

/// The state of reading one command.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Where reading continues; offsets count from the first byte of the command.
    at: usize,
    /// Up to where the end of the line at `at` was looked for.
    searched: usize,
    /// Arguments that have not been read; 0 before the count is known.
    missing: usize,
    /// The length of the argument at `at`, once its line was read.
    bulk: Option<usize>,
    spans: Vec<Span>,
    /// The words of a line; `None` while the arguments are in the caller's buffer.
    words: Option<Vec<u8>>,
}

impl Parser {
    /// Reads on in `bytes`, the input from the first byte of the command. After `Command` the
    /// arguments are those of [`args`](Self::args), and the next call begins a new command.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        if self.missing == 0 {
            if self.searched == 0 {
                self.forget();
            }
            match bytes.first() {
                None => return Ok(Step::Missing(1)),
                Some(b'*') => {}
                Some(_) => return self.line(bytes),
            }
            let Some(line) = self.number_line(bytes, Malformed::CountTooBig)? else {
                return Ok(Step::Missing(1));
            };
            match line {
                Some(count @ ..=ARGUMENTS_MAX) => match usize::try_from(count) {
                    Ok(0) | Err(_) => return Ok(self.whole(Step::Nothing)),
                    Ok(count) => self.missing = count,
                },
                _ => return Err(Malformed::BadCount),
            }
        }
        self.arguments(bytes)
    }

    /// The arguments of the command that was just completed in `bytes`.
    pub(crate) fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args {
            bytes: self.words.as_deref().unwrap_or(bytes),
            spans: &self.spans,
        }
    }

    fn arguments(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        while self.missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => {
                    // Redis waits for the whole line before it complains about its first byte.
                    let begin = self.at;
                    let Some(line) = self.number_line(bytes, Malformed::LengthTooBig)? else {
                        return Ok(Step::Missing(1));
                    };
                    if bytes[begin] != b'$' {
                        return Err(Malformed::NoLength(bytes[begin]));
                    }
                    let len = line.filter(|&len| len <= BULK_MAX);
                    let len = len.and_then(|len| usize::try_from(len).ok());
                    let len = len.ok_or(Malformed::BadLength)?;
                    self.bulk = Some(len);
                    len
                }
            };
            // The two bytes behind an argument are skipped, whatever they are.
            let end = self.at + len;
            if bytes.len() < end + 2 {
                return Ok(Step::Missing(end + 2 - bytes.len()));
            }
            self.spans.push((self.at, end));
            self.bulk = None;
            self.missing -= 1;
            self.at = end + 2;
            self.searched = self.at;
        }
        Ok(self.whole(Step::Command))
    }

    /// The number behind the first byte of the line at `at`, and moves behind the line. `None` if the
    /// line is not whole, `Some(None)` if it is no number.
    #[inline]
    fn number_line(
        &mut self,
        bytes: &[u8],
        too_long: Malformed,
    ) -> Result<Option<Option<i64>>, Malformed> {
        // Most numbers have a digit or two, and their lines are whole.
        let (number, len) = match bytes[self.at..] {
            [_, ones @ b'0'..=b'9', b'\r', _, ..] => (ones - b'0', 4),
            [_, tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] => {
                ((tens - b'0') * 10 + (ones - b'0'), 5)
            }
            _ => return self.long_number_line(bytes, too_long),
        };
        self.at += len;
        self.searched = self.at;
        Ok(Some(Some(i64::from(number))))
    }

    /// [`number_line`](Self::number_line), however long the line is and wherever it was split.
    fn long_number_line(
        &mut self,
        bytes: &[u8],
        too_long: Malformed,
    ) -> Result<Option<Option<i64>>, Malformed> {
        let from = self.searched.max(self.at);
        let last = (self.at + LINE_MAX + 1).min(bytes.len());
        let Some(end) = bytes[from..last].iter().position(|&byte| byte == b'\r') else {
            self.searched = last;
            if last == self.at + LINE_MAX + 1 {
                return Err(too_long);
            }
            return Ok(None);
        };
        let end = from + end;
        if bytes.len() < end + 2 {
            self.searched = end;
            return Ok(None);
        }
        let text = bytes.get(self.at + 1..end).unwrap_or_default();
        self.at = end + 2;
        self.searched = self.at;
        Ok(Some(number::parse(text)))
    }

    /// A command of words.
    fn line(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        let last = bytes.len().min(LINE_MAX + 1);
        let Some(end) = bytes[self.searched..last]
            .iter()
            .position(|&byte| byte == b'\n')
        else {
            self.searched = last;
            if last == LINE_MAX + 1 {
                return Err(Malformed::InlineTooBig);
            }
            return Ok(Step::Missing(1));
        };
        let end = self.searched + end;
        let text = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let words = self.words.insert(Vec::new());
        if !inline::split(text, words, &mut self.spans) {
            return Err(Malformed::UnbalancedQuotes);
        }
        self.at = end + 1;
        let empty = self.spans.is_empty();
        Ok(self.whole(if empty { Step::Nothing } else { Step::Command }))
    }

    /// Ends a command at `at`; its arguments stay until the next one begins.
    fn whole(&mut self, step: impl FnOnce(usize) -> Step) -> Step {
        let len = self.at;
        (self.at, self.searched) = (0, 0);
        step(len)
    }

    fn forget(&mut self) {
        self.words = None;
        self.spans.clear();
        if self.spans.capacity() > ARGUMENTS_KEPT {
            self.spans.shrink_to(ARGUMENTS_KEPT);
        }
    }
}

#[cfg(test)]
mod tests;
