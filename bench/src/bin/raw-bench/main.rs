//! The contender `raw`: each workload written by hand on the `io-uring` crate, as the lower bound.
//!
//! No abstraction that a workload does not need: the queue views are held for the life of the ring
//! and published once per turn, entries are built in place, nothing is allocated per operation.
//! What another way to write a workload gains or costs is a `--variant` of it.

mod buffer_ring;
mod cancel;
mod expression;
mod file_randread;
mod inbox;
mod nop;
mod sched_batch;
mod tcp_echo;
mod timers;
mod udp_echo;
mod udp_sink;
mod wheel;
mod xthread;
mod xthread_lat;
mod xthread_tput;

use std::process::ExitCode;

use sendio_bench::contender::{self, Workload};

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "nop-batch",
        run: nop::batch,
    },
    Workload {
        name: "nop-lat",
        run: nop::latency,
    },
    Workload {
        name: "sched-batch",
        run: sched_batch::run,
    },
    Workload {
        name: "xthread-lat",
        run: xthread_lat::run,
    },
    Workload {
        name: "xthread-tput",
        run: xthread_tput::run,
    },
    Workload {
        name: "chain",
        run: expression::chain,
    },
    Workload {
        name: "when-all",
        run: expression::when_all,
    },
    Workload {
        name: "file-randread",
        run: file_randread::run,
    },
    Workload {
        name: "tcp-echo",
        run: tcp_echo::run,
    },
    Workload {
        name: "udp-sink",
        run: udp_sink::run,
    },
    Workload {
        name: "udp-echo",
        run: udp_echo::run,
    },
    Workload {
        name: "cancel",
        run: cancel::run,
    },
    Workload {
        name: "timers",
        run: timers::run,
    },
];

fn main() -> ExitCode {
    contender::main(WORKLOADS)
}
