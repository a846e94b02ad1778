//! no_buffers: the kernel has no room for a message (`ENOBUFS`).
//! Method: a netlink socket whose answers do not fit, so that the kernel throws some away and says so to
//! the next receive; control bytes beyond what a socket may have, so that a send is refused. Afterwards
//! both sockets are used as before. (A full queue of a network device says the same to who sends; that
//! takes a device of one's own.)

use std::fs;
use std::os::fd::AsFd;

use sendio::ancillary::Rights;
use sendio::prelude::*;
use sendio::protocol::Any;
use sendio::{Domain, MsgFlags, SocketFd, SocketKind, transferred};

use super::bind::socket;
use super::common::receivers::{Probe, connect_and_start};
use super::net;
use super::support::{code, context, on_each_handle};

const NETLINK: Domain = Domain::Other(16);
const NO_ROOM: Option<i32> = Some(libc::ENOBUFS);

/// Asks for the list of network devices: `RTM_GETLINK`, rtnetlink(7).
fn question() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&32_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&18_u16.to_ne_bytes());
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    let flags = u16::try_from(flags).expect("small");
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// A netlink socket with hardly any room for answers.
fn narrow() -> std::os::fd::OwnedFd {
    let fd = socket(NETLINK, SocketKind::RAW);
    let token = SocketFd::<Any>::from(fd.as_fd());
    token
        .set_recv_buffer_size(1)
        .expect("the least that there is");
    fd
}

/// How much control data a socket may have, and more.
fn too_many_descriptors() -> usize {
    let most = fs::read_to_string("/proc/sys/net/core/optmem_max").expect("a limit");
    most.trim().parse::<usize>().expect("a number") / 4 + 1
}

on_each_handle! {
    fn recv_of_what_had_no_room_is_an_error_and_the_rest_is_received(io, cx) {
        let fd = narrow();
        for _ in 0..50 {
            assert_eq!(cx.run(io.send(&fd, question())).expect("send").0, 32);
        }
        let receive = || io.recv_with(&fd, vec![0; 1 << 16], MsgFlags::DONTWAIT);
        assert_eq!(code(cx.run(receive())), NO_ROOM);
        // Told once; what had room is there.
        let (n, _) = cx.run(receive()).expect("receive");
        assert!(n > 0);
        let end = loop {
            if let Err(error) = cx.run(receive()) {
                break error;
            }
        };
        assert_eq!(end.raw_os_error(), Some(libc::EAGAIN), "nothing more was lost");
        cx.run(io.send(&fd, question())).expect("send");
        let (n, _) = cx.run(io.recv(&fd, vec![0; 1 << 16])).expect("receive");
        assert!(n > 0, "it is used as before");
    }

    fn recv_exact_and_messages_tell_of_no_room(io, cx) {
        for which in 0..3 {
            let fd = narrow();
            for _ in 0..50 {
                cx.run(io.send(&fd, question())).expect("send");
            }
            let buffer = || vec![0; 1 << 16];
            let error = match which {
                0 => cx.run(io.recv_exact(&fd, buffer())).map(drop),
                1 => cx.run(io.recvmsg(&fd, [buffer()])).map(drop),
                _ => {
                    let receive = io.recv(&fd, buffer()).returning_buffer();
                    let (result, buffer) = cx.run(receive).expect("in the value");
                    assert_eq!(buffer.capacity(), 1 << 16, "it comes back");
                    result.map(drop)
                }
            };
            let error = error.expect_err("no room");
            assert_eq!(error.raw_os_error(), NO_ROOM);
            assert_eq!(transferred(&error), 0);
        }
    }

    fn send_without_room_is_an_error_and_sends_nothing(io, cx) {
        let (left, right) = net::unix_pair(libc::SOCK_DGRAM);
        let null = fs::File::open("/dev/null").expect("open");
        let many = || Rights(vec![&null; too_many_descriptors()]);
        assert_eq!(code(cx.run(io.sendmsg(&left, ["lost"]).ancillary(many()))), NO_ROOM);
        let send = io.sendmsg(&left, ["kept".to_owned()]).ancillary(many());
        let (result, buffers) = cx.run(send.returning_buffer()).expect("in the value");
        assert_eq!(code(result), NO_ROOM);
        assert_eq!(buffers, ["kept"]);
        assert_eq!(cx.run(io.sendmsg(&left, buffers)).expect("send").0, 4);
        let (n, bytes) = cx.run(io.recv(&right, [0; 8])).expect("receive");
        assert_eq!(&bytes[..n], b"kept", "the first one that was sent");
    }
}

#[test]
fn recv_that_waits_when_the_room_runs_out_ends_or_receives_and_the_next_is_told() {
    let ctx = context();
    let io = ctx.scheduler();
    let fd = narrow();
    let probe = Probe::new();
    let _op = connect_and_start(io.recv(&fd, vec![0; 1 << 16]), probe.receiver());
    ctx.run_some().expect("not running");
    probe.expect_nothing();
    // By system calls, one right after the other.
    let sender = std::net::UdpSocket::from(fd.try_clone().expect("dup"));
    for _ in 0..50 {
        assert_eq!(sender.send(&question()).expect("send"), 32);
    }
    ctx.run_until_empty();
    let waited = match probe.outcome() {
        Outcome::Value((n, _)) => Ok(n),
        Outcome::Error(error) => Err(error.raw_os_error()),
        other => panic!("{other:?}"),
    };
    let next = ctx.block_on(io.recv(&fd, vec![0; 1 << 16]));
    let next = next.map(|value| value.expect("not stopped").0);
    let next = next.map_err(|error| error.raw_os_error());
    // Each is told in its turn, and none twice.
    let told = [waited, next]
        .iter()
        .filter(|n| **n == Err(NO_ROOM))
        .count();
    let got = [waited, next]
        .iter()
        .filter(|n| n.is_ok_and(|n| n > 0))
        .count();
    assert_eq!((told, got), (1, 1), "{waited:?}, then {next:?}");
}
