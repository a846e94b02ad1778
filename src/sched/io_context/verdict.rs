//! What a result of the kernel means: the one place where value, error and stopped are decided.
//!
//! | result | verdict |
//! |--------|---------|
//! | zero or more | success, even if stop was requested: the result decides |
//! | `ECANCELED` | stopped |
//! | `ERESTARTSYS` and its kin (512 to 516), which leak from cancelled kernel workers | interrupted |
//! | `EINTR`, `EAGAIN` | interrupted: tried again unless stop was requested |
//! | any, of a request that must not be made twice (`Kind::FINAL`) | success or error |
//! | any other | error, unchanged |
//!
//! Of the last three rows but the one about `FINAL`, an operation may say otherwise
//! ([`Kind::refused`](super::kind::Kind::refused)): that it ends with this error, or goes on after it.

use std::io;

use super::kind::Progress;

/// See the module's table.
#[derive(Debug)]
pub(super) enum Verdict {
    Success(u32),
    Cancelled,
    /// Nothing was done; the error to give up with.
    Interrupted(io::Error),
    /// An error that is a step on the way for this operation.
    Step,
    Failure(io::Error),
}

impl Verdict {
    /// The verdict as the operation sees it, which is asked about errors.
    #[inline]
    pub(super) fn seen_by(self, asked: impl FnOnce(&io::Error) -> Option<Progress>) -> Self {
        let answer = match &self {
            Self::Interrupted(error) | Self::Failure(error) => asked(error),
            _ => None,
        };
        match (answer, self) {
            (Some(Progress::More), _) => Self::Step,
            (Some(Progress::Done), Self::Interrupted(error)) => Self::Failure(error),
            (_, unchanged) => unchanged,
        }
    }
}

/// The first and the last of the kernel's internal restart codes.
const RESTARTS: std::ops::RangeInclusive<i32> = 512..=516;

#[inline]
pub(super) fn verdict(result: i32) -> Verdict {
    match u32::try_from(result) {
        Ok(result) => Verdict::Success(result),
        Err(_) => refusal(-result),
    }
}

/// The verdict on a request that was carried out, and must not be made again, whatever the result.
#[inline]
pub(super) fn final_verdict(result: i32) -> Verdict {
    match u32::try_from(result) {
        Ok(result) => Verdict::Success(result),
        Err(_) if RESTARTS.contains(&-result) => {
            Verdict::Failure(io::Error::from_raw_os_error(libc::EINTR))
        }
        Err(_) => Verdict::Failure(io::Error::from_raw_os_error(-result)),
    }
}

#[cold]
fn refusal(code: i32) -> Verdict {
    match code {
        libc::ECANCELED => Verdict::Cancelled,
        code if RESTARTS.contains(&code) => {
            Verdict::Interrupted(io::Error::from_raw_os_error(libc::EINTR))
        }
        libc::EINTR | libc::EAGAIN => Verdict::Interrupted(io::Error::from_raw_os_error(code)),
        code => Verdict::Failure(io::Error::from_raw_os_error(code)),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn verdict_zero_and_more_are_success() {
        assert!(matches!(verdict(0), Verdict::Success(0)));
        assert!(matches!(verdict(i32::MAX), Verdict::Success(n) if n == 0x7fff_ffff));
    }

    #[test]
    fn verdict_cancelled_and_restart_codes_are_no_errors() {
        assert!(matches!(verdict(-libc::ECANCELED), Verdict::Cancelled));
        for code in RESTARTS {
            let Verdict::Interrupted(error) = verdict(-code) else {
                panic!("{code}")
            };
            assert_eq!(error.raw_os_error(), Some(libc::EINTR));
        }
    }

    #[test]
    fn verdict_final_never_asks_for_another_try() {
        assert!(matches!(final_verdict(3), Verdict::Success(3)));
        for code in [libc::ECANCELED, libc::EINTR, libc::EAGAIN, libc::EIO, 512] {
            let Verdict::Failure(error) = final_verdict(-code) else {
                panic!("{code}")
            };
            let told = if code == 512 { libc::EINTR } else { code };
            assert_eq!(error.raw_os_error(), Some(told));
        }
    }

    #[test]
    fn verdict_seen_by_changes_errors_only_and_as_it_is_told() {
        let never = |_: &io::Error| -> Option<Progress> { panic!("asked") };
        assert!(matches!(verdict(7).seen_by(never), Verdict::Success(7)));
        let cancelled = verdict(-libc::ECANCELED).seen_by(never);
        assert!(matches!(cancelled, Verdict::Cancelled));
        for code in [libc::EAGAIN, libc::EINTR, 512, libc::EINPROGRESS] {
            let told = if code == 512 { libc::EINTR } else { code };
            let answered = |answer| {
                verdict(-code).seen_by(|error| {
                    assert_eq!(error.raw_os_error(), Some(told));
                    answer
                })
            };
            assert!(matches!(answered(Some(Progress::More)), Verdict::Step));
            let ended = answered(Some(Progress::Done));
            assert!(matches!(ended, Verdict::Failure(error) if error.raw_os_error() == Some(told)));
            let usual = matches!(answered(None), Verdict::Interrupted(_));
            assert_eq!(usual, code != libc::EINPROGRESS);
        }
    }

    #[test]
    fn verdict_unknown_codes_pass_unchanged() {
        for code in [libc::EBADF, libc::EIO, 511, 517, 4095] {
            let Verdict::Failure(error) = verdict(-code) else {
                panic!("{code}")
            };
            assert_eq!(error.raw_os_error(), Some(code));
        }
    }
}
