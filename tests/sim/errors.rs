//! Errors that are injected: each kind of request fails with what was asked for, once, and nothing is lost.

use std::cell::Cell;
use std::net::{Ipv4Addr, Shutdown};
use std::os::fd::{AsRawFd, OwnedFd};

use sendio::prelude::*;
use sendio::sim::{self, Call, SimConfig};
use sendio::{Domain, PollEvents, SocketKind, TcpStream};

use super::support::{Ctx, code, create, memory, pair};

/// An error number that nothing here has by itself.
const MARK: i32 = libc::EUCLEAN;

/// Makes one request of this kind; the error number of its operation.
fn make(ctx: &Ctx, call: Call) -> Option<i32> {
    let io = ctx.scheduler();
    let file = || {
        let open = io.open("/file", OpenOptions::new().read(true).write(true));
        ctx.block_on(open).expect("open").expect("a file")
    };
    match call {
        Call::Nop => code(ctx.block_on(io.schedule())),
        Call::Read => code(ctx.block_on(file().read_at([0; 4], 0))),
        Call::Write => code(ctx.block_on(file().write_at("x", 0))),
        Call::Readv => code(ctx.block_on(file().readv_at(vec![vec![0; 1], vec![0; 1]], 0))),
        Call::Writev => code(ctx.block_on(file().writev_at(vec!["x", "y"], 0))),
        Call::Fsync => code(ctx.block_on(file().fsync())),
        Call::Fallocate => code(ctx.block_on(file().fallocate(0, 0, 100))),
        Call::Ftruncate => code(ctx.block_on(file().ftruncate(10))),
        Call::Open => code(ctx.block_on(io.open("/file", OpenOptions::new().read(true)))),
        Call::Unlink => code(ctx.block_on(io.unlink("/file"))),
        Call::Rename => code(ctx.block_on(io.rename("/file", "/other"))),
        Call::MakeDir => code(ctx.block_on(io.mkdir("/dir", 0o755))),
        Call::Close => code(ctx.block_on(file().close())),
        Call::Statx => code(ctx.block_on(io.metadata_of("/file"))),
        Call::SendMsg => {
            let (left, _right) = pair(ctx).expect("a connection");
            code(ctx.block_on(io.sendmsg(&left, ["x", "y"])))
        }
        Call::RecvMsg => {
            let (left, right) = pair(ctx).expect("a connection");
            ctx.block_on(right.send("x")).expect("send");
            code(ctx.block_on(io.recvmsg(&left, vec![vec![0; 1]])))
        }
        Call::Splice => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            ctx.block_on(io.write_all(&writer, "x")).expect("write");
            code(ctx.block_on(io.splice(&reader, &file(), 1)))
        }
        Call::Socket => code(ctx.block_on(io.socket(Domain::Inet, SocketKind::STREAM, 0))),
        Call::Bind | Call::Listen => {
            let made = ctx.block_on(io.socket(Domain::Inet, SocketKind::STREAM, 0));
            let socket = made.expect("no error").expect("not stopped");
            let bound = ctx.block_on(io.bind(&socket, (Ipv4Addr::LOCALHOST, 0)));
            code(bound).or_else(|| code(ctx.block_on(io.listen(&socket, 1))))
        }
        Call::Connect | Call::Accept => {
            let listener = super::support::listener(ctx);
            let at = listener.local_endpoint().expect("an address");
            let connect = TcpStream::connect(io, at);
            let both = ctx.block_on(when_all((connect, listener.accept())));
            code(both)
        }
        Call::Send => {
            let (left, _right) = pair(ctx).expect("a connection");
            code(ctx.block_on(left.send("x")))
        }
        Call::Recv => {
            let (left, right) = pair(ctx).expect("a connection");
            ctx.block_on(right.send("x")).expect("send");
            code(ctx.block_on(left.recv([0; 1])))
        }
        Call::Shutdown => {
            let (left, _right) = pair(ctx).expect("a connection");
            code(ctx.block_on(left.shutdown(Shutdown::Write)))
        }
        Call::Poll => {
            let (_reader, writer) = std::io::pipe().expect("a pipe");
            code(ctx.block_on(io.poll(&writer, PollEvents::OUT)))
        }
        other => panic!("{other} is not tried"),
    }
}

