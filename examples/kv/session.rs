//! One connection: receive, execute, send, and again.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sendio::prelude::*;

use super::client::{Session, Want};
use super::store::Store;

/// What all connections share. One batch of commands, all that one receive brought, has the store
/// for itself, so each command is atomic, and other threads wait for microseconds.
pub(crate) struct Shared {
    store: Mutex<Store>,
}

impl Shared {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store: Mutex::new(store),
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection and its state.
pub(crate) struct Connection<'a> {
    io: LocalIoScheduler<'a>,
    stream: OwnedFd,
    shared: &'a Shared,
    session: RefCell<Session>,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(io: LocalIoScheduler<'a>, stream: OwnedFd, shared: &'a Shared) -> Self {
        let mut store = shared.store();
        store.stats.clients += 1;
        store.stats.connections += 1;
        let id = store.stats.connections;
        drop(store);
        Self {
            io,
            stream,
            shared,
            session: RefCell::new(Session::new(id)),
        }
    }

    /// Executes what has arrived.
    fn execute(&self) -> Want {
        self.session.borrow_mut().execute(&mut self.shared.store())
    }

    /// Waits for input: how many bytes, 0 at its end.
    fn receive(&self) -> impl LocalSender<Value = usize, Error = io::Error> {
        let input = self.session.borrow_mut().take_input();
        let end = input.len();
        let received = self
            .io
            .recv(&self.stream, input.slice_mut(end..))
            .poll_first();
        received.then(|(n, input)| {
            self.session.borrow_mut().put_input(input.into_inner());
            n
        })
    }

    /// Sends the replies, and executes and sends on while they do not fit at once. Answers what is
    /// wanted then: more input, or the end.
    fn answer(&self, want: Want) -> impl LocalSender<Value = Want, Error = io::Error> {
        repeat_with(want, move |want| {
            let replies = self.session.borrow_mut().take_replies();
            if replies.is_empty() {
                return Either::Left(ready(Break(want)));
            }
            let sent = self.io.send_all(&self.stream, replies);
            Either::Right(sent.then(move |replies| {
                self.session.borrow_mut().put_replies(replies);
                match want {
                    Want::Flush => Continue(self.execute()),
                    Want::Input | Want::Close => Break(want),
                }
            }))
        })
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.store().stats.clients -= 1;
    }
}

/// The life of a connection. A stop request ends it where it waits for input; what was received
/// before is answered.
pub(crate) fn session<'c>(
    connection: &'c Connection<'_>,
) -> impl LocalSender<Value = (), Error = io::Error> + 'c {
    repeat_with((), move |()| {
        connection.receive().let_value(move |n| {
            if n == 0 {
                return Either::Left(ready(Break(())));
            }
            let answered = connection.answer(connection.execute());
            Either::Right(answered.unstoppable().then(|want| match want {
                Want::Close => Break(()),
                Want::Input | Want::Flush => Continue(()),
            }))
        })
    })
}
