//! `file-randread`: `--qd` tasks in a scope, each of which reads random blocks into its own buffer.
//! The variants are backends by name; without one it is the default.

use std::cell::RefCell;
use std::ops::ControlFlow::{Break, Continue};

use sendio::backends::{Aio, Backend, Epoll, Uring};
use sendio::prelude::*;
use sendio::{DefaultBackend, IoContextBuilder};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::file::{BLOCK, Block, BlockFile};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::Random;

use crate::tasks::{FirstFailure, count};

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    match args.variant.as_str() {
        "" => run_on::<DefaultBackend>(args),
        "uring" => run_on::<Uring>(args),
        "aio" => run_on::<Aio>(args),
        "epoll" => run_on::<Epoll>(args),
        _ => Err(Failure::variant(args)),
    }
}

fn run_on<B: Backend>(args: &Args) -> Result<Report, Failure> {
    let source = BlockFile::open(args)?;
    let default_ops = if args.direct { 50_000 } else { 1_000_000 };
    let mut buffers = vec![Block::ZERO; args.qd as usize];
    let random = RefCell::new(Random::new(7));
    let meter = Meter::new(args, Scope::Process)?;
    let ctx = IoContextBuilder::<B>::new().build()?;
    let io = ctx.local();
    let (file, blocks) = (&source.file, source.blocks);
    meter.measure(args, default_ops, |ops| {
        let failure = FirstFailure::default();
        let (random, failure_ref) = (&random, &failure);
        ctx.scope_local(|scope| {
            for (task, buffer) in (0..args.qd).zip(&mut buffers) {
                let reads = count(ops, args.qd, task);
                let all = repeat_with((&mut buffer.0[..], reads), move |(buffer, left)| {
                    let offset = u64::from(random.borrow_mut().below(blocks)) * BLOCK as u64;
                    io.read_at(file, buffer, offset).then(move |(n, buffer)| {
                        assert!(n == BLOCK, "a whole block");
                        if left > 1 {
                            Continue((buffer, left - 1))
                        } else {
                            Break(())
                        }
                    })
                });
                if reads > 0 {
                    scope.spawn(all.let_error(|error| failure_ref.note(error)));
                }
            }
        });
        failure.into_result()
    })
}
