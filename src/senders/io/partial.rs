//! Errors that say how much was done before they happened.

use std::error::Error;
use std::fmt;
use std::io;

use crate::sched::io_context::op::Ending;
use crate::senders::concept::outcome::Outcome;

/// What an operation on a whole buffer reports when it ended in the middle.
///
/// It is inside of the [`io::Error`], whose kind is that of the cause; [`transferred`] finds it. Such
/// an error has no [`raw_os_error`](io::Error::raw_os_error) itself, its [`cause`](Self::cause) has.
/// That of a stop is `ECANCELED`, or [`TimedOut`](crate::TimedOut) if a
/// [`timeout`](crate::SenderExt::timeout) asked for it.
///
/// # Examples
///
/// Whether a whole-buffer operation was stopped in the middle:
///
/// ```
/// use sendio::{Partial, prelude::*};
/// use std::io;
///
/// fn was_stopped(error: &io::Error) -> bool {
///     let partial = error.get_ref().and_then(|inner| inner.downcast_ref::<Partial>());
///     partial.and_then(Partial::cause).and_then(io::Error::raw_os_error) == Some(125) // ECANCELED
/// }
///
/// let ctx = IoContext::new()?;
/// let io = ctx.scheduler();
/// let (reader, writer) = io::pipe()?;
/// ctx.block_on(io.write_all(&writer, "two"))?;
/// let stop = StopSource::new();
/// let read = io.read_exact(&reader, [0; 4]).with_stop_token(stop.token());
/// let request = io.yield_now().repeat_n(100).cast_err().then(|()| stop.request_stop());
/// let error = ctx.block_on(when_all((read, request))).unwrap_err();
/// assert!(was_stopped(&error));
/// assert_eq!(sendio::transferred(&error), 3);
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Debug)]
pub struct Partial {
    transferred: usize,
    rest: Vec<u8>,
    cause: Option<io::Error>,
}

impl Partial {
    /// How many bytes were transferred.
    #[must_use]
    pub const fn transferred(&self) -> usize {
        self.transferred
    }

    /// Bytes that were taken from a source and did not reach the target: what a
    /// [`copy`](crate::CopyOps::copy) that ended in the middle had in its hands. Otherwise empty.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Why it ended: an error of the kernel, or the end of the input or output.
    #[must_use]
    pub const fn cause(&self) -> Option<&io::Error> {
        self.cause.as_ref()
    }
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{cause}, after {} bytes", self.transferred),
            None => write!(f, "ended after {} bytes", self.transferred),
        }
    }
}

impl Error for Partial {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

/// How many bytes were transferred before `error` ended an operation on a whole buffer
/// (`read_exact`, `write_all` and the like); 0 if none were, or if it was another operation.
///
/// # Examples
///
/// ```
/// use sendio::prelude::*;
///
/// let ctx = IoContext::new()?;
/// let file = std::fs::File::open("rustfmt.toml")?;
/// let len = file.metadata()?.len() as usize;
/// let too_long = vec![0; len + 1].into_boxed_slice();
/// let error = ctx.block_on(ctx.scheduler().read_exact_at(&file, too_long, 0)).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
/// assert_eq!(sendio::transferred(&error), len);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn transferred(error: &io::Error) -> usize {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>())
        .map_or(0, Partial::transferred)
}

/// `error`, which came after `done` bytes.
#[cold]
pub(crate) fn after(done: usize, error: io::Error) -> io::Error {
    if done == 0 {
        return error;
    }
    io::Error::new(
        error.kind(),
        Partial {
            transferred: done,
            rest: Vec::new(),
            cause: Some(error),
        },
    )
}

/// The end of input (`UnexpectedEof`) or output (`WriteZero`) after `done` bytes.
#[cold]
pub(crate) fn ended(kind: io::ErrorKind, done: usize) -> io::Error {
    io::Error::new(
        kind,
        Partial {
            transferred: done,
            rest: Vec::new(),
            cause: None,
        },
    )
}

/// A stop after `done` bytes, which must not be lost in a plain *stopped*.
#[cold]
pub(crate) fn stopped(done: usize) -> io::Error {
    after(done, io::Error::from_raw_os_error(libc::ECANCELED))
}

