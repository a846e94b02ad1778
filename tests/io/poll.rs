//! poll: what a descriptor is ready for.
//! Method: sockets and pipes in known states, and one that changes while it is waited for.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use sendio::prelude::*;
use sendio::{Cwd, PollEvents};

use super::orders::{StopCase, stop_orders};
use super::sockets::{drain, fill, tcp_listener, unix_pair};
use super::support::{code, on_each_handle};

on_each_handle! {
    fn poll_tells_what_is_ready(io, cx) {
        let (left, mut right) = unix_pair();
        let both = PollEvents::IN | PollEvents::OUT;
        assert_eq!(cx.run(io.poll(&left, both)).expect("poll"), PollEvents::OUT);
        right.write_all(b"x").expect("write");
        assert_eq!(cx.run(io.poll(&left, both)).expect("poll"), both);
        assert_eq!(drain(&left), 1, "nothing was taken");
        fill(&left);
        right.write_all(b"x").expect("write");
        assert_eq!(cx.run(io.poll(&left, both)).expect("poll"), PollEvents::IN);
        drop(right);
        let ended = cx.run(io.poll(&left, PollEvents::NONE)).expect("poll");
        assert!(ended.contains(PollEvents::HUP), "{ended:?}");
    }

    fn poll_tells_that_the_peer_sends_no_more(io, cx) {
        let (left, right) = unix_pair();
        right.shutdown(std::net::Shutdown::Write).expect("shut down");
        let ready = cx.run(io.poll(&left, PollEvents::RDHUP)).expect("poll");
        assert!(ready.contains(PollEvents::RDHUP) && !ready.contains(PollEvents::HUP));
    }

    fn poll_of_other_descriptors(io, cx) {
        let (reader, writer) = io::pipe().expect("pipe");
        let ready = cx.run(io.poll(&writer, PollEvents::OUT)).expect("poll");
        assert_eq!(ready, PollEvents::OUT);
        drop(writer);
        let ready = cx.run(io.poll(&reader, PollEvents::IN)).expect("poll");
        assert!(ready.contains(PollEvents::HUP));
        let file = std::fs::File::open("/dev/null").expect("open");
        assert!(cx.run(io.poll(file, PollEvents::IN)).expect("poll").intersects(PollEvents::IN));
        assert_eq!(code(cx.run(io.poll(Cwd, PollEvents::IN))), Some(libc::EBADF));
        let listener = tcp_listener();
        let client = std::net::TcpStream::connect(listener.local_addr().expect("address"));
        cx.run(io.poll(&listener, PollEvents::IN)).expect("a connection waits");
        drop(client);
    }

    fn poll_of_a_handle(io, cx) {
        let (left, right) = sendio::UnixStream::pair(io).expect("pair");
        let waiting = left.poll(PollEvents::IN);
        let (ready, _) = cx.run(when_all((waiting, right.send("x")))).expect("both");
        assert_eq!(ready, PollEvents::IN);
    }
}

/// A poll that waits for data.
struct PollCase {
    left: UnixStream,
    right: RefCell<UnixStream>,
}

impl StopCase for PollCase {
    type Value = PollEvents;
    fn new() -> Self {
        let (left, right) = unix_pair();
        Self {
            left,
            right: RefCell::new(right),
        }
    }
    fn sender<H: Io>(&self, io: H) -> impl Sender<Value = Self::Value, Error = io::Error> {
        io.poll(&self.left, PollEvents::IN)
    }
    fn ready(&self) {
        self.right.borrow_mut().write_all(b"x").expect("write");
    }
    fn check_value(&self, ready: Self::Value) {
        assert_eq!(ready, PollEvents::IN);
    }
    fn check_stopped(&self) {
        assert_eq!(drain(&self.left), 0);
    }
}

stop_orders! {
    PollCase {
        fn poll_stop_before_start;
        fn poll_stop_during_submit;
        fn poll_stop_in_flight;
        fn poll_stop_after_cqe;
        fn poll_stop_after_completion;
        fn poll_stop_twice;
    }
}
