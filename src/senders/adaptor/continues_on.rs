//! `continues_on`: brings the completion of a sender to a scheduler.
//!
//! The sender runs where it is started. Its outcome, whatever the channel, waits in the operation
//! while a transfer of the scheduler hops; then it is delivered there.
//!
//! # Threads
//!
//! It is the bridge from remote to local work: for a
//! [`LocalScheduler`](crate::LocalScheduler) the sender may complete anywhere, and the whole
//! completes at home. So nothing of the receiver is used from where the sender runs: `enter`
//! snapshots the environment and makes the transfer sender, both at home. Of the snapshot only what
//! any thread may use is left to the sender: stop token and scheduler, no queries.
//!
//! # Cancellation
//!
//! The sender sees the stop token. The hop does not: an outcome that exists is not given up for a
//! stop that comes during the way home, and *stopped* itself comes home too.
//!
//! # Safety
//! INV-ENV-1 holds for the snapshot: the receiver waits in the same operation, and is completed
//! after both children. INV-SND-3 is argued at the `LocalSender` implementation.

#![expect(
    unsafe_code,
    reason = "snapshots an environment, and promises to come home"
)]

use std::fmt;

use crate::senders::concept::env::{Env, RawEnv};
use crate::senders::concept::local::{LocalSender, SendSender};
use crate::senders::concept::outcome::Outcome;
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::scheduler::{IntoError, LocalScheduler, Scheduler};
use crate::senders::concept::script::{Next, NextOf, Script};
use crate::senders::concept::script_op::ScriptOp;
use crate::senders::concept::scripted::Scripted;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::StopToken;

/// The sender of [`SenderExt::continues_on`](crate::SenderExt::continues_on).
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct ContinuesOn<S, Sch>
where
    S: Sender,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    scripted: Scripted<ContinuesOnScript<S, Sch>>,
}

/// Runs `S`, keeps its outcome, and hops to `Sch`.
pub struct ContinuesOnScript<S: Sender, Sch: Scheduler> {
    scheduler: Sch,
    transfer: Option<Sch::Transfer>,
    stored: Option<Outcome<S::Value, S::Error>>,
    env: Snapshot,
}

/// The environment of the started operation; empty before.
#[derive(Clone, Copy)]
struct Snapshot(RawEnv);

// SAFETY: what a started operation has snapshot may be used where its sender may run; before, the
//         snapshot is empty.
unsafe impl Send for Snapshot {}

impl<S, Sch> Script for ContinuesOnScript<S, Sch>
where
    S: Sender,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    type First = S;
    type Second = Sch::Transfer;
    type Value = S::Value;
    type Error = S::Error;

    #[inline]
    fn enter(&mut self, env: Env<'_>) {
        self.transfer = Some(self.scheduler.transfer());
        let env = if Sch::BOUND_TO_THREAD {
            env.without_queries()
        } else {
            env
        };
        self.env = Snapshot(env.erase());
    }

    #[inline]
    fn begin(&mut self) -> NextOf<Self> {
        unreachable!("this script is given its first sender")
    }

    #[inline]
    fn after_first(&mut self, outcome: Outcome<S::Value, S::Error>) -> NextOf<Self> {
        self.stored = Some(outcome);
        match self.transfer.take() {
            Some(transfer) => Next::Second(transfer),
            None => unreachable!("the first sender completes once"),
        }
    }

    #[inline]
    fn after_second(
        &mut self,
        outcome: Outcome<(), <Sch::Transfer as Sender>::Error>,
    ) -> NextOf<Self> {
        let stored = self.stored.take();
        Next::Complete(match (outcome, stored) {
            (Outcome::Value(()), Some(stored)) => stored,
            (_, Some(Outcome::Panicked(payload))) => Outcome::Panicked(payload),
            (Outcome::Error(error), _) => Outcome::Error(error.into_error()),
            (Outcome::Stopped, _) => Outcome::Stopped,
            (Outcome::Panicked(payload), _) => Outcome::Panicked(payload),
            (Outcome::Value(()), None) => unreachable!("the first sender has completed"),
        })
    }

    #[inline]
    fn first_env<'a>(&'a self, _: impl FnOnce() -> Env<'a>) -> Env<'a> {
        // SAFETY: a child asks while it runs: the receiver was not completed (INV-ENV-1).
        unsafe { self.env.0.restore() }
    }

    #[inline]
    fn second_env<'a>(&'a self, outer: impl FnOnce() -> Env<'a>) -> Env<'a> {
        self.first_env(outer).with_stop_token(StopToken::NEVER)
    }
}

impl<S, Sch> ContinuesOn<S, Sch>
where
    S: Sender,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    /// `sender`, then the hop.
    #[inline]
    pub(crate) const fn new(sender: S, scheduler: Sch) -> Self {
        let script = ContinuesOnScript {
            scheduler,
            transfer: None,
            stored: None,
            env: Snapshot(RawEnv::EMPTY),
        };
        Self {
            scripted: Scripted::new(sender, script),
        }
    }
}

// SAFETY: the inner sender keeps the promises.
unsafe impl<S, Sch> Sender for ContinuesOn<S, Sch>
where
    S: Sender,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    type Value = S::Value;
    type Error = S::Error;
    type Operation<R: Receiver<S::Value, S::Error>> = ScriptOp<ContinuesOnScript<S, Sch>, R>;

    #[inline]
    fn connect<R: Receiver<S::Value, S::Error>>(self, receiver: R) -> Self::Operation<R> {
        self.scripted.connect(receiver)
    }
}

// SAFETY: the child, its value and its error may travel (`SendSender`), the transfer too and its
//         `connect` does not panic (contract of `LocalScheduler`), so from every channel of the
//         child the script goes on to the transfer, which completes at home. In between, the
//         script's own step stores and moves, and the receiver is not used: `first_env` and
//         `second_env` answer from the snapshot, which carries no queries (`BOUND_TO_THREAD` is
//         true by the same contract). The scheduler is asked in `enter`, and dropped with the
//         script after the hop: at home both times.
unsafe impl<S, Sch> LocalSender for ContinuesOn<S, Sch>
where
    S: SendSender,
    Sch: LocalScheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
}

impl<S, Sch> Clone for ContinuesOn<S, Sch>
where
    S: Sender + Clone,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    fn clone(&self) -> Self {
        let (sender, script) = self.scripted.parts();
        Self::new(sender.clone(), script.scheduler.clone())
    }
}

impl<S, Sch> fmt::Debug for ContinuesOn<S, Sch>
where
    S: Sender,
    Sch: Scheduler<Transfer: Sender<Error: IntoError<S::Error>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuesOn").finish_non_exhaustive()
    }
}

impl<S: Sender, Sch: Scheduler> fmt::Debug for ContinuesOnScript<S, Sch> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuesOnScript").finish_non_exhaustive()
    }
}
