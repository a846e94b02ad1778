//! The methods with which users compose senders.
//!
//! One method per algorithm; the algorithm itself is in the file of its name under `adaptor`.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::adaptor::boxed::{AnyLocalSender, AnySender, boxed, boxed_local};
use super::adaptor::cast_err::{CastErr, cast_err};
use super::adaptor::continues_on::ContinuesOn;
use super::adaptor::err_into::{ErrInto, err_into};
use super::adaptor::finally::{Finally, finally};
use super::adaptor::into_result::{IntoResult, into_result};
use super::adaptor::let_error::{LetError, let_error};
use super::adaptor::let_stopped::{LetStopped, let_stopped};
use super::adaptor::let_value::{LetValue, let_value};
use super::adaptor::map_err::{MapErr, map_err};
use super::adaptor::materialize::{
    Dematerialize, Materialize, Materialized, dematerialize, materialize,
};
use super::adaptor::repeat::{Repeat, repeat};
use super::adaptor::repeat_n::{RepeatN, repeat_n};
use super::adaptor::repeat_until::{RepeatUntil, repeat_until};
use super::adaptor::sequence::{Sequence, sequence};
use super::adaptor::stop_when::{StopWhen, stop_when};
use super::adaptor::stopped_as_error::{StoppedAsError, stopped_as_error};
use super::adaptor::stopped_as_optional::{StoppedAsOptional, stopped_as_optional};
use super::adaptor::then::{Then, then};
use super::adaptor::timeout::{TimedOut, Timeout, deadline, timeout};
use super::adaptor::try_then::{TryThen, try_then};
use super::adaptor::unstoppable::{Unstoppable, unstoppable};
use super::adaptor::upon_error::{UponError, upon_error};
use super::adaptor::upon_panicked::{UponPanicked, upon_panicked};
use super::adaptor::upon_stopped::{UponStopped, upon_stopped};
use super::adaptor::with_env::{WithEnv, with_env};
use super::adaptor::with_query::{WithQuery, with_query};
use super::adaptor::with_stop_token::{WithStopToken, with_stop_token};
use super::concept::env::Env;
use super::concept::local::LocalSender;
use super::concept::panic::Panic;
use super::concept::scheduler::{IntoError, Scheduler, TimedScheduler};
use super::concept::sender::Sender;
use super::stop::StopToken;

/// Composition for every [`Sender`].
///
/// Each method consumes the sender and returns a new one; nothing runs until a consumer such as
/// [`sync_wait`](crate::sync_wait) starts the result.
pub trait SenderExt: Sender {
    /// A sender adaptor that continues the value with `f`.
    ///
    /// Clause: [exec.then].
    ///
    /// # Completions
    /// in: Value = `V`, Error = `E` -> out: Value = what `f` returns, Error = `E`, stopped as before.
    ///
    /// # Errors
    /// Errors and *stopped* bypass `f`. A panic of `f` travels to the consumer.
    ///
    /// # Cancellation
    /// It does not look at the stop token; `f` runs if the value arrives.
    ///
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// assert_eq!(sync_wait(just(20).then(|n| n + 1).then(|n| n * 2)), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`let_value`](SenderExt::let_value) when `f` returns a sender.
    fn then<F, U>(self, f: F) -> Then<Self, F>
    where
        F: FnOnce(Self::Value) -> U,
    {
        then(self, f)
    }

    /// A sender adaptor that continues the value with `f`, which may fail.
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = what `f` returns in `Ok`, Error = `E`, stopped as before.
    /// # Errors
    /// What `f` returns in `Err`. Errors and *stopped* bypass `f`; a panic of `f` travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just("42").cast_err().try_then(str::parse::<u8>);
    /// assert_eq!(sync_wait(s), Ok(Some(42)));
    /// ```
    /// # See also
    /// [`then`](SenderExt::then) when `f` cannot fail; [`let_value`](SenderExt::let_value) when it returns a sender.
    fn try_then<F, U>(self, f: F) -> TryThen<Self, F>
    where
        F: FnOnce(Self::Value) -> Result<U, Self::Error>,
    {
        try_then(self, f)
    }

