//! Conditional requests (RFC 9110, 13): what the client has already, and what it will not overwrite.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::request::{Conditions, Span};

/// What identifies the content of a file: when it was last changed, and its length.
///
/// Both are the file's own, so that they are the same after a restart. A second change within one
/// tick of the file system's clock that keeps the length is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) modified: SystemTime,
    pub(crate) len: u64,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Send,
    NotModified,
    Failed,
}

impl Validators {
    /// The entity tag, a strong one, with its quotes.
    pub(crate) fn etag(&self) -> String {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!(
            "\"{:x}-{:x}-{:x}\"",
            since.as_secs(),
            since.subsec_nanos(),
            self.len
        )
    }

    /// The time for `Last-Modified`: in whole seconds, and not in the future (8.8.2.1).
    pub(crate) fn last_modified(&self, now: SystemTime) -> SystemTime {
        let since = self.modified.min(now).duration_since(UNIX_EPOCH);
        UNIX_EPOCH + Duration::from_secs(since.unwrap_or_default().as_secs())
    }

    /// Evaluates the conditions in the order of 13.2.2.
    pub(crate) fn verdict(
        &self,
        conditions: &Conditions,
        buffer: &[u8],
        now: SystemTime,
    ) -> Verdict {
        let field = |span: Option<Span>| span.map(|span| span.of_buffer(buffer));
        let date = |span: Option<Span>| field(span).and_then(date);
        let modified = self.last_modified(now);
        if let Some(tags) = field(conditions.if_match) {
            if !is_listed(tags, &self.etag(), Comparison::Strong) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(conditions.if_unmodified_since)
            && modified > since
        {
            return Verdict::Failed;
        }
        let has_it = match field(conditions.if_none_match) {
            Some(tags) => is_listed(tags, &self.etag(), Comparison::Weak),
            None => date(conditions.if_modified_since).is_some_and(|since| modified <= since),
        };
        if has_it {
            Verdict::NotModified
        } else {
            Verdict::Send
        }
    }

    /// Whether a range may be sent: the client's other parts are of the same content (13.1.5).
    pub(crate) fn allows_range(&self, if_range: Option<&[u8]>, now: SystemTime) -> bool {
        match if_range {
            None => true,
            Some(tag) if tag.starts_with(b"\"") => tag == self.etag().as_bytes(),
            // A date is good enough only if the file cannot have changed again in that second.
            Some(value) => date(value).is_some_and(|date| {
                let modified = self.last_modified(now);
                date == modified && modified + Duration::from_secs(1) < now
            }),
        }
    }
}

/// A date in one of the three forms that HTTP has; anything else is no condition.
fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether `tag` is in a list of entity tags; `*` stands for all.
fn is_listed(list: &[u8], tag: &str, comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    while !rest.is_empty() {
        let (is_weak, opaque) = match rest.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, rest),
        };
        // A comma may be in a tag, a quote may not.
        let quote = |&byte: &u8| byte == b'"';
        let Some(end) = opaque
            .iter()
            .skip(1)
            .position(quote)
            .filter(|_| quote(&opaque[0]))
        else {
            return false;
        };
        let (found, after) = opaque.split_at(end + 2);
        if found == tag.as_bytes() && (comparison == Comparison::Weak || !is_weak) {
            return true;
        }
        rest = after.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;
    use crate::request::parse;

    const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn file() -> Validators {
        Validators {
            modified: httpdate::parse_http_date(CHANGED).unwrap() + Duration::from_millis(500),
            len: 10,
        }
    }

    /// The verdict on a request with these fields, years after the file was changed.
    fn verdict(fields: &str) -> Verdict {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let request = parse(head.as_bytes()).unwrap().expect("complete");
        file().verdict(&request.conditions, head.as_bytes(), SystemTime::now())
    }

