//! Misuse that must not compile, each with the same code made right just under it.
//!
//! The right twin proves that the wrong one fails for the reason in its heading and not for a slip.
//!
//! # Implementing `Sender` is a promise that needs `unsafe`
//!
//! ```compile_fail
//! use sendio::{OperationState, Receiver, Sender};
//!
//! struct Never;
//! struct NeverOp<R>(R);
//! impl<R> OperationState for NeverOp<R> {
//!     unsafe fn start(_: *mut Self) { std::process::abort() }
//! }
//! impl Sender for Never {
//!     type Value = ();
//!     type Error = ();
//!     type Operation<R: Receiver<(), ()>> = NeverOp<R>;
//!     fn connect<R: Receiver<(), ()>>(self, receiver: R) -> NeverOp<R> { NeverOp(receiver) }
//! }
//! ```
//!
//! ```
//! use sendio::{OperationState, Receiver, Sender};
//!
//! struct Never;
//! struct NeverOp<R>(R);
//! impl<R> OperationState for NeverOp<R> {
//!     unsafe fn start(_: *mut Self) { std::process::abort() }
//! }
//! // SAFETY: a started operation never goes on.
//! unsafe impl Sender for Never {
//!     type Value = ();
//!     type Error = ();
//!     type Operation<R: Receiver<(), ()>> = NeverOp<R>;
//!     fn connect<R: Receiver<(), ()>>(self, receiver: R) -> NeverOp<R> { NeverOp(receiver) }
//! }
//! ```
//!
//! # So is implementing `LocalSender`
//!
//! ```compile_fail
//! use sendio::{LocalSender, OperationState, Receiver, Sender};
//!
//! struct Never;
//! struct NeverOp<R>(R);
//! impl<R> OperationState for NeverOp<R> {
//!     unsafe fn start(_: *mut Self) { std::process::abort() }
//! }
//! // SAFETY: a started operation never goes on.
//! unsafe impl Sender for Never {
//!     type Value = ();
//!     type Error = ();
//!     type Operation<R: Receiver<(), ()>> = NeverOp<R>;
//!     fn connect<R: Receiver<(), ()>>(self, receiver: R) -> NeverOp<R> { NeverOp(receiver) }
//! }
//! impl LocalSender for Never {}
//! ```
//!
//! ```
//! use sendio::{LocalSender, OperationState, Receiver, Sender};
//!
//! struct Never;
//! struct NeverOp<R>(R);
//! impl<R> OperationState for NeverOp<R> {
//!     unsafe fn start(_: *mut Self) { std::process::abort() }
//! }
//! // SAFETY: a started operation never goes on.
//! unsafe impl Sender for Never {
//!     type Value = ();
//!     type Error = ();
//!     type Operation<R: Receiver<(), ()>> = NeverOp<R>;
//!     fn connect<R: Receiver<(), ()>>(self, receiver: R) -> NeverOp<R> { NeverOp(receiver) }
//! }
//! // SAFETY: as above.
//! unsafe impl LocalSender for Never {}
//! ```
//!
//! # Starting an operation is `unsafe`: it must stay in place
//!
//! ```compile_fail
//! use sendio::{Env, OperationState, Panic, Receiver, Sender, just};
//!
//! struct Ignore;
//! impl<V, E> Receiver<V, E> for Ignore {
//!     fn set_value(self, _: V) {}
//!     fn set_error(self, _: E) {}
//!     fn set_stopped(self) {}
//!     fn set_panicked(self, _: Panic) {}
//!     fn env(&self) -> Env<'_> { Env::default() }
//! }
//! let mut op = just(1).connect(Ignore);
//! OperationState::start(&raw mut op);
//! ```
//!
//! ```
//! use sendio::{Env, OperationState, Panic, Receiver, Sender, just};
//!
//! struct Ignore;
//! impl<V, E> Receiver<V, E> for Ignore {
//!     fn set_value(self, _: V) {}
//!     fn set_error(self, _: E) {}
//!     fn set_stopped(self) {}
//!     fn set_panicked(self, _: Panic) {}
//!     fn env(&self) -> Env<'_> { Env::default() }
//! }
//! let mut op = just(1).connect(Ignore);
//! // SAFETY: `op` stays in place, and completes inside `start`.
//! unsafe { OperationState::start(&raw mut op) };
//! ```
//!
//! # A sender is connected once
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let sender = just(String::new());
//! let _ = sync_wait(sender);
//! let _ = sync_wait(sender);
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let sender = just(String::new());
//! let _ = sync_wait(sender.clone());
//! let _ = sync_wait(sender);
//! ```
//!
//! # A receiver is completed once
//!
//! ```compile_fail
//! fn complete(receiver: impl sendio::Receiver<u8, ()>) {
//!     receiver.set_value(1);
//!     receiver.set_stopped();
//! }
//! ```
//!
//! ```
//! fn complete(receiver: impl sendio::Receiver<u8, ()>) {
//!     receiver.set_value(1);
//! }
//! ```
//!
//! # A task is run once
//!
//! ```compile_fail
//! fn run(task: sendio::Task) {
//!     task.run();
//!     task.run();
//! }
//! ```
//!
//! ```
//! fn run(task: sendio::Task) {
//!     task.run();
//! }
//! ```
//!
//! # A sender does not outlive what it borrows
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let sender = {
//!     let mut buffer = [0_u8; 4];
//!     just(&mut buffer).then(|buffer| buffer.len())
//! };
//! let _ = sync_wait(sender);
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let mut buffer = [0_u8; 4];
//! let sender = just(&mut buffer).then(|buffer| buffer.len());
//! let _ = sync_wait(sender);
//! ```
//!
//! # What is lent to work is not touched while the work is described
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let mut buffer = [0_u8; 4];
//! let sender = just(&mut buffer).then(|buffer| buffer[0] = 1);
//! buffer[1] = 2;
//! let _ = sync_wait(sender);
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let mut buffer = [0_u8; 4];
//! let sender = just(&mut buffer).then(|buffer| buffer[0] = 1);
//! let _ = sync_wait(sender);
//! buffer[1] = 2;
//! ```
//!
//! # A scheduler does not outlive its loop
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let scheduler = {
//!     let run_loop = RunLoop::new();
//!     run_loop.scheduler()
//! };
//! let _ = scheduler.schedule();
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let run_loop = RunLoop::new();
//! let scheduler = run_loop.scheduler();
//! let _ = scheduler.schedule();
//! ```
//!
//! # A stop callback that borrows cannot be registered safely: it might be forgotten
//!
//! ```compile_fail
//! use std::pin::pin;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use sendio::{StopCallback, StopSource};
//!
//! let source = StopSource::new();
//! let stopped = AtomicBool::new(false);
//! let callback = pin!(StopCallback::new(source.token(), || {
//!     stopped.store(true, Ordering::Relaxed);
//! }));
//! callback.register();
//! ```
//!
//! ```
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use sendio::StopSource;
//!
//! let source = StopSource::new();
//! let stopped = AtomicBool::new(false);
//! source.token().with_callback(|| stopped.store(true, Ordering::Relaxed), || ());
//! ```
//!
//! # Nor one that is not pinned
//!
//! ```compile_fail
//! use sendio::{StopCallback, StopSource};
//!
//! let source = StopSource::new();
//! let mut callback = StopCallback::new(source.token(), || ());
//! callback.register();
//! ```
//!
//! ```
//! use std::pin::pin;
//! use sendio::{StopCallback, StopSource};
//!
//! let source = StopSource::new();
//! let callback = pin!(StopCallback::new(source.token(), || ()));
//! callback.register();
//! ```
//!
//! # A stop token does not outlive its source
//!
//! ```compile_fail
//! use sendio::StopSource;
//!
//! let token = StopSource::new().token();
//! assert!(!token.stop_requested());
//! ```
//!
//! ```
//! use sendio::StopSource;
//!
//! let source = StopSource::new();
//! let token = source.token();
//! assert!(!token.stop_requested());
//! ```
//!
//! # An environment stays on its thread
//!
//! ```compile_fail
//! fn send(_: impl Send) {}
//! send(sendio::Env::default());
//! ```
//!
//! ```
//! fn send(_: impl Send) {}
//! send(sendio::Env::default().stop_token());
//! ```
//!
//! # `let_value` does not change the error type
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just_error::<u8, String>("no".into()).let_value(|n| ready::<u8, u32>(n)));
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just_error::<u8, String>("no".into()).let_value(|n| ready::<u8, String>(n)));
//! ```
//!
//! # The senders of `when_all` have one error type
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(when_all((ready::<u8, String>(1), ready::<u8, u32>(2))));
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(when_all((ready::<u8, String>(1), ready::<u8, String>(2))));
//! ```
//!
//! # A time limit needs an error that can say so
//!
//! ```compile_fail
//! use sendio::{IntoError, TimedScheduler, prelude::*};
//!
//! fn limited<Sch, E: 'static>(scheduler: Sch, work: impl Sender<Value = u8, Error = E>)
//! where
//!     Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<E>>>,
//! {
//!     let _ = work.timeout(scheduler, std::time::Duration::from_secs(1));
//! }
//! ```
//!
//! ```
//! use sendio::{IntoError, TimedScheduler, prelude::*};
//!
//! fn limited<Sch, E: From<TimedOut> + 'static>(
//!     scheduler: Sch,
//!     work: impl Sender<Value = u8, Error = E>,
//! )
//! where
//!     Sch: TimedScheduler<ScheduleAt: Sender<Value = (), Error: IntoError<E>>>,
//! {
//!     let _ = work.timeout(scheduler, std::time::Duration::from_secs(1));
//! }
//! ```

mod borrows;
mod threads;
