//! The words of a command that was typed as a line, with the quotes that `redis-cli` users know.

/// Splits `line` into words, which are appended to `words` with their places to `spans`. Answers
/// false if a quote is not closed, or a word goes on behind its closing quote.
///
/// Within double quotes `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and a backslash before anything else are
/// escapes; within single quotes only `\'` is. A byte 0 ends the line.
pub(crate) fn split(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<(usize, usize)>) -> bool {
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return true;
        }
        let begin = words.len();
        match word(rest, words) {
            Some(after) => rest = after,
            None => return false,
        }
        spans.push((begin, words.len()));
    }
}

/// Appends the word at the beginning of `rest`; what follows it.
fn word<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(rest),
            [b'"', ref quoted @ ..] => return closed(double_quoted(quoted, words)?),
            [b'\'', ref quoted @ ..] => return closed(single_quoted(quoted, words)?),
            [byte, ref after @ ..] => {
                words.push(byte);
                rest = after;
            }
        }
    }
}

/// A closing quote is the end of its word.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(|&byte| is_space(byte))
        .then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match *rest {
            [] => return None,
            [b'"', ref after @ ..] => return Some(after),
            [b'\\', b'x', high, low, ref after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(high) << 4 | hex(low), after)
            }
            [b'\\', escape, ref after @ ..] => (escaped(escape), after),
            [byte, ref after @ ..] => (byte, after),
        };
        words.push(byte);
        rest = after;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match *rest {
            [] => return None,
            [b'\'', ref after @ ..] => return Some(after),
            [b'\\', b'\'', ref after @ ..] => (b'\'', after),
            [byte, ref after @ ..] => (byte, after),
        };
        words.push(byte);
        rest = after;
    }
}

fn escaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        let well = split(line, &mut bytes, &mut spans);
        let words = spans.iter().map(|&(begin, end)| bytes[begin..end].to_vec());
        well.then(|| words.collect())
    }

    fn list(items: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        Some(items.iter().map(|item| item.to_vec()).collect())
    }

    #[test]
    fn words_are_split_at_blanks() {
        assert_eq!(words(b""), list(&[]));
        assert_eq!(words(b" \t "), list(&[]));
        assert_eq!(words(b"  set  a\tb "), list(&[b"set", b"a", b"b"]));
        assert_eq!(words(b"a\0b"), list(&[b"a"]));
    }

    #[test]
    fn quotes_and_escapes_are_resolved() {
        assert_eq!(words(br#"a "b c" d"#), list(&[b"a", b"b c", b"d"]));
        assert_eq!(words(br#""\x41\n\q\"""#), list(&[b"A\nq\""]));
        assert_eq!(words(br#""\xg1""#), list(&[b"xg1"]));
        assert_eq!(words(br"'a\'b\n'"), list(&[br"a'b\n"]));
        assert_eq!(words(br#"pre"fix""#), list(&[b"prefix"]));
        assert_eq!(words(br#""""#), list(&[b""]));
    }

    #[test]
    fn open_and_continued_quotes_are_refused() {
        for line in [
            r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a\"#, r#""a\""#, r#"""""#,
        ] {
            assert_eq!(words(line.as_bytes()), None, "{line}");
        }
    }
}
