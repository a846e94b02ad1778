//! Pins the calling thread to one processor, or frees it again.
//!
//! # Safety
//!
//! The one kernel call here reads a processor set that lives on the caller's stack.
#![expect(unsafe_code, reason = "sched_setaffinity is a libc call")]

use std::io;
use std::mem::size_of;

/// Pins the calling thread to processor `cpu`.
///
/// # Errors
///
/// The processor does not exist or is not allowed to this process.
pub fn pin(cpu: usize) -> io::Result<()> {
    apply(std::iter::once(cpu))
}

/// Lets the calling thread run on every processor again, which a thread started from a pinned one
/// may not.
///
/// # Errors
///
/// The kernel refused the set.
pub fn unpin() -> io::Result<()> {
    apply(0..CPU_BITS)
}

/// Pins to `cpu` if there is one, else frees the thread: what a producer thread does first.
///
/// # Errors
///
/// As [`pin`] and [`unpin`].
pub fn pin_or_free(cpu: Option<usize>) -> io::Result<()> {
    cpu.map_or_else(unpin, pin)
}

/// Processors that a set of fixed size can name, as `cpu_set_t` in libc.
const CPU_BITS: usize = 1024;
const WORD_BITS: usize = 64;

fn apply(cpus: impl Iterator<Item = usize>) -> io::Result<()> {
    let mut set = [0_u64; CPU_BITS / WORD_BITS];
    for cpu in cpus {
        let word = set.get_mut(cpu / WORD_BITS).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("no processor {cpu}"))
        })?;
        *word |= 1 << (cpu % WORD_BITS);
    }
    // SAFETY: the kernel reads `size_of_val(&set)` bytes from the pointer: both name the local
    // array, which outlives the call and is not kept by the kernel.
    let status = unsafe {
        libc::sched_setaffinity(
            0,
            size_of::<[u64; CPU_BITS / WORD_BITS]>(),
            set.as_ptr().cast(),
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::{pin, unpin};

    #[test]
    fn pin_unknown_processor_fails() {
        assert!(pin(1023).is_err());
        assert!(pin(4096).is_err());
        unpin().expect("every processor is allowed");
    }
}