    /// A sender adaptor that makes a value of an error with `f`. Clause: [exec.then].
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `V`, no error (`Infallible`), stopped as before.
    /// # Errors
    /// None are left. Values and *stopped* bypass `f`; a panic of `f` travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_error::<usize, _>("no").upon_error(str::len);
    /// assert_eq!(sync_wait(s), Ok(Some(2)));
    /// ```
    /// # See also
    /// [`map_err`](SenderExt::map_err) to keep an error; [`into_result`](SenderExt::into_result) to look at it as a value.
    fn upon_error<F>(self, f: F) -> UponError<Self, F>
    where
        F: FnOnce(Self::Error) -> Self::Value,
    {
        upon_error(self, f)
    }

    /// A sender adaptor that makes a value of *stopped* with `f`. Clause: [exec.then].
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `V`, Error = `E`, never stopped.
    /// # Errors
    /// Values and errors bypass `f`; a panic of `f` travels.
    /// # Cancellation
    /// It does not look at the stop token. `f` runs after the sender was stopped.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_stopped::<_, ()>().upon_stopped(|| 7);
    /// assert_eq!(sync_wait(s), Ok(Some(7)));
    /// ```
    /// # See also
    /// [`stopped_as_optional`](SenderExt::stopped_as_optional), [`stopped_as_error`](SenderExt::stopped_as_error).
    fn upon_stopped<F>(self, f: F) -> UponStopped<Self, F>
    where
        F: FnOnce() -> Self::Value,
    {
        upon_stopped(self, f)
    }

    /// A sender adaptor that makes a value of a panic with `f`, which is given the payload: the work
    /// has failed, and what is around it goes on.
    ///
    /// Payloads of `panic!` are a `&'static str` or a `String`. The panic hook has run before.
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `V`, Error = `E`, stopped as before, never a panic, except one of `f`.
    /// # Errors
    /// Values, errors and *stopped* bypass `f`; a panic of `f` travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let work = just(0_u32).then(|n| 1 / n).upon_panicked(|_| 7);
    /// assert_eq!(sync_wait(work), Ok(Some(7)));
    /// ```
    /// # See also
    /// [`upon_error`](SenderExt::upon_error), [`upon_stopped`](SenderExt::upon_stopped).
    fn upon_panicked<F>(self, f: F) -> UponPanicked<Self, F>
    where
        F: FnOnce(Panic) -> Self::Value,
    {
        upon_panicked(self, f)
    }

    /// A sender adaptor that changes the error with `f`.
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `V`, Error = what `f` returns, stopped as before.
    /// # Errors
    /// Values and *stopped* bypass `f`; a panic of `f` travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_error::<(), _>("no").map_err(str::len);
    /// assert_eq!(sync_wait(s), Err(2));
    /// ```
    /// # See also
    /// [`err_into`](SenderExt::err_into) when the types are convertible; [`cast_err`](SenderExt::cast_err) when there is no error.
    fn map_err<F, E>(self, f: F) -> MapErr<Self, F>
    where
        F: FnOnce(Self::Error) -> E,
    {
        map_err(self, f)
    }

    /// A sender adaptor that converts the error into `E` with [`Into`].
    ///
    /// # Completions
    /// in: `V`, `E0` -> out: Value = `V`, Error = `E`, stopped as before.
    /// # Errors
    /// A panic of the conversion travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_error::<(), _>("no").err_into::<String>();
    /// assert_eq!(sync_wait(s), Err("no".to_owned()));
    /// ```
    /// # See also
    /// [`map_err`](SenderExt::map_err) for any other conversion.
    fn err_into<E>(self) -> ErrInto<Self, E>
    where
        Self::Error: Into<E>,
    {
        err_into(self)
    }

    /// A sender adaptor that gives a sender that cannot fail the error type `E`.
    ///
    /// # Completions
    /// in: `V`, `Infallible` -> out: Value = `V`, Error = `E` (never delivered), stopped as before.
    /// # Errors
    /// None.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just(1).cast_err::<String>().try_then(|n| Err::<(), _>(n.to_string()));
    /// assert_eq!(sync_wait(s), Err("1".to_owned()));
    /// ```
    /// # See also
    /// [`ready`](crate::ready), a value whose error type comes from context.
    fn cast_err<E>(self) -> CastErr<Self, E>
    where
        Self: Sender<Error = Infallible>,
    {
        cast_err(self)
    }

