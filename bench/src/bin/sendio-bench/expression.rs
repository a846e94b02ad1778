//! `chain` and `when-all`: senders that complete at once, run by `sync_wait`.

use std::hint::black_box;

use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::{self, bind, join, step};

pub(crate) fn chain(args: &Args) -> Result<Report, Failure> {
    run(args, work::chain, |x| {
        let eight = just(x)
            .then(step)
            .then(step)
            .then(step)
            .then(step)
            .then(step)
            .then(step)
            .then(step)
            .then(step);
        value(sync_wait(
            eight
                .let_value(|x| just(bind(x)))
                .let_value(|x| just(bind(x))),
        ))
    })
}

pub(crate) fn when_all(args: &Args) -> Result<Report, Failure> {
    run(args, work::when_all, |x| {
        let four = sendio::when_all((
            just(x).then(step),
            just(x ^ 1).then(step),
            just(x ^ 2).then(step),
            just(x ^ 3).then(step),
        ));
        value(sync_wait(four.then(|(a, b, c, d)| join(a, b, c, d))))
    })
}

/// The value of work that can neither fail nor be stopped.
#[inline(always)]
fn value<T>(result: Result<Option<T>, std::convert::Infallible>) -> Option<T> {
    match result {
        Ok(value) => value,
    }
}

#[inline(always)]
fn run(
    args: &Args,
    plain: impl Fn(u64) -> u64,
    sender: impl Fn(u64) -> Option<u64>,
) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let x = black_box(12_345);
    if sender(x) != Some(plain(x)) {
        return Err(std::io::Error::other("the sender computes something else").into());
    }
    let meter = Meter::new(args, Scope::Process)?;
    meter.measure(args, 50_000_000, |ops| {
        for i in 0..ops {
            black_box(sender(black_box(i)));
        }
        Ok(())
    })
}
