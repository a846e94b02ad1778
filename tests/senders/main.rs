//! Tests of senders, receivers and stop tokens through the public API.

mod stop;
