//! kv: what a connection sees, beside what the replies say, which the unit tests of the example know.
//! Method: the program as a process, `std` sockets, whole conversations compared byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use crate::common::wait::{soon, wait_until};
use crate::support::{Server, exchange, pattern, read_all, refuses, reset};

/// Sends a line, and expects these bytes back.
#[track_caller]
fn ask(mut client: &TcpStream, line: &str, expected: &str) {
    client
        .write_all(format!("{line}\r\n").as_bytes())
        .expect("it takes a command");
    expect(client, expected.as_bytes());
}

#[track_caller]
fn expect(mut client: &TcpStream, expected: &[u8]) {
    let mut answer = vec![0; expected.len()];
    client.read_exact(&mut answer).expect("it answers");
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(100)]);
    assert!(answer == expected, "{shown:?}");
}

#[test]
fn kv_pipeline_in_both_forms_is_answered_in_order() {
    let server = Server::start("kv", &[]);
    let commands = b"SET k 'a b'\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nINCR k\r\n\r\nnope\r\nPING\r\n";
    let expected = "+OK\r\n$3\r\na b\r\n-ERR value is not an integer or out of range\r\n\
                    -ERR unknown command 'nope', with args beginning with: \r\n+PONG\r\n";
    let answer = exchange(&server.connect(), commands);
    assert_eq!(String::from_utf8_lossy(&answer), expected);
    server.end();
}

#[test]
fn kv_command_byte_by_byte_is_one_command() {
    let server = Server::start("kv", &[]);
    let mut client = server.connect();
    client.set_nodelay(true).expect("a socket");
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n" {
        client.write_all(&[*byte]).expect("it takes a byte");
    }
    expect(&client, b"+OK\r\n");
    ask(&client, "GET k", "$5\r\nhello\r\n");
    server.end();
}

#[test]
fn kv_broken_protocol_and_quit_close_after_the_reply() {
    let server = Server::start("kv", &[]);
    let cases = [
        (
            "PING\r\n*x\r\n",
            "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            "*1\r\n+x\r\n",
            "-ERR Protocol error: expected '$', got '+'\r\n",
        ),
        (
            "GET 'x\r\n",
            "-ERR Protocol error: unbalanced quotes in request\r\n",
        ),
        ("QUIT\r\n", "+OK\r\n"),
        ("POST / HTTP/1.1\r\n", ""),
    ];
    for (commands, expected) in cases {
        let client = server.connect();
        (&client)
            .write_all(commands.as_bytes())
            .expect("it takes a command");
        // The server closes, not the client.
        let answer = read_all(&client).expect("it answers to the end");
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
    server.end();
}

#[test]
fn kv_value_of_many_mebibytes_comes_back_whole() {
    let server = Server::start("kv", &[]);
    let value = pattern(20 << 20, 3);
    let header = format!("${}\r\n", value.len());
    let set = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n",
        header.as_bytes(),
        &value,
        b"\r\n",
    ]
    .concat();
    let answer = exchange(
        &server.connect(),
        &[&set[..], b"GET k\r\nPING\r\n"].concat(),
    );
    let expected = [b"+OK\r\n", header.as_bytes(), &value, b"\r\n+PONG\r\n"].concat();
    assert!(answer == expected);
    server.end();
}

#[test]
fn kv_client_that_takes_no_replies_costs_bounded_memory() {
    let server = Server::start("kv", &[]);
    let mut greedy = server.connect();
    ask(&greedy, &format!("SET k {}", "x".repeat(60_000)), "+OK\r\n");
    greedy.set_nonblocking(true).expect("a socket");
    let gets = b"GET k\r\n".repeat(10_000);
    let (mut sent, mut full) = (0, 0);
    // Until it takes no more commands while others are served: replies to all would be 600 MB.
    while sent < gets.len() && full < 200 {
        match greedy.write(&gets[sent..]) {
            Ok(n) => (sent, full) = (sent + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                full += 1;
            }
        }
        ask(&server.connect(), "PING", "+PONG\r\n");
    }
    let memory = server.memory();
    assert!(memory < 64 << 20, "{memory} bytes");
    server.end();
}

#[test]
fn kv_increments_of_all_threads_count_once() {
    let server = Server::start("kv", &["--threads", "2"]);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let answer = exchange(&server.connect(), &b"INCR n\r\n".repeat(2_000));
                assert_eq!(answer.iter().filter(|&&byte| byte == b':').count(), 2_000);
            });
        }
    });
    ask(&server.connect(), "GET n", "$5\r\n16000\r\n");
    server.end();
}

#[test]
fn kv_keys_that_nobody_looks_at_expire() {
    let server = Server::start("kv", &[]);
    let client = server.connect();
    ask(&client, "SET for-ever v", "+OK\r\n");
    for n in 0..5_000 {
        (&client)
            .write_all(format!("SET k{n} v PX 20\r\n").as_bytes())
            .expect("it takes a command");
        expect(&client, b"+OK\r\n");
    }
    wait_until(soon(), "they are gone", || {
        let mut answer = [0; 16];
        (&client)
            .write_all(b"DBSIZE\r\n")
            .expect("it takes a command");
        let len = (&client).read(&mut answer).expect("it answers");
        &answer[..len] == b":1\r\n"
    });
    server.end();
}

#[test]
fn kv_connections_that_are_reset_are_forgotten() {
    let server = Server::start("kv", &[]);
    let before = server.sockets();
    let pings = b"PING\r\n".repeat(1_000);
    for n in 0..40 {
        let client = server.connect();
        let part = [&b"*2\r\n$3\r\nGE"[..], b"", &pings][n % 3];
        (&client).write_all(part).expect("it takes bytes");
        reset(client);
    }
    wait_until(soon(), "no connection is left", || {
        server.sockets() == before
    });
    server.end();
}

#[test]
fn kv_command_that_has_begun_is_answered_after_the_signal() {
    let mut server = Server::start("kv", &[]);
    let (idle, mut client) = (server.connect(), server.connect());
    ask(&idle, "PING", "+PONG\r\n");
    ask(&client, "PING", "+PONG\r\n");
    client
        .write_all(b"PING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhel")
        .expect("it takes a part");
    expect(&client, b"+PONG\r\n");
    server.terminate();
    server.wait_until_closing();
    assert_eq!(read_all(&idle).expect("the end"), b"");
    client.write_all(b"lo\r\n").expect("it takes the rest");
    let answer = read_all(&client).expect("it answers to the end");
    assert_eq!(String::from_utf8_lossy(&answer), "$5\r\nhello\r\n");
    assert!(server.wait().success());
}

#[test]
fn kv_wrong_arguments_are_refused() {
    refuses("kv", &["--threads", "0"]);
    refuses("kv", &["--listen", "127.0.0.1:1x"]);
    refuses("kv", &["--nonsense"]);
}
