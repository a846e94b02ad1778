//! Measures a stretch of operations: time, processor time, hardware counters, counted calls.
//!
//! A meter is opened on the loop's thread before the runtime is built, so that every thread the
//! runtime makes is counted, and producers made earlier are not. Start-up and warm-up are left
//! out by [`Meter::start`]; [`Meter::stop`] divides by the operations.
//!
//! # Safety
//!
//! The clock and usage calls write into locals whose layout libc defines.
#![expect(unsafe_code, reason = "processor clocks and rusage are libc calls")]

use std::io;
use std::mem::MaybeUninit;
use std::time::Instant;

use crate::args::Args;
use crate::contender::Failure;
use crate::perf::{Counter, Event, Mode};
use crate::report::Report;
use crate::{affinity, alloc, syscalls};

/// Which threads the processor time and the context switches are taken from.
///
/// The event counters always cover the opening thread and what it creates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The whole process: for runtimes with threads of their own and for servers.
    Process,
    /// The thread that opened the meter: for loops with producer threads beside them. Such a meter
    /// is started and stopped on that thread.
    Thread,
}

/// The counters of one run.
#[derive(Debug)]
pub struct Meter {
    scope: Scope,
    counting: bool,
    hardware: [Option<Counter>; 4],
    syscalls: Option<Counter>,
    started: Option<Start>,
}

#[derive(Debug)]
struct Start {
    at: Instant,
    cpu_ns: f64,
    switches: f64,
    allocations: u64,
    /// What the counters had counted before: a meter may be started more than once.
    hardware: [f64; 4],
    syscalls: f64,
}

impl Meter {
    /// Pins the calling thread to `--cpu` and opens the counters on it.
    ///
    /// # Errors
    ///
    /// The processor does not exist. Counters that the kernel does not permit are no error.
    pub fn new(args: &Args, scope: Scope) -> io::Result<Self> {
        if let Some(cpu) = args.cpu {
            affinity::pin(cpu)?;
        }
        let counting = std::env::var_os("BENCH_COUNT").is_some_and(|value| value == "1");
        let hardware = [
            Event::Instructions(Mode::User),
            Event::Instructions(Mode::Kernel),
            Event::Cycles(Mode::User),
            Event::Cycles(Mode::Kernel),
        ];
        Ok(Self {
            scope,
            counting,
            hardware: hardware.map(Counter::open),
            syscalls: if counting { syscalls::open() } else { None },
            started: None,
        })
    }

    /// Runs `body` for a tenth of the operations unmeasured, then for all of them measured.
    ///
    /// The operations are `--ops`, or else `default_ops`; `body` is told how many it has to do.
    ///
    /// # Errors
    ///
    /// What `body` reports, or a counter that failed.
    pub fn measure(
        mut self,
        args: &Args,
        default_ops: u64,
        mut body: impl FnMut(u64) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let ops = args.ops_or(default_ops);
        body(warm_up_ops(ops))?;
        self.start()?;
        body(ops)?;
        Ok(self.stop(ops)?)
    }

    /// Begins to measure; what was measured before is dropped.
    ///
    /// # Errors
    ///
    /// A counter could not be enabled.
    pub fn start(&mut self) -> io::Result<()> {
        let (cpu_ns, switches) = (cpu_time(self.scope)?, context_switches(self.scope)?);
        alloc::set_counting(self.counting);
        let allocations = alloc::allocations();
        let mut hardware = [0.0; 4];
        for (before, counter) in hardware.iter_mut().zip(&self.hardware) {
            *before = count(counter.as_ref())?.unwrap_or(0.0);
        }
        self.started = Some(Start {
            at: Instant::now(),
            cpu_ns,
            switches,
            allocations,
            hardware,
            syscalls: count(self.syscalls.as_ref())?.unwrap_or(0.0),
        });
        for counter in self.hardware.iter().flatten() {
            counter.enable()?;
        }
        // Last on, first off: so that of the meter's own calls only the switching off is counted.
        self.syscalls.as_ref().map_or(Ok(()), Counter::enable)
    }

