//! Patterns of `KEYS` and `CONFIG GET`: `*`, `?`, `[a-z]`, `[^a]`, and `\` before what is meant
//! literally.

/// Whether `text` as a whole fits `pattern`. Takes at most the product of both lengths: only the
/// last `*` is ever tried again.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and where the text continued when it was met.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
        } else if let Some(next) = one(&pattern[p..], text[t]) {
            p += next;
            t += 1;
        } else if let Some((star, from)) = retry {
            (p, t) = (star, from + 1);
            retry = Some((star, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The length of the pattern's first element if it fits `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    let (fits, len) = match pattern {
        [] => return None,
        [b'?', ..] => (true, 1),
        [b'[', ..] => class(pattern, byte),
        [b'\\', literal, ..] => (*literal == byte, 2),
        [literal, ..] => (*literal == byte, 1),
    };
    fits.then_some(len)
}

/// Whether `byte` is in the class at the beginning of `pattern`, and the length of the class. One
/// that is not closed ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    loop {
        match pattern[at.min(pattern.len())..] {
            [] => return (found != negated, pattern.len()),
            [b'\\', literal, ..] => {
                found |= literal == byte;
                at += 2;
            }
            [b']', ..] => return (found != negated, at + 1),
            [first, b'-', last, ..] => {
                found |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= literal == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_fits_what_it_should() {
        let fits = [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hbllo"),
            ("a*b*c", "a-b-b-c"),
            ("\\*", "*"),
            ("[\\]]", "]"),
            ("[ab", "b"),
            ("**", "x"),
            ("a\\", "a\\"),
        ];
        for (pattern, text) in fits {
            assert!(
                matches(pattern.as_bytes(), text.as_bytes()),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn each_element_refuses_what_it_should() {
        let refuses = [
            ("", "a"),
            ("?", ""),
            ("a", "b"),
            ("a*", "ba"),
            ("h[^e]llo", "hello"),
            ("h[a-b]llo", "hcllo"),
            ("\\*", "x"),
            ("a*b", "abc"),
            ("[", "a"),
        ];
        for (pattern, text) in refuses {
            assert!(
                !matches(pattern.as_bytes(), text.as_bytes()),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"a*".repeat(40);
        assert!(!matches(&pattern, &b"a".repeat(39)));
        let mut open = b"*a".repeat(40);
        open.push(b'b');
        assert!(!matches(&open, &b"a".repeat(2000)));
    }
}
