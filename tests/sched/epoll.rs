//! The epoll backend: order, descriptors that are closed and come back, threads for files, no work
//! without need.
//! Method: contexts on this backend, whatever the default one is; files on lease keep the threads busy
//! for as long as a test likes.

#![expect(
    unsafe_code,
    reason = "dup2, leases, socket options, a borrowed number"
)]

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sendio::backends::Epoll;
use sendio::prelude::*;
use sendio::{BackendKind, Env, IoContextBuilder, PollEvents};

use crate::common::files::temp_dir;
use crate::common::pipes::Pipe;
use crate::common::receivers::{Probe, connect_and_start};
use crate::common::wait::{soon, wait_until};

type Context = IoContext<Epoll>;

fn builder() -> IoContextBuilder<Epoll> {
    IoContextBuilder::new()
}

fn context() -> Context {
    builder().build().expect("an epoll set")
}

fn turn(ctx: &Context) {
    ctx.run_some().expect("idle");
}

/// How often the kernel was entered while the loop did nothing for so long.
fn enters_while_idle(ctx: &Context, millis: u64) -> u64 {
    let before = ctx.metrics().enters;
    let idle = ctx
        .scheduler()
        .schedule_after(Duration::from_millis(millis));
    ctx.block_on(idle).expect("no error");
    ctx.metrics().enters - before
}

// ---- order -----------------------------------------------------------------------------------

#[test]
fn epoll_serves_reads_of_one_pipe_in_order() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let probes: Vec<_> = (0..20).map(|_| Probe::new()).collect();
    let ops: Vec<_> = probes
        .iter()
        .map(|probe| connect_and_start(io.read_some(&pipe.reader, [0; 1]), probe.receiver()))
        .collect();
    turn(&ctx);
    let (first, second): (Vec<u8>, Vec<u8>) = ((0..7).collect(), (7..20).collect());
    pipe.fill(&first);
    wait_until(soon(), "seven are served", || {
        turn(&ctx);
        probes[6].count() == 1
    });
    assert_eq!(probes[7].count(), 0);
    pipe.fill(&second);
    ctx.run_until_empty();
    for (byte, probe) in (0..).zip(&probes) {
        assert_eq!(probe.expect_value(), (1, [byte]));
    }
    drop(ops);
}

#[test]
fn epoll_new_receive_does_not_overtake_one_that_waits() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let (first, second) = (Probe::new(), Probe::new());
    let waits = connect_and_start(io.recv(&here, [0; 1]), first.receiver());
    turn(&ctx);
    // What comes now is the first one's, although the second one would find it at once.
    there.write_all(b"a").expect("write");
    let late = connect_and_start(io.recv(&here, [0; 1]), second.receiver());
    ctx.block_on(io.yield_now()).expect("no error");
    wait_until(soon(), "the first one has it", || {
        turn(&ctx);
        first.count() == 1
    });
    assert_eq!(first.expect_value(), (1, *b"a"));
    second.expect_nothing();
    there.write_all(b"b").expect("write");
    ctx.run_until_empty();
    assert_eq!(second.expect_value(), (1, *b"b"));
    drop((waits, late));
}

#[test]
fn epoll_stop_of_the_first_leaves_the_next_one_waiting() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let (first, second) = (Probe::new(), Probe::new());
    let ops = (
        connect_and_start(io.read_some(&pipe.reader, [0; 1]), first.receiver_in(env)),
        connect_and_start(io.read_some(&pipe.reader, [0; 1]), second.receiver()),
    );
    turn(&ctx);
    source.request_stop();
    turn(&ctx);
    first.expect_stopped();
    pipe.fill(b"x");
    ctx.run_until_empty();
    assert_eq!(second.expect_value(), (1, *b"x"));
    drop(ops);
}

#[test]
fn epoll_directions_of_a_socket_do_not_wait_for_each_other() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let probe = Probe::new();
    // More than the socket takes: the send waits.
    let big = vec![7_u8; 4 << 20];
    let send = connect_and_start(io.send_all(&here, big), probe.receiver());
    turn(&ctx);
    there.write_all(b"news").expect("write");
    let (n, news) = ctx
        .block_on(io.recv(&here, [0; 8]))
        .expect("no error")
        .expect("not stopped");
    assert_eq!((n, &news[..4]), (4, &b"news"[..]));
    assert_eq!(probe.count(), 0, "the send still waits");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut all = vec![0; 4 << 20];
            there.read_exact(&mut all).expect("read");
            assert!(all.iter().all(|&byte| byte == 7));
        });
        ctx.run_until_empty();
    });
    assert_eq!(probe.expect_value().len(), 4 << 20);
    drop(send);
}

