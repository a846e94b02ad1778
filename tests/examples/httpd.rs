//! httpd: what is asked is answered as HTTP says, and who abuses it is cut off.
//! Method: the program as a process, `std` sockets, responses read to the byte; each connection
//! goes on, or ends, as its response says.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::common::wait::{soon, wait_until};
use crate::support::{Server, pattern, read_all, refuses};

/// A server, and the directory that it serves.
struct Site {
    server: Server,
    dir: TempDir,
}

/// A response, whose body is as long as it says.
#[derive(Debug)]
struct Response {
    status: u16,
    fields: String,
    body: Vec<u8>,
}

impl Site {
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub/empty")).expect("directories");
        fs::write(root.join("index.html"), "the index").expect("a file");
        fs::write(root.join("ten.txt"), "0123456789").expect("a file");
        fs::write(root.join("sub/index.html"), "below").expect("a file");
        fs::write(dir.path().join("secret"), "not served").expect("a file");
        let root = root.to_str().expect("text").to_owned();
        let server = Server::start("httpd", &[&["--root", &root], args].concat());
        Self { server, dir }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join("root").join(name), content).expect("a file");
    }

    fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(self.server.connect())
    }

    /// The response to one request with these fields, on a connection of its own.
    fn ask(&self, line: &str, fields: &str) -> Response {
        let mut client = self.connect();
        ask(&mut client, line, fields)
    }
}

/// Sends a request with these fields, and receives the response.
fn ask(client: &mut BufReader<TcpStream>, line: &str, fields: &str) -> Response {
    let request = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    client
        .get_mut()
        .write_all(request.as_bytes())
        .expect("it takes a request");
    let response = Response::read(client, line.starts_with("HEAD"));
    response.expect("it answers")
}

impl Response {
    fn read(client: &mut BufReader<TcpStream>, is_head: bool) -> io::Result<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if client.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let (line, fields) = head.split_once("\r\n").expect("a status line");
        let status = line.strip_prefix("HTTP/1.1 ").expect("a version");
        let mut this = Self {
            status: status[..3].parse().expect("a status"),
            fields: fields.to_owned(),
            body: Vec::new(),
        };
        if this.status >= 200 && this.status != 304 && !is_head {
            let len = this.field("Content-Length").expect("a length");
            this.body = vec![0; len.parse().expect("a number")];
            client.read_exact(&mut this.body)?;
        }
        Ok(this)
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.fields.lines().map(|line| line.split_once(": "));
        lines.find_map(|field| field.filter(|field| field.0 == name).map(|field| field.1))
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

/// The server has nothing more to say on this connection.
#[track_caller]
fn has_ended(mut client: BufReader<TcpStream>) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("an orderly end");
    assert_eq!(rest.escape_ascii().to_string(), "");
}

