//! The trait of everything that work reports to.

use super::env::Env;
use super::outcome::Outcome;
use super::panic::Panic;

/// The continuation of a sender: what is called when the work has ended, and what answers its
/// questions about the environment.
///
/// Exactly one of the four `set_*` functions is called, exactly once, possibly on another thread
/// than the one that started the operation. The receiver is consumed by it. They must not unwind;
/// a panic that leaves one of them while a loop dispatches aborts the process.
///
/// Clause: [exec.recv].
///
/// # Examples
///
/// A receiver that prints, connected by hand. `start` is `unsafe` because its caller promises to
/// keep the operation in place until the receiver was called.
///
/// ```
/// use sendio::{Env, OperationState, Panic, Receiver, Sender, just};
///
/// struct Print;
/// impl<V: std::fmt::Debug, E: std::fmt::Debug> Receiver<V, E> for Print {
///     fn set_value(self, value: V) { println!("value {value:?}") }
///     fn set_error(self, error: E) { println!("error {error:?}") }
///     fn set_stopped(self) { println!("stopped") }
///     fn set_panicked(self, _payload: Panic) { println!("panicked") }
///     fn env(&self) -> Env<'_> { Env::default() }
/// }
///
/// let mut op = just(1).connect(Print);
/// // SAFETY: `op` is not moved or dropped before `just` completes, which it does inside `start`.
/// unsafe { OperationState::start(&raw mut op) };
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not receive the completions (value `{V}`, error `{E}`) of this sender",
    note = "a receiver implements `Receiver<Value, Error>` for exactly the sender's associated types"
)]
pub trait Receiver<V, E>: Sized {
    /// The work succeeded.
    fn set_value(self, value: V);
    /// The work failed.
    fn set_error(self, error: E);
    /// The work ended early because somebody asked it to stop.
    #[doc(alias = "set_done")]
    fn set_stopped(self);
    /// User code inside the work panicked; consumers resume the panic.
    fn set_panicked(self, payload: Panic);
    /// The work ended in this way, which is none that a program hurries for. Receivers that continue
    /// work keep what they do then apart from what they do with a value, so that the compiler sees one
    /// short way through a pipeline; others have nothing to say here.
    #[doc(hidden)]
    #[inline]
    fn set_rarely(self, outcome: Outcome<V, E>) {
        match outcome {
            Outcome::Value(value) => self.set_value(value),
            Outcome::Error(error) => self.set_error(error),
            Outcome::Stopped => self.set_stopped(),
            Outcome::Panicked(payload) => self.set_panicked(payload),
        }
    }
    /// What the work may ask about its surroundings: stop token, scheduler, queries.
    ///
    /// Operations call it only while they start.
    #[doc(alias = "get_env")]
    fn env(&self) -> Env<'_>;
}
