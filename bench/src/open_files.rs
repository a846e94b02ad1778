//! Raises how many descriptors the process may have open, for thousands of connections.
//!
//! # Safety
//!
//! The limit calls read and write one local of the layout that libc defines.
#![expect(unsafe_code, reason = "setrlimit is a libc call")]

use std::io;

/// Raises the limit as far as it goes, and answers it.
///
/// # Errors
///
/// The kernel refused it.
pub fn raise() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one `rlimit` to the pointer, a local of that type.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the call reads one `rlimit` from the pointer, a local of that type.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    #[test]
    fn raise_answers_the_same_twice() {
        let limit = super::raise().expect("raised");
        assert!(limit > 2);
        assert_eq!(super::raise().expect("raised"), limit);
    }
}
