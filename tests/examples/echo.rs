//! echo: everything comes back, whoever is slow or gone, and nothing is lost at the end.
//! Method: the program as a process, `std` sockets, counted answers; a client that the server must not
//! serve is shown unserved by others that are served after it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::wait::{PATIENCE, soon, wait_until};
use crate::support::{Server, client, exchange, pattern, ping, read_all, refuses, reset};

#[test]
fn echo_of_a_mebibyte_and_half_close() {
    let server = Server::start("echo", &[]);
    let bytes = pattern(1 << 20, 1);
    for _ in 0..3 {
        let client = server.connect();
        assert!(exchange(&client, &bytes) == bytes);
    }
    server.end();
}

#[test]
fn echo_two_hundred_connections_at_the_same_time() {
    let server = Server::start("echo", &["--threads", "2"]);
    let clients: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for round in 0..5 {
        let message = |n: usize| pattern(100 + n, u32::try_from(n + round).expect("small"));
        for (n, mut client) in clients.iter().enumerate() {
            client.write_all(&message(n)).expect("it takes a message");
        }
        for (n, mut client) in clients.iter().enumerate() {
            let mut answer = vec![0; 100 + n];
            client.read_exact(&mut answer).expect("it answers");
            assert!(answer == message(n), "the answer of another client");
        }
    }
    server.end();
}

/// Sends until both directions are full, since it takes no answers; how much that was.
fn fill(server: &Server, mut slow: &TcpStream, bytes: &[u8]) -> usize {
    slow.set_nonblocking(true).expect("a socket");
    let (mut sent, mut full) = (0, 0);
    // Nothing goes for many rounds of another client.
    while full < 200 {
        match slow.write(&bytes[sent % bytes.len()..]) {
            Ok(n) => (sent, full) = (sent + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                full += 1;
                ping(&server.connect(), b"served");
            }
        }
    }
    slow.set_nonblocking(false).expect("a socket");
    sent
}

/// Takes the answers to what `fill` has sent.
fn take(mut slow: &TcpStream, bytes: &[u8], sent: usize) {
    let mut received = vec![0; sent];
    slow.read_exact(&mut received)
        .expect("all of it comes back");
    let expected = bytes.iter().copied().cycle().take(sent);
    assert!(received.into_iter().eq(expected), "other bytes came back");
}

#[test]
fn echo_client_that_takes_no_answers_stops_itself_only() {
    let server = Server::start("echo", &[]);
    let slow = server.connect();
    let bytes = pattern(1 << 20, 2);
    let sent = fill(&server, &slow, &bytes);
    take(&slow, &bytes, sent);
    server.end();
}

#[test]
fn echo_connections_that_are_reset_are_forgotten() {
    let server = Server::start("echo", &["--connections", "3"]);
    for _ in 0..20 {
        let client = server.connect();
        (&client)
            .write_all(&[7; 100_000])
            .expect("it takes a message");
        reset(client);
    }
    ping(&server.connect(), b"served");
    server.end();
}

#[test]
fn echo_connections_beyond_the_limit_wait() {
    let server = Server::start("echo", &["--connections", "2"]);
    let (one, two) = (server.connect(), server.connect());
    ping(&one, b"one");
    ping(&two, b"two");
    let mut three = server.connect();
    three.write_all(b"three").expect("the listener takes it");
    for _ in 0..200 {
        ping(&one, b"one");
    }
    let mut answer = [0; 5];
    three.set_nonblocking(true).expect("a socket");
    let error = three.read(&mut answer).expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    three.set_nonblocking(false).expect("a socket");
    drop(one);
    three.read_exact(&mut answer).expect("there is room");
    assert_eq!(&answer, b"three");
    ping(&two, b"two");
    server.end();
}

#[test]
fn echo_silent_connections_are_closed() {
    let server = Server::start("echo", &["--idle", "0.05"]);
    let silent = server.connect();
    assert_eq!(read_all(&silent).expect("an orderly end"), b"");
    server.end();
}

