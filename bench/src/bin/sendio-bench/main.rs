//! The contender `sendio`: the workloads written with this library, one file for each.
//!
//! Tasks are spawned in a scope and loop with `repeat_n` or `repeat_with`; single operations run
//! under `block_on_local`. Where an operation has to outlive the call that starts it (items of
//! other threads, armed timers), it lies in a [`place::Place`] that is made before the measurement.
//! A workload is added as a module and a row of [`WORKLOADS`].

mod cancel;
mod expression;
mod file_randread;
mod place;
mod tasks;
mod tcp_echo;
mod timers;
mod udp;
mod xthread;
mod xthread_lat;
mod xthread_tput;

use std::process::ExitCode;

use sendio_bench::contender::{self, Workload};

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "nop-batch",
        run: tasks::nop_batch,
    },
    Workload {
        name: "nop-lat",
        run: tasks::nop_latency,
    },
    Workload {
        name: "sched-batch",
        run: tasks::sched_batch,
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
        run: udp::sink,
    },
    Workload {
        name: "udp-echo",
        run: udp::echo,
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
