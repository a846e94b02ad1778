//! child: what changes the whole process, in processes of their own.
//! Method: a test starts this binary again for itself alone, with a variable that says so.
//!
//! # Safety
//! System calls with memory that outlives them.

#![expect(unsafe_code, reason = "setrlimit, signal")]

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus};

use sendio::prelude::*;

use super::sockets::{reset, tcp_listener, tcp_pair};
use super::support::{code, context};

const MARK: &str = "SENDIO_TEST_CHILD";

/// Runs the test `name` in a process of its own; `None` in that process.
pub(crate) fn alone(name: &str) -> Option<ExitStatus> {
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    let exe = std::env::current_exe().expect("the path of this binary");
    let mut child = Command::new(exe);
    child.args(["--exact", name]).env(MARK, "1");
    let output = child.output().expect("run it");
    assert!(
        output.status.success() || output.status.code().is_none(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.status)
}

/// Whether writes can be made without `SIGPIPE`.
fn kernel_has_nosignal() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(18))
}

#[test]
fn open_without_free_descriptors_is_an_error_and_recovers() {
    if let Some(status) = alone("child::open_without_free_descriptors_is_an_error_and_recovers") {
        assert!(status.success());
        return;
    }
    let ctx = context();
    let io = ctx.scheduler();
    let open = || ctx.block_on(io.open("/dev/null", OpenOptions::new().read(true)));
    limit_descriptors();
    let mut files = Vec::new();
    let error = loop {
        match open() {
            Ok(file) => files.push(file.expect("not stopped")),
            Err(error) => break error,
        }
        assert!(files.len() < 64, "no limit");
    };
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    drop(files.pop());
    assert!(open().is_ok());
}

#[test]
fn write_to_a_closed_pipe_with_default_signals_does_not_end_the_process() {
    let name = "child::write_to_a_closed_pipe_with_default_signals_does_not_end_the_process";
    if let Some(status) = alone(name) {
        // Before Linux 6.18 there is no way to write to a pipe without the signal.
        let expected = status.success() || !kernel_has_nosignal();
        assert!(expected, "{status}");
        return;
    }
    // SAFETY: no handler is passed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let ctx = context();
    let (reader, writer) = io::pipe().expect("pipe");
    drop(reader);
    let write = ctx.scheduler().write_some(&writer, "x");
    assert_eq!(code(ctx.block_on(write)), Some(libc::EPIPE));
    let (left, right) = UnixStream::pair().expect("socketpair");
    drop(right);
    let write = ctx.scheduler().writev(&left, ["x", "y"]);
    assert_eq!(code(ctx.block_on(write)), Some(libc::EPIPE));
}

#[test]
fn accept_without_free_descriptors_is_an_error_and_keeps_the_connection() {
    let name = "child::accept_without_free_descriptors_is_an_error_and_keeps_the_connection";
    if let Some(status) = alone(name) {
        assert!(status.success());
        return;
    }
    let ctx = context();
    let io = ctx.scheduler();
    let listener = tcp_listener();
    let at = listener.local_addr().expect("address");
    let clients = [(); 3].map(|()| TcpStream::connect(at).expect("connect"));
    let filled = fill_the_table();
    for _ in 0..3 {
        assert_eq!(code(ctx.block_on(io.accept(&listener))), Some(libc::EMFILE));
    }
    let socket = io.socket(sendio::Domain::Inet, sendio::SocketKind::STREAM, 0);
    assert_eq!(code(ctx.block_on(socket)), Some(libc::EMFILE));
    let connect = sendio::TcpStream::connect(io, at);
    assert_eq!(code(ctx.block_on(connect)), Some(libc::EMFILE));
    assert_eq!(code(sendio::UnixStream::pair(io)), Some(libc::EMFILE));
    drop(filled);
    for client in &clients {
        let (_, peer) = ctx
            .block_on(io.accept(&listener))
            .expect("accept")
            .expect("not stopped");
        assert_eq!(peer, client.local_addr().expect("address").into());
    }
}

/// Lets this process have 64 descriptors.
fn limit_descriptors() {
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: the limit is read during the call.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(set, 0, "set the limit");
}

/// Takes all descriptors that this process may have.
fn fill_the_table() -> Vec<File> {
    limit_descriptors();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn send_to_a_closed_socket_with_default_signals_does_not_end_the_process() {
    let name = "child::send_to_a_closed_socket_with_default_signals_does_not_end_the_process";
    if let Some(status) = alone(name) {
        assert!(status.success(), "{status}");
        return;
    }
    // SAFETY: no handler is passed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let ctx = context();
    let io = ctx.scheduler();
    let (left, right) = UnixStream::pair().expect("socketpair");
    drop(right);
    assert_eq!(code(ctx.block_on(io.send(&left, "x"))), Some(libc::EPIPE));
    assert_eq!(
        code(ctx.block_on(io.send_all(&left, "x"))),
        Some(libc::EPIPE)
    );
    let (left, right) = tcp_pair();
    reset(right);
    let mut errors = (0..3).filter_map(|_| ctx.block_on(io.send_all(&left, "x")).err());
    assert!(errors.any(|error| error.kind() == io::ErrorKind::BrokenPipe));
}
