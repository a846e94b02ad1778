//! Structured concurrency: work that is spawned in a scope has ended when the scope returns.
//!
//! Each spawned sender lives in one heap block with its operation, which frees itself when the
//! operation has completed. A completion on the loop's thread frees it there and then; one on
//! another thread sends the block home through the inbox first, so the scope is only ever left on
//! its own thread, after everybody else has let go.
//!
//! `wait_below` has the senders that wait until less work is live: for limits, and for a graceful
//! end.
//!
//! # Safety
//! - INV-OP-1: the operation stays in its block until it has completed.
//! - INV-SCOPE-1: the scope outlives every block, because the loop is driven until their count is
//!   zero before the frame that holds the scope is left, also by unwinding. The count goes down on
//!   the loop's thread only.
//! - INV-LIST-1: those who wait for less work are in a list of the scope while they do; see
//!   `wait_below`.

#![expect(unsafe_code, reason = "owns operations on the heap")]

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use self::wait_below::{WaitBelow, Waiter};
use super::IoContext;
use super::core::Core;
use super::handle::{IoScheduler, LocalIoScheduler};
use super::hop::executor_of;
use crate::abort::AbortGuard;
use crate::backend::Backend;
use crate::senders::adaptor::let_ref::{Lend, let_ref};
use crate::senders::concept::env::Env;
use crate::senders::concept::local::LocalSender;
use crate::senders::concept::operation::OperationState;
use crate::senders::concept::panic::{Panic, catch, discard_payload};
use crate::senders::concept::receiver::Receiver;
use crate::senders::concept::sender::Sender;
use crate::senders::stop::{StopSource, StopToken};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::util::list::List;
use crate::util::node::{Node, Signal};

pub(crate) mod wait_below;

/// What the two kinds of scope share.
struct Shared<B: Backend> {
    core: NonNull<Core<B>>,
    source: StopSource,
    count: AtomicUsize,
    /// The first panic of spawned work; the loop's thread only.
    panic: Cell<Option<Panic>>,
    /// Those who wait for less work; the loop's thread only.
    waiters: List,
}

// SAFETY: other threads spawn (the count is atomic, the core is reached as by a scheduler) and
//         request stop; `panic` and `waiters` are used on the loop's thread only.
unsafe impl<B: Backend> Sync for Shared<B> {}

/// A place in which senders run at the same time; made by [`IoContext::scope`].
pub struct Scope<'scope, 'env: 'scope, B: Backend = crate::backend::DefaultBackend> {
    shared: Shared<B>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// A [`Scope`] for local senders; made by [`IoContext::scope_local`].
pub struct LocalScope<'scope, 'env: 'scope, B: Backend = crate::backend::DefaultBackend> {
    shared: Shared<B>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<(&'env mut &'env (), *const ())>,
}

impl<B: Backend> IoContext<B> {
    /// Calls `f` with a scope in which it can spawn senders, then drives the loop until all of them
    /// have completed, and returns what `f` returned.
    ///
    /// Spawned senders may borrow what lives outside of the call, and spawn more. Other threads may
    /// spawn too.
    ///
    /// # Panics
    /// If `f` panics, or spawned work does, the rest is asked to stop, everything is waited for, and
    /// the panic is resumed. If this context is already running on this thread, before `f` is called.
    ///
    /// # Threads
    /// `f` runs here at once. Allocation: one block for each spawned sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use sendio::prelude::*;
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// let sum = AtomicU32::new(0);
    /// let sum_ref = &sum;
    /// ctx.scope(|scope| {
    ///     for n in 1..=3 {
    ///         scope.spawn(io.yield_now().then(move |()| {
    ///             sum_ref.fetch_add(n, Ordering::Relaxed);
    ///         }));
    ///     }
    /// });
    /// assert_eq!(sum.load(Ordering::Relaxed), 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn scope<'env, T>(
        &'env self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, B>) -> T,
    ) -> T {
        self.core.assert_not_driven("IoContext::scope");
        let scope = Scope {
            shared: Shared::new(&self.core),
            _scope: PhantomData,
            _env: PhantomData,
        };
        let result = catch(|| f(&scope));
        scope.shared.close(result)
    }

    /// A [`scope`](IoContext::scope) for local senders: `Rc`, `Cell` and operations of
    /// [`local`](IoContext::local) may be in them.
    ///
    /// # Panics
    /// As for [`scope`](IoContext::scope).
    pub fn scope_local<'env, T>(
        &'env self,
        f: impl for<'scope> FnOnce(&'scope LocalScope<'scope, 'env, B>) -> T,
    ) -> T {
        self.core.assert_not_driven("IoContext::scope_local");
        let scope = LocalScope {
            shared: Shared::new(&self.core),
            _scope: PhantomData,
            _env: PhantomData,
        };
        let result = catch(|| f(&scope));
        scope.shared.close(result)
    }
}

