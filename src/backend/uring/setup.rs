//! Makes a ring with the best flags that this kernel accepts.
//!
//! Each step is tried for real: the ring is made with its flags and a NOP goes through it, because a
//! seccomp filter may allow the set-up and forbid the rest.
//!
//! | step | flags | kernel |
//! |------|-------|--------|
//! | `Deferred` | SINGLE_ISSUER, DEFER_TASKRUN, TASKRUN_FLAG, SUBMIT_ALL, NO_SQARRAY | 6.6 |
//! | `DeferredArray` | the same without NO_SQARRAY | 6.1 |
//! | `Cooperative` | COOP_TASKRUN, TASKRUN_FLAG, SUBMIT_ALL | 5.19 |
//! | `Plain` | none | 5.11 |
//!
//! # Safety
//! System calls with memory of the caller's frame.

#![expect(unsafe_code, reason = "uname(2), and pushing a NOP")]

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use io_uring::{Builder, IoUring, opcode};

use crate::backend::options::Options;

/// The step at which the ring was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Deferred,
    DeferredArray,
    Cooperative,
    Plain,
}

/// What was reached.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    step: Step,
    entries: u32,
    completion_entries: u32,
    sqpoll: bool,
    iopoll: bool,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = match self.step {
            Step::Deferred => "completions deferred to the loop, no index array",
            Step::DeferredArray => "completions deferred to the loop",
            Step::Cooperative => "completions when the loop enters the kernel",
            Step::Plain => "no flags",
        };
        write!(
            f,
            "{} submission and {} completion entries, {flags}",
            self.entries, self.completion_entries
        )?;
        if self.sqpoll {
            f.write_str(", a kernel thread submits")?;
        }
        if self.iopoll {
            f.write_str(", devices are polled")?;
        }
        Ok(())
    }
}

impl Setup {
    /// Whether the kernel sets a flag when it has work to do in the next call (TASKRUN_FLAG).
    pub(super) fn sets_flag(&self) -> bool {
        self.step != Step::Plain
    }
}

const STEPS: [Step; 4] = [
    Step::Deferred,
    Step::DeferredArray,
    Step::Cooperative,
    Step::Plain,
];

/// Makes the ring, stepping down until the kernel accepts it. The error is that of the best step
/// that the kernel could have had: the last one tried.
pub(crate) fn build(options: &Options) -> io::Result<(IoUring, Setup)> {
    options.check()?;
    let mut last = None;
    for step in STEPS {
        if options.sqpoll.is_some() && step != Step::Plain {
            // A polling kernel thread runs the work itself; the kernel refuses these with it.
            continue;
        }
        match try_step(options, step) {
            Ok(ring) => {
                let params = ring.params();
                let setup = Setup {
                    step,
                    entries: params.sq_entries(),
                    completion_entries: params.cq_entries(),
                    sqpoll: params.is_setup_sqpoll(),
                    iopoll: params.is_setup_iopoll(),
                };
                return Ok((ring, setup));
            }
            // Only "invalid argument" can be about a flag; the rest does not get better by
            // stepping down.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)))
}

fn try_step(options: &Options, step: Step) -> io::Result<IoUring> {
    let mut builder: Builder<io_uring::squeue::Entry, io_uring::cqueue::Entry> = IoUring::builder();
    match step {
        Step::Deferred | Step::DeferredArray => {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all();
            if step == Step::Deferred {
                builder.setup_no_sqarray();
            }
        }
        Step::Cooperative => {
            builder
                .setup_coop_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all();
        }
        Step::Plain => {}
    }
    if let Some(completions) = options.completion_entries {
        builder.setup_cqsize(completions);
    }
    if let Some(idle) = options.sqpoll {
        builder.setup_sqpoll(u32::try_from(idle.as_millis()).unwrap_or(u32::MAX));
    }
    if options.iopoll {
        builder.setup_iopoll();
    }
    builder.dontfork();
    let mut ring = builder.build(options.entries)?;
    if !options.iopoll {
        round_trip(&mut ring)?;
    }
    Ok(ring)
}

/// Sends a NOP through the ring.
fn round_trip(ring: &mut IoUring) -> io::Result<()> {
    // SAFETY: a NOP names no memory.
    let pushed = unsafe { ring.submission().push(&opcode::Nop::new().build()) };
    if pushed.is_err() {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
            Err(error) => return Err(error),
        }
        match ring.completion().next() {
            Some(entry) if entry.result() < 0 => {
                return Err(io::Error::from_raw_os_error(-entry.result()));
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
}

/// `RWF_NOSIGNAL` of `pwritev2(2)`.
const RWF_NOSIGNAL: i32 = 0x100;

/// Flags for writes: to a pipe or socket without reader they are an error, and raise no `SIGPIPE`.
/// The kernel has had that flag since Linux 6.18, and refuses flags that it does not know. It is asked
/// once.
pub(crate) fn write_flags() -> i32 {
    static FLAGS: OnceLock<i32> = OnceLock::new();
    *FLAGS.get_or_init(|| {
        if release().is_some_and(|release| release >= (6, 18)) {
            RWF_NOSIGNAL
        } else {
            0
        }
    })
}

/// The first two numbers of the kernel's release.
fn release() -> Option<(u32, u32)> {
    let mut name = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the pointer is good for writing one `utsname`; all of it is initialised by zeroes, and
    //         what the kernel writes ends in a NUL.
    let release = unsafe {
        if libc::uname(name.as_mut_ptr()) != 0 {
            return None;
        }
        CStr::from_ptr((*name.as_ptr()).release.as_ptr())
    };
    parse_release(release.to_str().ok()?)
}

fn parse_release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parse_release_takes_the_first_two_numbers() {
        assert_eq!(parse_release("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(parse_release("7.0-rc1"), Some((7, 0)));
        assert_eq!(parse_release("6.9"), Some((6, 9)));
        assert_eq!(parse_release(""), None);
        assert_eq!(parse_release("unknown"), None);
        assert!(release().is_some_and(|release| release >= (5, 1)));
    }
}
