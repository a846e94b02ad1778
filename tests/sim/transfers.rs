//! Short reads and writes: they happen, with every length, and whole-buffer operations survive them.

use std::collections::BTreeSet;

use sendio::prelude::*;
use sendio::sim::{self, SimConfig};

use super::support::{code, content, create, memory, pair};

fn short() -> SimConfig {
    memory().short_transfers(0.5).file("/in", "0123456789")
}

#[test]
fn transfers_of_files_are_cut_and_exact_ones_are_not() {
    let mut lengths = BTreeSet::new();
    for seed in 0..300 {
        sim::run(&short().seed(seed), |ctx| {
            let io = ctx.scheduler();
            let open = io.open("/in", OpenOptions::new().read(true).write(true));
            let file = ctx.block_on(open).expect("open").expect("a file");
            let read = ctx.block_on(file.read_at([0; 10], 0));
            let (n, bytes) = read.expect("read").expect("a value");
            assert_eq!(bytes[..n], b"0123456789"[..n]);
            assert_eq!(bytes[n..], [0; 10][n..], "nothing is written past the end");
            lengths.insert(n);
            let all = ctx.block_on(file.read_exact_at([0; 10], 0));
            assert_eq!(&all.expect("read").expect("a value"), b"0123456789");
            ctx.block_on(file.write_all_at("abcdefghij", 10))
                .expect("write");
            let vectors = vec![vec![0; 3], vec![0; 4]];
            let read = ctx.block_on(file.readv_at(vectors, 10)).expect("read");
            let (n, vectors) = read.expect("a value");
            assert_eq!(vectors.concat()[..n], b"abcdefg"[..n]);
            assert_eq!(content(ctx, "/in").expect("read"), b"0123456789abcdefghij");
        });
    }
    assert_eq!(lengths, (1..=10).collect(), "every length happens");
}

#[test]
fn transfers_of_pipes_and_connections_are_cut_too() {
    let (mut pipes, mut connections) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..300 {
        sim::run(&short().seed(seed), |ctx| {
            let io = ctx.scheduler();
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let written = ctx.block_on(io.write_some(&writer, "abcdef"));
            let (n, _) = written.expect("write").expect("a value");
            let read = ctx.block_on(io.read_exact(&reader, vec![0; n]));
            assert_eq!(read.expect("read").expect("a value"), b"abcdef"[..n]);
            pipes.insert(n);

            let (client, server) = pair(ctx).expect("a connection");
            let sent = ctx.block_on(client.send("abcdef"));
            let (n, _) = sent.expect("send").expect("a value");
            let received = ctx.block_on(server.recv_exact(vec![0; n]));
            assert_eq!(received.expect("recv").expect("a value"), b"abcdef"[..n]);
            connections.insert(n);
        });
    }
    assert_eq!(pipes, (1..=6).collect());
    assert_eq!(connections, (1..=6).collect());
}

#[test]
fn transfers_of_messages_are_never_cut() {
    for seed in 0..100 {
        sim::run(&SimConfig::rough().seed(seed), |ctx| {
            let (left, right) = sendio::UnixDatagram::pair(ctx.scheduler()).expect("a pair");
            let both = when_all((left.send("a datagram"), right.recv([0; 20])));
            let ((sent, _), (n, bytes)) = ctx.block_on(both).expect("no error").expect("a value");
            assert_eq!((sent, &bytes[..n]), (10, &b"a datagram"[..]));
        });
    }
}

#[test]
fn transfers_splice_through_pipes_in_a_rough_world() {
    for seed in 0..200 {
        let config = SimConfig::rough().file("/in", [3; 5000]).seed(seed);
        sim::run(&config, |ctx| {
            let io = ctx.scheduler();
            let both = when_all((
                io.open("/in", OpenOptions::new().read(true)),
                io.open("/out", create()),
            ));
            let copy = both.let_value(|(from, to)| io.copy(from, to));
            assert_eq!(
                ctx.block_on(copy).expect("a copy"),
                Some(5000),
                "seed {seed}"
            );
            assert_eq!(content(ctx, "/out").expect("read"), [3; 5000]);
        });
    }
}

#[test]
fn transfers_of_bad_descriptors_are_errors() {
    sim::run(&SimConfig::rough(), |ctx| {
        let io = ctx.scheduler();
        let read_only = std::fs::File::open("/dev/null").expect("open");
        let write = ctx.block_on(io.write_some(&read_only, "x"));
        assert_eq!(code(write), Some(libc::EBADF));
        let dir = std::fs::File::open("/").expect("open");
        assert_eq!(
            code(ctx.block_on(io.read_at(&dir, [0; 1], 0))),
            Some(libc::EISDIR)
        );
    });
}
