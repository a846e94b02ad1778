//! Short questions about an [`Outcome`].

use sendio::Outcome;

use super::receivers::{channel, message_of};

/// The message of the panic that this outcome must be.
#[track_caller]
pub(crate) fn panic_message<V, E>(outcome: Outcome<V, E>) -> String {
    match outcome {
        Outcome::Panicked(payload) => message_of(payload),
        other => panic!("expected a panic, was {}", channel(&other)),
    }
}

const _: () = {
    let _ = panic_message::<(), ()>;
};
