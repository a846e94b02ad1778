//! Copies a file with many blocks in flight: `cp [--depth N] [--block BYTES] [--direct] [--sync] SRC DST`.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::process::ExitCode;

use sendio::prelude::*;
use support::{Args, Output, Progress, aligned_buffer, enough};

#[path = "cp/support.rs"]
mod support;

/// Ctrl-C requests stop here, and every operation of the copy hears it.
static STOP: StopSource = StopSource::new();

/// What the lanes of a copy share: both files, and where the next block begins.
struct Job<'a> {
    args: &'a Args,
    source: &'a std::fs::File,
    target: &'a Output,
    progress: &'a Progress,
    len: u64,
    next: Cell<u64>,
}

impl Job<'_> {
    /// The next block that nobody has taken, as offset and length.
    fn take_block(&self) -> Option<(u64, usize)> {
        let offset = self.next.get();
        let len = (self.len - offset).min(self.args.block);
        self.next.set(offset + len);
        let len = usize::try_from(len).expect("a block fits into memory");
        (len > 0).then_some((offset, len))
    }
}

/// One lane: reads and writes block after block with a buffer of its own, until none is left.
fn lane<'a>(
    io: LocalIoScheduler<'a>,
    job: &'a Job<'a>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    repeat_with(aligned_buffer(job.args.block), move |(buffer, start)| {
        let Some((offset, len)) = job.take_block() else {
            return Either::Left(ready(Break(())));
        };
        // Direct I/O moves whole sectors; what is too much at the end is cut off afterwards.
        let sectors = start..start + len.next_multiple_of(job.args.align());
        Either::Right(
            io.read_at(job.source, buffer.slice_mut(sectors.clone()), offset)
                .try_then(move |(n, read)| enough(n, len).map(|()| read.into_inner()))
                .let_value(move |buffer| io.write_all_at(job.target, buffer.slice(sectors), offset))
                .then(move |written| {
                    job.progress.add(len);
                    Continue((written.into_inner(), start))
                }),
        )
    })
}

/// Copies what has no length, or no offsets: pipes, terminals, devices.
fn stream<'a>(
    io: LocalIoScheduler<'a>,
    job: &'a Job<'a>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    repeat_with(aligned_buffer(job.args.block).0, move |buffer| {
        io.read_some(job.source, buffer)
            .let_value(move |(n, buffer)| {
                if n == 0 {
                    return Either::Left(ready(Break(())));
                }
                let written = io
                    .write_all(job.target, buffer.slice(..n))
                    .then(move |written| {
                        job.progress.add(n);
                        Continue(written.into_inner())
                    });
                Either::Right(written)
            })
    })
}

fn copy(args: &Args) -> io::Result<Option<Progress>> {
    let ctx = args.backend.context()?;
    let io = ctx.local();
    let (source, len) = support::open_source(args)?;
    let target = Output::create(args, &source)?;
    let progress = Progress::new(len);
    let job = Job {
        args,
        source: &source,
        target: &target,
        progress: &progress,
        len: len.unwrap_or(0),
        next: Cell::new(0),
    };
    let lanes = || (0..args.depth).map(|_| lane(io, &job)).collect::<Vec<_>>();
    let (blocks, cut) = match len {
        Some(len) if target.is_regular() => (
            Either::Left(when_all(lanes()).then(drop)),
            Either::Left(io.ftruncate(&target, len)),
        ),
        _ => (Either::Right(stream(io, &job)), Either::Right(ready(()))),
    };
    let flush = match args.sync {
        true => Either::Left(io.fsync(&target)),
        false => Either::Right(ready(())),
    };
    let whole = blocks.sequence(cut).sequence(flush);
    match ctx.block_on_local(whole.with_stop_token(STOP.token()))? {
        Some(()) => target.publish().map(|()| Some(progress)),
        None => Ok(None), // stopped: the unfinished output is removed
    }
}

fn main() -> ExitCode {
    support::run(&STOP, copy)
}
