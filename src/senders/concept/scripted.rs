//! The sender around a [`Script`]: one type for all adaptors that run children one after another.
//!
//! # Safety
//! INV-SND-1 and INV-SND-2 hold because [`ScriptOp`] keeps them for every script.

#![expect(unsafe_code, reason = "implements Sender")]

use super::local::LocalSender;
use super::receiver::Receiver;
use super::script::{Script, ScriptOp};
use super::sender::Sender;

/// A sender that runs a [`Script`], starting with its first sender: the type behind `let_value`,
/// `finally` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Scripted<M: Script> {
    first: M::First,
    script: M,
}

impl<M: Script> Scripted<M> {
    /// The script, and the sender with which it starts.
    #[inline]
    pub const fn new(first: M::First, script: M) -> Self {
        Self { first, script }
    }
}

// SAFETY: `ScriptOp` completes once, last, and lets nothing unwind; script and first sender are
//         fields, so `Send` covers them, and scripts name in a `PhantomData` what rests in them
//         later.
unsafe impl<M: Script> Sender for Scripted<M> {
    type Value = M::Value;
    type Error = M::Error;
    type Operation<R: Receiver<M::Value, M::Error>> = ScriptOp<M, R>;

    #[inline]
    fn connect<R: Receiver<M::Value, M::Error>>(self, receiver: R) -> ScriptOp<M, R> {
        ScriptOp::new(self.script, self.first, receiver)
    }
}

// SAFETY: both kinds of children complete where they are started, so each step, and the completion,
//         happens on the thread that started the whole.
unsafe impl<M: Script<First: LocalSender, Second: LocalSender>> LocalSender for Scripted<M> {}

/// A sender that runs a [`Script`] from its first step on: the type behind `repeat_with` and others.
#[derive(Clone, Debug)]
#[must_use = "a sender does nothing until a consumer such as `sync_wait` starts it"]
pub struct Scripting<M> {
    script: M,
}

impl<M: Script> Scripting<M> {
    /// The script, which makes its first sender itself.
    #[inline]
    pub const fn new(script: M) -> Self {
        Self { script }
    }
}

// SAFETY: as for `Scripted`.
unsafe impl<M: Script> Sender for Scripting<M> {
    type Value = M::Value;
    type Error = M::Error;
    type Operation<R: Receiver<M::Value, M::Error>> = ScriptOp<M, R>;

    #[inline]
    fn connect<R: Receiver<M::Value, M::Error>>(self, receiver: R) -> ScriptOp<M, R> {
        ScriptOp::without_first(self.script, receiver)
    }
}

// SAFETY: as for `Scripted`.
unsafe impl<M: Script<First: LocalSender, Second: LocalSender>> LocalSender for Scripting<M> {}
