//! A sender whose `connect` panics.
//!
//! # Safety
//! INV-SND-1 holds because it never makes an operation.

#![expect(unsafe_code, reason = "implements Sender")]

use std::convert::Infallible;
use std::marker::PhantomData;

use sendio::{Inline, LocalSender, Receiver, Scheduler, Sender};

/// Panics with "not connectable" where others are connected. It cannot be sent elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct NotConnectable(PhantomData<*const ()>);

impl NotConnectable {
    /// The sender.
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

type Known = <Inline as Scheduler>::Schedule;

// SAFETY: it has no operation, so it completes nothing.
unsafe impl Sender for NotConnectable {
    type Value = ();
    type Error = Infallible;
    type Operation<R: Receiver<(), Infallible>> = <Known as Sender>::Operation<R>;

    fn connect<R: Receiver<(), Infallible>>(self, receiver: R) -> Self::Operation<R> {
        drop(receiver);
        panic!("not connectable")
    }
}

// SAFETY: it has no operation, so none completes elsewhere.
unsafe impl LocalSender for NotConnectable {}

const _: () = {
    let _ = NotConnectable::new;
};
