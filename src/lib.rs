//! `std::execution` (P2300 senders and receivers) for Rust, with real Linux I/O under it.
//!
//! # Senders
//!
//! A [`Sender`] describes work and does nothing by itself. Its `Value` and `Error` say what it may
//! complete with; besides, work may be *stopped*, and a panic of user code travels to whoever waits.
//! A consumer runs it: [`sync_wait`] blocks the thread and returns `Ok(Some(value))`, `Ok(None)` for
//! stopped, or `Err(error)`.
//!
//! ```
//! use sendio::prelude::*;
//!
//! let work = just(20).then(|n| n + 1).let_value(|n| just(n * 2));
//! assert_eq!(sync_wait(work), Ok(Some(42)));
//! ```
//!
//! # Composing
//!
//! [`SenderExt`] has the adaptors as methods: [`then`](SenderExt::then) changes a value,
//! [`let_value`](SenderExt::let_value) continues with another sender,
//! [`map_err`](SenderExt::map_err) and [`let_error`](SenderExt::let_error) do the same for errors,
//! [`finally`](SenderExt::finally) cleans up, [`when_all`] runs several at the same time,
//! [`repeat_with`] loops. Error types have to agree: `map_err`, `err_into`, and for senders that
//! cannot fail [`cast_err`](SenderExt::cast_err).
//!
//! ```
//! use sendio::prelude::*;
//!
//! fn parse(text: &str) -> impl Sender<Value = u32, Error = String> + Send {
//!     ready(text.to_owned()).try_then(|text| text.parse().map_err(|_| format!("what is {text:?}?")))
//! }
//!
//! let sum = when_all((parse("40"), parse("2"))).then(|(a, b)| a + b);
//! assert_eq!(sync_wait(sum), Ok(Some(42)));
//! assert_eq!(sync_wait(parse("two")), Err("what is \"two\"?".to_owned()));
//! ```
//!
//! A function that returns `impl Sender<Value = T, Error = E> + Send` says all there is to say. A
//! branch returns [`Either`], recursion a [`boxed`](SenderExt::boxed) sender.
//!
//! The type of a composed sender names everything in it. That is what makes it as fast as a function
//! written by hand; it is also work for the compiler, and names for the debugger, which grow with each
//! level of nesting. Where a function of many steps calls another one, `boxed` or
//! [`boxed_local`](SenderExt::boxed_local) cuts the type off, for one allocation each time.
//!
//! # Running
//!
//! Work runs where it is started, unless a [`Scheduler`] is asked: [`starts_on`], [`on`] and
//! [`continues_on`](SenderExt::continues_on) move it. An [`IoContext`] is a loop on its own thread
//! that runs I/O, timers and scheduled work; [`block_on`](IoContext::block_on) drives it until one
//! sender has completed, [`scope`](IoContext::scope) until all senders spawned in it have,
//! [`run`](IoContext::run) until it is asked to stop. [`Scope::spawn_with`] starts work together
//! with a value that it borrows, a connection and its session for example; [`Scope::wait_below`]
//! limits how much is live, and [`accept_loop`] is the loop of a server.
//!
//! ```
//! use sendio::prelude::*;
//! use std::time::Duration;
//!
//! let ctx = IoContext::new()?;
//! let io = ctx.scheduler();
//! ctx.scope(|scope| {
//!     for millis in [2, 1] {
//!         let nap = io.schedule_after(Duration::from_millis(millis));
//!         scope.spawn(nap.upon_error(|error| panic!("{error}")));
//!     }
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`IoContext::scheduler`] may be used on any thread; [`IoContext::local`] only on the context's,
//! and then pipelines may hold `Rc` and `Cell`.
//!
//! # I/O
//!
//! [`FileOps`] has the operations on descriptors as methods of both handles, [`PathOps`] those on
//! paths. They take anything that is `AsFd`, and buffers of many types, owned or borrowed: a blocking consumer returns when the kernel has given
//! everything back.
//!
//! ```
//! use sendio::prelude::*;
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("greeting");
//! let ctx = IoContext::new()?;
//! let io = ctx.scheduler();
//!
//! let write = io
//!     .open(&path, OpenOptions::new().write(true).create(true))
//!     .let_value(|file| io.write_all_at(file, "hello", 0));
//! ctx.block_on(write)?;
//!
//! let file = std::fs::File::open(&path)?;
//! let mut buffer = [0; 16];
//! let (n, bytes) = ctx.block_on(io.read_at(&file, &mut buffer, 0))?.unwrap();
//! assert_eq!(&bytes[..n], b"hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Sockets
//!
//! [`TcpStream`], [`TcpListener`], [`UdpSocket`] and their Unix kin are handles: a descriptor and the
//! context for its operations. [`SocketOps`] has the same operations for sockets of `std` and others.
//! An address of any family is an [`Endpoint`]; [`SocketOptions`] asks and tells the kernel,
//! [`SocketConfig`] says what a new socket is told.
//!
//! ```
//! use sendio::{TcpListener, TcpStream, prelude::*};
//! use std::{io, net::Ipv4Addr};
//!
//! /// Sends back what comes, once.
//! fn echo<'a>(
//!     stream: &'a TcpStream<IoScheduler<'a>>,
//! ) -> impl Sender<Value = usize, Error = io::Error> + Send + 'a {
//!     stream
//!         .recv([0; 512])
//!         .let_value(|(n, bytes)| stream.send_all(bytes.slice(..n)).then(move |_| n))
//! }
//!
//! let ctx = IoContext::new()?;
//! let io = ctx.scheduler();
//! let listener = TcpListener::bind(io, (Ipv4Addr::LOCALHOST, 0))?;
//! let connect = TcpStream::connect(io, listener.local_endpoint()?);
//! let (client, (server, _peer)) = ctx.block_on(when_all((connect, listener.accept())))?.unwrap();
//! ctx.block_on(when_all((client.send_all("hello"), echo(&server))))?;
//! assert_eq!(ctx.block_on(client.recv_exact([0; 5]))?.as_ref(), Some(b"hello"));
//! # Ok::<(), io::Error>(())
//! ```
//!
//! [`MessageOps`] has messages, with addresses, several buffers and [ancillary data](ancillary);
//! [`CopyOps`] moves bytes from one descriptor to another.
//!
//! # Stopping
//!
//! Work sees a [`StopToken`]; [`StopSource::request_stop`] asks it to stop. What is delivered is what
//! happened: a read that succeeded meanwhile is a value. [`timeout`](SenderExt::timeout) and
//! `when_all` ask by themselves. See `docs/CANCELLATION.md`.
//!
//! ```
//! use sendio::prelude::*;
//! use std::time::Duration;
//!
//! let ctx = IoContext::new()?;
//! let stop = StopSource::new();
//! let hour = ctx.scheduler().schedule_after(Duration::from_secs(3600));
//! std::thread::scope(|threads| {
//!     threads.spawn(|| stop.request_stop());
//!     assert_eq!(ctx.block_on(hour.with_stop_token(stop.token()))?, None);
//!     Ok::<(), std::io::Error>(())
//! })?;
//!
//! let late = ctx.scheduler().schedule_after(Duration::from_secs(3600));
//! let error = ctx.block_on(late.timeout(ctx.scheduler(), Duration::from_millis(1))).unwrap_err();
//! assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # A scheduler of your own
//!
//! Whatever can run a [`Task`] is an [`Executor`], and [`ExecutorScheduler`] makes it a scheduler that
//! works in every algorithm, without `unsafe` and without an allocation per task.
//!
//! ```
//! use sendio::{Task, prelude::*};
//! use std::sync::mpsc;
//!
//! #[derive(Clone)]
//! struct Worker(mpsc::Sender<Task>);
//! impl Executor for Worker {
//!     fn execute(&self, task: Task) {
//!         let _ = self.0.send(task); // with no worker left the task is dropped: stopped
//!     }
//! }
//!
//! let (queue, tasks) = mpsc::channel::<Task>();
//! let worker = std::thread::spawn(|| tasks.into_iter().for_each(Task::run));
//! let there = worker.thread().id();
//! let ran = starts_on(ExecutorScheduler::new(Worker(queue)), just_from(|| std::thread::current().id()));
//! assert_eq!(sync_wait(ran), Ok(Some(there)));
//! worker.join().unwrap();
//! ```
//!
//! # When the compiler objects
//!
//! | It says | What helps |
//! | --- | --- |
//! | expected `Infallible`, found `Error` (at `let_value`, `when_all`, `finally`, ..) | both have to fail with the same type: `.cast_err()` on the one that cannot fail, or make it with [`ready`] instead of [`just`] |
//! | expected `Infallible`, found `Error` (at `spawn`) | handle the error before: `.upon_error(..)` |
//! | `From<TimedOut>` is not implemented for `Infallible` | `.cast_err::<std::io::Error>()` before `.timeout(..)` |
//! | type annotations needed (at `ready`) | nothing else says the error type: use [`just`] |
//! | `if` and `else`, or `match` arms, have incompatible types | [`Either`], or [`boxed`](SenderExt::boxed) on both |
//! | cannot return value referencing function parameter (in `let_value`) | hand the value to the operation, or keep it with [`let_ref`] |
//! | lifetime may not live long enough, or implementation of `FnOnce` is not general enough (at `let_ref`, `spawn_with`) | a named function instead of the closure |
//! | `Rc` or `Cell` cannot be sent or shared between threads | [`block_on_local`](IoContext::block_on_local), [`sync_wait_local`], [`scope_local`](IoContext::scope_local) |
//! | something inside of `LocalIoScheduler` cannot be shared between threads | a local handle under a remote consumer: use [`IoContext::scheduler`], or a local consumer |
//! | something inside of `IoContext` cannot be sent between threads | a context stays on its thread: send an [`IoContextBuilder`], or an [`IoScheduler`] |
//!
//! # Features
//!
//! - `bytes`: `Bytes` and `BytesMut` of the `bytes` crate as buffers.
//! - `sim`: the simulator, and the module for its users.

