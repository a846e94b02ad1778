//! What the tests of operations share: contexts, the three ways to use one, odd descriptors.
//!
//! # Safety
//! System calls without memory, or with memory that outlives them.

#![expect(unsafe_code, reason = "memfd_create, fcntl, connect")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::path::Path;

use sendio::prelude::*;
use sendio::{DefaultBackend, Env, SendSender, StopSource};

use super::common::fds::open_fds;
use super::common::receivers::{DropGuard, Probe, connect_and_start};

/// A context for this thread.
pub(crate) fn context() -> IoContext {
    IoContext::new().expect("a ring")
}

/// A context that is used through its scheduler on its own thread.
pub(crate) struct Home(IoContext);

impl Home {
    pub(crate) fn new() -> Self {
        Self(context())
    }

    pub(crate) fn io(&self) -> IoScheduler<'_, DefaultBackend> {
        self.0.scheduler()
    }

    /// What the sender completes with; a stop fails the test.
    #[track_caller]
    pub(crate) fn run<S: SendSender>(&self, sender: S) -> Result<S::Value, S::Error> {
        let result = self.0.block_on(sender);
        result.map(|value| value.expect("not stopped"))
    }
}

/// A context that is used through its local handle.
pub(crate) struct Local(IoContext);

impl Local {
    pub(crate) fn new() -> Self {
        Self(context())
    }

    pub(crate) fn io(&self) -> LocalIoScheduler<'_, DefaultBackend> {
        self.0.local()
    }

    /// What the sender completes with; a stop fails the test.
    #[track_caller]
    pub(crate) fn run<S: LocalSender>(&self, sender: S) -> Result<S::Value, S::Error> {
        let result = self.0.block_on_local(sender);
        result.map(|value| value.expect("not stopped"))
    }
}

/// A context that runs on another thread until this is dropped.
pub(crate) struct Remote<'ctx>(pub(crate) IoScheduler<'ctx, DefaultBackend>);

impl Remote<'_> {
    /// What the sender completes with; a stop fails the test.
    #[track_caller]
    pub(crate) fn run<S: SendSender>(&self, sender: S) -> Result<S::Value, S::Error> {
        let result = sync_wait(sender);
        result.map(|value| value.expect("not stopped"))
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        self.0.request_stop();
    }
}

/// A test that is run with each way to use a context: `io` is the handle, `cx.run(sender)` runs.
macro_rules! on_each_handle {
    ($(fn $name:ident($io:ident, $cx:ident) $body:block)+) => {$(
        #[test]
        fn $name() {
            {
                let $cx = $crate::support::Home::new();
                let $io = $cx.io();
                $body
            }
            {
                let $cx = $crate::support::Local::new();
                let $io = $cx.io();
                $body
            }
            let ctx = $crate::support::context();
            let $io = ctx.scheduler();
            std::thread::scope(|threads| {
                threads.spawn(move || {
                    let $cx = $crate::support::Remote($io);
                    $body
                });
                ctx.run();
            });
        }
    )+};
}
pub(crate) use on_each_handle;

/// Starts `sender`, lets the kernel answer `requests` requests, requests stop, and says how it ends.
#[track_caller]
pub(crate) fn stopped_after<S: Sender>(
    ctx: &IoContext,
    requests: u64,
    sender: S,
) -> Outcome<S::Value, S::Error> {
    let source = StopSource::new();
    let probe = Probe::new();
    let before = ctx.metrics().submitted;
    if requests == 0 {
        source.request_stop();
    }
    let env = Env::default().with_stop_token(source.token());
    let _op = connect_and_start(sender, probe.receiver_in(env));
    // The request after the last answer has been submitted too.
    super::common::wait::wait_until(super::common::wait::soon(), "it is in the middle", || {
        ctx.run_some().expect("not running");
        requests == 0 || ctx.metrics().submitted > before + requests
    });
    source.request_stop();
    ctx.run_until_empty();
    if requests == 0 {
        assert_eq!(ctx.metrics().submitted, before, "the kernel was asked");
    }
    assert_eq!(ctx.metrics().in_flight, 0);
    probe.outcome()
}

/// Starts `sender` on the context's thread and runs the context until it has completed.
#[track_caller]
pub(crate) fn outcome_of<S: Sender>(ctx: &IoContext, sender: S) -> Outcome<S::Value, S::Error> {
    let probe = Probe::new();
    let _op = connect_and_start(sender, probe.receiver());
    ctx.run_until_empty();
    probe.outcome()
}

/// The kernel's code in an error.
#[track_caller]
pub(crate) fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().expect("an error").raw_os_error()
}

/// How many descriptors refer to something at or under `path`.
pub(crate) fn fds_under(path: &Path) -> usize {
    let fds = open_fds();
    fds.values()
        .filter(|target| target.starts_with(path))
        .count()
}

/// A file with a guard beside it, whose drop is noted.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) file: File,
    pub(crate) _guard: DropGuard,
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// An owner that panics when it is asked for its descriptor.
#[derive(Debug)]
pub(crate) struct Refuses;

impl AsFd for Refuses {
    fn as_fd(&self) -> BorrowedFd<'_> {
        panic!("no descriptor for you")
    }
}

/// The flags of the descriptor (`FD_CLOEXEC`).
pub(crate) fn fd_flags(fd: &impl AsFd) -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFD) }
}

/// `connect(2)`, by this thread.
pub(crate) fn connect_now(socket: &impl AsFd, sockaddr: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(sockaddr.len()).expect("short");
    // SAFETY: the kernel reads `len` bytes during the call.
    let result = unsafe {
        let addr = sockaddr.as_ptr().cast();
        libc::connect(socket.as_fd().as_raw_fd(), addr, len)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A file in memory of `len` bytes that cannot grow.
pub(crate) fn sealed_file(len: u64) -> File {
    // SAFETY: the name is a literal; the descriptor is new and ours.
    let file = unsafe {
        let flags = libc::MFD_ALLOW_SEALING | libc::MFD_CLOEXEC;
        let fd = libc::memfd_create(c"sendio".as_ptr(), flags);
        assert!(fd >= 0, "memfd_create");
        File::from_raw_fd(fd)
    };
    file.set_len(len).expect("set the length");
    // SAFETY: no memory is passed.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) };
    assert_eq!(sealed, 0, "seal");
    file
}

/// A page at an address that suits direct I/O.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub(crate) struct Pages<const N: usize>(pub(crate) [[u8; 4096]; N]);