#[test]
fn errors_are_injected_into_every_kind_of_request_once() {
    for call in Call::ALL {
        let good = memory().file("/file", "content");
        let failed = sim::run(&good, |ctx| make(ctx, *call));
        assert_eq!(failed, None, "{call} succeeds by itself");
        let bad = good.fail_nth(*call, 1, MARK);
        sim::run(&bad, |ctx| {
            assert_eq!(make(ctx, *call), Some(MARK), "{call} fails as it was told");
            let again = make(ctx, *call);
            assert_eq!(again, None, "{call} fails once");
        });
    }
}

#[test]
fn errors_of_close_close_all_the_same() {
    sim::run(&memory().fail_nth(Call::Close, 1, libc::EIO), |ctx| {
        let io = ctx.scheduler();
        let file = ctx.block_on(io.open("/new", create())).expect("open");
        let file = OwnedFd::from(file.expect("a file"));
        let number = file.as_raw_fd();
        assert_eq!(code(ctx.block_on(io.close(file))), Some(libc::EIO));
        let path = format!("/proc/self/fd/{number}");
        let target = std::fs::read_link(path).map(|path| path.display().to_string());
        assert!(!target.is_ok_and(|target| target.contains("sendio-sim")));
    });
}

#[test]
fn errors_happen_as_often_as_they_are_asked_for() {
    let config = memory()
        .file("/file", "x")
        .errors_of(Call::Read, 0.25, libc::EIO);
    let failed = Cell::new(0);
    sim::run(&config, |ctx| {
        let io = ctx.scheduler();
        let open = ctx.block_on(io.open("/file", OpenOptions::new().read(true)));
        let file = open.expect("open").expect("a file");
        for _ in 0..1000 {
            match ctx.block_on(file.read_at([0; 1], 0)) {
                Ok(value) => assert_eq!(value.expect("a value").0, 1),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EIO));
                    failed.set(failed.get() + 1);
                }
            }
        }
    });
    assert!((180..320).contains(&failed.get()), "{}", failed.get());
}

#[test]
fn errors_at_random_reach_the_pipeline_as_errors() {
    let config = SimConfig::rough().errors(0.05).file("/in", [1; 300]);
    let (good, bad) = (Cell::new(0), Cell::new(0));
    sim::explore(0..300, &config, |ctx| {
        let result = super::support::copy_file(ctx, "/in", "/out");
        match result {
            Ok(()) => good.set(good.get() + 1),
            Err(error) => {
                bad.set(bad.get() + 1);
                let known = [libc::EIO, libc::ENOSPC, libc::EMFILE, libc::EACCES];
                let cause = error
                    .get_ref()
                    .and_then(|cause| cause.downcast_ref::<sendio::Partial>())
                    .map_or(error.raw_os_error(), |partial| {
                        partial.cause().and_then(std::io::Error::raw_os_error)
                    });
                assert!(known.contains(&cause.unwrap_or(0)), "{error}");
            }
        }
    });
    assert!(good.get() > 0 && bad.get() > 0, "{good:?} {bad:?}");
}

#[test]
fn errors_that_are_interruptions_are_never_seen() {
    let config = memory().interrupts(0.3).file("/in", [5; 400]);
    sim::explore(0..200, &config, |ctx| {
        super::support::copy_file(ctx, "/in", "/out").expect("a copy");
        let echoed = super::support::echo_once(ctx, &[1; 100]).expect("an echo");
        assert_eq!(echoed, [1; 100]);
        let any = (Ipv4Addr::LOCALHOST, 0);
        drop(sendio::UdpSocket::bind(ctx.scheduler(), any).expect("bind"));
    });
}

#[test]
fn errors_an_operation_that_is_interrupted_for_ever_gives_up() {
    let config = memory().file("/file", "x").interrupts(1.0);
    sim::run(&config, |ctx| {
        let opened = ctx.block_on(ctx.scheduler().open("/file", OpenOptions::new().read(true)));
        let error = opened.expect_err("never lets it through");
        assert!(matches!(
            error.raw_os_error(),
            Some(libc::EINTR | libc::EAGAIN)
        ));
    });
}
