//! The protocol: what a sender, a receiver, an operation state, an environment and a scheduler are.
//!
//! Everything else in the crate is written against this module, and it imports nothing of the crate
//! but stop tokens and utilities.

pub(crate) mod env;
pub(crate) mod group;
pub(crate) mod local;
mod loop_frame;
pub(crate) mod map;
pub(crate) mod operation;
pub(crate) mod outcome;
pub(crate) mod panic;
pub(crate) mod receiver;
pub(crate) mod scheduler;
pub(crate) mod script;
pub(crate) mod script_op;
pub(crate) mod script_receiver;
pub(crate) mod scripted;
pub(crate) mod sender;
pub(crate) mod task;
