//! Copies a file with many blocks in flight: `cp [--depth N] [--block BYTES] [--direct] [--sync] SRC DST`.
#![expect(clippy::print_stdout, reason = "the summary line is the program's output")]

use std::cell::Cell;
use std::fs::{File, OpenOptions as Create};
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sendio::prelude::*;

#[path = "support/cp_args.rs"]
mod cp_args;
use cp_args::{Args, Destination, ALIGN};

static STOP: StopSource = StopSource::new();

/// What the lanes of a copy share: both files, and the next block that nobody has taken.
struct Job<'a> {
    source: &'a File,
    target: &'a File,
    len: u64,
    block: u64,
    align: u64,
    next: Cell<u64>,
    bar: &'a ProgressBar,
}

impl Job<'_> {
    fn take_block(&self) -> Option<(u64, u64)> {
        let offset = self.next.get();
        let len = self.block.min(self.len - offset);
        self.next.set(offset + len);
        (len > 0).then_some((offset, len))
    }
}

/// Copies block after block with one buffer, until none is left.
fn lane<'a>(
    io: impl Io + 'a,
    job: &'a Job<'a>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'a {
    repeat_with(cp_args::aligned(job.block), move |(buf, at)| {
        let Some((offset, len)) = job.take_block() else {
            return Either::Left(ready(Break(())));
        };
        // Direct I/O transfers whole sectors: the tail is cut off when the copy is complete.
        let whole = at..at + len.next_multiple_of(job.align) as usize;
        let read = io.read_at(job.source, buf.slice_mut(whole.clone()), offset);
        let copied = read.try_then(move |(n, buf)| cp_args::enough(n, len).map(|()| buf.into_inner()))
            .let_value(move |buf| io.write_all_at(job.target, buf.slice(whole), offset))
            .then(move |buf| {
                job.bar.inc(len);
                Continue((buf.into_inner(), at))
            });
        Either::Right(copied)
    })
}