    /// A sender adaptor that makes `None` of *stopped*, and `Some` of the value. Clause: [exec.stopped.opt].
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `Option<V>`, Error = `E`, never stopped.
    /// # Errors
    /// As before.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// assert_eq!(sync_wait(just(1).stopped_as_optional()), Ok(Some(Some(1))));
    /// assert_eq!(sync_wait(just_stopped::<u8, ()>().stopped_as_optional()), Ok(Some(None)));
    /// ```
    /// # See also
    /// [`upon_stopped`](SenderExt::upon_stopped), [`stopped_as_error`](SenderExt::stopped_as_error).
    fn stopped_as_optional(self) -> StoppedAsOptional<Self> {
        stopped_as_optional(self)
    }

    /// A sender adaptor that makes an error of *stopped*: what `f` returns. Clause: [exec.stopped.err].
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `V`, Error = `E`, never stopped.
    /// # Errors
    /// As before, and that of `f`: a function, so that the error is made only when it is needed. A panic of `f`
    /// travels.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// `f` runs where the sender completes. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_stopped::<(), _>().stopped_as_error(|| "stopped");
    /// assert_eq!(sync_wait(s), Err("stopped"));
    /// ```
    /// # See also
    /// [`upon_stopped`](SenderExt::upon_stopped), [`stopped_as_optional`](SenderExt::stopped_as_optional).
    fn stopped_as_error<F>(self, f: F) -> StoppedAsError<Self, F>
    where
        F: FnOnce() -> Self::Error,
    {
        stopped_as_error(self, f)
    }

    /// A sender adaptor that makes one `Result` of value and error.
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `Result<V, E>`, no error (`Infallible`), stopped as before.
    /// # Errors
    /// None are left.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_error::<(), _>("no").into_result().then(|r| r.is_err());
    /// assert_eq!(sync_wait(s), Ok(Some(true)));
    /// ```
    /// # See also
    /// [`try_then`](SenderExt::try_then) is the way back; [`materialize`](SenderExt::materialize) takes *stopped* in as well.
    fn into_result(self) -> IntoResult<Self> {
        into_result(self)
    }

    /// A sender adaptor that makes one value of value, error and *stopped*.
    ///
    /// # Completions
    /// in: `V`, `E` -> out: Value = `Materialized<V, E>`, no error (`Infallible`), never stopped.
    /// # Errors
    /// None are left. Panics are not taken in: they travel.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// use sendio::Materialized;
    /// let s = just_stopped::<u8, ()>().materialize();
    /// assert_eq!(sync_wait(s), Ok(Some(Materialized::Stopped)));
    /// ```
    /// # See also
    /// [`dematerialize`](SenderExt::dematerialize), the way back.
    fn materialize(self) -> Materialize<Self> {
        materialize(self)
    }

    /// A sender adaptor that completes as a [`Materialized`] value says: the inverse of
    /// [`materialize`](SenderExt::materialize).
    ///
    /// # Completions
    /// in: `Materialized<V, E>` -> out: Value = `V`, Error = `E`, stopped if the value says so.
    /// # Errors
    /// Those in the value.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let s = just_error::<u8, _>("no").materialize().dematerialize();
    /// assert_eq!(sync_wait(s), Err("no"));
    /// ```
    /// # See also
    /// [`materialize`](SenderExt::materialize).
    fn dematerialize<V, E>(self) -> Dematerialize<Self>
    where
        Self: Sender<Value = Materialized<V, E>, Error = Infallible>,
    {
        dematerialize(self)
    }

    /// A sender adaptor that forgets the type of the sender.
    ///
    /// # Completions
    /// As before.
    /// # Errors
    /// As before.
    /// # Cancellation
    /// It forwards the environment, so the sender sees the receiver's stop token.
    /// # Threads
    /// It completes where the sender does. Allocation: one here, none later.
    /// # Examples
    /// ```
    /// use sendio::prelude::*;
    /// let branch = |yes| if yes { just(1).boxed() } else { just(2).then(|n| n * 2).boxed() };
    /// assert_eq!(sync_wait(branch(false)), Ok(Some(4)));
    /// ```
    /// # See also
    /// [`Either`](crate::Either), which does not allocate; [`boxed_local`](SenderExt::boxed_local) for thread-bound senders.
    fn boxed<'a>(self) -> AnySender<'a, Self::Value, Self::Error>
    where
        Self: Send + 'a,
    {
        boxed(self)
    }