#[test]
fn httpd_files_have_type_length_and_validators() {
    let site = Site::start(&[]);
    let mut client = site.connect();
    let response = ask(&mut client, "GET /ten.txt?query", "");
    assert_eq!((response.status, response.text()), (200, "0123456789"));
    assert_eq!(
        response.field("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    for name in ["Date", "ETag", "Last-Modified"] {
        assert!(response.field(name).is_some(), "{name}: {response:?}");
    }
    let head = ask(&mut client, "HEAD /ten.txt", "");
    let date = |response: &Response| response.field("Date").map(str::to_owned);
    let without_date = |response: &Response| {
        let date = date(response).unwrap_or_default();
        response.fields.replace(&date, "")
    };
    assert_eq!(without_date(&head), without_date(&response));
    let response = ask(&mut client, "GET http://h/%74en.txt", "");
    assert_eq!(response.text(), "0123456789");
    site.write("empty.css", "");
    let response = ask(&mut client, "GET /empty.css", "");
    assert_eq!((response.status, response.text()), (200, ""));
    client
        .get_ref()
        .shutdown(Shutdown::Write)
        .expect("connected");
    has_ended(client);
    site.server.end();
}

#[test]
fn httpd_what_is_not_a_file_has_its_status() {
    let site = Site::start(&[]);
    let root = site.dir.path().join("root");
    symlink("../secret", root.join("out")).expect("a link");
    symlink("ten.txt", root.join("in")).expect("a link");
    symlink("loop", root.join("loop")).expect("a link");
    site.write("index.html~", "");
    let long = format!("/{}", "x".repeat(9000));
    let name = format!("/{}", "x".repeat(300));
    let escape = "/..%2f..%2fsecret";
    let cases = [
        ("GET /", 200),
        ("GET /sub/", 200),
        ("GET /sub", 301),
        ("GET /in", 200),
        ("GET /sub/../ten.txt", 200),
        ("GET /out", 403),
        ("GET /sub/empty/", 403),
        ("GET /missing", 404),
        ("GET /missing/", 404),
        ("GET /ten.txt/", 404),
        ("GET /ten.txt/x", 404),
        ("GET /loop", 404),
        (&format!("GET {name}"), 404),
        (&format!("GET {escape}"), 404),
        ("GET /../secret", 400),
        ("GET /sub/../../secret", 400),
        ("GET /%2e%2e/secret", 400),
        ("GET /ten.txt%00", 400),
        ("GET /%zz", 400),
        ("POST /", 405),
        ("OPTIONS /ten.txt", 405),
        ("BREW /", 501),
    ];
    let mut client = site.connect();
    for (line, status) in cases {
        let response = ask(&mut client, line, "");
        assert_eq!(response.status, status, "{line}");
        assert!(!response.text().contains("not served"), "{line}");
    }
    let post = ask(&mut client, "POST /", "");
    assert_eq!(post.field("Allow"), Some("GET, HEAD"));
    let moved = ask(&mut client, "GET //sub?x=1", "");
    assert_eq!(moved.field("Location"), Some("/sub/?x=1"));

    let long_field = format!("x: {}\r\n", "x".repeat(20_000));
    let last = [
        (format!("GET {long}"), "", 414),
        ("GET /".to_owned(), &*long_field, 431),
        ("GET x".to_owned(), "", 400),
        ("GET /".to_owned(), "Host: two\r\n", 400),
        ("GET /".to_owned(), "Transfer-Encoding: gzip\r\n", 501),
        ("GET /".to_owned(), "Expect: miracles\r\n", 417),
    ];
    for (line, fields, status) in last {
        let mut client = site.connect();
        let response = ask(&mut client, &line, fields);
        assert_eq!(response.status, status, "{line}");
        assert_eq!(response.field("Connection"), Some("close"));
        has_ended(client);
    }
    site.server.end();
}

#[test]
fn httpd_ranges_and_conditions() {
    let site = Site::start(&[]);
    let whole = site.ask("GET /ten.txt", "");
    let tag = whole.field("ETag").expect("a tag");
    let date = whole.field("Last-Modified").expect("a date");
    let cases = [
        ("Range: bytes=2-4".to_owned(), 206, "234"),
        ("Range: bytes=-3".into(), 206, "789"),
        ("Range: bytes=8-100".into(), 206, "89"),
        ("Range: bytes=0-1,3-4".into(), 200, "0123456789"),
        (
            "Range: bytes=10-".into(),
            416,
            "416 Range Not Satisfiable\n",
        ),
        (format!("If-None-Match: \"x\", W/{tag}"), 304, ""),
        (format!("If-Modified-Since: {date}"), 304, ""),
        (
            format!("If-Modified-Since: {date}\r\nIf-None-Match: \"x\""),
            200,
            "0123456789",
        ),
        ("If-Match: \"x\"".into(), 412, "412 Precondition Failed\n"),
        (format!("If-Range: {tag}\r\nRange: bytes=0-0"), 206, "0"),
        (
            "If-Range: \"x\"\r\nRange: bytes=0-0".into(),
            200,
            "0123456789",
        ),
    ];
    let mut client = site.connect();
    for (fields, status, body) in cases {
        let response = ask(&mut client, "GET /ten.txt", &format!("{fields}\r\n"));
        assert_eq!(
            (response.status, response.text()),
            (status, body),
            "{fields}"
        );
    }
    let part = ask(&mut client, "GET /ten.txt", "Range: bytes=2-4\r\n");
    assert_eq!(part.field("Content-Range"), Some("bytes 2-4/10"));
    let outside = ask(&mut client, "GET /ten.txt", "Range: bytes=10-\r\n");
    assert_eq!(outside.field("Content-Range"), Some("bytes */10"));
    site.server.end();
}

#[test]
fn httpd_change_of_a_file_is_seen_at_once() {
    let site = Site::start(&[]);
    let mut client = site.connect();
    for round in 0..50 {
        let content = format!("round {round}");
        match round % 2 {
            0 => site.write("changing", &content),
            _ => {
                site.write("next", &content);
                let root = site.dir.path().join("root");
                fs::rename(root.join("next"), root.join("changing")).expect("renamed");
            }
        }
        assert_eq!(ask(&mut client, "GET /changing", "").text(), content);
    }
    site.server.end();
}

#[test]
fn httpd_pipelined_and_split_requests_are_answered_in_order() {
    let site = Site::start(&["--threads", "2"]);
    let mut requests = String::new();
    for n in 0..200 {
        site.write(&format!("{n}"), format!("file {n}").repeat(n));
        requests += &format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    let expect_all = |mut client: BufReader<TcpStream>| {
        for n in 0..200 {
            let response = Response::read(&mut client, false).expect("it answers");
            assert!(
                response.text() == format!("file {n}").repeat(n),
                "{n}: {response:?}"
            );
        }
        has_ended(client);
    };
    let client = site.connect();
    thread::scope(|threads| {
        threads.spawn(|| {
            client
                .get_ref()
                .write_all(requests.as_bytes())
                .expect("taken");
            client
                .get_ref()
                .shutdown(Shutdown::Write)
                .expect("connected");
        });
        expect_all(BufReader::new(
            client.get_ref().try_clone().expect("a socket"),
        ));
    });
    let client = site.connect();
    client.get_ref().set_nodelay(true).expect("a socket");
    thread::scope(|threads| {
        threads.spawn(|| {
            for byte in requests.as_bytes() {
                client.get_ref().write_all(&[*byte]).expect("taken");
            }
            client
                .get_ref()
                .shutdown(Shutdown::Write)
                .expect("connected");
        });
        expect_all(BufReader::new(
            client.get_ref().try_clone().expect("a socket"),
        ));
    });
    site.server.end();
}

#[test]
fn httpd_bodies_are_read_past_and_long_ones_are_not() {
    let site = Site::start(&[]);
    let mut client = site.connect();
    let bodies = [
        ("GET /ten.txt", "Content-Length: 5\r\n", "hello", 200),
        (
            "GET /ten.txt",
            "Transfer-Encoding: chunked\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            200,
        ),
        ("POST /ten.txt", "Content-Length: 5\r\n", "hello", 405),
    ];
    for (line, fields, body, status) in bodies {
        // The body is what follows the empty line.
        let request = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
        client
            .get_mut()
            .write_all(request.as_bytes())
            .expect("taken");
        let response = Response::read(&mut client, false).expect("it answers");
        assert_eq!(response.status, status, "{line} {fields}");
    }
    let wanted = ask(
        &mut client,
        "GET /",
        "Content-Length: 2\r\nExpect: 100-continue\r\n",
    );
    assert_eq!(wanted.status, 100);
    client.get_mut().write_all(b"{}").expect("taken");
    assert_eq!(
        Response::read(&mut client, false)
            .expect("it answers")
            .text(),
        "the index"
    );
    let spared = ask(
        &mut client,
        "PUT /",
        "Content-Length: 2\r\nExpect: 100-continue\r\n",
    );
    assert_eq!(
        (spared.status, spared.field("Connection")),
        (405, Some("close"))
    );
    has_ended(client);

    for (line, status) in [("GET /", 413), ("PUT /", 405)] {
        let mut client = site.connect();
        let response = ask(&mut client, line, "Content-Length: 99999999\r\n");
        assert_eq!(
            (response.status, response.field("Connection")),
            (status, Some("close"))
        );
        // What was on its way does not reset the connection before the response is read.
        has_ended(client);
    }
    site.server.end();
}

#[test]
fn httpd_connections_end_as_the_client_understands() {
    let site = Site::start(&[]);
    let old = |fields: &str| {
        let mut client = site.connect();
        let request = format!("GET /ten.txt HTTP/1.0\r\n{fields}\r\n");
        client
            .get_mut()
            .write_all(request.as_bytes())
            .expect("taken");
        let response = Response::read(&mut client, false).expect("it answers");
        assert_eq!(response.text(), "0123456789");
        (client, response)
    };
    let (client, response) = old("");
    assert_eq!(response.field("Connection"), Some("close"));
    has_ended(client);
    let (mut client, response) = old("Connection: keep-alive\r\n");
    assert_eq!(response.field("Connection"), Some("keep-alive"));
    let response = ask(&mut client, "GET /ten.txt", "Connection: close\r\n");
    assert_eq!(response.field("Connection"), Some("close"));
    has_ended(client);
    site.server.end();
}

#[test]
fn httpd_slow_heads_and_bodies_time_out_whatever_trickles_in() {
    let site = Site::start(&["--head", "0.2"]);
    for start in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999\r\n\r\n",
    ] {
        let mut client = site.connect();
        client.get_mut().write_all(start.as_bytes()).expect("taken");
        let socket = client.get_ref().try_clone().expect("a socket");
        let is_over = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                // A byte now and then does not extend the time; others are served meanwhile.
                while !is_over.load(Ordering::SeqCst) && (&socket).write_all(b"x").is_ok() {
                    assert_eq!(site.ask("GET /ten.txt", "").status, 200);
                }
            });
            let response = Response::read(&mut client, false);
            is_over.store(true, Ordering::SeqCst);
            assert_eq!(response.expect("it answers").status, 408);
        });
        has_ended(client);
    }
    site.server.end();
}

