//! proxy: both directions, their ends, and their failures, arrive on the other side.
//! Method: the program as a process between `std` sockets on both sides, which the test holds.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Server, exchange, patient, pattern, ping, read_all, refuses, reset};

/// A proxy, and the listener to which it passes connections on.
struct Between {
    proxy: Server,
    listener: TcpListener,
}

impl Between {
    fn start(args: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to = listener.local_addr().expect("an address").to_string();
        let args = [&["--to", &to], args].concat();
        let proxy = Server::start("proxy", &args);
        Self { proxy, listener }
    }

    /// Both ends of a connection.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let client = self.proxy.connect();
        let (server, _) = self.listener.accept().expect("it connects");
        patient(&server);
        (client, server)
    }
}

#[test]
fn proxy_passes_on_both_directions_at_the_same_time() {
    let between = Between::start(&[]);
    let (client, server) = between.connect();
    let (up, down) = (pattern(3 << 20, 1), pattern(2 << 20, 2));
    thread::scope(|threads| {
        threads.spawn(|| assert!(exchange(&server, &down) == up));
        assert!(exchange(&client, &up) == down);
    });
    between.proxy.end();
}

#[test]
fn proxy_half_close_of_either_side_leaves_the_other_direction() {
    let between = Between::start(&[]);
    for swapped in [false, true] {
        let (client, server) = between.connect();
        let (mut first, mut second) = match swapped {
            false => (client, server),
            true => (server, client),
        };
        first.write_all(b"question").expect("connected");
        first.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(read_all(&second).expect("an orderly end"), b"question");
        let answer = pattern(1 << 20, 3);
        thread::scope(|threads| {
            threads.spawn(|| {
                second.write_all(&answer).expect("connected");
                second.shutdown(Shutdown::Write).expect("connected");
            });
            assert!(read_all(&first).expect("an orderly end") == answer);
        });
    }
    between.proxy.end();
}

#[test]
fn proxy_reset_of_either_side_resets_the_other() {
    let between = Between::start(&[]);
    for swapped in [false, true] {
        let (client, server) = between.connect();
        let (mut first, mut second) = match swapped {
            false => (client, server),
            true => (server, client),
        };
        first.write_all(b"cut").expect("connected");
        second.read_exact(&mut [0; 3]).expect("passed on");
        reset(first);
        let error = read_all(&second).expect_err("no orderly end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    between.proxy.end();
}

#[test]
fn proxy_to_nobody_resets_its_clients() {
    let between = Between::start(&["--threads", "2"]);
    drop(between.listener);
    for _ in 0..5 {
        let client = between.proxy.connect();
        let error = read_all(&client).expect_err("no orderly end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    between.proxy.end();
}

#[test]
fn proxy_silent_connections_are_closed_in_good_order() {
    let between = Between::start(&["--idle", "0.05"]);
    let (client, server) = between.connect();
    assert_eq!(read_all(&client).expect("an orderly end"), b"");
    assert_eq!(read_all(&server).expect("an orderly end"), b"");
    between.proxy.end();
}

#[test]
fn proxy_direction_that_is_silent_lives_while_the_other_is_not() {
    let between = Between::start(&["--idle", "1.5"]);
    let (mut client, mut server) = between.connect();
    let begin = Instant::now();
    let mut byte = [0];
    while begin.elapsed().as_millis() < 2500 {
        server.write_all(b"x").expect("connected");
        client.read_exact(&mut byte).expect("connected");
        thread::yield_now();
    }
    client.write_all(b"!").expect("connected");
    server.read_exact(&mut byte).expect("connected");
    assert_eq!(&byte, b"!");
    between.proxy.end();
}

#[test]
fn proxy_sigterm_lets_a_transfer_finish() {
    let mut between = Between::start(&[]);
    let (client, mut server) = between.connect();
    let bytes = pattern(16 << 20, 4);
    thread::scope(|threads| {
        threads.spawn(|| {
            server.write_all(&bytes).expect("connected");
            server.shutdown(Shutdown::Write).expect("connected");
            assert_eq!(read_all(&server).expect("an orderly end"), b"");
        });
        let mut begin = vec![0; 1000];
        (&client).read_exact(&mut begin).expect("it has begun");
        between.proxy.terminate();
        between.proxy.wait_until_closing();
        let rest = exchange(&client, b"");
        assert!([begin, rest].concat() == bytes);
    });
    assert!(between.proxy.wait().success());
}

#[test]
fn proxy_sigterm_with_silent_connections_ends_at_once() {
    let mut between = Between::start(&["--drain", "3600"]);
    let (client, server) = between.connect();
    between.proxy.terminate();
    assert!(between.proxy.wait().success());
    assert_eq!(read_all(&client).expect("an orderly end"), b"");
    assert_eq!(read_all(&server).expect("an orderly end"), b"");
}

#[test]
fn proxy_sigterm_with_steady_traffic_cuts_it_off_after_the_drain_time() {
    let mut between = Between::start(&["--drain", "1"]);
    let (silent, silent_server) = between.connect();
    let (mut client, mut server) = between.connect();
    client.write_all(b"begin").expect("connected");
    server.read_exact(&mut [0; 5]).expect("passed on");
    let begin = Instant::now();
    between.proxy.terminate();
    thread::scope(|threads| {
        let silent = threads.spawn(move || {
            assert_eq!(read_all(&silent).expect("an orderly end"), b"");
            assert_eq!(read_all(&silent_server).expect("an orderly end"), b"");
            begin.elapsed()
        });
        // One writes as much as it can, and the other takes less: there is always something to pass on.
        let written = threads.spawn(move || {
            loop {
                if let Err(error) = client.write_all(&[7; 65536]) {
                    break error.kind();
                }
            }
        });
        let mut passed = 0;
        let end = loop {
            match server.read(&mut [0; 1024]) {
                Ok(n) if n > 0 => passed += n,
                end => break end,
            }
        };
        let elapsed = begin.elapsed();
        let error = end.expect_err("no orderly end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let written = written.join().expect("no panic");
        let cut_off = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(cut_off.contains(&written), "{written}");
        assert!(passed > 0, "it went on");
        assert!(elapsed >= Duration::from_secs(1), "{elapsed:?}");
        let silent = silent.join().expect("no panic");
        assert!(silent < elapsed, "{silent:?}, the other one {elapsed:?}");
    });
    assert!(between.proxy.wait().success());
}

#[test]
fn proxy_in_front_of_echo() {
    let echo = Server::start("echo", &[]);
    let port = echo.address.rsplit_once(':').expect("a port").1;
    // The name may have several addresses, of which one answers.
    let proxy = Server::start("proxy", &["--to", &format!("localhost:{port}")]);
    let clients: Vec<TcpStream> = (0..50).map(|_| proxy.connect()).collect();
    for client in &clients {
        ping(client, b"hello");
    }
    proxy.end();
    echo.end();
}

#[test]
fn proxy_refuses_what_makes_no_sense() {
    assert!(refuses("proxy", &[]).contains("--to"));
    refuses("proxy", &["--to", "nowhere"]);
    refuses("proxy", &["--to", "127.0.0.1:1", "--connect", "never"]);
}