mod abort;
mod backend;
#[cfg(doctest)]
mod compile_fail;
#[cfg(all(test, loom))]
mod loom;
pub mod prelude;
mod sched;
mod senders;
mod sync;
mod tokens;
mod util;

pub use backend::report::{BackendKind, BackendReport};
pub use backend::{Backend, DefaultBackend};
pub use sched::executor::{ExecutorOp, ExecutorSchedule, ExecutorScheduler};
pub use sched::inline::Inline;
pub use sched::io_context::handle::{Io, IoScheduler, LocalIoScheduler};
pub use sched::io_context::metrics::MetricsSnapshot;
pub use sched::io_context::scope::{LocalScope, Scope};
pub use sched::io_context::{AlreadyRunning, IoContext, IoContextBuilder, ShutdownReport};
pub use sched::run_loop::{RunLoop, RunLoopScheduler};
pub use senders::adaptor::boxed::{AnyLocalSender, AnySender};
pub use senders::adaptor::either::Either;
pub use senders::adaptor::let_ref::{Lend, let_ref};
pub use senders::adaptor::materialize::Materialized;
pub use senders::adaptor::on::on;
pub use senders::adaptor::repeat_with::repeat_with;
pub use senders::adaptor::retry_when::retry_when;
pub use senders::adaptor::starts_on::starts_on;
pub use senders::adaptor::timeout::TimedOut;
pub use senders::adaptor::when_all::when_all;
pub use senders::concept::env::Env;
pub use senders::concept::local::{LocalSender, SendSender};
pub use senders::concept::operation::OperationState;
pub use senders::concept::outcome::{Channel, Outcome};
pub use senders::concept::panic::Panic;
pub use senders::concept::receiver::Receiver;
pub use senders::concept::scheduler::{
    IntoError, LocalScheduler, Scheduler, SchedulerRef, TimedScheduler,
};
pub use senders::concept::sender::Sender;
#[doc(hidden)]
pub use senders::concept::task::Direct;
pub use senders::concept::task::{Executor, Task};
pub use senders::consumer::sync_wait::{sync_wait, sync_wait_local};
pub use senders::ext::SenderExt;
pub use senders::factory::current_scheduler::{CurrentScheduler, current_scheduler};
pub use senders::factory::just::{just, just_error, just_stopped, ready};
pub use senders::factory::just_from::just_from;
pub use senders::factory::read_env::read_env;
pub use senders::io::accept_loop::accept_loop;
pub use senders::io::buf::{
    IoBuf, IoBufExt, IoBufMut, IoBufMutExt, IoBufs, IoBufsMut, IoVecs, Slice, SliceMut,
};
pub use senders::io::copy_ops::CopyOps;
pub use senders::io::file_ops::FileOps;
pub use senders::io::message::Received;
pub use senders::io::message_ops::MessageOps;
pub use senders::io::msg_flags::MsgFlags;
pub use senders::io::open_options::OpenOptions;
pub use senders::io::partial::{Partial, transferred};
pub use senders::io::path_ops::PathOps;
pub use senders::io::poll::PollEvents;
pub use senders::io::socket_ops::SocketOps;
pub use senders::io::statx::Metadata;
pub use senders::stop::{StopCallback, StopSource, StopToken};
pub use tokens::cwd::Cwd;
pub use tokens::endpoint::{Domain, Endpoint};
pub use tokens::fd::{AccessMode, BasicFd, FileKind};
pub use tokens::file_handle::{FileHandle, IoFile, LocalIoFile};
pub use tokens::socket_config::SocketConfig;
pub use tokens::socket_fd::{SocketFd, SocketKind};
pub use tokens::socket_handle::{
    SocketHandle, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
pub use tokens::socket_options::SocketOptions;

/// The types of adaptors, and the mechanisms of which they are made ([`Map`](adaptor::Map),
/// [`Script`](adaptor::Script), [`Group`](adaptor::Group)): for naming a sender, and for writing an
/// adaptor of your own without `unsafe`.
pub mod adaptor {
    pub use crate::senders::adaptor::boxed::AnyOp;
    pub use crate::senders::adaptor::cast_err::{CastErr, CastErrMap};
    pub use crate::senders::adaptor::continues_on::{ContinuesOn, ContinuesOnScript};
    pub use crate::senders::adaptor::either::EitherOp;
    pub use crate::senders::adaptor::err_into::{ErrInto, ErrIntoMap};
    pub use crate::senders::adaptor::finally::{Finally, FinallyScript};
    pub use crate::senders::adaptor::into_result::{IntoResult, IntoResultMap};
    pub use crate::senders::adaptor::let_error::{LetError, LetErrorScript};
    pub use crate::senders::adaptor::let_ref::{LetRef, LetRefOp, LetRefReceiver};
    pub use crate::senders::adaptor::let_stopped::{LetStopped, LetStoppedScript};
    pub use crate::senders::adaptor::let_value::{LetValue, LetValueScript};
    pub use crate::senders::adaptor::map_err::{MapErr, MapErrMap};
    pub use crate::senders::adaptor::materialize::{
        Dematerialize, DematerializeMap, Materialize, MaterializeMap,
    };
    pub use crate::senders::adaptor::on::On;
    pub use crate::senders::adaptor::repeat::{Repeat, RepeatScript};
    pub use crate::senders::adaptor::repeat_n::{RepeatN, RepeatNScript};
    pub use crate::senders::adaptor::repeat_until::{RepeatUntil, RepeatUntilScript};
    pub use crate::senders::adaptor::repeat_with::{RepeatWith, RepeatWithScript};
    pub use crate::senders::adaptor::retry_when::{RetryWhen, RetryWhenScript};
    pub use crate::senders::adaptor::sequence::{Sequence, SequenceScript};
    pub use crate::senders::adaptor::starts_on::{StartsOn, StartsOnScript};
    pub use crate::senders::adaptor::stop_when::{StopWhen, StopWhenOp, StopWhenReceiver};
    pub use crate::senders::adaptor::stopped_as_error::{StoppedAsError, StoppedAsErrorMap};
    pub use crate::senders::adaptor::stopped_as_optional::{
        StoppedAsOptional, StoppedAsOptionalMap,
    };
    pub use crate::senders::adaptor::then::{Then, ThenMap};
    pub use crate::senders::adaptor::timeout::{Timeout, TimeoutGroup};
    pub use crate::senders::adaptor::try_then::{TryThen, TryThenMap};
    pub use crate::senders::adaptor::unstoppable::Unstoppable;
    pub use crate::senders::adaptor::upon_error::{UponError, UponErrorMap};
    pub use crate::senders::adaptor::upon_panicked::{UponPanicked, UponPanickedScript};
    pub use crate::senders::adaptor::upon_stopped::{UponStopped, UponStoppedMap};
    pub use crate::senders::adaptor::when_all::{Collect, WhenAll, WhenAllGroup};
    pub use crate::senders::adaptor::with_env::{
        Surrounded, SurroundedReceiver, WithEnv, WithEnvScript,
    };
    pub use crate::senders::adaptor::with_query::{QueryChange, WithQuery};
    pub use crate::senders::adaptor::with_stop_token::{StopTokenChange, WithStopToken};
    pub use crate::senders::concept::group::{
        Child, ChildReceiver, Children, Element, Finished, Group, GroupOp, Grouped, LocalChildren,
        Slot, VecElement, VecSlots,
    };
    pub use crate::senders::concept::map::{Map, MapReceiver, Mapped};
    pub use crate::senders::concept::script::{Next, Script};
    pub use crate::senders::concept::script_op::ScriptOp;
    pub use crate::senders::concept::script_receiver::{FirstReceiver, SecondReceiver};
    pub use crate::senders::concept::scripted::{Scripted, Scripting};
}

/// The interface between an I/O context and a kernel: for backends of your own.
pub mod backends {
    pub use crate::backend::aio::Aio;
    pub use crate::backend::auto::{Auto, AutoSlot};
    pub use crate::backend::clock::VirtualClock;
    pub use crate::backend::epoll::Epoll;
    pub use crate::backend::event::{EventFd, EventWaker};
    pub use crate::backend::options::Options;
    pub use crate::backend::report::{BackendKind, BackendReport, ParseBackendError, Refusal};
    pub use crate::backend::request::{CURRENT_POSITION, OpenHow, Request, TRANSFER_MAX};
    #[cfg(feature = "sim")]
    pub use crate::backend::sim::Sim;
    pub use crate::backend::slot::{Completion, CompletionSlot};
    pub use crate::backend::uring::Uring;
    pub use crate::backend::{Backend, Counters, NestedBackend, Wait, Wake};
}

/// Simulations: the same pipelines in a world where every decision follows from a seed. With the feature
/// `sim`; `docs/simulation.md` says how to use it.
#[cfg(feature = "sim")]
pub mod sim {
    pub use crate::backend::sim::call::Call;
    pub use crate::backend::sim::config::SimConfig;
    pub use crate::backend::sim::trace::Trace;
    pub use crate::sched::simulation::{Failure, context, explore, find, run};
}

/// The types of an I/O context's senders and operations: for naming them, and for operations of
/// your own ([`Kind`](io::Kind)).
pub mod io {
    pub use crate::sched::io_context::hop::{Hop, HopOp};
    pub use crate::sched::io_context::io_sender::IoSender;
    pub use crate::sched::io_context::op::{Ending, IoOp, Kind, Progress};
    pub use crate::sched::io_context::schedule::Nop;
    pub use crate::sched::io_context::scope::wait_below::{WaitBelow, WaitOp};
    pub use crate::sched::io_context::timer::{Timer, TimerOp};
    pub use crate::senders::io::accept::{Accept, AcceptHandle};
    pub use crate::senders::io::accept_loop::{AcceptLoop, AcceptLoopScript};
    pub use crate::senders::io::bind::Bind;
    pub use crate::senders::io::close::Close;
    pub use crate::senders::io::connect::{Connect, ConnectNew};
    pub use crate::senders::io::copy::CopyBytes;
    pub use crate::senders::io::listen::Listen;
    pub use crate::senders::io::message::{
        MessageKind, RecvFrom, RecvMsg, ReturningMessage, SendMsg, SendTo,
    };
    pub use crate::senders::io::names::{MakeDir, Rename, Unlink};
    pub use crate::senders::io::open::Open;
    pub use crate::senders::io::poll::Poll;
    pub use crate::senders::io::read::{Read, ReadExact, Recv, RecvExact};
    pub use crate::senders::io::resolve::{Lookup, Lookups, Resolve};
    pub use crate::senders::io::returning::{BufferKind, Returning};
    pub use crate::senders::io::shutdown::ShutDown;
    pub use crate::senders::io::socket::Socket;
    pub use crate::senders::io::space::{Fallocate, Ftruncate};
    pub use crate::senders::io::splice::Splice;
    pub use crate::senders::io::stat::{Stat, StatPath};
    pub use crate::senders::io::sync::Fsync;
    pub use crate::senders::io::transfer::{MsgOptions, PollFirst, Position, Transfer};
    pub use crate::senders::io::vectored::{Readv, Writev};
    pub use crate::senders::io::write::{SendAll, SendSome, Write, WriteAll};
}

/// What sockets speak, as types: for functions that take sockets of several kinds.
pub mod protocol {
    pub use crate::tokens::protocol::{
        Any, Connection, Conversation, Datagram, Listening, Local, Protocol, Stream, Tcp, Udp,
        UnixDatagrams, UnixPackets, UnixStreams,
    };
}

/// Ancillary data: what travels beside the bytes of a message. Sent by
/// [`sendmsg`](MessageOps::sendmsg), received by [`recvmsg`](MessageOps::recvmsg).
pub mod ancillary {
    pub use crate::senders::io::ancillary::{
        Ancillary, AncillaryBuf, AncillaryMessage, AncillaryMessages, AncillaryRoom, Credentials,
        FdList, PacketInfoV4, PacketInfoV6, ReceivedFds, Rights, SegmentSize,
    };
}

/// The types of factories, for naming a sender.
pub mod factory {
    pub use crate::senders::factory::current_scheduler::{ScheduleCurrent, ScheduleCurrentScript};
    pub use crate::senders::factory::just::{
        Just, JustOp, Known, KnownError, KnownStopped, KnownValue,
    };
    pub use crate::senders::factory::just_from::{JustFrom, KnownFrom};
    pub use crate::senders::factory::read_env::{KnownEnv, ReadEnv};
}

/// The documents of the repository; their examples are tests.
#[cfg(any(doc, doctest))]
pub mod _documentation {
    #[doc = include_str!("../docs/aio.md")]
    pub mod aio {}
    #[doc = include_str!("../docs/ARCHITECTURE.md")]
    pub mod architecture {}
    #[doc = include_str!("../docs/CANCELLATION.md")]
    pub mod cancellation {}
    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}
    #[doc = include_str!("../docs/CONFORMANCE.md")]
    pub mod conformance {}
    #[doc = include_str!("../CONTRIBUTING.md")]
    pub mod contributing {}
    #[doc = include_str!("../docs/DECISIONS.md")]
    pub mod decisions {}
    #[doc = include_str!("../docs/epoll.md")]
    pub mod epoll {}
    #[doc = include_str!("../docs/pluggable-event-loop.md")]
    pub mod pluggable_event_loop {}
    #[doc = include_str!("../README.md")]
    pub mod readme {}
    #[doc = include_str!("../docs/SAFETY.md")]
    pub mod safety {}
    #[doc = include_str!("../docs/SERVERS.md")]
    pub mod servers {}
    #[cfg(feature = "sim")]
    #[doc = include_str!("../docs/simulation.md")]
    pub mod simulation {}
    #[doc = include_str!("../docs/TESTING.md")]
    pub mod testing {}
}
