//! `timers`: arms a timeout and cancels it, with `--count` others armed all the time.
//!
//! One operation cancels the oldest timer and arms it anew. The clock is read once per turn of 64
//! operations, as a loop does; there is no system call.

use std::io;
use std::time::Instant;

use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::work::timeout_ms;

use crate::wheel::Wheel;

const OPS_PER_TURN: u64 = 64;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let meter = Meter::new(args, Scope::Process)?;
    let origin = Instant::now();
    let mut wheel = Wheel::new(args.count);
    for timer in 0..args.count {
        wheel.arm(timer, timeout_ms(u64::from(timer)));
    }
    let mut first = 0;
    meter.measure(args, 10_000_000, |ops| {
        let mut oldest = first;
        for i in 0..ops {
            if i % OPS_PER_TURN == 0 {
                let now = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
                if wheel.advance(now) > 0 {
                    return Err(io::Error::other("a timer came due: too many --ops").into());
                }
            }
            wheel.cancel(oldest);
            wheel.arm(oldest, timeout_ms(i));
            oldest += 1;
            if oldest == args.count {
                oldest = 0;
            }
        }
        first = oldest;
        Ok(())
    })
}