macro_rules! common {
    ($Scope:ident) => {
        impl<'scope, B: Backend> $Scope<'scope, '_, B> {
            /// Asks all work of the scope to stop: `true` for the first request.
            pub fn request_stop(&self) -> bool {
                self.shared.source.request_stop()
            }

            /// The token that the work of the scope sees.
            #[must_use]
            pub fn stop_token(&'scope self) -> StopToken<'scope> {
                self.shared.source.token()
            }

            /// How much work of the scope has not completed.
            #[must_use]
            pub fn len(&self) -> usize {
                self.shared.len()
            }

            /// Whether all work of the scope has completed.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        impl<B: Backend> fmt::Debug for $Scope<'_, '_, B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Scope))
                    .field("len", &self.len())
                    .finish_non_exhaustive()
            }
        }
    };
}

common!(Scope);
common!(LocalScope);

impl<'scope, B: Backend> Scope<'scope, '_, B> {
    /// Starts `sender`. It sees the scope's stop token and the context's scheduler.
    ///
    /// Errors have to be handled before, with [`upon_error`](crate::SenderExt::upon_error) for
    /// example; *stopped* is fine.
    ///
    /// # Threads
    /// May be called from any thread; the sender is started there. Allocation: one block.
    pub fn spawn<S>(&'scope self, sender: S)
    where
        S: Sender<Value = (), Error = Infallible> + Send + 'scope,
    {
        self.shared.spawn(sender);
    }

    /// Keeps `value` beside the operation and starts the sender that `f` makes of a reference to it:
    /// one connection, say, and its session. `value` is dropped when the sender has completed.
    ///
    /// `f` is a named function `fn(&T) -> impl Sender<Value = (), Error = Infallible> + Send`; what
    /// it needs is in `value`. See [`let_ref`](crate::let_ref), on which this is built.
    ///
    /// # Threads
    /// As for [`spawn`](Self::spawn). `T` is `Sync` as far as the sender holds the reference.
    /// Allocation: one block for both.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{convert::Infallible, io, os::unix::net::UnixStream};
    /// use sendio::prelude::*;
    ///
    /// struct Connection<'a> {
    ///     io: IoScheduler<'a>,
    ///     stream: UnixStream,
    /// }
    ///
    /// /// Answers the first request with its echo.
    /// fn session(connection: &Connection<'_>) -> impl Sender<Value = (), Error = Infallible> + Send {
    ///     let Connection { io, stream } = connection;
    ///     io.read_some(stream, [0; 16])
    ///         .let_value(move |(n, request)| io.write_all(stream, request.slice(..n)))
    ///         .then(drop)
    ///         .upon_error(|error| eprintln!("{error}"))
    /// }
    ///
    /// let ctx = IoContext::new()?;
    /// let (stream, mut client) = UnixStream::pair()?;
    /// io::Write::write_all(&mut client, b"hello")?;
    /// let connection = Connection { io: ctx.scheduler(), stream };
    /// ctx.scope(|scope| scope.spawn_with(connection, session));
    /// assert_eq!(io::read_to_string(client)?, "hello");
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn spawn_with<T, F>(&'scope self, value: T, f: F)
    where
        T: Send + 'scope,
        F: for<'x> Lend<&'x T, Out: Sender<Value = (), Error = Infallible> + Send> + Send + 'scope,
    {
        self.shared.spawn(let_ref(value, f));
    }

    /// A sender that completes when fewer than `limit` pieces of work of the scope are live, at once
    /// if that is so. It bounds work by waiting before more is begun; `wait_below(1)` waits for all
    /// of it, see [`wait_empty`](Self::wait_empty).
    ///
    /// Nothing is reserved: when several wait for the same place, all of them go on if no one takes
    /// it before the next looks. Work of the scope that waits counts itself.
    ///
    /// # Panics
    /// If `limit` is 0: that would never be so.
    ///
    /// # Cancellation
    /// Completes stopped if stop is requested before there is room.
    ///
    /// # Threads
    /// May be started on any thread; completes on the context's. Allocation: none. The end of a
    /// piece of work looks at everybody who waits.
    ///
    /// # Examples
    ///
    /// Ten pieces of work, never more than three at a time:
    ///
    /// ```
    /// use sendio::prelude::*;
    /// use std::ops::ControlFlow::{Break, Continue};
    ///
    /// let ctx = IoContext::new()?;
    /// let io = ctx.scheduler();
    /// ctx.scope(|scope| {
    ///     let spawn_all = repeat_with(0, |n| {
    ///         scope.wait_below(3).then(move |()| {
    ///             scope.spawn(io.yield_now());
    ///             assert!(scope.len() <= 3);
    ///             if n == 9 { Break(()) } else { Continue(n + 1) }
    ///         })
    ///     });
    ///     ctx.block_on(spawn_all)
    /// })
    /// .expect("it cannot fail");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_below(&'scope self, limit: usize) -> WaitBelow<'scope, IoScheduler<'scope, B>> {
        WaitBelow::new(&self.shared, IoScheduler::new(self.shared.core()), limit)
    }

    /// A sender that completes when all work of the scope has completed. Work of the scope itself
    /// must not wait for it: it would wait for itself.
    ///
    /// # See also
    /// [`wait_below`](Self::wait_below), which says the rest.
    pub fn wait_empty(&'scope self) -> WaitBelow<'scope, IoScheduler<'scope, B>> {
        self.wait_below(1)
    }
}