#[test]
fn httpd_large_file_arrives_whole_by_parts_and_slowly() {
    let site = Site::start(&[]);
    let bytes = pattern(10_000_019, 5);
    site.write("large.bin", &bytes);
    assert!(site.ask("GET /large.bin", "").body == bytes);
    let part = site.ask("GET /large.bin", "Range: bytes=131000-9000000\r\n");
    assert!(part.body == bytes[131_000..9_000_001]);
    let mut client = site.connect();
    let request = "GET /large.bin HTTP/1.0\r\n\r\n";
    client
        .get_mut()
        .write_all(request.as_bytes())
        .expect("taken");
    // It reads little, and waits for other clients in between.
    let mut received = Vec::new();
    let mut piece = [0; 50_000];
    while let n @ 1.. = client.get_mut().read(&mut piece).expect("connected") {
        received.extend_from_slice(&piece[..n]);
        assert_eq!(site.ask("HEAD /ten.txt", "").status, 200);
    }
    assert!(received.ends_with(&bytes));
    site.server.end();
}

#[test]
fn httpd_client_that_takes_nothing_loses_its_place() {
    let site = Site::start(&["--send", "0.2", "--connections", "1"]);
    site.write("large.bin", pattern(20_000_000, 6));
    let mut stuck = site.connect();
    let request = "GET /large.bin HTTP/1.0\r\n\r\n";
    stuck
        .get_mut()
        .write_all(request.as_bytes())
        .expect("taken");
    assert_eq!(site.ask("GET /ten.txt", "").text(), "0123456789");
    let received = read_all(stuck.get_ref());
    assert!(received.is_ok_and(|bytes| bytes.len() < 20_000_000));
    site.server.end();
}

