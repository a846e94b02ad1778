//! Splits Rust text into what the compiler reads and what people read.
//!
//! Just enough of a lexer to tell comments, string literals and code apart. Both results have the
//! length and the line breaks of the source, so that an offset means the same in all three texts.

/// One source text and its two halves; what belongs to the other half is blank.
#[derive(Debug)]
pub(crate) struct Split {
    /// Everything but comments and the contents of literals.
    pub(crate) code: String,
    /// Comments and doc comments, with their slashes.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits `source`; unterminated literals and comments extend to the end.
pub(crate) fn split(source: &str) -> Split {
    let bytes = source.as_bytes();
    let blank: Vec<u8> = bytes
        .iter()
        .map(|&b| if b == b'\n' { b } else { b' ' })
        .collect();
    let (mut code, mut comments) = (blank.clone(), blank);
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = piece(bytes, at);
        match kind {
            Kind::Code => code[at..end].copy_from_slice(&bytes[at..end]),
            Kind::Comment => comments[at..end].copy_from_slice(&bytes[at..end]),
            Kind::Literal => {
                code[at] = b'"';
                code[end - 1] = b'"';
            }
        }
        at = end;
    }
    let text = |bytes| String::from_utf8(bytes).expect("pieces end at character boundaries");
    Split {
        code: text(code),
        comments: text(comments),
    }
}

/// Whether `byte` can be part of an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The offsets at which `word` stands in `text` as a whole word.
pub(crate) fn word_offsets(text: &str, word: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let stands_alone = |at: usize| {
        (at == 0 || !is_word(bytes[at - 1]))
            && bytes
                .get(at + word.len())
                .is_none_or(|&next| !is_word(next))
    };
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| stands_alone(at))
        .collect()
}

/// The number of the line that `offset` is on, counted from one.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The kind of the piece that begins at `at`, and the offset behind it.
fn piece(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let len = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return (Kind::Comment, at + len);
    }
    if rest.starts_with(b"/*") {
        return (Kind::Comment, at + block_comment_len(rest));
    }
    if let Some(len) = raw_string_len(rest) {
        return (Kind::Literal, at + len);
    }
    match rest[0] {
        b'"' => (Kind::Literal, at + string_len(rest)),
        b'\'' => match char_len(rest) {
            Some(len) => (Kind::Literal, at + len),
            None => (Kind::Code, at + 1),
        },
        first if is_word(first) => {
            let len = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
            (Kind::Code, at + len)
        }
        _ => (Kind::Code, at + 1),
    }
}

fn block_comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn raw_string_len(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"r"[..], b"br", b"cr"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))?;
    let after = &rest[prefix.len()..];
    let hashes = after.iter().take_while(|&&b| b == b'#').count();
    if after.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = prefix.len() + hashes + 1;
    let len = rest[body..]
        .windows(close.len())
        .position(|window| window == close);
    Some(len.map_or(rest.len(), |len| body + len + close.len()))
}

fn string_len(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, or `None` for a lifetime.
fn char_len(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|&b| b == b'\'')?;
        return Some(close + 4);
    }
    let text = rest.get(1..rest.len().min(6))?;
    let valid = text.utf8_chunks().next()?.valid();
    let len = valid.chars().next()?.len_utf8();
    (rest.get(1 + len) == Some(&b'\'')).then_some(len + 2)
}

#[test]
fn split_mixed_text_separates_code_comments_and_literals() {
    let source = concat!(
        "let a = \"// no \\\" comment\"; // yes 'q\n",
        "let c = '\\''; let d = '\"'; /* b /* nested */ still */ fn f<'a>(x: &'a u8) {}\n",
        "let r = br#\"unsafe \" // \"#; let rust = 'ü';\n",
    );
    let split = split(source);
    assert_eq!(split.code.len(), source.len());
    assert_eq!(split.comments.len(), source.len());
    assert!(!split.code.contains("comment") && !split.code.contains("nested"));
    assert!(!split.code.contains("unsafe") && !split.code.contains("yes"));
    assert!(split.code.contains("fn f<'a>(x: &'a u8) {}") && split.code.contains("let rust ="));
    assert!(split.comments.contains("// yes 'q") && split.comments.contains("still */"));
    assert!(!split.comments.contains("no") && !split.comments.contains("fn"));
}

#[test]
fn word_offsets_part_of_identifier_is_no_match() {
    assert_eq!(word_offsets("mod model mod_x; mod", "mod"), [0, 17]);
    assert_eq!(line_of("a\nb\nc", 4), 3);
}
