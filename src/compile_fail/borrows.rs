//! Borrows that must not escape or be cut short; see the module above.
//!
//! # An operation of one's own is a promise that needs `unsafe`: the kernel follows its pointers
//!
//! ```compile_fail
//! use sendio::backends::Request;
//! use sendio::io::{Ending, Kind};
//! use sendio::prelude::*;
//!
//! struct Ping;
//! impl Kind for Ping {
//!     type Value = u32;
//!     fn request(&mut self) -> Request { Request::Nop }
//!     fn finish(self, ending: Ending) -> Outcome<u32, std::io::Error> { ending.into_outcome() }
//! }
//! ```
//!
//! ```
//! use sendio::backends::Request;
//! use sendio::io::{Ending, Kind};
//! use sendio::prelude::*;
//!
//! struct Ping;
//! // SAFETY: the request names nothing.
//! unsafe impl Kind for Ping {
//!     type Value = u32;
//!     fn request(&mut self) -> Request { Request::Nop }
//!     fn finish(self, ending: Ending) -> Outcome<u32, std::io::Error> { ending.into_outcome() }
//! }
//! ```
//!
//! # What `let_ref` lends does not leave through an outer variable
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let mut kept: Option<&String> = None;
//! let work = let_ref(String::from("lent"), |text: &String| {
//!     kept = Some(text);
//!     just(()).boxed()
//! });
//! let _ = sync_wait(work);
//! ```
//!
//! ```
//! use sendio::AnySender;
//! use sendio::prelude::*;
//!
//! fn length(text: &String) -> AnySender<'_, usize, std::convert::Infallible> {
//!     just(text.len()).boxed()
//! }
//! let mut kept: Option<usize> = None;
//! let work = let_ref(String::from("lent"), length).then(|len| kept = Some(len));
//! let _ = sync_wait(work);
//! ```
//!
//! # Nor through a function that wants it for ever
//!
//! ```compile_fail
//! use sendio::AnySender;
//! use sendio::prelude::*;
//! use std::convert::Infallible;
//!
//! fn detach(text: &'static String) -> AnySender<'static, usize, Infallible> {
//!     std::thread::spawn(move || text.len());
//!     just(0).boxed()
//! }
//! let _ = sync_wait(let_ref(String::from("lent"), detach));
//! ```
//!
//! ```
//! use sendio::AnySender;
//! use sendio::prelude::*;
//! use std::convert::Infallible;
//!
//! fn attach(text: &String) -> AnySender<'_, usize, Infallible> {
//!     std::thread::scope(|threads| drop(threads.spawn(|| text.len())));
//!     just(0).boxed()
//! }
//! let _ = sync_wait(let_ref(String::from("lent"), attach));
//! ```
//!
//! # Nothing borrowed leaves `read_env`
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let leaked = sync_wait(read_env(|env| env.stop_token()));
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let copied = sync_wait(read_env(|env| env.stop_token().stop_requested()));
//! ```
//!
//! # A scope's handle stays inside of the scope
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let mut kept = None;
//! ctx.scope(|scope| kept = Some(scope));
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let mut kept = None;
//! ctx.scope(|scope| kept = Some(scope.len()));
//! ```
//!
//! # Spawned work borrows nothing from the closure of its scope
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| {
//!     let text = String::from("short");
//!     scope.spawn(ctx.scheduler().yield_now().then(|()| assert_eq!(text.len(), 5)));
//! });
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let text = String::from("long");
//! ctx.scope(|scope| {
//!     scope.spawn(ctx.scheduler().yield_now().then(|()| assert_eq!(text.len(), 4)));
//! });
//! ```
//!
//! # What `spawn_with` lends to a session is not lent to other work of the scope
//!
//! ```compile_fail
//! use sendio::{Scope, prelude::*};
//! use std::convert::Infallible;
//!
//! struct Connection<'s, 'e> { scope: &'s Scope<'s, 'e>, name: String }
//! fn session(connection: &Connection<'_, '_>) -> impl Sender<Value = (), Error = Infallible> + Send {
//!     connection.scope.spawn(just(&connection.name).then(drop));
//!     just(())
//! }
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| scope.spawn_with(Connection { scope, name: String::new() }, session));
//! ```
//!
//! ```
//! use sendio::{Scope, prelude::*};
//! use std::convert::Infallible;
//!
//! struct Connection<'s, 'e> { scope: &'s Scope<'s, 'e>, name: String }
//! fn session(connection: &Connection<'_, '_>) -> impl Sender<Value = (), Error = Infallible> + Send {
//!     connection.scope.spawn(just(connection.name.clone()).then(drop));
//!     just(())
//! }
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| scope.spawn_with(Connection { scope, name: String::new() }, session));
//! ```
//!
//! # A closure that borrows in its sender is not what `spawn_with` takes: a named function is
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| {
//!     scope.spawn_with(String::new(), |text: &String| just(text).then(drop));
//! });
//! ```
//!
//! ```
//! use sendio::prelude::*;
//! use std::convert::Infallible;
//!
//! fn session(text: &String) -> impl Sender<Value = (), Error = Infallible> + Send {
//!     just(text).then(drop)
//! }
//! let ctx = IoContext::new().unwrap();
//! ctx.scope(|scope| scope.spawn_with(String::new(), session));
//! ```
//!
//! # A context is not dropped while a file of it is there
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let file = ctx.block_on(ctx.scheduler().open("Cargo.toml", OpenOptions::new().read(true)));
//! let file = file.unwrap().unwrap();
//! drop(ctx);
//! let read = file.read_at([0; 8], 0);
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let file = ctx.block_on(ctx.scheduler().open("Cargo.toml", OpenOptions::new().read(true)));
//! let file = file.unwrap().unwrap();
//! let read = file.read_at([0; 8], 0);
//! drop(ctx.block_on(read));
//! drop(file);
//! drop(ctx);
//! ```
//!
//! # A context's local handle does not leave its thread
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let local = ctx.local();
//! std::thread::scope(|threads| {
//!     threads.spawn(move || drop(local.yield_now()));
//! });
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let ctx = IoContext::new().unwrap();
//! let remote = ctx.local().remote();
//! std::thread::scope(|threads| {
//!     threads.spawn(move || drop(remote.yield_now()));
//! });
//! ```
//!
//! # A shared query must be fit for sharing
//!
//! ```compile_fail
//! use sendio::prelude::*;
//!
//! let seen = read_env(|env| env.query::<std::cell::Cell<u8>>().is_some());
//! let _ = sync_wait(seen.with_query(std::cell::Cell::new(1_u8)));
//! ```
//!
//! ```
//! use sendio::prelude::*;
//!
//! let seen = read_env(|env| env.query::<std::cell::Cell<u8>>().is_some());
//! let _ = sync_wait_local(seen.with_query(std::cell::Cell::new(1_u8)));
//! ```