// ---- descriptors -------------------------------------------------------------------------------

/// Makes `number` another name of `fd`.
fn rename_to(fd: impl AsFd, number: RawFd) {
    // SAFETY: the number is ours, and what it named is given up by that.
    let made = unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) };
    assert_eq!(made, number, "dup2");
}

#[test]
fn epoll_number_that_is_another_socket_by_now_is_waited_for() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    for _ in 0..50 {
        // A receive that waits and is stopped leaves a registration in the set. A duplicate keeps it.
        let source = StopSource::new();
        let env = Env::default().with_stop_token(source.token());
        let stopped = Probe::new();
        let op = connect_and_start(io.recv(&here, [0; 4]), stopped.receiver_in(env));
        turn(&ctx);
        source.request_stop();
        turn(&ctx);
        stopped.expect_stopped();
        drop(op);
        let old = here.try_clone().expect("a duplicate");
        let (new, mut new_there) = UnixStream::pair().expect("a pair");
        rename_to(&new, here.as_raw_fd());
        let probe = Probe::new();
        let op = connect_and_start(io.recv(&here, [0; 4]), probe.receiver());
        turn(&ctx);
        // News of the file before are nobody's.
        there.write_all(b"old").expect("write");
        turn(&ctx);
        probe.expect_nothing();
        new_there.write_all(b"new").expect("write");
        ctx.run_until_empty();
        let (n, bytes) = probe.expect_value();
        assert_eq!((n, &bytes[..3]), (3, &b"new"[..]));
        drop((op, old));
        there = new_there;
    }
}

#[test]
fn epoll_number_that_was_guessed_empty_is_tried_when_it_is_another_socket() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    // Receives that wait and take all there is: the next one is guessed to find nothing.
    for _ in 0..3 {
        let probe = Probe::new();
        let op = connect_and_start(io.recv(&here, [0; 8]), probe.receiver());
        turn(&ctx);
        there.write_all(b"abc").expect("write");
        ctx.run_until_empty();
        assert_eq!(probe.expect_value().0, 3);
        drop(op);
    }
    // It is no socket any more, and says so, although there will never be anything to read.
    let pipe = Pipe::new();
    rename_to(&pipe.reader, here.as_raw_fd());
    let error = ctx.block_on(io.recv(&here, [0; 8])).expect_err("a pipe");
    assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    let error = ctx
        .block_on(io.recv(&here, [0; 8]).poll_first())
        .expect_err("a pipe");
    assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
}

#[test]
fn epoll_duplicates_of_a_socket_wait_side_by_side() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let twin = here.try_clone().expect("a duplicate");
    let (one, two) = (Probe::new(), Probe::new());
    let ops = (
        connect_and_start(io.recv(&here, [0; 1]), one.receiver()),
        connect_and_start(io.recv(&twin, [0; 1]), two.receiver()),
    );
    turn(&ctx);
    there.write_all(b"x").expect("write");
    wait_until(soon(), "one of them has it", || {
        turn(&ctx);
        one.count() + two.count() == 1
    });
    there.write_all(b"y").expect("write");
    ctx.run_until_empty();
    let mut bytes = [one.expect_value().1[0], two.expect_value().1[0]];
    bytes.sort_unstable();
    assert_eq!(&bytes, b"xy");
    drop(ops);
}

#[test]
fn epoll_number_that_is_closed_under_a_receive_ends_it() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, _there) = UnixStream::pair().expect("a pair");
    let here = OwnedFd::from(here);
    // SAFETY: this is what must not be done: the number is closed while it is waited for.
    let number = unsafe { BorrowedFd::borrow_raw(here.as_raw_fd()) };
    let probe = Probe::new();
    let op = connect_and_start(io.recv(number, [0; 1]), probe.receiver());
    turn(&ctx);
    ctx.block_on(io.close(here)).expect("close");
    ctx.run_until_empty();
    assert_eq!(probe.expect_error().raw_os_error(), Some(libc::EBADF));
    drop(op);
}

