//! A server of keys and values that speaks the protocol of Redis.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::ops::ControlFlow::Continue;
use std::time::Duration;

use kv::session::{Connection, Shared, session};
use kv::store::{Store, time_of_day};
use sendio::prelude::*;

#[path = "kv/mod.rs"]
mod kv;

fn serve<'c>(c: &'c Connection<'_>) -> impl LocalSender<Value = (), Error = Infallible> + 'c {
    session(c).upon_error(|_| ())
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(2).unwrap())?;
    let ctx = IoContext::new()?;
    let io = ctx.local();
    let shared = Shared::new(Store::new(time_of_day));
    let shared = &shared;
    ctx.scope_local(|scope| {
        let accept = repeat_with((), |()| {
            io.accept(&listener).then(|(fd, _)| {
                let stream = std::net::TcpStream::from(std::os::fd::OwnedFd::from(fd));
                stream.set_nodelay(true).unwrap();
                scope.spawn(let_ref(Connection::new(io, stream.into(), shared), serve));
                Continue::<(), ()>(())
            })
        });
        let sweep = repeat_with((), |()| {
            io.schedule_after(Duration::from_millis(100)).then(|()| {
                while shared.store().sweep() {}
                Continue::<(), ()>(())
            })
        });
        scope.spawn(sweep.upon_error(|_| ()));
        scope.spawn(accept.upon_error(|_| ()));
    });
    Ok(())
}