    /// Ends the measurement of `ops` operations.
    ///
    /// # Errors
    ///
    /// [`Meter::start`] has not been called, or a counter could not be read.
    pub fn stop(&mut self, ops: u64) -> io::Result<Report> {
        self.syscalls.as_ref().map_or(Ok(()), Counter::disable)?;
        for counter in self.hardware.iter().flatten() {
            counter.disable()?;
        }
        let end = Instant::now();
        alloc::set_counting(false);
        let allocations = alloc::allocations();
        let start = self
            .started
            .take()
            .ok_or_else(|| io::Error::other("meter not started"))?;
        let ops = ops as f64;
        let cpu_ns = cpu_time(self.scope)? - start.cpu_ns;
        let switches = context_switches(self.scope)? - start.switches;
        let mut hardware = [None; 4];
        for (i, counter) in self.hardware.iter().enumerate() {
            hardware[i] = count(counter.as_ref())?.map(|now| (now - start.hardware[i]) / ops);
        }
        let syscalls = count(self.syscalls.as_ref())?.map(|now| (now - start.syscalls) / ops);
        let [insn_u, insn_k, cyc_u, cyc_k] = hardware;
        let own_call = 1.0 / ops;
        let counted = (allocations - start.allocations) as f64 / ops;
        Ok(Report {
            ns_op: (end - start.at).as_nanos() as f64 / ops,
            insn_u,
            insn_k,
            cyc_u,
            cyc_k,
            cpu_ns: Some(cpu_ns / ops),
            ctxsw: Some(switches / ops),
            syscalls: syscalls.map(|calls| calls - own_call),
            allocs: self.counting.then_some(counted),
            ..Report::default()
        })
    }
}

/// Operations run before `ops` measured ones.
pub fn warm_up_ops(ops: u64) -> u64 {
    ops.div_ceil(10)
}

/// What a counter has counted since it was opened; `None` if it is not there or never ran.
fn count(counter: Option<&Counter>) -> io::Result<Option<f64>> {
    counter.map_or(Ok(None), Counter::read)
}

fn cpu_time(scope: Scope) -> io::Result<f64> {
    let clock = match scope {
        Scope::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
        Scope::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
    };
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes one `timespec` to the pointer, a local of that type.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as f64 * 1e9 + time.tv_nsec as f64)
}

fn context_switches(scope: Scope) -> io::Result<f64> {
    let who = match scope {
        Scope::Process => libc::RUSAGE_SELF,
        Scope::Thread => libc::RUSAGE_THREAD,
    };
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes one `rusage` to the pointer, a local of that type.
    if unsafe { libc::getrusage(who, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `rusage` is integers only, so zeroed memory is a value even before the call.
    let usage = unsafe { usage.assume_init() };
    Ok(usage.ru_nvcsw as f64 + usage.ru_nivcsw as f64)
}

#[cfg(test)]
mod tests {
    use super::{Meter, Scope};
    use crate::args::Args;

    #[test]
    fn measure_runs_a_tenth_more_and_divides_by_ops() {
        let args = Args::new("test");
        let meter = Meter::new(&args, Scope::Thread).expect("meter");
        let mut asked = Vec::new();
        let report = meter.measure(&args, 40, |ops| {
            asked.push(ops);
            Ok(())
        });
        assert_eq!(asked, [4, 40]);
        let report = report.expect("measured");
        assert!(report.ns_op > 0.0 && report.cpu_ns >= Some(0.0));
        assert_eq!(report.allocs, None);
    }

    #[test]
    fn stop_before_start_fails() {
        let mut meter = Meter::new(&Args::new("test"), Scope::Process).expect("meter");
        assert!(meter.stop(1).is_err());
    }
}