#[test]
fn epoll_numbers_that_are_not_open_are_errors_and_cost_nothing() {
    let ctx = context();
    let io = ctx.scheduler();
    for number in [1_000_000, i32::MAX] {
        // SAFETY: not open, and not used for anything but errors.
        let number = unsafe { BorrowedFd::borrow_raw(number) };
        let results = [
            ctx.block_on(io.recv(number, [0; 1]).then(drop)),
            ctx.block_on(io.recv(number, [0; 1]).poll_first().then(drop)),
            ctx.block_on(io.read_some(number, [0; 1]).then(drop)),
            ctx.block_on(io.write_at(number, [0; 1], 0).then(drop)),
            ctx.block_on(io.accept(number).then(drop)),
            ctx.block_on(io.poll(number, PollEvents::IN).then(drop)),
            ctx.block_on(io.fsync(number)),
        ];
        for result in results {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EBADF));
        }
    }
}

fn blocks(fd: impl AsFd) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}

#[test]
fn epoll_leaves_descriptors_as_blocking_as_they_were() {
    let ctx = context();
    let io = ctx.scheduler();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let client = {
        let accept = io.accept(&listener).then(|(fd, _)| assert!(blocks(fd)));
        let address = listener.local_addr().expect("address");
        let connect = sendio::TcpStream::connect(io, address);
        let both = ctx.block_on(when_all((accept, connect)));
        both.expect("connect").expect("not stopped").1
    };
    assert!(blocks(&listener) && blocks(&client));
    // With a flag of its own it waits too.
    listener.set_nonblocking(true).expect("set");
    let address = listener.local_addr().expect("address");
    let wait = io.schedule_after(Duration::from_millis(5));
    let connect = wait.then(|()| TcpStream::connect(address).expect("connect"));
    let both = when_all((io.accept(&listener), connect));
    ctx.block_on(both).expect("accept").expect("not stopped");
    assert!(!blocks(&listener));
}

// ---- readiness ---------------------------------------------------------------------------------

#[test]
fn epoll_polls_tell_of_hang_ups_and_of_the_half_that_is_closed() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, there) = UnixStream::pair().expect("a pair");
    let (half, whole) = (Probe::new(), Probe::new());
    let polled = connect_and_start(io.poll(&here, PollEvents::NONE), half.receiver());
    turn(&ctx);
    there.shutdown(Shutdown::Write).expect("shutdown");
    ctx.run_until_empty();
    assert_eq!(half.expect_value(), PollEvents::RDHUP);
    drop(there);
    let polled = (
        polled,
        connect_and_start(io.poll(&here, PollEvents::NONE), whole.receiver()),
    );
    ctx.run_until_empty();
    assert!(whole.expect_value().contains(PollEvents::HUP));
    let (n, _) = ctx
        .block_on(io.recv(&here, [0; 4]))
        .expect("no error")
        .expect("not stopped");
    assert_eq!(n, 0);
    drop(polled);
}