#[test]
fn echo_sigterm_under_load_answers_what_was_asked_before() {
    let mut server = Server::start("echo", &["--threads", "2"]);
    let signalled = AtomicBool::new(false);
    let answers = AtomicUsize::new(0);
    thread::scope(|threads| {
        for n in 0..24_u32 {
            let mut client = server.connect();
            let (signalled, answers) = (&signalled, &answers);
            threads.spawn(move || {
                for round in 0.. {
                    let message = pattern(512, n + 1000 * round);
                    let asked = client.write_all(&message);
                    let in_time = asked.is_ok() && !signalled.load(Ordering::SeqCst);
                    let mut answer = [0; 512];
                    let mut got = 0;
                    while got < answer.len() {
                        match client.read(&mut answer[got..]) {
                            Ok(n) if n > 0 => got += n,
                            _ => break,
                        }
                    }
                    assert!(answer[..got] == message[..got], "another answer");
                    if got < answer.len() {
                        assert!(!in_time, "asked before the signal, and not answered");
                        assert_eq!(got, 0, "an answer was cut off");
                        break;
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until(soon(), "all clients were served many times", || {
            answers.load(Ordering::Relaxed) > 24 * 50
        });
        signalled.store(true, Ordering::SeqCst);
        server.terminate();
    });
    let status = server.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn echo_sigterm_serves_connections_that_wait_in_the_listener() {
    for threads in ["1", "2"] {
        let mut server = Server::start("echo", &["--threads", threads]);
        server.pause();
        let clients: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
        for mut client in &clients {
            client.write_all(b"early").expect("it has room");
        }
        server.terminate();
        server.go_on();
        for client in clients {
            assert_eq!(read_all(&client).expect("an orderly end"), b"early");
        }
        assert!(server.wait().success());
    }
}

#[test]
fn echo_sigterm_as_clients_come_all_the_time_resets_none() {
    let mut server = Server::start("echo", &["--threads", "2"]);
    let served = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                // Refused, in the end.
                while let Ok(mut client) = client(&server.address) {
                    client.write_all(b"hello").expect("connected");
                    ping_is_answered(&client);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until(soon(), "many were served", || {
            served.load(Ordering::Relaxed) > 2000
        });
        server.terminate();
    });
    assert!(server.wait().success());
}

#[test]
fn echo_sigterm_serves_connections_beyond_the_limit() {
    let mut server = Server::start("echo", &["--connections", "2"]);
    let (idle, mut busy) = (server.connect(), server.connect());
    ping(&idle, b"one");
    ping(&busy, b"two");
    let beyond: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    for mut client in &beyond {
        client.write_all(b"beyond").expect("it has room");
    }
    server.terminate();
    busy.write_all(b"three").expect("connected");
    for client in &beyond {
        assert_eq!(read_all(client).expect("an orderly end"), b"beyond");
    }
    assert_eq!(read_all(&busy).expect("an orderly end"), b"three");
    assert_eq!(read_all(&idle).expect("an orderly end"), b"");
    assert!(server.wait().success());
}

#[test]
fn echo_sigterm_with_idle_connections_ends_at_once() {
    let mut server = Server::start("echo", &["--drain", "3600"]);
    let idle: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    ping(&idle[49], b"all are accepted");
    server.terminate();
    assert!(server.wait().success());
    for client in idle {
        assert_eq!(read_all(&client).expect("an orderly end"), b"");
    }
}

#[test]
fn echo_sigterm_answers_all_that_has_arrived_from_a_slow_client() {
    let mut server = Server::start("echo", &[]);
    let mut slow = server.connect();
    let bytes = pattern(1 << 20, 3);
    let sent = fill(&server, &slow, &bytes);
    server.terminate();
    server.wait_until_closing();
    // By now those that wait for a request have been ended. What has not left this side may come too
    // late; the rest is with the server.
    some_time(Duration::from_millis(400));
    let arrived = sent - not_acknowledged(&slow);
    assert!(arrived > 0);
    let mut answers = Vec::new();
    // The server may be gone before it has seen all; that is told after what it answered.
    _ = slow.read_to_end(&mut answers);
    assert!(answers.len() >= arrived, "{} of {arrived}", answers.len());
    let expected = bytes.iter().cycle().take(answers.len());
    assert!(answers.iter().eq(expected), "other bytes came back");
    assert!(server.wait().success());
}

/// How many bytes that were sent the other side has not confirmed: proc_pid_net(5).
fn not_acknowledged(stream: &TcpStream) -> usize {
    // Both ends: the port alone may be that of an old connection to another server as well.
    let local = stream.local_addr().expect("an address").port();
    let peer = stream.peer_addr().expect("an address").port();
    let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
    let table = fs::read_to_string("/proc/net/tcp").expect("a table of sockets");
    let own = table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let own = (port(fields.next()?)?, port(fields.next()?)?) == (local, peer);
        let queue = fields.nth(1)?.split_once(':')?.0;
        own.then(|| usize::from_str_radix(queue, 16).expect("a number"))
    });
    own.expect("the socket is in the table")
}

#[test]
fn echo_sigterm_does_not_wait_longer_than_asked() {
    let mut server = Server::start("echo", &["--drain", "0.3"]);
    let client = server.connect();
    fill(&server, &client, &[7; 65536]);
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn echo_second_sigterm_ends_at_once() {
    let mut server = Server::start("echo", &["--drain", "3600"]);
    let client = server.connect();
    fill(&server, &client, &[7; 65536]);
    server.terminate();
    server.wait_until_closing();
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn echo_without_descriptors_waits_and_goes_on() {
    let server = Server::start_with_few_files("echo", 16, &[]);
    let mut clients: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello").expect("the listener takes it");
    }
    ping_is_answered(&clients[0]);
    wait_until(soon(), "it has run out of descriptors", || {
        server.files() >= 16
    });
    // A loop that tries again at once would take a processor; this one looks a few times.
    let before = server.busy_time();
    let elapsed = some_time(Duration::from_millis(800));
    let busy = server.busy_time() - before;
    assert!(busy < elapsed / 4, "{busy:?} of {elapsed:?}");
    // Each one that leaves makes room for another.
    for client in clients.drain(..).skip(1) {
        ping_is_answered(&client);
    }
    ping(&server.connect(), b"served");
    server.end();
}

/// Returns when so much time has passed: how much it was.
fn some_time(time: Duration) -> Duration {
    let begin = Instant::now();
    wait_until(begin + time + PATIENCE, "some time has passed", || {
        begin.elapsed() > time
    });
    begin.elapsed()
}

fn ping_is_answered(mut client: &TcpStream) {
    let mut answer = [0; 5];
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"hello");
}

#[test]
fn echo_on_a_unix_socket_makes_and_removes_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("socket");
    let text = path.to_str().expect("a name in text");
    let args = ["--unix", text, "--threads", "2"];
    // What a server that was killed has left is in nobody's way.
    drop(UnixListener::bind(&path).expect("a socket file"));
    let server = Server::start("echo", &args);
    assert_eq!(server.address, text);
    let mut client = UnixStream::connect(&path).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    client.write_all(b"hello").expect("it takes a message");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"hello");
    assert!(refuses("echo", &args).contains("in use"));
    server.end();
    assert!(!path.exists());

    fs::write(&path, "precious").expect("a file");
    assert!(refuses("echo", &args).contains("no socket"));
    assert_eq!(fs::read(&path).expect("still there"), b"precious");
}

#[test]
fn echo_refuses_what_makes_no_sense() {
    let server = Server::start("echo", &[]);
    for args in [
        &["--listen", &server.address][..],
        &["--listen", &server.address, "--threads", "2"],
        &["--listen", "nowhere"],
        &["--threads", "0"],
        &["--connections", "0"],
        &["--drain", "-1"],
        &["--idle", "soon"],
        &["--unix", "/no/such/directory/socket"],
        &["--unix", "x", "--listen", "127.0.0.1:0"],
    ] {
        refuses("echo", args);
    }
    server.end();
}
