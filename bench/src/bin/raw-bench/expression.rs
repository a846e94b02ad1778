//! `chain` and `when-all`: the plain expression that the senders describe, evaluated in a loop.
//!
//! There is nothing to hand-write here: no ring, no queue, no operation state. The input and the
//! result go through `black_box`, so that the expression is evaluated once per operation; inside
//! of that the compiler may fold it as it likes. It is the bound of what inlining can reach.

use std::hint::black_box;

use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work;

pub(crate) fn chain(args: &Args) -> Result<Report, Failure> {
    run(args, work::chain)
}

pub(crate) fn when_all(args: &Args) -> Result<Report, Failure> {
    run(args, work::when_all)
}

#[inline(always)]
fn run(args: &Args, expression: impl Fn(u64) -> u64) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    meter.measure(args, 100_000_000, |ops| {
        for i in 0..ops {
            black_box(expression(black_box(i)));
        }
        Ok(())
    })
}