#[test]
fn epoll_polls_of_files_are_answered_or_refused_at_once() {
    let dir = temp_dir();
    let file = File::create(dir.path().join("file")).expect("create");
    let ctx = context();
    let io = ctx.scheduler();
    let ready = ctx.block_on(io.poll(&file, PollEvents::IN | PollEvents::OUT));
    let ready = ready.expect("poll").expect("not stopped");
    assert!(ready.contains(PollEvents::IN | PollEvents::OUT));
    let never = ctx.block_on(io.poll(&file, PollEvents::PRI));
    assert_eq!(never.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn epoll_does_nothing_after_a_stop_or_while_it_waits() {
    let ctx = builder().spin(false).build().expect("an epoll set");
    let io = ctx.scheduler();
    let (here, there) = UnixStream::pair().expect("a pair");
    let waiting = UnixStream::pair().expect("a pair");
    let (stopped, waits) = (Probe::new(), Probe::new());
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let ops = (
        connect_and_start(io.recv(&here, [0; 1]), stopped.receiver_in(env)),
        connect_and_start(io.recv(&waiting.0, [0; 1]), waits.receiver()),
    );
    turn(&ctx);
    source.request_stop();
    turn(&ctx);
    stopped.expect_stopped();
    // What comes now is for nobody, and stays.
    (&there).write_all(b"late").expect("write");
    drop(there);
    let enters = enters_while_idle(&ctx, 200);
    assert!(enters < 10, "entered {enters} times");
    drop(waiting.1);
    ctx.run_until_empty();
    assert_eq!(waits.expect_value().0, 0);
    drop(ops);
}

fn set_option(socket: impl AsFd, level: i32, name: i32) {
    let one = 1_i32;
    // SAFETY: the number is read during the call.
    let set = unsafe {
        let fd = socket.as_fd().as_raw_fd();
        libc::setsockopt(fd, level, name, (&raw const one).cast(), 4)
    };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

#[test]
fn epoll_descriptor_that_is_ready_in_vain_is_left_to_the_clock() {
    let ctx = builder().spin(false).build().expect("an epoll set");
    let io = ctx.scheduler();
    let (here, gone) = (
        UdpSocket::bind("127.0.0.1:0").expect("bind"),
        UdpSocket::bind("127.0.0.1:0").expect("bind"),
    );
    set_option(&here, libc::IPPROTO_IP, libc::IP_RECVERR);
    let nobody = gone.local_addr().expect("address");
    drop(gone);
    here.send_to(b"x", nobody).expect("send");
    // The error is told once, but stays in a queue that only a special receive empties: the socket is
    // ready for ever, with nothing to receive.
    let told = ctx.block_on(io.recv(&here, [0; 4])).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::ConnectionRefused);
    let probe = Probe::new();
    let op = connect_and_start(io.recv(&here, [0; 4]), probe.receiver());
    let enters = enters_while_idle(&ctx, 300);
    assert!(enters < 100, "entered {enters} times");
    probe.expect_nothing();
    let friend = UdpSocket::bind("127.0.0.1:0").expect("bind");
    friend
        .send_to(b"news", here.local_addr().expect("address"))
        .expect("send");
    ctx.run_until_empty();
    assert_eq!(probe.expect_value(), (4, *b"news"));
    drop(op);
}

#[test]
fn epoll_tries_what_tells_no_readiness_by_the_clock() {
    let dir = temp_dir();
    let path = dir.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let _first = UnixStream::connect(&path).expect("the one that has room");
    let ctx = builder().spin(false).build().expect("an epoll set");
    let io = ctx.scheduler();
    let endpoint = Endpoint::unix(&path).expect("short");
    let (probe, stopped) = (Probe::new(), Probe::new());
    let source = StopSource::new();
    let env = Env::default().with_stop_token(source.token());
    let socket = || {
        let made = io.socket(sendio::Domain::Unix, sendio::SocketKind::STREAM, 0);
        ctx.block_on(made).expect("socket").expect("not stopped")
    };
    let ops = (
        connect_and_start(io.connect(socket(), endpoint), probe.receiver()),
        connect_and_start(io.connect(socket(), endpoint), stopped.receiver_in(env)),
    );
    let enters = enters_while_idle(&ctx, 300);
    assert!(enters < 150, "entered {enters} times");
    source.request_stop();
    turn(&ctx);
    stopped.expect_stopped();
    probe.expect_nothing();
    listener.accept().expect("make room");
    ctx.run_until_empty();
    probe.expect_value();
    drop(ops);
}

#[test]
fn epoll_requests_that_find_all_there_need_no_wait() {
    let ctx = context();
    let io = ctx.scheduler();
    let (here, there) = UnixStream::pair().expect("a pair");
    let before = ctx.metrics().enters;
    for _ in 0..100 {
        let ping = io
            .send_all(&there, [1_u8; 4])
            .let_value(|_| io.recv_exact(&here, [0_u8; 4]));
        ctx.block_on(ping).expect("no error").expect("not stopped");
    }
    assert_eq!(ctx.metrics().enters, before);
}

// ---- files and threads -------------------------------------------------------------------------

#[test]
fn epoll_file_that_no_set_takes_is_read_and_written_all_the_same() {
    let dir = temp_dir();
    let ctx = context();
    let io = ctx.scheduler();
    // A file on disk, and one in memory, whose file system knows no call that does not block.
    // SAFETY: the name is a literal; the descriptor is new and ours.
    let memory = unsafe {
        let fd = libc::memfd_create(c"sendio".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "memfd_create");
        File::from_raw_fd(fd)
    };
    let path = dir.path().join("file");
    let disk = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .expect("create");
    for file in [disk, memory] {
        let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        ctx.block_on(io.write_all(&file, &bytes[..]))
            .expect("write");
        ctx.block_on(io.write_all_at(&file, &b"head"[..], 0))
            .expect("write");
        let mut all = vec![0; 100_000];
        ctx.block_on(io.read_exact_at(&file, &mut all[..], 0))
            .expect("read");
        assert_eq!((&all[..4], &all[4..]), (&b"head"[..], &bytes[4..]));
        // At the end, and across it.
        let (n, _) = ctx
            .block_on(io.read_some(&file, [0; 16]))
            .expect("read")
            .expect("not stopped");
        assert_eq!(n, 0);
        let (n, tail) = ctx
            .block_on(io.read_at(&file, [0; 64], 99_990))
            .expect("read")
            .expect("not stopped");
        assert_eq!((n, &tail[..10]), (10, &bytes[99_990..]));
    }
}

/// A file on lease: to open it takes a thread until the lease is given up.
struct Leased {
    file: File,
    path: PathBuf,
}

impl Leased {
    fn new(dir: &Path, name: &str) -> Self {
        let path = dir.join(name);
        fs::write(&path, "leased").expect("create");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("open");
        // SAFETY: no memory is passed. Who holds a lease is told by a signal when somebody wants the file.
        unsafe {
            libc::signal(libc::SIGIO, libc::SIG_IGN);
            let leased = libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK);
            assert_eq!(leased, 0, "F_SETLEASE: {}", io::Error::last_os_error());
        }
        Self { file, path }
    }

    fn give_up(&self) {
        // SAFETY: no memory is passed.
        let given = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
        assert_eq!(given, 0, "F_SETLEASE: {}", io::Error::last_os_error());
    }
}

/// How many threads for files the process has.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.trim_end() == "sendio-files")
        .count()
}

