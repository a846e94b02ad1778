//! ancillary: descriptors and facts beside messages.
//! Method: descriptors passed between sockets of this process, counted after every way to end; facts
//! that the kernel tells about datagrams over the loopback interface.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, SystemTime};

use sendio::ancillary::{
    AncillaryBuf, AncillaryMessage, Credentials, PacketInfoV4, PacketInfoV6, Rights, SegmentSize,
};
use sendio::prelude::*;
use sendio::{BasicFd, Env, StopSource};

use super::common::fds::assert_fds_flat;
use super::common::receivers::{Probe, Trace, connect_and_start};
use super::net::{set_option, udp_pair, unix_pair};
use super::support::{Held, Refuses, code, context, on_each_handle};

/// A pipe whose reader holds `text`.
fn holding(text: &str) -> OwnedFd {
    let (reader, mut writer) = io::pipe().expect("pipe");
    writer.write_all(text.as_bytes()).expect("write");
    reader.into()
}

/// What can be read from a descriptor.
fn content(fd: OwnedFd) -> String {
    let mut text = String::new();
    File::from(fd).read_to_string(&mut text).expect("read");
    text
}

/// Sends descriptors of `/dev/null` with `text`, with a call of this thread.
fn pass(ctx: &IoContext, socket: impl AsFd, fds: usize, text: &str) {
    let null = File::open("/dev/null").expect("open");
    let send = ctx
        .local()
        .sendmsg(socket, [text])
        .ancillary(Rights(vec![&null; fds]));
    ctx.block_on_local(send)
        .expect("send")
        .expect("not stopped");
}