    /// A sender adaptor that forgets the type of a local sender.
    ///
    /// # Completions
    /// As before.
    /// # Errors
    /// As before.
    /// # Cancellation
    /// It forwards the environment, so the sender sees the receiver's stop token.
    /// # Threads
    /// It is a [`LocalSender`] and not `Send`. Allocation: one here, none later.
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    /// use sendio::prelude::*;
    /// let s = just(Rc::new(7)).then(|n| *n).boxed_local();
    /// assert_eq!(sync_wait_local(s), Ok(Some(7)));
    /// ```
    /// # See also
    /// [`boxed`](SenderExt::boxed) for senders that may complete on any thread.
    fn boxed_local<'a>(self) -> AnyLocalSender<'a, Self::Value, Self::Error>
    where
        Self: LocalSender + 'a,
    {
        boxed_local(self)
    }

    /// A sender adaptor that continues the value with the sender that `f` makes of it.
    ///
    /// Clause: [exec.let].
    ///
    /// # Completions
    /// in: Value = `V`, Error = `E` -> out: the completions of `f`'s sender, whose error type must
    /// be `E`.
    ///
    /// # Errors
    /// Errors and *stopped* of the first sender bypass `f`. A panic of `f` travels to the consumer.
    ///
    /// # Cancellation
    /// Both senders see the receiver's stop token. The second one is started even if stop was
    /// requested meanwhile; it decides.
    ///
    /// # Threads
    /// `f` runs, and its sender starts, where the first one completes. The first operation is
    /// destroyed before `f` runs. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let s = just(6).let_value(|n| just(7).then(move |m| n * m));
    /// assert_eq!(sync_wait(s), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`then`](SenderExt::then) when `f` returns a plain value; [`let_ref`](crate::let_ref) when its
    /// sender is to borrow the value.
    fn let_value<F, T>(self, f: F) -> LetValue<Self, F, T>
    where
        F: FnOnce(Self::Value) -> T,
        T: Sender<Error = Self::Error>,
    {
        let_value(self, f)
    }

    /// A sender adaptor that continues an error with the sender that `f` makes of it.
    ///
    /// Clause: [exec.let].
    ///
    /// # Completions
    /// Value = that of both senders, Error = that of `f`'s sender, stopped if either stops.
    /// # Errors
    /// Value and *stopped* of the first sender bypass `f`. A panic of `f` travels to the consumer.
    /// # Cancellation
    /// Both see the receiver's stop token. `f` runs even if stop was requested; its sender decides.
    /// # Threads
    /// `f` runs where the first sender completes, whose operation is gone by then. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let s = just_error::<u32, _>("404").let_error(|text| ready::<u32, ()>(text.len() as u32));
    /// assert_eq!(sync_wait(s), Ok(Some(3)));
    /// ```
    ///
    /// # See also
    /// [`retry_when`](crate::retry_when), which tries again.
    fn let_error<F, T>(self, f: F) -> LetError<Self, F, T>
    where
        F: FnOnce(Self::Error) -> T,
        T: Sender<Value = Self::Value>,
    {
        let_error(self, f)
    }

    /// A sender adaptor that continues *stopped* with the sender that `f` makes.
    ///
    /// Clause: [exec.let].
    ///
    /// # Completions
    /// Those of both senders, except that *stopped* of the first is replaced by what `f`'s does.
    /// # Errors
    /// Value and error of the first sender bypass `f`. A panic of `f` travels to the consumer.
    /// # Cancellation
    /// Both see the receiver's stop token: `f`'s sender may find it requested.
    /// # Threads
    /// `f` runs where the first sender completes, whose operation is gone by then. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let s = just_stopped::<u32, ()>().let_stopped(|| ready(42));
    /// assert_eq!(sync_wait(s), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`let_value`](SenderExt::let_value), [`let_error`](SenderExt::let_error).
    fn let_stopped<F, T>(self, f: F) -> LetStopped<Self, F, T>
    where
        F: FnOnce() -> T,
        T: Sender<Value = Self::Value, Error = Self::Error>,
    {
        let_stopped(self, f)
    }

