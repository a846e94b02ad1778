//! The sender around a [`Script`]: one type for all adaptors that run children one after another.
//!
//! # Safety
//! INV-SND-1 holds because [`ScriptOp`] keeps it for every script. INV-SND-2 (a `Send` sender may run
//! anywhere) holds because the sender is `Send` only if the script and both kinds of children are:
//! nothing else rests in the operation while it changes threads.

#![expect(unsafe_code, reason = "implements Sender")]

use std::marker::PhantomData;

use super::local::LocalSender;
use super::panic::Panic;
use super::receiver::Receiver;
use super::script::Script;
use super::script_op::ScriptOp;
use super::sender::Sender;

/// A sender that runs a [`Script`], starting with its first sender: the type behind `let_value`,
/// `finally` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Scripted<M: Script> {
    first: M::First,
    script: M,
    /// It will rest in the operation, so it decides about `Send` too.
    _later: PhantomData<Children<M>>,
}

/// What rests in the operation of a script one after another.
type Children<M> = (<M as Script>::First, <M as Script>::Second);

impl<M: Script> Scripted<M> {
    /// The script, and the sender with which it starts.
    #[inline]
    pub const fn new(first: M::First, script: M) -> Self {
        Self {
            first,
            script,
            _later: PhantomData,
        }
    }

    /// The first sender and the script.
    #[inline]
    pub(crate) const fn parts(&self) -> (&M::First, &M) {
        (&self.first, &self.script)
    }
}

// SAFETY: `ScriptOp` completes once, last, and lets nothing unwind. What rests in it while it
//         changes threads are the script and the children, and `Send` covers all three.
unsafe impl<M: Script> Sender for Scripted<M> {
    type Value = M::Value;
    type Error = M::Error;
    type Operation<R: Receiver<M::Value, M::Error>> = ScriptOp<M, R>;
    const STAYS: bool = M::First::STAYS && M::Second::STAYS;
    const LOOKS: bool = M::PASSES_STOP && M::First::LOOKS;

    #[inline]
    fn connect<R: Receiver<M::Value, M::Error>>(self, receiver: R) -> ScriptOp<M, R> {
        ScriptOp::new(self.script, self.first, receiver)
    }

    #[inline(always)]
    unsafe fn connect_at<R: Receiver<M::Value, M::Error>>(
        self,
        place: *mut ScriptOp<M, R>,
        receiver: R,
    ) -> Result<(), Panic> {
        // SAFETY: the contract is the same.
        unsafe { ScriptOp::make_at(place, self.script, self.first, receiver) };
        Ok(())
    }
}

// SAFETY: both kinds of children complete where they are started, so each step, and the completion,
//         happens on the thread that started the whole.
unsafe impl<M: Script<First: LocalSender, Second: LocalSender>> LocalSender for Scripted<M> {}

/// A sender that runs a [`Script`] from its first step on: the type behind `repeat_with` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Scripting<M: Script> {
    script: M,
    /// As in [`Scripted`].
    _later: PhantomData<Children<M>>,
}

impl<M: Script> Scripting<M> {
    /// The script, which makes its first sender itself.
    #[inline]
    pub const fn new(script: M) -> Self {
        Self {
            script,
            _later: PhantomData,
        }
    }
}

// SAFETY: as for `Scripted`.
unsafe impl<M: Script> Sender for Scripting<M> {
    type Value = M::Value;
    type Error = M::Error;
    type Operation<R: Receiver<M::Value, M::Error>> = ScriptOp<M, R>;
    const STAYS: bool = M::First::STAYS && M::Second::STAYS;

    #[inline]
    fn connect<R: Receiver<M::Value, M::Error>>(self, receiver: R) -> ScriptOp<M, R> {
        ScriptOp::without_first(self.script, receiver)
    }
}

// SAFETY: as for `Scripted`.
unsafe impl<M: Script<First: LocalSender, Second: LocalSender>> LocalSender for Scripting<M> {}
