//! Serves the files below a directory over HTTP/1.1: `httpd --root DIR [--listen ADDR]`.

#[path = "httpd/body.rs"]
mod body;
#[path = "httpd/conditional.rs"]
mod conditional;
#[path = "httpd/exchange.rs"]
mod exchange;
#[path = "httpd/mime.rs"]
mod mime;
#[path = "httpd/path.rs"]
mod path;
#[path = "httpd/range.rs"]
mod range;
#[path = "httpd/reply.rs"]
mod reply;
#[path = "httpd/request.rs"]
mod request;
#[path = "httpd/response.rs"]
mod response;
#[path = "httpd/send.rs"]
mod send;
#[path = "httpd/session.rs"]
mod session;
#[path = "httpd/site.rs"]
mod site;
#[path = "httpd/status.rs"]
mod status;
#[path = "httpd/wire.rs"]
mod wire;

use sendio::prelude::*;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let root = std::fs::File::open(args.next().expect("root"))?;
    let listener = std::net::TcpListener::bind("127.0.0.1:8090")?;
    let ctx = IoContext::new()?;
    let limits = session::Limits {
        idle: Duration::from_secs(60),
        head: Duration::from_secs(5),
        send: Duration::from_secs(30),
    };
    let site = site::Site {
        io: ctx.local(),
        root: &root,
        clock: Default::default(),
        limits,
    };
    let (site, listener) = (&site, &listener);
    let io = ctx.local();
    ctx.scope_local(|scope| {
        let accept = repeat_with((), move |()| {
            io.accept(listener).then(move |(stream, _)| {
                let client = session::Client { stream, site };
                scope.spawn(let_ref(client, session::session).upon_error(|_| ()));
                std::ops::ControlFlow::<(), ()>::Continue(())
            })
        })
        .upon_error(|_| ());
        scope.spawn(accept);
    });
    Ok(())
}