    /// A sender adaptor that delivers its sender's completion on `scheduler`.
    ///
    /// Clause: [exec.continues.on].
    ///
    /// # Completions
    /// Those of the sender, all four channels, after a hop to the scheduler.
    /// # Errors
    /// Error (by [`IntoError`]) and *stopped* of the hop replace the completion, except a panic.
    /// # Cancellation
    /// The sender sees the receiver's stop token, the hop does not: what is there comes home.
    /// # Threads
    /// The sender starts at once, here. With a [`LocalScheduler`](crate::LocalScheduler) the whole is
    /// a [`LocalSender`](crate::LocalSender) whose sender may be anything that can be sent; the
    /// environment's queries stay at home. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let run_loop = RunLoop::new();
    /// std::thread::scope(|threads| {
    ///     let worker = threads.spawn(|| run_loop.run()).thread().id();
    ///     let there = just(()).continues_on(run_loop.scheduler());
    ///     let ran = there.then(|()| std::thread::current().id());
    ///     assert_eq!(sync_wait(ran), Ok(Some(worker)));
    ///     run_loop.finish();
    /// });
    /// ```
    ///
    /// # See also
    /// [`starts_on`](crate::starts_on), [`on`](crate::on),
    /// [`current_scheduler`](crate::current_scheduler).
    fn continues_on<Sch>(self, scheduler: Sch) -> ContinuesOn<Self, Sch>
    where
        Sch: Scheduler<Transfer: Sender<Error: IntoError<Self::Error>>>,
    {
        ContinuesOn::new(self, scheduler)
    }

    /// A sender adaptor that runs `last` after its sender, however that ended.
    ///
    /// # Completions
    /// Those of the first sender, delivered after `last` has completed with its value.
    /// # Errors
    /// Error and *stopped* of `last` replace the completion, except a panic: the first one wins.
    /// # Cancellation
    /// The first sender sees the receiver's stop token; `last` does not, so it always runs.
    /// # Threads
    /// `last` starts where the first completes, whose operation is gone by then. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let mut closed = false;
    /// let close = ready(()).then(|()| closed = true);
    /// assert_eq!(sync_wait(just_error::<(), _>("no").finally(close)), Err("no"));
    /// assert!(closed);
    /// ```
    ///
    /// # See also
    /// [`sequence`](SenderExt::sequence), which goes on after a value only.
    fn finally<G>(self, last: G) -> Finally<Self, G>
    where
        G: Sender<Value = (), Error = Self::Error>,
    {
        finally(self, last)
    }

    /// A sender adaptor that runs `next` after its sender's value, `()`.
    ///
    /// # Completions
    /// Those of `next`, whose error type is the first's.
    /// # Errors
    /// Error, *stopped* and panic of the first end it; `next` is dropped then, unconnected.
    /// # Cancellation
    /// Both see the receiver's stop token. `next` is started even if stop was requested meanwhile.
    /// # Threads
    /// `next` starts where the first completes, whose operation is gone by then. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// assert_eq!(sync_wait(just(()).sequence(just(())).sequence(just(42))), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`let_value`](SenderExt::let_value) when what comes next depends on the value.
    fn sequence<N>(self, next: N) -> Sequence<Self, N>
    where
        Self: Sender<Value = ()>,
        N: Sender<Error = Self::Error>,
    {
        sequence(self, next)
    }

    /// A sender adaptor that runs clones of its sender until one fails or is stopped.
    ///
    /// # Completions
    /// Error, stopped and panic of a round; there is no value.
    /// # Errors
    /// The first one ends the loop. A panic of `clone` travels to the consumer.
    /// # Cancellation
    /// Each round sees the receiver's stop token; before each round a requested stop ends the loop.
    /// # Threads
    /// A round starts where the one before completed; inline rounds use no stack. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::cell::Cell;
    ///
    /// let left = Cell::new(3);
    /// let round = ready(()).let_value(|()| {
    ///     left.set(left.get() - 1);
    ///     if left.get() == 0 { Either::Left(just_error("over")) } else { Either::Right(ready(())) }
    /// });
    /// assert_eq!(sync_wait_local(round.repeat()).unwrap_err(), "over");
    /// ```
    ///
    /// # See also
    /// [`repeat_n`](SenderExt::repeat_n), [`repeat_with`](crate::repeat_with).
    fn repeat(self) -> Repeat<Self>
    where
        Self: Sender<Value = ()> + Clone,
    {
        repeat(self)
    }