    #[test]
    fn conditional_none_match_knows_lists_and_weak_tags() {
        let tag = file().etag();
        for list in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"a,b\", W/\"\" ,{tag}"),
            "*".into(),
        ] {
            assert_eq!(
                verdict(&format!("If-None-Match: {list}\r\n")),
                Verdict::NotModified
            );
        }
        for list in ["\"other\"", "W/\"other\"", "", "garbage", "\"open", "\"*\""] {
            assert_eq!(
                verdict(&format!("If-None-Match: {list}\r\n")),
                Verdict::Send,
                "{list}"
            );
        }
    }

    #[test]
    fn conditional_modified_since_compares_whole_seconds() {
        let cases = [
            (CHANGED, Verdict::NotModified),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified),
            ("Sun Nov  6 08:49:37 1994", Verdict::NotModified),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Verdict::NotModified),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Verdict::Send),
            ("yesterday", Verdict::Send),
        ];
        for (date, expected) in cases {
            assert_eq!(
                verdict(&format!("If-Modified-Since: {date}\r\n")),
                expected,
                "{date}"
            );
        }
    }

    #[test]
    fn conditional_none_match_overrules_modified_since() {
        let fields = format!("If-Modified-Since: {CHANGED}\r\nIf-None-Match: \"other\"\r\n");
        assert_eq!(verdict(&fields), Verdict::Send);
    }

    #[test]
    fn conditional_match_and_unmodified_since_fail_for_another_content() {
        let tag = file().etag();
        let cases = [
            (format!("If-Match: {tag}"), Verdict::Send),
            ("If-Match: *".into(), Verdict::Send),
            (format!("If-Match: W/{tag}"), Verdict::Failed),
            ("If-Match: \"other\"".into(), Verdict::Failed),
            (format!("If-Unmodified-Since: {CHANGED}"), Verdict::Send),
            (
                "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(),
                Verdict::Failed,
            ),
            ("If-Unmodified-Since: soon".into(), Verdict::Send),
            (
                format!("If-Match: \"other\"\r\nIf-None-Match: {tag}"),
                Verdict::Failed,
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(verdict(&format!("{fields}\r\n")), expected, "{fields}");
        }
    }

    #[test]
    fn conditional_range_needs_the_same_content() {
        let (file, now) = (file(), SystemTime::now());
        let allows = |value: &str| file.allows_range(Some(value.as_bytes()), now);
        assert!(file.allows_range(None, now));
        assert!(allows(&file.etag()));
        assert!(allows(CHANGED));
        assert!(!allows(&format!("W/{}", file.etag())));
        assert!(!allows("\"other\""));
        assert!(!allows("Sun, 06 Nov 1994 08:49:38 GMT"));
        assert!(!file.allows_range(Some(CHANGED.as_bytes()), file.modified));
    }

    #[test]
    fn conditional_last_modified_is_not_in_the_future() {
        let (file, now) = (file(), UNIX_EPOCH + Duration::from_millis(2500));
        assert_eq!(file.last_modified(now), UNIX_EPOCH + Duration::from_secs(2));
        let ancient = Validators {
            modified: UNIX_EPOCH - Duration::from_secs(1),
            len: 0,
        };
        assert_eq!(ancient.last_modified(now), UNIX_EPOCH);
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_conditional_tag_is_found_in_any_list(
            before in proptest::collection::vec("(W/)?\"[a-z,]{0,5}\"", 0..4),
            seconds in 0_u32..u32::MAX,
            len in any::<u64>(),
        ) {
            let modified = UNIX_EPOCH + Duration::from_secs(seconds.into());
            let tag = Validators { modified, len }.etag();
            let list = [&before[..], std::slice::from_ref(&tag)].concat().join(", ");
            prop_assert_eq!(is_listed(list.as_bytes(), &tag, Comparison::Strong), true);
            let list = before.join(",");
            prop_assert_eq!(is_listed(list.as_bytes(), &tag, Comparison::Weak), false);
        }

        #[test]
        fn prop_conditional_any_list_is_read(list in "[W/\", a*]{0,20}") {
            prop_assert_eq!(is_listed(list.as_bytes(), "\"zz\"", Comparison::Strong), list.trim() == "*");
        }
    }
}
