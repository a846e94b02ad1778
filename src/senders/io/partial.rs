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
    cause: Option<io::Error>,
}

impl Partial {
    /// How many bytes were transferred.
    #[must_use]
    pub const fn transferred(&self) -> usize {
        self.transferred
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
            cause: None,
        },
    )
}

/// A stop after `done` bytes, which must not be lost in a plain *stopped*.
#[cold]
pub(crate) fn stopped(done: usize) -> io::Error {
    after(done, io::Error::from_raw_os_error(libc::ECANCELED))
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