#[test]
fn httpd_file_that_shrinks_ends_its_connection_only() {
    let site = Site::start(&[]);
    site.write("large.bin", pattern(20_000_000, 7));
    let mut client = site.connect();
    let request = "GET /large.bin HTTP/1.0\r\n\r\n";
    client
        .get_mut()
        .write_all(request.as_bytes())
        .expect("taken");
    client
        .get_mut()
        .read_exact(&mut [0; 100])
        .expect("it has begun");
    site.write("large.bin", "short");
    let received = read_all(client.get_ref());
    assert!(received.is_ok_and(|bytes| bytes.len() < 20_000_000));
    assert_eq!(site.ask("GET /large.bin", "").text(), "short");
    site.server.end();
}

#[test]
fn httpd_sigterm_under_load_answers_what_was_asked_before() {
    let mut site = Site::start(&["--threads", "2"]);
    let bytes = pattern(300_000, 8);
    site.write("file", &bytes);
    let (signalled, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|threads| {
        for _ in 0..16 {
            let mut client = site.connect();
            let (signalled, answers, bytes) = (&signalled, &answers, &bytes);
            threads.spawn(move || {
                loop {
                    let request = b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n";
                    let asked = client.get_mut().write_all(request).is_ok();
                    let in_time = asked && !signalled.load(Ordering::SeqCst);
                    match Response::read(&mut client, false) {
                        Ok(response) => assert!(response.body == *bytes),
                        Err(error) => {
                            assert!(!in_time, "asked before the signal: {error}");
                            break;
                        }
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until(soon(), "all clients were served", || {
            answers.load(Ordering::Relaxed) > 100
        });
        signalled.store(true, Ordering::SeqCst);
        site.server.terminate();
        assert!(site.server.wait().success());
    });
}

#[test]
fn httpd_sigterm_tells_clients_that_the_connection_ends() {
    let mut site = Site::start(&[]);
    let mut client = site.connect();
    assert_eq!(ask(&mut client, "GET /", "").field("Connection"), None);
    client
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nHost: h")
        .expect("taken");
    wait_until(soon(), "it has the beginning", || {
        site.ask("GET /ten.txt", "").status == 200
    });
    site.server.terminate();
    site.server.wait_until_closing();
    client.get_mut().write_all(b"\r\n\r\n").expect("taken");
    let response = Response::read(&mut client, false).expect("it answers");
    assert_eq!(
        (response.text(), response.field("Connection")),
        ("the index", Some("close"))
    );
    has_ended(client);
    assert!(site.server.wait().success());
}

#[test]
fn httpd_wrong_arguments_are_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let missing = dir.path().join("missing");
    for path in [&file, &missing] {
        let text = refuses("httpd", &["--root", path.to_str().expect("text")]);
        assert!(text.contains(path.to_str().expect("text")), "{text}");
    }
    refuses("httpd", &[]);
    refuses("httpd", &["--root", "/", "--head", "-1"]);
}
