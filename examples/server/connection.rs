//! What a session sees: its connection, the state of its thread, and whether the server ends.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::Shutdown;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sendio::prelude::*;
use sendio::{IoBuf, IoBufMut, MsgFlags};

use super::{GRACE, ServerArgs};

/// Longer than any server runs.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What the connections of a thread share.
pub(super) struct Worker<'a, T> {
    pub(super) io: LocalIoScheduler<'a>,
    pub(super) args: &'a ServerArgs,
    pub(super) state: T,
    pub(super) closing: Closing,
}

/// How far the end of the server has come.
#[derive(Default)]
pub(super) struct Closing {
    begun: StopSource,
    waiting: StopSource,
}

impl Closing {
    /// Tells sessions that the server ends.
    pub(super) fn begin(&self) {
        self.begun.request_stop();
    }

    /// Ends sessions that wait for a request.
    pub(super) fn end_waiting(&self) {
        self.waiting.request_stop();
    }
}

/// A connection that was accepted.
pub(crate) struct Connection<'a, T> {
    worker: &'a Worker<'a, T>,
    socket: OwnedFd,
    peer: Endpoint,
}

impl<'a, T> Connection<'a, T> {
    pub(super) fn new(worker: &'a Worker<'a, T>, socket: OwnedFd, peer: Endpoint) -> Self {
        let this = Self {
            worker,
            socket,
            peer,
        };
        this.note(&"connected");
        this
    }

    /// The handle for operations.
    pub(crate) fn io(&self) -> LocalIoScheduler<'a> {
        self.worker.io
    }

    /// The state of this thread.
    pub(crate) fn state(&self) -> &'a T {
        &self.worker.state
    }

    /// Whether the server ends: a session says so to its client if it can, and ends after the request
    /// that it is at.
    pub(crate) fn is_closing(&self) -> bool {
        self.worker.closing.begun.stop_requested()
    }

    /// Receives the beginning of a request, or what there is of it: `(bytes received, buffer)`, 0 when
    /// the client has no more. When the server ends and nothing comes any more, it ends stopped or
    /// with `WouldBlock`.
    pub(crate) fn request<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl LocalSender<Value = (usize, B), Error = io::Error> {
        let flags = match self.is_over() {
            // What has arrived by now is still served.
            true => MsgFlags::DONTWAIT,
            false => MsgFlags::NONE,
        };
        self.unless_closing(self.in_time(self.io().recv_with(&self.socket, buf, flags)))
    }

    /// Receives more of a request that has begun.
    pub(crate) fn recv<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl LocalSender<Value = (usize, B), Error = io::Error> {
        self.in_time(self.io().recv(&self.socket, buf))
    }

    /// Sends all of `buf`.
    pub(crate) fn send_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl LocalSender<Value = B, Error = io::Error> {
        self.in_time(self.io().send_all(&self.socket, buf))
    }

    /// Work that fails if it takes longer than a connection may be idle.
    pub(crate) fn in_time<S: LocalSender<Error = io::Error>>(
        &self,
        work: S,
    ) -> impl LocalSender<Value = S::Value, Error = io::Error> + use<'a, S, T> {
        work.timeout(self.io(), self.idle_max())
    }

    /// Work that waits for a client, and ends stopped when the server ends those that wait. Once it
    /// has, the work has to end by itself.
    pub(crate) fn unless_closing<S: LocalSender<Error = io::Error>>(
        &self,
        work: S,
    ) -> impl LocalSender<Value = S::Value, Error = io::Error> + use<'a, S, T> {
        // One type for both cases: types of senders are long enough.
        work.stop_when(match self.is_over() {
            true => StopToken::NEVER,
            false => self.worker.closing.waiting.token(),
        })
    }

    /// How long a connection may be silent, by now.
    pub(crate) fn silence_max(&self) -> Duration {
        match self.is_over() {
            true => GRACE,
            false => self.idle_max(),
        }
    }

    fn idle_max(&self) -> Duration {
        match self.worker.args.idle {
            Duration::ZERO => FOR_EVER,
            idle => idle,
        }
    }

    /// Whether those that wait for a client are ended.
    fn is_over(&self) -> bool {
        self.worker.closing.waiting.stop_requested()
    }

    /// The last that is done with a connection. Closing it while its client still sends would make the
    /// kernel throw away answers that are on their way. So if the server ends it, it says that no
    /// more comes, and leaves the client some time to do the same.
    pub(super) fn leave(&self, orderly: bool) -> impl LocalSender<Value = (), Error = Infallible> {
        if !orderly || !self.is_closing() {
            return Either::Left(just(()));
        }
        let io = self.io();
        let rest = repeat_with([0; 4096], move |buffer| {
            let rest = io.recv(&self.socket, buffer);
            rest.then(|(n, buffer)| if n == 0 { Break(()) } else { Continue(buffer) })
        });
        let end = io.shutdown(&self.socket, Shutdown::Write).sequence(rest);
        Either::Right(end.timeout(io, GRACE).upon_error(drop))
    }

    /// Tells about this connection on stderr, if that is wanted.
    pub(crate) fn note(&self, what: &dyn Display) {
        if self.worker.args.backend.verbose {
            // Nobody has to listen.
            _ = writeln!(io::stderr(), "{}: {what}", self.peer);
        }
    }
}

impl<T> AsFd for Connection<'_, T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<T> Drop for Connection<'_, T> {
    fn drop(&mut self) {
        self.note(&"closed");
    }
}

// Not every server needs all of them.
const _: () = {
    let _ = Connection::<()>::state;
    let _ = Connection::<()>::is_closing;
    let _ = Connection::<()>::request::<Vec<u8>>;
    let _ = Connection::<()>::recv::<Vec<u8>>;
    let _ = Connection::<()>::send_all::<Vec<u8>>;
    let _ = Connection::<()>::silence_max;
};
