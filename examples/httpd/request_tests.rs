//! Tests of request heads: what is taken, what is refused and with which status.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::*;

fn complete(text: &str) -> Head {
    parse(text.as_bytes())
        .expect("well-formed")
        .expect("complete")
}

/// The status with which a request line and fields are refused.
fn refused(text: &str) -> Status {
    parse(text.as_bytes()).expect_err(text)
}

#[test]
fn request_head_says_where_things_are() {
    let text = "\r\nGET /a?b HTTP/1.1\r\nHost: h\r\nRange:  bytes=0-1 \r\n\r\nGET /next";
    let head = complete(text);
    assert_eq!(&text[head.len..], "GET /next");
    assert_eq!(head.method, Method::Get);
    assert_eq!(head.target.of_buffer(text.as_bytes()), b"/a?b");
    let range = head.conditions.range.expect("there is one");
    assert_eq!(range.of_buffer(text.as_bytes()), b"bytes=0-1");
    assert!(head.is_http11 && head.keep_alive && head.body == Body::Empty);
}

#[test]
fn request_keep_alive_depends_on_version_and_options() {
    let keeps = |version: &str, fields: &str| {
        complete(&format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n")).keep_alive
    };
    assert!(keeps("1.1", ""));
    assert!(!keeps("1.1", "Connection: close\r\n"));
    assert!(!keeps(
        "1.1",
        "connection: TE, Close\r\nConnection: keep-alive\r\n"
    ));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps("1.0", "Connection: closed\r\n"));
}

#[test]
fn request_absolute_target_is_a_path() {
    let target = |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        parse(text.as_bytes()).map(|head| {
            let target = head.expect("complete").target;
            String::from_utf8_lossy(target.of_buffer(text.as_bytes())).into_owned()
        })
    };
    assert_eq!(target("http://h:80/a/b?c"), Ok("/a/b?c".to_owned()));
    assert_eq!(target("HTTPS://h"), Ok(String::new()));
    assert_eq!(target("http://h?q"), Ok("?q".to_owned()));
    for odd in [
        "*",
        "a/b",
        "http://",
        "http:///a",
        "ftp://h/a",
        "h:80",
        "../a",
    ] {
        assert_eq!(target(odd), Err(Status::BadRequest), "{odd}");
    }
}

#[test]
fn request_body_is_by_length_or_by_chunks() {
    let body = |fields: &str| complete(&format!("PUT / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).body;
    assert_eq!(body("Content-Length: 0\r\n"), Body::Empty);
    assert_eq!(body("Content-Length: 007\r\n"), Body::Length(7));
    assert_eq!(
        body("Content-Length: 7\r\nContent-Length: 7\r\n"),
        Body::Length(7)
    );
    assert_eq!(body("Transfer-Encoding: Chunked\r\n"), Body::Chunked);
}

#[test]
fn request_that_could_be_smuggled_is_a_bad_request() {
    let cases = [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 1\r\n",
        "Field: a\r\n folded\r\n",
        "Host: other\r\n",
        "no colon\r\n",
        "nul: \0\r\n",
    ];
    for fields in cases {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        assert_eq!(refused(&text), Status::BadRequest, "{fields}");
    }
    assert_eq!(
        refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Status::BadRequest
    );
    assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
    assert_eq!(
        refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        Status::BadRequest
    );
}

#[test]
fn request_other_codings_and_expectations_are_refused() {
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n");
        assert_eq!(refused(&text), Status::NotImplemented, "{coding}");
    }
    let head = |version: &str, expected: &str| {
        let text = format!(
            "PUT / HTTP/{version}\r\nHost: h\r\nContent-Length: 1\r\nExpect: {expected}\r\n\r\n"
        );
        parse(text.as_bytes()).map(|head| head.expect("complete").expects_continue)
    };
    assert_eq!(head("1.1", "100-Continue"), Ok(true));
    assert_eq!(head("1.0", "100-continue"), Ok(false));
    assert_eq!(head("1.1", "miracles"), Err(Status::ExpectationFailed));
}

#[test]
fn request_versions_and_garbage_have_their_statuses() {
    for line in [
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        assert_eq!(refused(line), Status::VersionNotSupported, "{line}");
    }
    for line in [
        "GET /\r\n\r\n",
        "GET / HTTP/x\r\n\r\n",
        "\x16\x03\x01\0",
        "GET /a b HTTP/1.1\r\n",
    ] {
        assert_eq!(refused(line), Status::BadRequest, "{}", line.escape_debug());
    }
    let method = |method: &str| complete(&format!("{method} x HTTP/1.0\r\n\r\n")).method;
    assert_eq!(method("POST"), Method::NotForFiles);
    assert_eq!(method("BREW"), Method::Unknown);
    assert_eq!(method("get"), Method::Unknown);
}

#[test]
fn request_too_large_has_the_status_of_what_is() {
    let long = "x".repeat(TARGET_MAX + 1);
    assert_eq!(refused(&format!("GET /{long}")), Status::UriTooLong);
    assert_eq!(
        refused(&format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")),
        Status::UriTooLong
    );
    let fits = "x".repeat(TARGET_MAX - 1);
    complete(&format!("GET /{fits} HTTP/1.1\r\nHost: h\r\n\r\n"));

    let start = "GET / HTTP/1.1\r\nHost: h\r\n";
    let many = "a: b\r\n".repeat(FIELDS_MAX);
    assert_eq!(
        refused(&format!("{start}{many}\r\n")),
        Status::HeaderTooLarge
    );
    let field = format!("{start}a: {}", "x".repeat(HEAD_MAX));
    assert_eq!(refused(&field), Status::HeaderTooLarge);
    assert_eq!(refused(&format!("{field}\r\n\r\n")), Status::HeaderTooLarge);
    let method = "M".repeat(HEAD_MAX);
    assert_eq!(refused(&method), Status::HeaderTooLarge);
    assert!(matches!(parse(format!("{start}a: x").as_bytes()), Ok(None)));
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn prop_request_is_incomplete_at_every_split_before_its_end(
        path in "/[a-z/%?=.]{0,30}",
        fields in proptest::collection::vec(("[a-z]{1,10}x", "[ -~]{0,20}"), 0..6),
        rest in "[ -~\r\n]{0,20}",
    ) {
        let fields: String = fields.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        let text = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        for end in 0..text.len() {
            let parsed = parse(&text.as_bytes()[..end]);
            prop_assert!(matches!(parsed, Ok(None)), "{end}: {parsed:?}");
        }
        let whole = text.clone() + &rest;
        let head = complete(&whole);
        prop_assert_eq!(head.len, text.len());
        prop_assert_eq!(head.target.of_buffer(whole.as_bytes()), path.as_bytes());
    }

    #[test]
    fn prop_request_any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(head)) = parse(&bytes) {
            prop_assert!(head.len <= bytes.len());
        }
    }

    #[test]
    fn prop_request_any_lines_are_read(text in "(GET|HEAD|PUT) [/a*:?#]{1,9} HTTP/1.[01]\r?\n([HhCcTt:, 0-9a-z\r\n]{0,60})\r\n\r\n") {
        if let Ok(Some(head)) = parse(text.as_bytes()) {
            prop_assert!(head.len <= text.len());
            let target = head.target.of_buffer(text.as_bytes());
            prop_assert!(head.method == Method::NotForFiles || !target.contains(&b' '));
        }
    }
}
