//! An adaptor of the servers' own: what happens after a session, however it ended.
//!
//! `upon_error`, `upon_stopped`, `upon_panicked` and `let_value` one behind the other would do the
//! same; one step is shorter, also in the types of everything that is within.

use std::marker::PhantomData;

use sendio::adaptor::{Next, Script, Scripted};
use sendio::prelude::*;

/// Runs `S`, gives its outcome to `F`, and runs what that makes of it.
pub(super) struct Afterwards<S, F, L> {
    f: Option<F>,
    senders: PhantomData<(S, L)>,
}

impl<S, F, L> Script for Afterwards<S, F, L>
where
    S: Sender,
    F: FnOnce(Outcome<S::Value, S::Error>) -> L,
    L: Sender,
{
    type First = S;
    type Second = L;
    type Value = L::Value;
    type Error = L::Error;

    fn begin(&mut self) -> Next<S, L, L::Value, L::Error> {
        unreachable!("it is made with its first sender")
    }

    fn after_first(
        &mut self,
        outcome: Outcome<S::Value, S::Error>,
    ) -> Next<S, L, L::Value, L::Error> {
        let f = self.f.take().expect("the first sender completes once");
        Next::Second(f(outcome))
    }

    fn after_second(
        &mut self,
        outcome: Outcome<L::Value, L::Error>,
    ) -> Next<S, L, L::Value, L::Error> {
        Next::Complete(outcome)
    }
}

/// `sender`, and then what `f` makes of its outcome.
pub(super) fn afterwards<S, F, L>(sender: S, f: F) -> Scripted<Afterwards<S, F, L>>
where
    S: Sender,
    F: FnOnce(Outcome<S::Value, S::Error>) -> L,
    L: Sender,
{
    let script = Afterwards {
        f: Some(f),
        senders: PhantomData,
    };
    Scripted::new(sender, script)
}
