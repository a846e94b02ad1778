//! Nothing is allocated per operation: what an I/O context runs again and again, counted.

#[path = "common/alloc_count.rs"]
mod alloc_count;

use std::fs::File;
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use sendio::ancillary::{AncillaryBuf, Rights};
use sendio::prelude::*;

use alloc_count::{CountingAlloc, allocations_during};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

/// The operations of one run: more than any queue is deep.
const ROUNDS: usize = 2_000;

/// Asserts that `run` allocates nothing once it has run before.
fn assert_steady(mut run: impl FnMut()) {
    run();
    assert_eq!(allocations_during(run), 0);
}

#[test]
fn schedule_and_yield_repeated_allocate_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let (io, local) = (ctx.scheduler(), ctx.local());
    assert_steady(|| {
        ctx.block_on(io.schedule().repeat_n(ROUNDS)).expect("nops");
        ctx.block_on_local(local.schedule().repeat_n(ROUNDS))
            .expect("nops");
        ctx.block_on(io.yield_now().repeat_n(ROUNDS))
            .expect("yields");
        ctx.block_on_local(local.yield_now().repeat_n(ROUNDS))
            .expect("yields");
    });
    Ok(())
}

#[test]
fn read_at_repeated_allocates_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let file = File::open("Cargo.toml")?;
    let mut buffer = [0; 64];
    assert_steady(|| {
        let reads = repeat_with((&mut buffer[..], ROUNDS), |(buffer, left)| {
            io.read_at(&file, buffer, 0).then(move |(n, buffer)| {
                assert_eq!(n, 64);
                if left > 1 {
                    Continue((buffer, left - 1))
                } else {
                    Break(())
                }
            })
        });
        assert!(ctx.block_on_local(reads).expect("reads").is_some());
    });
    Ok(())
}

#[test]
fn messages_repeated_allocate_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let (left, right) = std::os::unix::net::UnixDatagram::pair()?;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let here = Endpoint::from(socket.local_addr()?);
    let mut bytes = [0; 64];
    let mut room = AncillaryBuf::<64>::new();
    assert_steady(|| {
        for _ in 0..200 {
            let send = io.send_to(&socket, "datagram", here);
            let receive = io.recv_from(&socket, &mut bytes[..]);
            let both = ctx.block_on_local(when_all((send, receive)));
            let (_, (received, _)) = both.expect("messages").expect("not stopped");
            assert_eq!((received.len, received.from), (8, here));
            let send = io
                .sendmsg(&left, [b"a"; 8])
                .ancillary(Rights([&left, &right]));
            let receive = io.recvmsg(&right, [[0; 1]; 8]).ancillary(&mut room);
            let both = ctx.block_on_local(when_all((send, receive)));
            let (_, (received, _)) = both.expect("messages").expect("not stopped");
            assert_eq!(received.ancillary.fds().count(), 2);
        }
    });
    Ok(())
}

#[test]
fn copies_repeated_allocate_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let file = File::open("Cargo.toml")?;
    let target = tempfile::tempfile()?;
    assert_steady(|| {
        for _ in 0..50 {
            let copy = io.copy(&file, &target).from_offset(0).to_offset(0);
            assert!(ctx.block_on_local(copy).expect("copy") > Some(0));
        }
    });
    Ok(())
}

#[test]
fn timers_that_fire_allocate_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let soon = Duration::from_micros(1);
    assert_steady(|| {
        let timers = io.schedule_after(soon).repeat_n(50);
        assert!(ctx.block_on_local(timers).expect("timers").is_some());
    });
    Ok(())
}

#[test]
fn timers_and_reads_that_are_stopped_allocate_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let (silent, _peer) = std::os::unix::net::UnixStream::pair()?;
    let mut buffer = [0; 64];
    assert_steady(|| {
        for _ in 0..50 {
            let source = StopSource::new();
            let timer = io.schedule_after(Duration::from_secs(3600));
            let read = io.read_some(&silent, &mut buffer[..]);
            let stop = io.schedule().then(|()| source.request_stop());
            let all = when_all((timer, read)).with_stop_token(source.token());
            let ended = ctx.block_on_local(when_all((all, stop)));
            assert!(ended.expect("no error").is_none());
        }
    });
    Ok(())
}

#[test]
fn when_all_over_operations_allocates_nothing() -> io::Result<()> {
    let ctx = IoContext::new()?;
    let io = ctx.local();
    assert_steady(|| {
        let round = when_all((io.schedule(), io.yield_now().cast_err(), io.schedule()));
        let rounds = round.then(drop).repeat_n(ROUNDS);
        assert!(ctx.block_on_local(rounds).expect("rounds").is_some());
        let fan = when_all([(); 8].map(|()| io.schedule().repeat_n(ROUNDS)));
        assert!(ctx.block_on_local(fan).expect("fan").is_some());
    });
    Ok(())
}

#[test]
fn repeats_that_complete_inline_allocate_nothing() {
    assert_steady(|| {
        assert_eq!(sync_wait(just(()).repeat_n(ROUNDS)), Ok(Some(())));
        let counted = repeat_with(ROUNDS, |left| {
            just(if left > 0 {
                Continue(left - 1)
            } else {
                Break(left)
            })
        });
        assert_eq!(sync_wait(counted), Ok(Some(0)));
    });
}
