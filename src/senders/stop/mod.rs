//! Lets one party ask others to stop: sources, tokens, callbacks.
//!
//! A [`StopSource`] holds the request, a [`StopToken`] is a copyable view of it, and a
//! [`StopCallback`] runs a closure when the request is made. Nothing here allocates. Operations
//! reach their token through the environment and embed a [`RawCallback`]; adaptors that stop their
//! children themselves embed a [`LinkedSource`]. Clauses: [stopsource.inplace],
//! [stoptoken.inplace], [stopcallback.inplace], [stoptoken.never].
//!
//! # Flow
//!
//! ```text
//! request_stop ──> source: STOPPED, one node after the other ──> callback (on the calling thread)
//! register ─────> source already STOPPED? callback at once, here  :  node into the list
//! deregister ───> node in the list? out it goes  :  running elsewhere? wait  :  return
//! ```
//!
//! # States
//!
//! | node      | becomes   | by                                                             |
//! |-----------|-----------|----------------------------------------------------------------|
//! | `IDLE`    | `LINKED`  | `register`, source not stopped                                 |
//! | `IDLE`    | `RUNNING` | `register`, source stopped                                     |
//! | `LINKED`  | `IDLE`    | `deregister`                                                   |
//! | `LINKED`  | `RUNNING` | `request_stop`, which takes the node out of the list           |
//! | `RUNNING` | `DONE`    | the running thread, after the callback                         |
//! | `RUNNING` | `IDLE`    | `deregister` from within the callback; the node may then go    |
//! | `DONE`    | `IDLE`    | `deregister`                                                   |
//!
//! # Bounds
//!
//! The list has no limit: each node lies in the operation that waits for the stop. The lock is held
//! for a handful of instructions and never while a callback runs. `deregister` waits as long as a
//! callback runs on another thread, so callbacks must be short and must not wait for that thread.
//!
//! # Threads
//!
//! Everything may be called from every thread. The list is guarded by the `LOCKED` bit, taken with
//! `Acquire` and given back with `Release`. `STOPPED` is set with `Release` and read with `Acquire`:
//! who sees the request sees what was written before it. `DONE` is stored with `Release` and read
//! with `Acquire`: after deregistration the effects of the callback are visible.
//!
//! # Safety
//!
//! - INV-CB-1: after the deregistration of a callback returned, it does not run, and nobody touches
//!   its node.
//! - INV-CB-2: a node that is `LINKED` or `RUNNING` stays at its address and is not freed, except
//!   after a deregistration, or never (leaked memory).
//! - INV-CB-3: a source outlives each registration that may still be deregistered.
//! - INV-CB-4: a source stays alive until each `request_stop` on it returned. Adaptors hold a count
//!   of their operation while they call it.
//! - INV-CB-5: no node points to a source except to find it in `deregister`; in particular the
//!   first node's `prev` is null. So a node that was leaked while linked (its borrow of the source
//!   has ended, and it will never be deregistered) stays harmless when the source is moved or
//!   dropped: other nodes find it through pointers to nodes only, and all of those are valid
//!   (INV-CB-2); a source that was moved takes its list along and may still run the node.

mod callback;
mod joined;
mod linked;
mod node;
mod source;
mod token;

pub use callback::StopCallback;
pub(crate) use joined::JoinedSource;
pub(crate) use linked::LinkedSource;
pub(crate) use node::{RawCallback, deregister, register};
pub use source::StopSource;
pub(crate) use token::RawToken;
pub use token::StopToken;