#[test]
fn epoll_threads_are_few_and_what_waits_for_one_can_be_stopped() {
    const READ: OpenOptions = OpenOptions::new().read(true);
    let dir = temp_dir();
    let leased = Leased::new(dir.path(), "leased");
    let ctx = context();
    let io = ctx.scheduler();
    let source = StopSource::new();
    let env = || Env::default().with_stop_token(source.token());
    let busy: Vec<_> = (0..8).map(|_| Probe::new()).collect();
    let queued: Vec<_> = (0..20).map(|_| Probe::new()).collect();
    let open = || io.open(&leased.path, READ).then(drop);
    let busy_ops: Vec<_> = busy
        .iter()
        .map(|probe| connect_and_start(open(), probe.receiver()))
        .collect();
    // So many threads that each has one of them, or there are no more.
    wait_until(soon(), "all threads are busy", || threads() >= 2);
    let queued_ops: Vec<_> = queued
        .iter()
        .map(|probe| connect_and_start(open(), probe.receiver_in(env())))
        .collect();
    turn(&ctx);
    assert!(threads() <= 8, "{} threads", threads());
    // What needs no thread goes on.
    let (here, there) = UnixStream::pair().expect("a pair");
    let both = when_all((io.recv_exact(&here, [0; 4]), io.send_all(&there, "busy")));
    ctx.block_on(both).expect("no error").expect("not stopped");
    source.request_stop();
    turn(&ctx);
    turn(&ctx);
    let stopped = queued.iter().filter(|probe| probe.count() == 1).count();
    assert!(stopped >= 20 - 8, "{stopped} were taken back");
    leased.give_up();
    ctx.run_until_empty();
    for probe in &busy {
        probe.expect_value();
    }
    assert!(queued.iter().all(|probe| probe.count() == 1));
    drop((busy_ops, queued_ops));
}

