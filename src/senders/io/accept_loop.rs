//! `accept_loop`: accepts connections until it is asked to stop, whatever happens to single ones.
//!
//! # States
//!
//! ```text
//!        ┌──────────────── connection: `each` ─────────────────┐
//!        v                                                     │
//!     accept ─┬─ value ────────────────────────────────────────┤
//!        ^    ├─ a connection was lost ── at most 16 in a row ─┤
//!        │    ├─ the same again, or nothing left to accept with ──> timer
//!        │    └─ any other error, stopped ──> completes          │
//!        └───────────────────────────────────────────────────────┘
//! ```

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::scheduler::{IntoError, TimedScheduler};
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::scripted::Scripting;
use crate::senders::concept::sender::Sender;

/// The first pause when nothing is left to accept with; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(4);
/// The longest pause: a server that had no descriptor left notices within this that it has one.
const PAUSE_MAX: Duration = Duration::from_millis(256);
/// How many connections in a row may be lost before they cost a pause too. What is called a lost
/// connection might be a listener that always fails, and must not take the processor.
const LOST_MAX: u32 = 16;

/// The sender of [`accept_loop`].
pub type AcceptLoop<Sch, A, F, S> = Scripting<AcceptLoopScript<Sch, A, F, S>>;

/// Runs the senders `S` that `A` makes, gives their values to `F`, and pauses with `Sch`.
pub struct AcceptLoopScript<Sch, A, F, S> {
    scheduler: Sch,
    accept: A,
    each: F,
    lost: u32,
    pause: Duration,
    _sender: PhantomData<S>,
}

impl<Sch, A, F, S> Script for AcceptLoopScript<Sch, A, F, S>
where
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<io::Error>>>,
    A: FnMut() -> S,
    F: FnMut(S::Value),
    S: Sender<Error = io::Error>,
{
    type First = S;
    type Second = Sch::ScheduleAt;
    type Value = Infallible;
    type Error = io::Error;
    const LOOPS: bool = true;

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        Next::First((self.accept)())
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, io::Error>) -> NextOf<Self> {
        match outcome {
            Outcome::Value(connection) => {
                self.lost = 0;
                self.pause = PAUSE_MIN;
                (self.each)(connection);
                Next::First((self.accept)())
            }
            Outcome::Error(error) => self.after_error(error),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }

    #[inline]
    fn after_second(
        &mut self,
        outcome: Outcome<(), <Sch::ScheduleAt as Sender>::Error>,
    ) -> NextOf<Self> {
        match outcome {
            Outcome::Value(()) => Next::First((self.accept)()),
            Outcome::Error(error) => Next::Complete(Outcome::Error(error.into_error())),
            Outcome::Stopped => Next::Complete(Outcome::Stopped),
            Outcome::Panicked(payload) => Next::Complete(Outcome::Panicked(payload)),
        }
    }
}

impl<Sch, A, F, S> AcceptLoopScript<Sch, A, F, S>
where
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<io::Error>>>,
    A: FnMut() -> S,
    F: FnMut(S::Value),
    S: Sender<Error = io::Error>,
{
    #[cold]
    fn after_error(&mut self, error: io::Error) -> NextOf<Self> {
        match Verdict::of(&error) {
            Verdict::Lost if self.lost < LOST_MAX => {
                self.lost += 1;
                Next::First((self.accept)())
            }
            Verdict::Lost | Verdict::Exhausted => {
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE_MAX);
                Next::Second(self.scheduler.schedule_after(pause))
            }
            Verdict::Final => Next::Complete(Outcome::Error(error)),
        }
    }
}

/// What an error of `accept` means for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It concerns one connection, which is gone.
    Lost,
    /// Something has run out, and the connection still waits: later.
    Exhausted,
    /// The listener cannot accept.
    Final,
}

impl Verdict {
    /// accept(2), section *Error handling*: errors that are pending on the new connection are told
    /// by `accept`. `EOPNOTSUPP` is in that list, but is also what a socket says that cannot listen.
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(
                libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::ETIMEDOUT,
            ) => Self::Lost,
            Some(
                libc::EMFILE
                | libc::ENFILE
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EAGAIN
                | libc::EINTR,
            ) => Self::Exhausted,
            _ => Self::Final,
        }
    }
}

impl<Sch, A, F, S> fmt::Debug for AcceptLoopScript<Sch, A, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptLoopScript")
            .field("lost", &self.lost)
            .field("pause", &self.pause)
            .finish_non_exhaustive()
    }
}

/// A sender factory that accepts for ever: runs the sender that `accept` makes, gives its value to
/// `each`, and begins again. It lives through everything that a server has to live through.
///
/// | `accept` fails with | The loop |
/// | --- | --- |
/// | `ECONNABORTED`, `EPROTO` and others that concern one connection | goes on at once; after 16 in a row with a pause |
/// | `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` | goes on after a pause: the connection waits in the listener |
/// | anything else | ends |
///
/// A pause is a timer of `scheduler`: 4 ms at first, twice as long each time, at most 256 ms, until a
/// connection was accepted.
///
/// What has to happen before a connection is accepted is part of `accept`: waiting for room with
/// [`Scope::wait_below`](crate::Scope::wait_below), for example, so that who comes too early waits
/// in the listener. `each` typically [spawns](crate::Scope::spawn_with) a session.
///
/// # Completions
/// Never with a value.
///
/// # Errors
/// The error that ends it. A panic of `accept` or `each` travels to the consumer.
///
/// # Cancellation
/// `accept`'s senders and the pauses see the receiver's stop token. A connection that was accepted
/// although stop was requested is given to `each`; then the loop ends stopped. Clients that wait in the
/// listener by then are reset when it is closed: see [`SocketFd::refuse_new`](crate::SocketFd::refuse_new)
/// for how to serve them, and `docs/SERVERS.md` for the whole.
///
/// # Threads
/// The closures run where the sender before completed. Allocation: none.
///
/// # Examples
///
/// ```
/// use std::io;
/// use sendio::{accept_loop, prelude::*};
///
/// // What an `accept` of a busy server might say, one after the other.
/// let mut results = [Ok("first"), Err(libc::ECONNABORTED), Err(libc::EMFILE), Ok("second")].into_iter();
/// let accept = || match results.next() {
///     Some(Ok(connection)) => Either::Left(ready(connection)),
///     Some(Err(code)) => Either::Right(just_error(io::Error::from_raw_os_error(code))),
///     None => Either::Right(just_error(io::Error::from_raw_os_error(libc::EBADF))),
/// };
///
/// let ctx = IoContext::new()?;
/// let mut sessions = Vec::new();
/// let error = ctx
///     .block_on_local(accept_loop(ctx.local(), accept, |connection| sessions.push(connection)))
///     .unwrap_err();
/// assert_eq!(error.raw_os_error(), Some(libc::EBADF));
/// assert_eq!(sessions, ["first", "second"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub const fn accept_loop<Sch, A, F, S>(
    scheduler: Sch,
    accept: A,
    each: F,
) -> AcceptLoop<Sch, A, F, S>
where
    Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<io::Error>>>,
    A: FnMut() -> S,
    F: FnMut(S::Value),
    S: Sender<Error = io::Error>,
{
    Scripting::new(AcceptLoopScript {
        scheduler,
        accept,
        each,
        lost: 0,
        pause: PAUSE_MIN,
        _sender: PhantomData,
    })
}
