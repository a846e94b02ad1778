//! One connection: receive, execute, send, and again.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sendio::prelude::*;

use crate::kv::client::{Session, Want};
use crate::kv::store::Store;
use crate::server::Connection;

/// What all connections of all threads share.
///
/// Whoever executes commands has the whole store for a batch of them, at most what one receive
/// brought, so each command is atomic for all clients, whichever keys it has. That takes
/// microseconds; another thread waits as long.
pub(crate) struct Shared {
    store: Mutex<Store>,
    /// Connections may be silent for ever.
    patient: bool,
}

impl Shared {
    pub(crate) fn new(store: Store, patient: bool) -> Self {
        Self {
            store: Mutex::new(store),
            patient,
        }
    }

    /// The store. A panic in a command has ended its connection, and left the keys as they were.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection and where the conversation on it has come.
struct Talk<'x, 'a, 's> {
    connection: &'x Connection<'a, &'s Shared>,
    session: RefCell<Session>,
}

impl<'x, 'a, 's> Talk<'x, 'a, 's> {
    fn new(connection: &'x Connection<'a, &'s Shared>) -> Self {
        let id = connection.state().store().connected();
        Self {
            connection,
            session: RefCell::new(Session::new(id)),
        }
    }

    /// Executes what has arrived.
    fn execute(&self) -> Want {
        let mut store = self.connection.state().store();
        self.session.borrow_mut().execute(&mut store)
    }

    /// Waits for input: how many bytes, 0 at its end. When the server ends, only what belongs to a
    /// command that has begun is waited for.
    fn receive(&self) -> impl LocalSender<Value = usize, Error = io::Error> {
        let Self {
            connection,
            session,
        } = self;
        let within_command = session.borrow().is_within_command();
        let input = session.borrow_mut().take_input();
        let end = input.len();
        let input = input.slice_mut(end..);
        let received = if within_command {
            Either::Left(connection.recv(input))
        } else if connection.is_closing() || !connection.state().patient {
            Either::Right(Either::Left(connection.request(input)))
        } else {
            let received = connection.io().recv(connection, input);
            Either::Right(Either::Right(connection.unless_closing(received)))
        };
        received.then(|(n, input)| {
            session.borrow_mut().put_input(input.into_inner());
            n
        })
    }

    /// Sends the replies.
    fn send(&self, replies: Vec<u8>) -> impl LocalSender<Value = (), Error = io::Error> {
        let Self {
            connection,
            session,
        } = self;
        let sent = match connection.state().patient {
            true => Either::Left(connection.io().send_all(connection, replies)),
            false => Either::Right(connection.send_all(replies)),
        };
        sent.then(|replies| session.borrow_mut().put_replies(replies))
    }
}

impl Drop for Talk<'_, '_, '_> {
    fn drop(&mut self) {
        self.connection.state().store().disconnected();
    }
}

/// The life of a connection.
pub(crate) fn session(
    connection: &Connection<'_, &Shared>,
) -> impl LocalSender<Value = (), Error = io::Error> {
    let_ref(Talk::new(connection), talk)
}

fn talk(talk: &Talk<'_, '_, '_>) -> impl LocalSender<Value = (), Error = io::Error> {
    let executed = |received| match received {
        0 => Break(()),
        _ => Continue(talk.execute()),
    };
    repeat_with(Want::Input, move |want| {
        let replies = talk.session.borrow_mut().take_replies();
        match (want, replies.is_empty()) {
            (Want::Input, true) => Either::Left(Either::Left(talk.receive().then(executed))),
            (Want::Input, false) => {
                // One system call for both: the client answers the one with the other. Whatever
                // becomes of the receive, what is sent goes on.
                let received = talk
                    .receive()
                    .into_result()
                    .cast_err()
                    .stopped_as_optional();
                let both = when_all((talk.send(replies), received));
                let next = both.try_then(move |((), received)| match received {
                    Some(received) => received.map(executed),
                    None => Ok(Break(())),
                });
                Either::Left(Either::Right(next))
            }
            (_, true) => Either::Right(Either::Left(ready(Break(())))),
            (_, false) => Either::Right(Either::Right(talk.send(replies).then(
                move |()| match want {
                    Want::Close => Break(()),
                    Want::Flush | Want::Input => Continue(talk.execute()),
                },
            ))),
        }
    })
}