impl<'scope, B: Backend> LocalScope<'scope, '_, B> {
    /// Starts `sender`. It sees the scope's stop token and the context's scheduler.
    ///
    /// Errors have to be handled before; *stopped* is fine. Allocation: one block.
    pub fn spawn<S>(&'scope self, sender: S)
    where
        S: LocalSender<Value = (), Error = Infallible> + 'scope,
    {
        self.shared.spawn(sender);
    }

    /// Keeps `value` beside the operation and starts the local sender that `f` makes of a reference
    /// to it, as [`Scope::spawn_with`] does. `f` is a named function
    /// `fn(&T) -> impl LocalSender<Value = (), Error = Infallible>`. Allocation: one block for both.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, convert::Infallible, rc::Rc};
    /// use sendio::prelude::*;
    ///
    /// struct Visit<'a> {
    ///     io: LocalIoScheduler<'a>,
    ///     visits: Rc<Cell<u32>>,
    /// }
    ///
    /// fn count(visit: &Visit<'_>) -> impl LocalSender<Value = (), Error = Infallible> {
    ///     visit.io.yield_now().then(|()| visit.visits.set(visit.visits.get() + 1))
    /// }
    ///
    /// let ctx = IoContext::new()?;
    /// let visits = Rc::new(Cell::new(0));
    /// ctx.scope_local(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn_with(Visit { io: ctx.local(), visits: visits.clone() }, count);
    ///     }
    /// });
    /// assert_eq!(visits.get(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_with<T, F>(&'scope self, value: T, f: F)
    where
        T: 'scope,
        F: for<'x> Lend<&'x T, Out: LocalSender<Value = (), Error = Infallible>> + 'scope,
    {
        self.shared.spawn(let_ref(value, f));
    }

    /// A local sender that completes when fewer than `limit` pieces of work of the scope are live:
    /// see [`Scope::wait_below`].
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn wait_below(
        &'scope self,
        limit: usize,
    ) -> WaitBelow<'scope, LocalIoScheduler<'scope, B>> {
        WaitBelow::new(
            &self.shared,
            LocalIoScheduler::new(self.shared.core()),
            limit,
        )
    }

    /// A local sender that completes when all work of the scope has completed: see
    /// [`Scope::wait_empty`].
    pub fn wait_empty(&'scope self) -> WaitBelow<'scope, LocalIoScheduler<'scope, B>> {
        self.wait_below(1)
    }
}

impl<B: Backend> Shared<B> {
    fn new(core: &Core<B>) -> Self {
        Self {
            core: NonNull::from(core),
            source: StopSource::new(),
            count: AtomicUsize::new(0),
            panic: Cell::new(None),
            waiters: List::new(),
        }
    }

    fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    const fn core(&self) -> &Core<B> {
        // SAFETY: the context is borrowed for longer than the scope lives.
        unsafe { self.core.as_ref() }
    }

    /// Drives the loop until everything has ended; then returns, or panics.
    fn close<T>(&self, result: Result<T, Panic>) -> T {
        // The frame with the scope must not be left by a panic while work is alive (INV-SCOPE-1).
        let guard = AbortGuard::new("a panic tried to leave a scope while its work was running");
        if result.is_err() {
            self.source.request_stop();
        }
        {
            // It was not driven before `f`, and `f` cannot keep it driven.
            let _driving = self.core().drive("IoContext::scope");
            self.core()
                .turn_until(|| self.count.load(Ordering::Acquire) == 0);
        }
        guard.disarm();
        match (result, self.panic.take()) {
            (Ok(value), None) => value,
            (Ok(_), Some(payload)) => resume_unwind(payload),
            (Err(first), second) => {
                if let Some(second) = second {
                    discard_payload(second);
                }
                resume_unwind(first)
            }
        }
    }