/// If `error` is that of an operation that was [`stopped`] after a part, makes it say that it was
/// `cause` that ended it; how much was done, and what is left of it, stays.
#[cold]
pub(crate) fn expire(error: &mut io::Error, cause: impl Into<io::Error>) {
    let inner = error.get_mut();
    let Some(partial) = inner.and_then(|inner| inner.downcast_mut::<Partial>()) else {
        return;
    };
    let stopped = |cause: &io::Error| cause.raw_os_error() == Some(libc::ECANCELED);
    if !partial.cause.as_ref().is_some_and(stopped) {
        return;
    }
    let cause = cause.into();
    let kind = cause.kind();
    let partial = Partial {
        transferred: partial.transferred,
        rest: std::mem::take(&mut partial.rest),
        cause: Some(cause),
    };
    *error = io::Error::new(kind, partial);
}

/// What the ending of an operation on a whole buffer of `len` bytes means, `done` of which were
/// transferred: `missing` is the error if it ended before all were.
#[inline]
pub(crate) fn settle(
    done: usize,
    len: usize,
    missing: io::ErrorKind,
    ending: Ending,
) -> Outcome<(), io::Error> {
    match ending {
        Ending::Success(_) if done == len => Outcome::Value(()),
        Ending::Success(_) => Outcome::Error(ended(missing, done)),
        Ending::Failure(error) => Outcome::Error(after(done, error)),
        Ending::Stopped if done > 0 => Outcome::Error(stopped(done)),
        Ending::Stopped => Outcome::Stopped,
    }
}

/// The outcome as a result, with `done` bytes: a stop is the error `ECANCELED`.
#[inline]
pub(crate) fn into_result<T>(outcome: Outcome<T, io::Error>, done: usize) -> io::Result<usize> {
    match outcome {
        Outcome::Value(_) => Ok(done),
        Outcome::Error(error) => Err(error),
        Outcome::Stopped | Outcome::Panicked(_) => Err(stopped(0)),
    }
}

/// `cause`, which came after `done` bytes had reached a target, when `rest` was on the way.
#[cold]
pub(crate) fn stranded(done: usize, rest: Vec<u8>, cause: io::Error) -> io::Error {
    io::Error::new(
        cause.kind(),
        Partial {
            transferred: done,
            rest,
            cause: Some(cause),
        },
    )
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The parts of the error after it was told that the time was up.
    fn expired(mut error: io::Error) -> (io::ErrorKind, usize, Vec<u8>, Option<i32>) {
        expire(&mut error, io::ErrorKind::TimedOut);
        let inner = error.get_ref();
        let partial = inner.and_then(|inner| inner.downcast_ref::<Partial>());
        let rest = partial.map_or_else(Vec::new, |partial| partial.rest().to_vec());
        let cause = partial.and_then(Partial::cause);
        let code = cause.unwrap_or(&error).raw_os_error();
        (error.kind(), transferred(&error), rest, code)
    }

    #[test]
    fn partial_of_a_stop_keeps_what_was_done_when_its_time_was_up() {
        let timed_out = io::ErrorKind::TimedOut;
        assert_eq!(expired(stopped(3)), (timed_out, 3, vec![], None));
        let canceled = io::Error::from_raw_os_error(libc::ECANCELED);
        let copy = stranded(0, b"on the way".to_vec(), canceled);
        assert_eq!(expired(copy), (timed_out, 0, b"on the way".to_vec(), None));
    }

    #[test]
    fn partial_of_another_cause_is_no_matter_of_time() {
        let reset = io::Error::from_raw_os_error(libc::ECONNRESET);
        let kind = reset.kind();
        assert_eq!(
            expired(after(3, reset)),
            (kind, 3, vec![], Some(libc::ECONNRESET))
        );
        let eof = io::ErrorKind::UnexpectedEof;
        assert_eq!(expired(ended(eof, 3)), (eof, 3, vec![], None));
        // Not told by an operation on a whole buffer.
        let canceled = io::Error::from_raw_os_error(libc::ECANCELED);
        let code = canceled.raw_os_error();
        assert_eq!(expired(canceled).3, code);
        let plain = io::Error::other("something else");
        assert_eq!(expired(plain).0, io::ErrorKind::Other);
    }
}
