//! `udp-sink` and `udp-echo`: tasks in a scope that share one socket, each with its own buffer.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::ControlFlow::Continue;

use sendio::Backend;
use sendio::prelude::*;
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::serve::{self, Control};

use crate::tasks::context;

/// Tasks of `udp-echo`: one for each datagram that is in flight.
const ECHO_TASKS: usize = 64;
/// Tasks of `udp-sink`. A datagram wakes every receive that waits for it, so many that wait cost more
/// than the system calls that they save: of 1 to 64, 4 took the least processor time.
const SINK_TASKS: usize = 4;

pub(crate) fn sink<B: Backend>(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let control = Control::open(args)?;
    let ctx = context::<B>()?;
    let io = ctx.local();
    let socket = &bind(control)?;
    let mut buffers = vec![vec![0_u8; args.buf]; SINK_TASKS];
    ctx.scope_local(|scope| {
        for buffer in &mut buffers {
            let receive = repeat_with(&mut buffer[..], move |buffer| {
                io.recv(socket, buffer).then(|(_, buffer)| {
                    serve::received(1);
                    Continue::<(), _>(buffer)
                })
            });
            scope.spawn(receive.upon_error(drop));
        }
    });
    Err(io::Error::other("every receive has failed").into())
}

pub(crate) fn echo<B: Backend>(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let control = Control::open(args)?;
    let ctx = context::<B>()?;
    let io = ctx.local();
    let socket = &bind(control)?;
    let mut buffers = vec![vec![0_u8; args.buf]; ECHO_TASKS];
    ctx.scope_local(|scope| {
        for buffer in &mut buffers {
            let answers = repeat_with(&mut buffer[..], move |buffer| {
                let receive = io.recv_from(socket, buffer);
                receive.let_value(move |(received, buffer)| {
                    let answer = buffer.slice(..received.len);
                    io.send_to(socket, answer, received.from)
                        .then(|(_, sent)| Continue::<(), _>(sent.into_inner()))
                })
            });
            scope.spawn(answers.upon_error(drop));
        }
    });
    Err(io::Error::other("every task has failed").into())
}

fn bind(control: Control) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    control.ready(socket.local_addr()?)?;
    Ok(socket)
}
