//! Opens kernel event counters with `perf_event_open`.
//!
//! A counter belongs to the thread that opens it and to every thread created from it afterwards
//! (also `io_uring` workers). Whether the machine or its rules permit one is for the kernel to say:
//! [`Counter::open`] answers `None` and the figure is left out.
//!
//! # Safety
//!
//! The attribute block is a local of the layout that the kernel published first (`VER0`), and the
//! descriptor is owned by the counter from its creation on.
#![expect(unsafe_code, reason = "perf_event_open has no safe binding")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::ptr;

/// What to count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// Retired instructions, in user or in kernel mode.
    Instructions(Mode),
    /// Processor cycles, in user or in kernel mode.
    Cycles(Mode),
    /// Passes over the tracepoint with this number.
    Tracepoint(u64),
}

/// The processor mode a hardware event is counted in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// User mode only.
    User,
    /// Kernel mode only.
    Kernel,
}

/// One open counter; it counts between [`Counter::enable`] and [`Counter::disable`].
#[derive(Debug)]
pub struct Counter {
    file: File,
}

/// `struct perf_event_attr` as of `PERF_ATTR_SIZE_VER0`; later fields are zero to the kernel.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const ATTRIBUTES_SIZE: u32 = 64;
const _: () = assert!(size_of::<Attributes>() == ATTRIBUTES_SIZE as usize);

const TYPE_HARDWARE: u32 = 0;
const TYPE_TRACEPOINT: u32 = 2;
const HW_CPU_CYCLES: u64 = 0;
const HW_INSTRUCTIONS: u64 = 1;
const FORMAT_TIMES: u64 = 0b11; // total time enabled, total time running
const FLAG_DISABLED: u64 = 1 << 0;
const FLAG_INHERIT: u64 = 1 << 1;
const FLAG_EXCLUDE_USER: u64 = 1 << 4;
const FLAG_EXCLUDE_KERNEL: u64 = 1 << 5;
const FLAG_EXCLUDE_HV: u64 = 1 << 6;
const OPEN_CLOEXEC: libc::c_ulong = 1 << 3;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;

impl Counter {
    /// Opens a counter, disabled, for the calling thread and the threads it will create; `None`
    /// if the kernel does not offer it.
    pub fn open(event: Event) -> Option<Self> {
        let attributes = Attributes::of(event);
        let (this_thread, any_cpu, no_group): (libc::pid_t, libc::c_int, libc::c_int) = (0, -1, -1);
        // SAFETY: the kernel reads `attributes.size` bytes, the size of the struct, from a local
        // that outlives the call; it may write that field, hence the exclusive borrow below.
        let status = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                this_thread,
                any_cpu,
                no_group,
                OPEN_CLOEXEC,
            )
        };
        let fd = RawFd::try_from(status).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: `fd` must be open and owned by nobody else: the call above has just made it.
        let file = unsafe { File::from_raw_fd(fd) };
        Some(Self { file })
    }

    /// Starts counting, in the inherited threads as well.
    ///
    /// # Errors
    ///
    /// The kernel refused it.
    pub fn enable(&self) -> io::Result<()> {
        self.control(IOC_ENABLE)
    }

    /// Stops counting, in the inherited threads as well.
    ///
    /// # Errors
    ///
    /// The kernel refused it.
    pub fn disable(&self) -> io::Result<()> {
        self.control(IOC_DISABLE)
    }

    /// The count, scaled up if the counter had to share its hardware; `None` if it never ran.
    ///
    /// # Errors
    ///
    /// The kernel refused it.
    pub fn read(&self) -> io::Result<Option<f64>> {
        let mut words = [0_u8; 24];
        (&self.file).read_exact(&mut words)?;
        let word = |i: usize| -> f64 {
            let mut bytes = [0_u8; 8];
            bytes.copy_from_slice(&words[i * 8..i * 8 + 8]);
            u64::from_ne_bytes(bytes) as f64
        };
        let (count, enabled, running) = (word(0), word(1), word(2));
        Ok((running > 0.0).then(|| count * (enabled / running)))
    }

    fn control(&self, request: libc::c_ulong) -> io::Result<()> {
        // SAFETY: the request takes no pointer, and the descriptor is open as long as `self`.
        let status = unsafe { libc::ioctl(self.file.as_raw_fd(), request, ptr::null::<u8>()) };
        if status == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Attributes {
    fn of(event: Event) -> Self {
        let (kind, config, excluded) = match event {
            Event::Instructions(mode) => (TYPE_HARDWARE, HW_INSTRUCTIONS, mode.excluded()),
            Event::Cycles(mode) => (TYPE_HARDWARE, HW_CPU_CYCLES, mode.excluded()),
            Event::Tracepoint(id) => (TYPE_TRACEPOINT, id, 0),
        };
        Self {
            kind,
            size: ATTRIBUTES_SIZE,
            config,
            read_format: FORMAT_TIMES,
            flags: FLAG_DISABLED | FLAG_INHERIT | excluded,
            ..Self::default()
        }
    }
}

impl Mode {
    fn excluded(self) -> u64 {
        match self {
            Self::User => FLAG_EXCLUDE_KERNEL | FLAG_EXCLUDE_HV,
            Self::Kernel => FLAG_EXCLUDE_USER | FLAG_EXCLUDE_HV,
        }
    }
}
