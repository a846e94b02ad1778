//! The contender `sendio`: the workloads written with this library, one file for each.
//!
//! Tasks are spawned in a scope and loop with `repeat_n` or `repeat_with`; single operations run
//! under `block_on_local`. Where an operation has to outlive the call that starts it (items of
//! other threads, armed timers), it lies in a [`place::Place`] that is made before the measurement.
//! A workload is added as a module and a row of [`WORKLOADS`].
//!
//! `--variant` names a backend (`uring`, the plain one, `aio`, `epoll`, `auto`), a variant of the
//! workload, or both: `--variant epoll,poll`.

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

use sendio::backends::{Auto, Uring};

use sendio_bench::contender::{self, Workload};

/// Measures a workload, a function that is generic over the backend, on the backend that the variant names.
macro_rules! on_backends {
    ($($workload:ident)::+) => {
        |args| {
            let (backend, args) = args.split_variant(&BACKENDS);
            match backend {
                "" | "uring" => $($workload)::+::<Uring>(&args),
                _ => $($workload)::+::<Auto>(&args),
            }
        }
    };
}

/// What `--variant` may name.
const BACKENDS: [&str; 4] = ["uring", "aio", "epoll", "auto"];

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "nop-batch",
        run: on_backends!(tasks::nop_batch),
    },
    Workload {
        name: "nop-lat",
        run: on_backends!(tasks::nop_latency),
    },
    Workload {
        name: "sched-batch",
        run: on_backends!(tasks::sched_batch),
    },
    Workload {
        name: "xthread-lat",
        run: on_backends!(xthread_lat::run),
    },
    Workload {
        name: "xthread-tput",
        run: on_backends!(xthread_tput::run),
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
        run: on_backends!(file_randread::run),
    },
    Workload {
        name: "tcp-echo",
        run: on_backends!(tcp_echo::run),
    },
    Workload {
        name: "udp-sink",
        run: on_backends!(udp::sink),
    },
    Workload {
        name: "udp-echo",
        run: on_backends!(udp::echo),
    },
    Workload {
        name: "cancel",
        run: on_backends!(cancel::run),
    },
    Workload {
        name: "timers",
        run: on_backends!(timers::run),
    },
];

fn main() -> ExitCode {
    contender::main(WORKLOADS)
}