on_each_handle! {
    fn rights_of_each_list_arrive_in_order(io, cx) {
        assert_fds_flat(|| {
            let (left, right) = UnixStream::pair().expect("pair");
            let owned = [holding("a"), holding("b")];
            cx.run(io.sendmsg(&left, ["1"]).ancillary(Rights(owned))).expect("send");
            let fd = holding("c");
            cx.run(io.sendmsg(&left, ["2"]).ancillary(Rights([&fd]))).expect("send");
            cx.run(io.sendmsg(&left, ["3"]).ancillary(Rights(vec![fd]))).expect("send");
            let slice = [holding("d")];
            cx.run(io.sendmsg(&left, ["4"]).ancillary((Rights(&slice[..]), None::<Credentials>))).expect("send");
            cx.run(io.sendmsg(&left, ["5"]).ancillary(Rights::<[OwnedFd; 0]>([]))).expect("send");
            drop(slice);
            let mut arrived = Vec::new();
            for text in ["1", "2", "3", "4", "5"] {
                let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
                let (mut received, [bytes]) = cx.run(receive).expect("receive");
                assert_eq!(&bytes[..received.len], text.as_bytes());
                assert!(!received.is_ancillary_truncated());
                assert_eq!(received.ancillary.is_empty(), text == "5");
                arrived.extend(received.ancillary.fds());
            }
            for fd in &arrived {

                let flags = std::fs::read_to_string(format!(
                    "/proc/self/fdinfo/{}", BasicFd::from(fd.as_fd()).native_handle()));
                let flags = flags.expect("fdinfo");
                let line = flags.lines().find(|line| line.starts_with("flags:")).expect("flags");
                let octal = line.split_whitespace().nth(1).expect("a number");
                let flags = i32::from_str_radix(octal, 8).expect("octal");
                assert!(flags & libc::O_CLOEXEC != 0, "close-on-exec");
            }
            let contents: Vec<_> = arrived.into_iter().map(content).collect();
            // The pipe with the c came twice, and was read by the first of the two descriptors.
            assert_eq!(contents, ["a", "b", "c", "", "d"]);
        });
    }

    fn rights_that_nobody_takes_are_closed(io, cx) {
        assert_fds_flat(|| {
            let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
            let send = || {
                let list = Rights([holding("x"), holding("y"), holding("z")]);
                cx.run(io.sendmsg(&left, ["1"]).ancillary(list)).expect("send")
            };
            // Dropped with the room, unread.
            send();
            let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
            drop(cx.run(receive).expect("receive"));
            // One taken, two closed with the iterator.
            send();
            let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
            let (mut received, _) = cx.run(receive).expect("receive");
            let mut messages = received.ancillary.messages();
            let Some(AncillaryMessage::Rights(mut fds)) = messages.next() else {
                panic!("no descriptors")
            };
            assert_eq!(fds.len(), 3);
            let first = fds.next().expect("the first");
            assert_eq!((content(first), fds.len()), ("x".to_owned(), 2));
            drop(fds);
            assert!(messages.next().is_none());
            assert_eq!(received.ancillary.fds().count(), 0, "each is taken once");
            // Left in the room, which is used again: closed by the next receive.
            send();
            send();
            let mut room = received.ancillary;
            for _ in 0..2 {
                let receive = io.recvmsg(&right, [[0; 8]]).ancillary(&mut room);
                let (received, _) = cx.run(receive).expect("receive");
                assert!(!received.ancillary.is_empty());
            }
            assert_eq!(room.fds().map(content).collect::<Vec<_>>(), ["x", "y", "z"]);
            // No room at all: the kernel closes them, and says so.
            send();
            let (received, _) = cx.run(io.recvmsg(&right, [[0; 8]])).expect("receive");
            assert!(received.is_ancillary_truncated());
            send();
            let (received, _) = cx.run(io.recv_from(&right, [0; 8])).expect("receive");
            assert!(received.is_ancillary_truncated());
        });
    }

    fn rights_with_too_little_room_keep_those_that_fit(io, cx) {
        assert_fds_flat(|| {
            let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
            for _ in 0..2 {
                let list = Rights([holding("x"), holding("y"), holding("z")]);
                cx.run(io.sendmsg(&left, ["1"]).ancillary(list)).expect("send");
            }
            // Room for a header and one number and a half.
            let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<22>::new());
            let (mut received, _) = cx.run(receive).expect("receive");
            assert!(received.is_ancillary_truncated());
            let fds: Vec<_> = received.ancillary.fds().map(content).collect();
            assert_eq!(fds, ["x"]);
            // Room for a part of a header.
            let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<15>::new());
            let (mut received, _) = cx.run(receive).expect("receive");
            assert!(received.is_ancillary_truncated());
            assert_eq!(received.ancillary.messages().count(), 0);
        });
    }

    fn rights_more_than_lie_in_the_operation(io, cx) {
        assert_fds_flat(|| {
            let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
            let null = File::open("/dev/null").expect("open");
            cx.run(io.sendmsg(&left, ["x"]).ancillary(Rights(vec![&null; 253]))).expect("send");
            let receive = io.recvmsg(&right, [[0; 1]]).ancillary(AncillaryBuf::<1032>::new());
            let (mut received, _) = cx.run(receive).expect("receive");
            assert_eq!(received.ancillary.fds().count(), 253);
            let many = io.sendmsg(&left, ["x"]).ancillary(Rights(vec![&null; 254]));
            assert_eq!(code(cx.run(many)), Some(libc::EINVAL));
            let (sent, _) = cx
                .run(io.sendmsg(&left, ["x"]).ancillary(Rights([&null; 254])).returning_buffer())
                .expect("value");
            assert_eq!(code(sent), Some(libc::EINVAL));
        });
    }

    fn packet_info_over_both_versions(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        set_option(&right, libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
        let source = PacketInfoV4 {
            interface: 0,
            local: Ipv4Addr::new(127, 0, 0, 9),
            destination: Ipv4Addr::UNSPECIFIED,
        };
        // Another address of this machine than that to which the socket is bound.
        let any = std::net::UdpSocket::bind("0.0.0.0:0").expect("bind");
        let to = right.local_addr().expect("address");
        cx.run(io.sendmsg(&any, ["4"]).to(to).ancillary(source)).expect("send");
        let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        assert_eq!(received.from.ip(), Some(source.local.into()));
        let Some(AncillaryMessage::PacketInfoV4(info)) = received.ancillary.messages().next() else {
            panic!("no packet info")
        };
        assert_eq!((info.local, info.destination), (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST));
        assert!(info.interface > 0);
        // What was received can be sent: the answer comes from the same address.
        let back = io.sendmsg(&right, ["4"]).to(left.local_addr().expect("address")).ancillary(info);
        cx.run(back).expect("send");
        assert_eq!(left.recv_from(&mut [0; 8]).expect("receive").1, to);

        let (left, right) = udp_pair("::1");
        set_option(&right, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1);
        let to = right.local_addr().expect("address");
        let source = PacketInfoV6 { interface: 0, address: Ipv6Addr::LOCALHOST };
        cx.run(io.sendmsg(&left, ["6"]).to(to).ancillary((source,))).expect("send");
        let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        let Some(AncillaryMessage::PacketInfoV6(info)) = received.ancillary.messages().next() else {
            panic!("no packet info")
        };
        assert_eq!(info.address, Ipv6Addr::LOCALHOST);
        assert!(info.interface > 0);
    }

    fn segments_sent_at_once_arrive_apart_or_together(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        let to = right.local_addr().expect("address");
        let send = || io.sendmsg(&left, ["aaaabbbb", "cc"]).to(to).ancillary(SegmentSize(4));
        cx.run(send()).expect("send");
        for part in ["aaaa", "bbbb", "cc"] {
            let (received, bytes) = cx.run(io.recv_from(&right, [0; 16])).expect("receive");
            assert_eq!(&bytes[..received.len], part.as_bytes());
        }
        set_option(&right, libc::SOL_UDP, libc::UDP_GRO, 1);
        cx.run(send()).expect("send");
        let receive = io.recvmsg(&right, [[0; 16]]).ancillary(AncillaryBuf::<64>::new());
        let (mut received, [bytes]) = cx.run(receive).expect("receive");
        assert_eq!(&bytes[..received.len], b"aaaabbbbcc");
        let messages = received.ancillary.messages();
        let mut sizes = messages.filter(|message| {
            matches!(message, AncillaryMessage::SegmentSize(SegmentSize(4)))
        });
        assert!(sizes.next().is_some());
    }

    fn credentials_and_timestamps(io, cx) {
        let (left, right) = UnixDatagram::pair().expect("pair");
        set_option(&right, libc::SOL_SOCKET, libc::SO_PASSCRED, 1);
        let uid = std::fs::metadata("/proc/self").expect("metadata");
        let own = Credentials {
            pid: i32::try_from(std::process::id()).expect("a pid"),
            uid: std::os::unix::fs::MetadataExt::uid(&uid),
            gid: std::os::unix::fs::MetadataExt::gid(&uid),
        };
        cx.run(io.sendmsg(&left, ["explicit"]).ancillary(own)).expect("send");
        cx.run(io.sendmsg(&left, ["implicit"])).expect("send");
        for _ in 0..2 {
            let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
            let (mut received, _) = cx.run(receive).expect("receive");
            let mut messages = received.ancillary.messages();
            let Some(AncillaryMessage::Credentials(told)) = messages.next() else {
                panic!("no credentials")
            };
            assert_eq!(told, own);
        }
        let (left, right) = udp_pair("127.0.0.1");
        set_option(&right, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        let before = SystemTime::now() - Duration::from_secs(1);
        left.send_to(b"x", right.local_addr().expect("address")).expect("send");
        let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        let Some(AncillaryMessage::Timestamp(when)) = received.ancillary.messages().next() else {
            panic!("no timestamp")
        };
        assert!(when > before && when < before + Duration::from_secs(3600));
    }

    fn ancillary_of_other_kinds_and_cut_short_is_told_raw(io, cx) {
        let (left, right) = udp_pair("127.0.0.1");
        set_option(&right, libc::IPPROTO_IP, libc::IP_RECVTTL, 1);
        let to = right.local_addr().expect("address");
        left.send_to(b"x", to).expect("send");
        let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<64>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        let Some(AncillaryMessage::Other { level, kind, data }) = received.ancillary.messages().next()
        else {
            panic!("no time to live")
        };
        assert_eq!((level, kind, data.len()), (libc::IPPROTO_IP, libc::IP_TTL, 4));
        set_option(&right, libc::IPPROTO_IP, libc::IP_RECVTTL, 0);
        set_option(&right, libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
        left.send_to(b"x", to).expect("send");
        let receive = io.recvmsg(&right, [[0; 8]]).ancillary(AncillaryBuf::<24>::new());
        let (mut received, _) = cx.run(receive).expect("receive");
        assert!(received.is_ancillary_truncated());
        let Some(AncillaryMessage::Other { kind, data, .. }) = received.ancillary.messages().next()
        else {
            panic!("a part of the packet info")
        };
        assert_eq!((kind, data.len()), (libc::IP_PKTINFO, 8));
    }
}

#[test]
fn recvmsg_cancelled_thousands_of_times_leaves_no_descriptor() {
    let ctx = context();
    let (left, right) = UnixStream::pair().expect("pair");
    let io = ctx.local();
    let mut arrived = 0;
    assert_fds_flat(|| {
        for round in 0..3_000_u32 {
            let source = StopSource::new();
            let env = Env::default().with_stop_token(source.token());
            let receive = io
                .recvmsg(&right, [[0; 1]])
                .ancillary(AncillaryBuf::<64>::new());
            let probe = Probe::new();
            let op = connect_and_start(receive, probe.receiver_in(env));
            // The message comes before the receive is at the kernel, after it, or not at all.
            let sent = round % 3 < 2;
            if round % 3 == 1 {
                ctx.run_some().expect("not running");
            }
            if sent {
                let send = io.sendmsg(&left, ["x"]).ancillary(Rights([left.as_fd()]));
                let sent = Probe::new();
                let op = connect_and_start(send, sent.receiver());
                source.request_stop();
                ctx.run_until_empty();
                assert_eq!(sent.expect_value().0, 1);
                drop(op);
            } else {
                source.request_stop();
                ctx.run_until_empty();
            }
            drop(op);
            match probe.outcome() {
                Outcome::Value((received, _)) => {
                    assert_eq!(received.len, 1);
                    arrived += 1;
                }
                Outcome::Stopped if sent => {
                    // Not lost: it is still there, with its descriptor.
                    let receive = io
                        .recvmsg(&right, [[0; 1]])
                        .ancillary(AncillaryBuf::<64>::new());
                    let again = ctx.block_on_local(receive).expect("receive");
                    let (mut received, _) = again.expect("not stopped");
                    assert_eq!(received.ancillary.fds().count(), 1);
                    arrived += 1;
                }
                Outcome::Stopped => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(arrived, 2_000);
}

#[test]
fn recvmsg_dropped_result_with_descriptors_closes_them() {
    let ctx = context();
    assert_fds_flat(|| {
        let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
        pass(&ctx, &left, 5, "x");
        // The owner of the socket panics when it is dropped: the value is lost, not what is in it.
        let trace = Trace::new();
        let held = Held {
            file: File::from(right),
            _guard: trace.panicking_guard("socket"),
        };
        let receive = ctx.local().recvmsg(held, [[0; 1]]);
        let receive = receive.ancillary(AncillaryBuf::<64>::new());
        let probe = Probe::new();
        let op = connect_and_start(receive, probe.receiver());
        ctx.run_until_empty();
        assert_eq!(probe.expect_panicked(), "socket");
        drop(op);
    });
}

#[test]
fn recvmsg_stop_while_it_completes_delivers_the_descriptors() {
    let ctx = context();
    assert_fds_flat(|| {
        let (left, right) = unix_pair(libc::SOCK_SEQPACKET);
        let source = StopSource::new();
        let env = Env::default().with_stop_token(source.token());
        let receive = ctx.local().recvmsg(&right, [[0; 1]]);
        let receive = receive.ancillary(AncillaryBuf::<64>::new());
        let probe = Probe::new();
        let op = connect_and_start(receive, probe.receiver_in(env));
        ctx.run_some().expect("not running");
        pass(&context(), &left, 5, "x");
        source.request_stop();
        ctx.run_until_empty();
        drop(op);
        let (mut received, _) = probe.expect_value();
        assert_eq!(received.ancillary.fds().count(), 5);
    });
}

#[test]
fn sendmsg_owner_of_a_descriptor_that_refuses_is_a_panic() {
    let ctx = context();
    let (left, _right) = UnixStream::pair().expect("pair");
    let send = ctx.local().sendmsg(&left, ["x"]);
    let send = send.ancillary(Rights([Refuses]));
    let probe = Probe::new();
    let op = connect_and_start(send, probe.receiver());
    ctx.run_until_empty();
    assert_eq!(probe.expect_panicked(), "no descriptor for you");
    drop(op);
}

#[test]
fn sendmsg_rights_are_held_until_it_completes() {
    let ctx = context();
    let (left, right) = UnixStream::pair().expect("pair");
    let trace = Trace::new();
    let held = Held {
        file: File::open("Cargo.toml").expect("open"),
        _guard: trace.guard("fd"),
    };
    left.set_nonblocking(true).expect("set");
    while (&left).write(&[1; 4096]).is_ok() {}
    let probe = Probe::traced(&trace);
    let send = ctx.local().sendmsg(&left, ["x"]).ancillary(Rights([held]));
    let op = connect_and_start(send, probe.receiver());
    ctx.run_some().expect("not running");
    trace.expect(&[]);
    // Writable again when a good part of the buffer is free.
    right.set_nonblocking(true).expect("set");
    while (&right).read(&mut [0; 4096]).is_ok() {}
    ctx.run_until_empty();
    trace.expect(&["drop fd", "value"]);
    assert_eq!(probe.expect_value().0, 1);
    drop(op);
}