    /// A sender adaptor that runs its sender `count` times: clones of it, and itself at the end.
    ///
    /// # Completions
    /// Value = `()` after the last round; Error and stopped of a round.
    /// # Errors
    /// The first one ends the loop. A panic of `clone` travels to the consumer.
    /// # Cancellation
    /// Each round sees the receiver's stop token; before each round a requested stop ends the loop.
    /// # Threads
    /// A round starts where the one before completed; inline rounds use no stack. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::cell::Cell;
    ///
    /// let rounds = Cell::new(0);
    /// let round = just(()).then(|()| rounds.set(rounds.get() + 1));
    /// assert_eq!(sync_wait_local(round.repeat_n(3)), Ok(Some(())));
    /// assert_eq!(rounds.get(), 3);
    /// ```
    ///
    /// # See also
    /// [`repeat`](SenderExt::repeat), [`repeat_with`](crate::repeat_with).
    fn repeat_n(self, count: usize) -> RepeatN<Self>
    where
        Self: Sender<Value = ()> + Clone,
    {
        repeat_n(self, count)
    }

    /// A sender adaptor that runs clones of its sender until one's value is `true`.
    ///
    /// # Completions
    /// Value = `()` after `true`; Error and stopped of a round.
    /// # Errors
    /// The first one ends the loop. A panic of `clone` travels to the consumer.
    /// # Cancellation
    /// Each round sees the receiver's stop token; before each round a requested stop ends the loop.
    /// # Threads
    /// A round starts where the one before completed; inline rounds use no stack. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::cell::Cell;
    ///
    /// let n = Cell::new(0);
    /// let count = just(()).then(|()| n.replace(n.get() + 1) == 9);
    /// assert_eq!(sync_wait_local(count.repeat_until()), Ok(Some(())));
    /// assert_eq!(n.get(), 10);
    /// ```
    ///
    /// # See also
    /// [`repeat_with`](crate::repeat_with), a loop that carries a state.
    fn repeat_until(self) -> RepeatUntil<Self>
    where
        Self: Sender<Value = bool> + Clone,
    {
        repeat_until(self)
    }