    fn spawn<S: Sender<Value = (), Error = Infallible>>(&self, sender: S) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let block: *mut Block<S, B> = Box::into_raw(Box::new(Block {
            node: Node::new(Block::<S, B>::arrived),
            shared: self,
            panic: None,
            connected: false,
            op: MaybeUninit::uninit(),
        }));
        // SAFETY: the block is ours until the operation is started; then it frees itself when the
        //         operation has completed. Its receiver may be used wherever the sender completes
        //         (the callers' bounds).
        unsafe {
            match catch(|| sender.connect(SpawnReceiver { block })) {
                Ok(op) => {
                    let place = (*block).op.as_mut_ptr();
                    place.write(op);
                    (*block).connected = true;
                    OperationState::start(place);
                }
                Err(payload) => Block::complete(block, Some(payload)),
            }
        }
    }

    /// Work has ended and its block is gone. The loop's thread.
    fn ended(&self, panic: Option<Panic>) {
        if let Some(payload) = panic {
            match self.panic.take() {
                Some(first) => {
                    discard_payload(payload);
                    self.panic.set(Some(first));
                }
                None => self.panic.set(Some(payload)),
            }
            self.source.request_stop();
        }
        self.count.fetch_sub(1, Ordering::Release);
        if !self.waiters.is_empty() {
            Waiter::wake(self);
        }
    }
}

/// The heap block of spawned work.
#[repr(C)] // The node comes first: its address is the address of the block.
struct Block<S: Sender<Value = (), Error = Infallible>, B: Backend> {
    node: Node,
    shared: *const Shared<B>,
    panic: Option<Panic>,
    connected: bool,
    op: MaybeUninit<S::Operation<SpawnReceiver<S, B>>>,
}

impl<S: Sender<Value = (), Error = Infallible>, B: Backend> Block<S, B> {
    /// The operation has completed.
    ///
    /// # Safety
    ///
    /// - `this` is a live block whose operation has completed, or never was; called once.
    unsafe fn complete(this: *mut Self, panic: Option<Panic>) {
        // SAFETY: the block is alive (contract), and the scope outlives it (INV-SCOPE-1). After the
        //         push the loop's thread owns it.
        unsafe {
            let core = (*(*this).shared).core();
            (*this).panic = panic;
            if core.is_home() {
                Self::free(this);
            } else {
                core.push(NonNull::new_unchecked(this.cast()));
            }
        }
    }

    /// The block has come home.
    ///
    /// # Safety
    ///
    /// - `node` is that of a block given to `push` in `complete`.
    unsafe fn arrived(node: NonNull<Node>, _: Signal) {
        // SAFETY: the contract of `free`: completed, and nobody else has it.
        unsafe { Self::free(node.as_ptr().cast()) }
    }

    /// Frees the block and tells the scope.
    ///
    /// # Safety
    ///
    /// - The loop's thread; the operation has completed; called once.
    unsafe fn free(this: *mut Self) {
        // SAFETY: the block came from a `Box`, and nobody else has it; the scope is alive until its
        //         count goes down (INV-SCOPE-1).
        unsafe {
            let shared = (*this).shared;
            let mut panic = (*this).panic.take();
            if (*this).connected {
                let op = (*this).op.as_mut_ptr();
                if let Err(payload) = catch(|| op.drop_in_place()) {
                    match panic {
                        Some(_) => discard_payload(payload),
                        None => panic = Some(payload),
                    }
                }
            }
            drop(Box::from_raw(this));
            (*shared).ended(panic);
        }
    }
}

/// Tells the block.
struct SpawnReceiver<S: Sender<Value = (), Error = Infallible>, B: Backend> {
    block: *mut Block<S, B>,
}

impl<S: Sender<Value = (), Error = Infallible>, B: Backend> Receiver<(), Infallible>
    for SpawnReceiver<S, B>
{
    fn set_value(self, (): ()) {
        // SAFETY: the operation in the block completes, once.
        unsafe { Block::complete(self.block, None) }
    }

    fn set_error(self, error: Infallible) {
        match error {}
    }

    fn set_stopped(self) {
        // SAFETY: as in `set_value`.
        unsafe { Block::complete(self.block, None) }
    }

    fn set_panicked(self, payload: Panic) {
        // SAFETY: as in `set_value`.
        unsafe { Block::complete(self.block, Some(payload)) }
    }

    fn env(&self) -> Env<'_> {
        // SAFETY: the block lives while its operation has not completed, and the scope longer.
        let shared = unsafe { &*(*self.block).shared };
        Env::default()
            .with_stop_token(shared.source.token())
            .with_scheduler(executor_of(shared.core()))
    }
}
