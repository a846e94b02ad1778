//! Which senders a consumer may take: the two bounds, remote and local.
//!
//! # Safety
//! `LocalSender` is unsafe to implement: consumers rely on its promise to let `!Send` data into
//! the operation (INV-SND-3: a local operation completes where it was started).

#![expect(unsafe_code, reason = "declares an unsafe trait")]

use super::sender::Sender;

/// A sender that completes on the thread that started it.
///
/// This holds on every channel, also when stop is requested from another thread: the stop callback
/// of a local operation only enqueues, and the completion happens at home. Consumers that take
/// local senders (`IoContext::block_on_local`, `sync_wait_local`) accept `Rc`, `Cell` and other
/// thread-bound data in them.
///
/// # Safety
///
/// The implementor promises the sentence above for every operation that the sender makes, and that
/// while such an operation runs its receiver (`env` included) is used on that thread only.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use sendio::prelude::*;
///
/// let hits = Rc::new(Cell::new(0));
/// let seen = hits.clone();
/// sync_wait_local(just(()).then(move |()| seen.set(seen.get() + 1))).unwrap();
/// assert_eq!(hits.get(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a local sender: it may complete on another thread",
    note = "local consumers take operations of `IoContext::local()`; the senders of \
            `IoContext::scheduler()` may complete anywhere",
    note = "bring remote work home with `.continues_on(ctx.local())`"
)]
pub unsafe trait LocalSender: Sender {}

/// A sender that may complete on any thread, with results that may travel between threads.
///
/// It is implemented for every sender that is `Send` with `Send` values and errors; there is
/// nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run under a consumer that lets it complete on any thread",
    note = "the sender, its value and its error must be `Send`",
    note = "for thread-bound data (`Rc`, `Cell`, `LocalIoScheduler`) use the local consumers: \
            `sync_wait_local`, `IoContext::block_on_local`"
)]
pub trait SendSender: Sender<Value: Send, Error: Send> + Send {}

impl<S> SendSender for S where S: Sender<Value: Send, Error: Send> + Send {}
