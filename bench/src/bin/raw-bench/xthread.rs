//! The frame of the cross-thread workloads: a loop that consumes what producers push.

use sendio_bench::affinity;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::gate::Gate;
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;

use crate::inbox::{Inbox, Loop};
use sendio_bench::ring::{self, Ring};

/// Measures the loop on this thread. The producers have been started before, so that the meter
/// does not count them; they push a tenth of the operations first, and all of them again.
pub(crate) fn consume(
    args: &Args,
    default_ops: u64,
    inbox: &Inbox,
    spin: bool,
    gate: &Gate,
) -> Result<Report, Failure> {
    let consumed = measure(args, default_ops, inbox, spin, gate);
    if consumed.is_err() {
        gate.abandon();
    }
    consumed
}

fn measure(
    args: &Args,
    default_ops: u64,
    inbox: &Inbox,
    spin: bool,
    gate: &Gate,
) -> Result<Report, Failure> {
    affinity::unpin()?; // from what the producers were to inherit
    let meter = Meter::new(args, Scope::Thread)?;
    let mut uring = ring::build(8)?;
    let mut event_loop = Loop::new(inbox, Ring::new(&mut uring)?, spin);
    let mut warm = false;
    meter.measure(args, default_ops, |ops| {
        if warm {
            gate.open();
        }
        warm = true;
        Ok(event_loop.run(ops)?)
    })
}
