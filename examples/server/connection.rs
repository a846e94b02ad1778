//! What a session sees: its connection, the state of its thread, and whether the server ends.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sendio::prelude::*;
use sendio::{IoBufMut, MsgFlags};

use super::ServerArgs;

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
    /// the client has no more. Ends stopped when the server ends and nothing comes any more, with an
    /// error if the client was silent too long.
    pub(crate) fn request<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl LocalSender<Value = (usize, B), Error = io::Error> {
        let waiting = self.worker.closing.waiting.token();
        if waiting.stop_requested() {
            // What has arrived by now is still served.
            let there = self.io().recv_with(&self.socket, buf, MsgFlags::DONTWAIT);
            return Either::Left(there.let_error(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Either::Left(just_stopped()),
                _ => Either::Right(just_error(error)),
            }));
        }
        let recv = self.io().recv(&self.socket, buf);
        Either::Right(self.in_time(recv).with_stop_token(waiting))
    }

    /// Receives more of a request that has begun.
    pub(crate) fn recv<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl LocalSender<Value = (usize, B), Error = io::Error> {
        self.in_time(self.io().recv(&self.socket, buf))
    }

    /// Sends all of `buf`.
    pub(crate) fn send_all<B: sendio::IoBuf>(
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
        let idle = self.worker.args.idle;
        match idle.is_zero() {
            true => Either::Left(work),
            false => Either::Right(work.timeout(self.io(), idle)),
        }
    }

    /// Tells about this connection on stderr, if that is wanted.
    pub(crate) fn note(&self, what: &dyn Display) {
        if self.worker.args.verbose {
            eprintln!("{}: {what}", self.peer);
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
    let _ = Connection::<()>::recv::<Vec<u8>>;
};