#[test]
fn epoll_full_pool_loses_nothing() {
    let dir = temp_dir();
    let leased = Leased::new(dir.path(), "leased");
    let ctx = builder().spin(false).build().expect("an epoll set");
    let count = std::cell::Cell::new(0);
    ctx.scope_local(|scope| {
        let local = ctx.local();
        for round in 0..200_u64 {
            let path = if round < 16 {
                leased.path.clone()
            } else {
                dir.path().join("leased")
            };
            let opened = local.open(path, OpenOptions::new().read(true));
            let opened = opened.then(|_| count.set(count.get() + 1));
            scope.spawn(opened.upon_error(|error| panic!("{error}")));
        }
        let free = local.schedule_after(Duration::from_millis(20));
        scope.spawn(free.then(|()| leased.give_up()).upon_error(|_| ()));
    });
    assert_eq!(count.get(), 200);
}

#[test]
fn epoll_jobs_wake_a_loop_that_sleeps() {
    let ctx = builder().spin(false).build().expect("an epoll set");
    let io = ctx.scheduler();
    let begin = Instant::now();
    for _ in 0..300 {
        let metadata = ctx.block_on(io.metadata_of("Cargo.toml"));
        assert!(metadata.expect("stat").expect("not stopped").is_file());
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "no wake-up was late"
    );
    // Several contexts share the threads, and each gets its own back.
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..20 {
                    let ctx = context();
                    let io = ctx.scheduler();
                    let open = || {
                        io.open("Cargo.toml", OpenOptions::new().read(true))
                            .then(drop)
                    };
                    ctx.block_on(when_all((open(), open(), open(), open())))
                        .expect("open")
                        .expect("not stopped");
                }
            });
        }
    });
}

#[test]
fn epoll_job_that_runs_at_the_end_of_a_context_is_waited_for() {
    let dir = temp_dir();
    let leased = Leased::new(dir.path(), "leased");
    let probe = Probe::new();
    let ctx = context();
    let open = ctx
        .scheduler()
        .open(&leased.path, OpenOptions::new().read(true))
        .then(|file| file.as_fd().as_raw_fd() >= 0);
    let op = connect_and_start(open, probe.receiver());
    turn(&ctx);
    wait_until(soon(), "a thread has it", || threads() >= 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::park_timeout(Duration::from_millis(50));
            leased.give_up();
        });
        ctx.shutdown(Instant::now());
    });
    // Taken back if no thread had begun; otherwise its result.
    assert_eq!(probe.count(), 1);
    drop(op);
}

// ---- the context -------------------------------------------------------------------------------

#[test]
fn epoll_reports_itself_and_refuses_what_needs_a_ring() {
    let ctx = context();
    let report = ctx.backend_report();
    assert_eq!(report.kind(), Some(BackendKind::Epoll));
    assert!(report.to_string().contains("threads for files"), "{report}");
    let idle = Duration::from_millis(1);
    for builder in [builder().sqpoll(idle), builder().iopoll(true)] {
        let error = builder.build().expect_err("there is no ring");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("needs io_uring"), "{error}");
    }
    for builder in [
        builder().entries(0),
        builder().entries(65_536),
        builder().entries(64).completion_entries(32),
    ] {
        let error = builder.build().expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

// ---- large transfers -------------------------------------------------------------------------

#[test]
fn epoll_list_of_more_than_a_request_transfers_is_a_part() {
    let ctx = context();
    let null = File::options().write(true).open("/dev/null").expect("open");
    let piece = vec![0_u8; 8 << 20];
    for pieces in [300, 1000] {
        let write = ctx
            .scheduler()
            .writev_at(&null, vec![&piece[..]; pieces], 0);
        let (written, _) = ctx.block_on(write).expect("no error").expect("not stopped");
        assert_eq!(written, 0x7fff_f000, "of {pieces} pieces, as of one call");
    }
}

#[test]
fn epoll_pipe_of_packets_has_no_positions() {
    let ctx = context();
    let io = ctx.scheduler();
    let pipe = Pipe::new();
    for fd in [pipe.reader.as_raw_fd(), pipe.writer.as_raw_fd()] {
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_DIRECT) }, 0);
    }
    let write = io.write_at(&pipe.writer, vec![7; 512], 0);
    let (written, _) = ctx.block_on(write).expect("no error").expect("not stopped");
    assert_eq!(written, 512);
    let read = io.read_at(&pipe.reader, vec![0; 512], 0);
    let (count, bytes) = ctx.block_on(read).expect("no error").expect("not stopped");
    assert_eq!((count, &bytes[..]), (512, &[7; 512][..]));
}