    /// A sender adaptor that runs its sender in the environment that `f` makes of the receiver's.
    ///
    /// Clause: [exec.write.env].
    ///
    /// # Completions
    /// Those of the sender.
    /// # Errors
    /// A panic of `f` travels to the consumer; the sender is dropped unstarted then.
    /// # Cancellation
    /// The sender sees the stop token of what `f` returns.
    /// # Threads
    /// `f` is called once, in `start`, there. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use sendio::StopToken;
    ///
    /// let s = just(42).with_env(|env| env.with_stop_token(StopToken::NEVER));
    /// assert_eq!(sync_wait(s), Ok(Some(42)));
    /// ```
    ///
    /// # See also
    /// [`with_stop_token`](SenderExt::with_stop_token), for a token that is borrowed;
    /// [`with_query`](SenderExt::with_query).
    fn with_env<F>(self, f: F) -> WithEnv<Self, F>
    where
        F: for<'x> FnOnce(Env<'x>) -> Env<'x>,
    {
        with_env(self, f)
    }

    /// A sender adaptor that offers `value` to the work in its sender, found by its type.
    ///
    /// Clause: [exec.write.env].
    ///
    /// # Completions
    /// Those of the sender; the value is dropped before.
    /// # Errors
    /// None of its own.
    /// # Cancellation
    /// It does not look at the stop token.
    /// # Threads
    /// Concurrent work shares the value: `Send` only if it is `Send + Sync`. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let limit = read_env(|env| env.query::<u32>().copied().unwrap_or(10));
    /// assert_eq!(sync_wait(limit.with_query(99_u32)), Ok(Some(99)));
    /// ```
    ///
    /// # See also
    /// [`Env::query`], which finds the nearest.
    fn with_query<T: 'static>(self, value: T) -> WithQuery<Self, T> {
        with_query(self, value)
    }

    /// A sender adaptor that lets `token` stop its sender, besides the receiver's stop token.
    ///
    /// # Completions
    /// Those of the sender.
    /// # Errors
    /// None of its own.
    /// # Cancellation
    /// The sender sees a request on either. What it makes of it decides: it may still deliver a value.
    /// # Threads
    /// It completes where the sender does. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let draining = StopSource::new();
    /// draining.request_stop();
    /// // Ends when the server drains, and when its time is up.
    /// let request = ctx.scheduler().read_some(&reader, [0; 16]).stop_when(draining.token());
    /// let ended = ctx.block_on(request.timeout(ctx.scheduler(), Duration::from_secs(60)))?;
    /// assert!(ended.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # See also
    /// [`with_stop_token`](SenderExt::with_stop_token), which replaces the receiver's token.
    fn stop_when(self, token: StopToken<'_>) -> StopWhen<'_, Self> {
        stop_when(self, token)
    }

    /// A sender adaptor that gives its sender `token` instead of the receiver's stop token.
    ///
    /// # Completions
    /// Those of the sender.
    /// # Errors
    /// None of its own.
    /// # Cancellation
    /// The sender sees `token` only: a stop of the receiver does not reach it.
    /// # Threads
    /// Everything happens where the sender runs. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let s = just(()).repeat().with_stop_token(source.token());
    /// assert!(matches!(sync_wait(s), Ok(None)));
    /// ```
    ///
    /// # See also
    /// [`unstoppable`](SenderExt::unstoppable).
    fn with_stop_token(self, token: StopToken<'_>) -> WithStopToken<'_, Self> {
        with_stop_token(self, token)
    }

    /// A sender adaptor that hides the receiver's stop token from its sender.
    ///
    /// # Completions
    /// Those of the sender.
    /// # Errors
    /// None of its own.
    /// # Cancellation
    /// The sender sees a token that never asks to stop.
    /// # Threads
    /// Everything happens where the sender runs. Allocation: none.
    /// # Examples
    ///
    /// ```
    /// use sendio::prelude::*;
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let s = just(()).repeat_n(3).unstoppable().with_stop_token(source.token());
    /// assert_eq!(sync_wait(s), Ok(Some(())));
    /// ```
    ///
    /// # See also
    /// [`finally`](SenderExt::finally), whose second sender is unstoppable.
    fn unstoppable(self) -> Unstoppable<Self> {
        unstoppable(self)
    }

    /// A sender adaptor that asks the sender to stop when `duration` has passed since the start, by
    /// the clock of `scheduler`.
    ///
    /// # Completions
    /// Those of the sender; if it stopped because its time was up, the error [`TimedOut`] instead.
    ///
    /// # Errors
    /// `TimedOut` is converted by `From` (`std::io::Error` has it); the timer's own error is the
    /// result if it came first and the sender then stopped. A value that came late is no error.
    ///
    /// Operations on a whole buffer (`read_exact`, `send_all` and the like) that were stopped in the
    /// middle have the kind `TimedOut` too, and [`transferred`](crate::transferred) still says how much
    /// they moved. That is so for `std::io::Error`, also in a `Box<dyn Error>`: with an error type of
    /// your own put the timeout before the `map_err`.
    ///
    /// # Cancellation
    /// A stop request of the receiver stops both sender and timer. A duration of zero is `TimedOut`
    /// at once, without starting the sender.
    ///
    /// # Threads
    /// It completes where the later of sender and timer completes. Allocation: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use sendio::{TimedScheduler, prelude::*};
    ///
    /// fn patient<Sch: TimedScheduler>(scheduler: Sch) -> impl Sender<Value = u8, Error = io::Error>
    /// where
    ///     Sch::ScheduleAt: Sender<Value = (), Error = io::Error>,
    /// {
    ///     ready::<u8, io::Error>(42).timeout(scheduler, Duration::from_secs(1))
    /// }
    /// ```
    ///
    /// # See also
    /// [`deadline`](SenderExt::deadline) for a point in time.
    fn timeout<Sch>(self, scheduler: Sch, duration: Duration) -> Timeout<Self, Sch>
    where
        Self::Error: From<TimedOut> + 'static,
        Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<Self::Error>>>,
    {
        timeout(self, scheduler, duration)
    }

    /// A sender adaptor that asks the sender to stop at `instant`, by the clock of `scheduler`; else
    /// like [`timeout`](SenderExt::timeout). An instant that has passed when the work is started is
    /// `TimedOut` at once, without starting the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, time::Instant};
    /// use sendio::{TimedScheduler, prelude::*};
    ///
    /// fn until<Sch>(scheduler: Sch, end: Instant) -> impl Sender<Value = u8, Error = io::Error>
    /// where
    ///     Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error = io::Error>>,
    /// {
    ///     ready::<u8, io::Error>(42).deadline(scheduler, end)
    /// }
    /// ```
    fn deadline<Sch>(self, scheduler: Sch, instant: Instant) -> Timeout<Self, Sch>
    where
        Self::Error: From<TimedOut> + 'static,
        Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<Self::Error>>>,
    {
        deadline(self, scheduler, instant)
    }
}

impl<S: Sender> SenderExt for S {}
