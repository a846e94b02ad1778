//! Thread-bound data and remote work where they must not be; see the module above.
//!
//! # `sync_wait` takes no sender that holds an `Rc`
//!
//! ```compile_fail
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! let shared = Rc::new(1);
//! let _ = sync_wait(just(()).then(move |()| *shared));
//! ```
//!
//! ```
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! let shared = Rc::new(1);
//! let _ = sync_wait_local(just(()).then(move |()| *shared));
//! ```
//!
//! # `sync_wait` takes no sender whose value is an `Rc`
//!
//! ```compile_fail
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just(()).then(|()| Rc::new(1)));
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just(()).then(|()| Arc::new(1)));
//! ```
//!
//! # Nor one whose error is
//!
//! ```compile_fail
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! fn failing() -> impl Sender<Value = (), Error = Rc<u8>> + Send { ready(()) }
//! let _ = sync_wait(failing());
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use sendio::prelude::*;
//!
//! fn failing() -> impl Sender<Value = (), Error = Arc<u8>> + Send { ready(()) }
//! let _ = sync_wait(failing());
//! ```
//!
//! # A sender that `let_value` makes later decides about `Send` too
//!
//! ```compile_fail
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just(1).let_value(|n| just(Rc::new(n)).then(|n| *n)));
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use sendio::prelude::*;
//!
//! let _ = sync_wait(just(1).let_value(|n| just(Arc::new(n)).then(|n| *n)));
//! ```
//!
//! # Values that rest in `when_all` decide about `Send` too
//!
//! ```compile_fail
//! use std::rc::Rc;
//! use sendio::prelude::*;
//!
//! let all = when_all((just(()).then(|()| Rc::new(1)), just(2)));
//! let _ = sync_wait(all.then(|(one, two)| *one + two));
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use sendio::prelude::*;
//!
//! let all = when_all((just(()).then(|()| Arc::new(1)), just(2)));
//! let _ = sync_wait(all.then(|(one, two)| *one + two));
//! ```
//!
//! # Work of a remote scheduler is not local
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! fn wait(run_loop: &RunLoop) {
//!     let _ = sync_wait_local(run_loop.scheduler().schedule());
//! }
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! fn wait(run_loop: &RunLoop) {
//!     let _ = sync_wait(run_loop.scheduler().schedule());
//! }
//! ```
//!
//! # Nor is a group with one remote member
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! fn wait(run_loop: &RunLoop) {
//!     let _ = sync_wait_local(when_all((just(1), run_loop.scheduler().schedule())));
//! }
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! fn wait(run_loop: &RunLoop) {
//!     let _ = sync_wait(when_all((just(1), run_loop.scheduler().schedule())));
//! }
//! ```
//!
//! # A value that work of a `Scope` borrows is fit for sharing between threads
//!
//! ```compile_fail
//! use std::{cell::Cell, convert::Infallible};
//! use sendio::prelude::*;
//!
//! fn session(n: &Cell<u8>) -> impl Sender<Value = (), Error = Infallible> + Send {
//!     just(()).then(|()| n.set(1))
//! }
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| scope.spawn_with(Cell::new(0), session));
//! ```
//!
//! ```
//! use std::{cell::Cell, convert::Infallible};
//! use sendio::prelude::*;
//!
//! fn session(n: &Cell<u8>) -> impl LocalSender<Value = (), Error = Infallible> {
//!     just(()).then(|()| n.set(1))
//! }
//! let ctx = IoContext::new().unwrap();
//! ctx.scope_local(|scope| scope.spawn_with(Cell::new(0), session));
//! ```
//!
//! # Who waits for a `LocalScope` does so on its thread
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! ctx.scope_local(|scope| {
//!     let wait = scope.wait_empty();
//!     std::thread::scope(|threads| drop(threads.spawn(move || sync_wait(wait))));
//! });
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! ctx.scope_local(|scope| {
//!     let wait = scope.wait_empty();
//!     assert_eq!(ctx.block_on_local(wait), Ok(Some(())));
//! });
//! ```
