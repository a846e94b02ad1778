//! The receivers of a [`Script`]'s children: one pointer to the operation around them.
//!
//! # Safety
//! INV-OP-1 and INV-SCR-2 of `script_op`.

#![expect(unsafe_code, reason = "the parent is reached by pointer")]

use std::fmt;

use super::env::Env;
use super::outcome::Outcome;
use super::panic::Panic;
use super::receiver::Receiver;
use super::script::Script;
use super::script_op::ScriptOp;
use super::sender::Sender;
use crate::abort::AbortGuard;

/// The receiver of a [`Script`]'s first child.
pub struct FirstReceiver<M: Script, R: Receiver<M::Value, M::Error>> {
    parent: *mut ScriptOp<M, R>,
}

/// The receiver of a [`Script`]'s second child.
pub struct SecondReceiver<M: Script, R: Receiver<M::Value, M::Error>> {
    parent: *mut ScriptOp<M, R>,
}

macro_rules! child_receiver {
    ($Receiver:ident, $Child:ident, $completed:ident, $env:ident) => {
        impl<M: Script, R: Receiver<M::Value, M::Error>> $Receiver<M, R> {
            /// The receiver of a child of `parent`.
            #[inline]
            pub(super) const fn new(parent: *mut ScriptOp<M, R>) -> Self {
                Self { parent }
            }
        }

        impl<M: Script, R: Receiver<M::Value, M::Error>>
            Receiver<<M::$Child as Sender>::Value, <M::$Child as Sender>::Error>
            for $Receiver<M, R>
        {
            // What continues work is part of what it continues.
            #[inline(always)]
            fn set_value(self, value: <M::$Child as Sender>::Value) {
                // SAFETY: this receiver was made for the child that `stage` names, which completes
                //         once; the parent stays in place while a child runs (INV-OP-1).
                unsafe { ScriptOp::$completed::<true>(self.parent, Outcome::Value(value)) }
            }

            #[inline]
            fn set_error(self, error: <M::$Child as Sender>::Error) {
                if M::LOOPS {
                    return self.set_rarely(Outcome::Error(error));
                }
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed::<false>(self.parent, Outcome::Error(error)) }
            }

            #[inline]
            fn set_stopped(self) {
                if M::LOOPS {
                    return self.set_rarely(Outcome::Stopped);
                }
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed::<false>(self.parent, Outcome::Stopped) }
            }

            #[inline]
            fn set_panicked(self, payload: Panic) {
                if M::LOOPS {
                    return self.set_rarely(Outcome::Panicked(payload));
                }
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed::<false>(self.parent, Outcome::Panicked(payload)) }
            }

            #[cold]
            #[inline(never)]
            fn set_rarely(
                self,
                outcome: Outcome<<M::$Child as Sender>::Value, <M::$Child as Sender>::Error>,
            ) {
                // SAFETY: as in `set_value`.
                unsafe { ScriptOp::$completed::<false>(self.parent, outcome) }
            }

            #[inline]
            fn env(&self) -> Env<'_> {
                // SAFETY: the parent is alive while a child exists, its receiver was not completed,
                //         and its script is borrowed shared only while a child exists (INV-SCR-2).
                unsafe {
                    let script = &raw const (*self.parent).script;
                    let receiver = &raw const (*self.parent).receiver;
                    let guard = AbortGuard::new("a script panicked while it made an environment");
                    let env = (*script).$env(|| (*receiver).env());
                    guard.disarm();
                    env
                }
            }
        }

        impl<M: Script, R: Receiver<M::Value, M::Error>> fmt::Debug for $Receiver<M, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Receiver))
                    .finish_non_exhaustive()
            }
        }
    };
}

child_receiver!(FirstReceiver, First, first_completed, first_env);
child_receiver!(SecondReceiver, Second, second_completed, second_env);
