//! io_context: stop requests against completions of an operation that waits.
//! Method: a read of an empty pipe, stopped at each point of its life; started on the loop's thread,
//! through the local handle, or on another thread; stopped from the loop's thread or another one.
//! Compares the channel, the bytes left in the pipe, and what the context still holds.

#![expect(
    unsafe_code,
    reason = "moves a started operation to the thread that frees it"
)]

use std::io::{Read, Write};
use std::thread;

use sendio::prelude::*;
use sendio::{Env, Outcome, StopSource};

use crate::common::pipes::Pipe;
use crate::common::receivers::{Probe, connect_and_start};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Starter {
    Home,
    Local,
    Away,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stopper {
    Home,
    Away,
}

/// What a test does to one running read.
struct Case<'a> {
    ctx: &'a IoContext,
    pipe: &'a Pipe,
    source: &'a StopSource,
    stopper: Stopper,
    before: u64,
}

impl Case<'_> {
    fn stop(&self) -> bool {
        match self.stopper {
            Stopper::Home => self.source.request_stop(),
            Stopper::Away => thread::scope(|threads| {
                let requester = threads.spawn(|| self.source.request_stop());
                requester.join().expect("the requester")
            }),
        }
    }

    fn turn(&self) {
        self.ctx.run_some().expect("not running");
    }

    fn cancels(&self) -> u64 {
        self.ctx.metrics().cancels - self.before
    }
}

struct Carried<T>(T);

// SAFETY: a started operation may be kept and freed by any thread once it has completed; the thread
//         that started it is joined before it is looked at.
unsafe impl<T> Send for Carried<T> {}

type Ended = Outcome<(usize, Vec<u8>), std::io::Error>;

/// Runs one read in every combination; `before` acts before its start, `after` once it is started.
fn for_each_way(
    before: impl Fn(&Case<'_>),
    after: impl Fn(&Case<'_>),
    check: impl Fn(&Case<'_>, Ended),
) {
    let ctx = IoContext::new().expect("a ring");
    for starter in [Starter::Home, Starter::Local, Starter::Away] {
        for stopper in [Stopper::Home, Stopper::Away] {
            let (pipe, source) = (Pipe::new(), StopSource::new());
            let case = Case {
                ctx: &ctx,
                pipe: &pipe,
                source: &source,
                stopper,
                before: ctx.metrics().cancels,
            };
            before(&case);
            let probe = Probe::new();
            let env = || Env::default().with_stop_token(source.token());
            let (io, local) = (ctx.scheduler(), ctx.local());
            let home = thread::current().id();
            match starter {
                Starter::Home => {
                    let read = io.read_some(&pipe.reader, vec![0; 8]);
                    let op = connect_and_start(read, probe.receiver_in(env()));
                    after(&case);
                    ctx.run_until_empty();
                    drop(op);
                }
                Starter::Local => {
                    let read = local.read_some(&pipe.reader, vec![0; 8]);
                    let op = connect_and_start(read, probe.receiver_in(env()));
                    after(&case);
                    ctx.run_until_empty();
                    drop(op);
                }
                Starter::Away => {
                    let (probe, reader, token) = (&probe, &pipe.reader, source.token());
                    let op = thread::scope(|threads| {
                        let starter = threads.spawn(move || {
                            let env = Env::default().with_stop_token(token);
                            let read = io.read_some(reader, vec![0; 8]);
                            Carried(connect_and_start(read, probe.receiver_in(env)))
                        });
                        starter.join().expect("the starter")
                    });
                    after(&case);
                    ctx.run_until_empty();
                    drop(op);
                }
            }
            let completed_inline = source.stop_requested() && starter == Starter::Away;
            assert!(completed_inline || probe.thread() == home, "{starter:?}");
            check(&case, probe.outcome());
            assert_eq!(ctx.metrics().in_flight, 0, "{starter:?} {stopper:?}");
        }
    }
}

fn expect_stopped(ended: &Ended) {
    assert!(matches!(ended, Outcome::Stopped), "{ended:?}");
}

fn expect_bytes(ended: Ended, bytes: &[u8]) {
    let Outcome::Value((n, buf)) = ended else {
        panic!("expected a value: {ended:?}")
    };
    assert_eq!(&buf[..n], bytes);
}

#[test]
fn read_stop_before_start() {
    for_each_way(
        |case| assert!(case.stop()),
        |_| {},
        |case, ended| {
            expect_stopped(&ended);
            assert_eq!(case.cancels(), 0);
        },
    );
}

#[test]
fn read_stop_during_submit() {
    for_each_way(
        |_| {},
        |case| assert!(case.stop()),
        |_, ended| expect_stopped(&ended),
    );
}

#[test]
fn read_stop_in_flight() {
    for_each_way(
        |_| {},
        |case| {
            case.turn();
            assert_eq!(case.ctx.metrics().in_flight, 1);
            assert!(case.stop());
        },
        |case, ended| {
            expect_stopped(&ended);
            assert_eq!(case.cancels(), 1);
        },
    );
}

#[test]
fn read_stop_after_cqe() {
    for_each_way(
        |_| {},
        |case| {
            case.turn();
            case.pipe.fill(b"data");
            assert!(case.stop());
        },
        |case, ended| {
            expect_bytes(ended, b"data");
            assert_eq!(case.cancels(), 0);
        },
    );
}

#[test]
fn read_stop_before_submission_of_data_that_is_there() {
    let ctx = IoContext::new().expect("a ring");
    let (pipe, source, probe) = (Pipe::new(), StopSource::new(), Probe::new());
    pipe.fill(b"data");
    let env = Env::default().with_stop_token(source.token());
    let read = ctx.local().read_some(&pipe.reader, vec![0; 8]);
    let op = connect_and_start(read, probe.receiver_in(env));
    // Read and cancel go to the kernel in one call, the read first.
    assert!(source.request_stop());
    ctx.run_until_empty();
    drop(op);
    expect_bytes(probe.outcome(), b"data");
}

#[test]
fn read_stop_after_completion() {
    for_each_way(
        |_| {},
        |case| {
            case.pipe.fill(b"data");
            case.ctx.run_until_empty();
            assert!(case.stop());
        },
        |case, ended| {
            expect_bytes(ended, b"data");
            assert_eq!(case.cancels(), 0);
        },
    );
}

#[test]
fn read_stop_twice() {
    for_each_way(
        |_| {},
        |case| {
            case.turn();
            assert!(case.stop());
            assert!(!case.stop());
            case.turn();
            assert!(!case.stop());
        },
        |case, ended| {
            expect_stopped(&ended);
            assert_eq!(case.cancels(), 1);
        },
    );
}

#[test]
fn read_stop_by_two_threads_sends_one_cancel() {
    for_each_way(
        |_| {},
        |case| {
            case.turn();
            let firsts = crate::common::race::race(2, |_| case.source.request_stop());
            assert_eq!(firsts.iter().filter(|&&first| first).count(), 1);
        },
        |case, ended| {
            expect_stopped(&ended);
            assert_eq!(case.cancels(), 1);
        },
    );
}

#[test]
fn read_stop_from_its_own_completion_changes_nothing() {
    let ctx = IoContext::new().expect("a ring");
    let (pipe, source) = (Pipe::new(), StopSource::new());
    pipe.fill(b"own");
    let read = ctx
        .scheduler()
        .read_some(&pipe.reader, vec![0; 3])
        .then(|(n, _)| (n, source.request_stop()));
    let ended = ctx.block_on(read.with_stop_token(source.token()));
    assert_eq!(ended.expect("no error"), Some((3, true)));
    assert_eq!(ctx.metrics().cancels, 0);
}

#[test]
fn read_stop_races_the_data_and_no_byte_is_lost() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let (mut values, mut stops) = (0, 0);
    for round in 0..2000_u32 {
        let (mut pipe, source) = (Pipe::new(), StopSource::new());
        let read = io.read_some(&pipe.reader, [0; 4]);
        let ended = thread::scope(|threads| {
            let writer = &pipe.writer;
            let source = &source;
            threads.spawn(move || {
                if round % 2 == 0 {
                    source.request_stop();
                    (&*writer).write_all(b"four").expect("write to a pipe");
                } else {
                    (&*writer).write_all(b"four").expect("write to a pipe");
                    source.request_stop();
                }
            });
            ctx.block_on(read.with_stop_token(source.token()))
        });
        match ended.expect("no error") {
            Some((n, bytes)) => {
                values += 1;
                assert_eq!(bytes[..n], *b"four");
            }
            None => {
                stops += 1;
                let mut bytes = [0; 4];
                pipe.reader
                    .read_exact(&mut bytes)
                    .expect("still in the pipe");
                assert_eq!(bytes, *b"four");
            }
        }
    }
    assert_eq!(values + stops, 2000);
    assert_eq!(ctx.metrics().in_flight, 0);
}

#[test]
fn reads_that_are_ready_when_all_are_stopped_deliver_their_values() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let source = StopSource::new();
    let pipes: Vec<Pipe> = (0..64).map(|_| Pipe::new()).collect();
    let probes: Vec<_> = pipes.iter().map(|_| Probe::new()).collect();
    let ops: Vec<_> = pipes
        .iter()
        .zip(&probes)
        .map(|(pipe, probe)| {
            let env = Env::default().with_stop_token(source.token());
            connect_and_start(io.read_some(&pipe.reader, [0; 2]), probe.receiver_in(env))
        })
        .collect();
    ctx.run_some().expect("not running");
    assert_eq!(ctx.metrics().in_flight, 64);
    pipes.iter().for_each(|pipe| pipe.fill(b"ok"));
    source.request_stop();
    ctx.run_until_empty();
    for probe in &probes {
        assert_eq!(probe.expect_value(), (2, *b"ok"));
    }
    assert_eq!(ctx.metrics().cancels, 0);
    drop(ops);
}

#[test]
fn ten_thousand_stops_at_once_with_a_small_queue_all_end() {
    const READS: usize = 10_000;
    let ctx = IoContext::builder().entries(8).build().expect("a ring");
    let io = ctx.scheduler();
    let (pipe, source) = (Pipe::new(), StopSource::new());
    let probes: Vec<_> = (0..READS).map(|_| Probe::new()).collect();
    let ops: Vec<_> = probes
        .iter()
        .map(|probe| {
            let env = Env::default().with_stop_token(source.token());
            connect_and_start(io.read_some(&pipe.reader, [0; 1]), probe.receiver_in(env))
        })
        .collect();
    while ctx.run_some().expect("not running") > 0 {}
    source.request_stop();
    ctx.run_until_empty();
    probes.iter().for_each(Probe::expect_stopped);
    assert_eq!(ctx.metrics().in_flight, 0);
    drop(ops);
}

#[test]
fn open_stop_races_and_no_descriptor_is_left() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    crate::common::fds::assert_fds_flat(|| {
        for _ in 0..2000 {
            let source = StopSource::new();
            let open = io.open("Cargo.toml", sendio::OpenOptions::new().read(true));
            thread::scope(|threads| {
                threads.spawn(|| source.request_stop());
                let opened = ctx.block_on(open.with_stop_token(source.token()));
                drop(opened.expect("the file is there"));
            });
        }
    });
}

#[test]
fn fsync_that_runs_when_it_is_stopped_delivers_its_result() {
    let ctx = IoContext::new().expect("a ring");
    let io = ctx.scheduler();
    let dir = crate::common::files::temp_dir();
    let path = crate::common::files::pattern_file(dir.path(), "f", 1, 8 << 20);
    let file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("open");
    let (mut values, mut stops) = (0, 0);
    for round in 0..50 {
        std::os::unix::fs::FileExt::write_at(&file, &[round], 4096).expect("write");
        let (source, probe) = (StopSource::new(), Probe::new());
        let env = Env::default().with_stop_token(source.token());
        let op = connect_and_start(io.fsync(&file), probe.receiver_in(env));
        ctx.run_some().expect("not running");
        if round % 5 == 0 {
            // It has run, however slow this machine hands work to the kernel's workers.
            ctx.run_until_empty();
        }
        source.request_stop();
        ctx.run_until_empty();
        match probe.outcome() {
            Outcome::Value(()) => values += 1,
            Outcome::Stopped => stops += 1,
            other => panic!("{other:?}"),
        }
        drop(op);
    }
    assert_eq!(values + stops, 50);
    assert!(values >= 10, "what had ended before the stop is a value");
}
