//! A backend of your own: an event loop on `poll(2)` that serves pipes and Unix sockets.
//!
//! docs/pluggable-event-loop.md goes through it. What it cannot do completes with an error that says
//! so. It answers the senders of this library like io_uring does, only slower.
//!
//! # Safety
//!
//! INV-SLOT-1, INV-SLOT-2: a slot is in `waiting` or in `done`, once, from its submission until its
//! handler is called; no system call is made with its memory before or after that.
#![expect(
    unsafe_code,
    reason = "a backend reads and writes memory of operations"
)]
#![expect(clippy::print_stdout, reason = "shows what happened")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::time::Duration;

use sendio::backends::{
    Backend, BackendReport, Completion, CompletionSlot, EventFd, EventWaker, Options, Request, Wait,
};
use sendio::prelude::*;

/// The slot of an operation: this backend stores nothing of its own in it.
type Slot = NonNull<CompletionSlot<()>>;

/// An event loop on `poll(2)`.
struct PollLoop {
    event: EventFd,
    /// Requests whose descriptor was not ready.
    waiting: RefCell<Vec<(Slot, Request)>>,
    /// Requests that have ended, with their result.
    done: RefCell<VecDeque<(Slot, i32)>>,
    calls: Cell<u64>,
}

/// What came of one try.
enum Tried {
    Done(i32),
    /// The descriptor was not ready for this.
    NotReady(RawFd, i16),
}

/// Tries a request without blocking.
///
/// # Safety
///
/// - What the request names is good (INV-SLOT-1).
unsafe fn attempt(request: Request) -> Tried {
    let (fd, events, result) = match request {
        Request::Nop => return Tried::Done(0),
        Request::Recv {
            fd,
            buf,
            len,
            flags,
            ..
        } => {
            let flags = flags | libc::MSG_DONTWAIT;
            // SAFETY: `len` bytes at `buf` are the operation's (contract).
            (fd, libc::POLLIN, unsafe {
                libc::recv(fd, buf.cast(), len as usize, flags)
            })
        }
        Request::Send {
            fd,
            buf,
            len,
            flags,
            ..
        } => {
            let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: as above.
            (fd, libc::POLLOUT, unsafe {
                libc::send(fd, buf.cast(), len as usize, flags)
            })
        }
        Request::Shutdown { fd, how } => {
            // SAFETY: no memory is passed.
            (fd, 0, unsafe { libc::shutdown(fd, how) as isize })
        }
        Request::Close { fd } => {
            // SAFETY: the request owns the descriptor.
            (fd, 0, unsafe { libc::close(fd) as isize })
        }
        _ => return Tried::Done(-libc::EOPNOTSUPP),
    };
    if let Ok(result) = i32::try_from(result)
        && result >= 0
    {
        return Tried::Done(result);
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) if events != 0 => Tried::NotReady(fd, events),
        code => Tried::Done(-code.unwrap_or(libc::EIO)),
    }
}

// SAFETY: each slot that `submit` takes goes into `waiting` or `done`, moves from the first to the second
//         at most, and leaves when `reap` calls its handler; no borrow is held then.
unsafe impl Backend for PollLoop {
    type Slot = ();
    type Waker = EventWaker;

    fn new(_: &Options) -> io::Result<Self> {
        Ok(Self {
            event: EventFd::new()?,
            waiting: RefCell::default(),
            done: RefCell::default(),
            calls: Cell::new(0),
        })
    }

    fn waker(&self) -> EventWaker {
        self.event.waker()
    }

    unsafe fn submit(&self, slot: Slot, request: Request) -> bool {
        // SAFETY: the contract is the same.
        match unsafe { attempt(request) } {
            Tried::Done(result) => self.done.borrow_mut().push_back((slot, result)),
            Tried::NotReady(..) => self.waiting.borrow_mut().push((slot, request)),
        }
        true
    }

    unsafe fn cancel(&self, slot: Slot) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(at) = waiting.iter().position(|(other, _)| *other == slot) {
            waiting.remove(at);
            self.done.borrow_mut().push_back((slot, -libc::ECANCELED));
        }
        // Otherwise it has ended already, and its result counts.
        true
    }

    fn enter(&self, wait: Wait) -> io::Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        let mut polled = vec![poll_for(self.event.as_fd().as_raw_fd(), libc::POLLIN)];
        // SAFETY: a request that waits is in flight, and what it names is good (INV-SLOT-1).
        waiting.retain(|&(slot, request)| match unsafe { attempt(request) } {
            Tried::NotReady(fd, events) => {
                polled.push(poll_for(fd, events));
                true
            }
            Tried::Done(result) => {
                self.done.borrow_mut().push_back((slot, result));
                false
            }
        });
        let timeout = match wait {
            _ if !self.done.borrow().is_empty() => 0,
            Wait::No => 0,
            Wait::Forever => -1,
            // Rounded up: a timer may be late, and not early.
            Wait::For(time) => i32::try_from(time.as_millis() + 1).unwrap_or(i32::MAX),
        };
        let count = polled.len() as libc::nfds_t;
        // SAFETY: as many entries as it says. An error is an interruption, after which we are called again.
        unsafe { libc::poll(polled.as_mut_ptr(), count, timeout) };
        self.event.take();
        self.calls.set(self.calls.get() + 1);
        Ok(())
    }

    fn reap(&self, limit: usize) -> usize {
        let mut count = 0;
        while count < limit {
            let Some((slot, result)) = self.done.borrow_mut().pop_front() else {
                break;
            };
            count += 1;
            // SAFETY: it was submitted, and this is its one completion; nothing is borrowed here.
            unsafe { CompletionSlot::complete(slot, Completion::new(result)) };
        }
        count
    }

    fn is_ready(&self) -> bool {
        !self.done.borrow().is_empty()
    }

    fn await_wakes(&self, count: u64) {
        self.event.await_wakes(count);
    }

    fn report(&self) -> BackendReport {
        BackendReport::of_type::<Self>().with_details(format!("{} calls of poll", self.calls.get()))
    }
}

fn poll_for(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

fn main() -> io::Result<()> {
    let ctx = IoContext::builder().on::<PollLoop>().build()?;
    let io = ctx.local();
    let (here, there) = UnixStream::pair()?;

    let question = io
        .send_all(&here, "ping")
        .let_value(|_| io.recv_exact(&here, [0; 4]))
        .timeout(io, Duration::from_secs(1));
    let answer = io
        .recv_exact(&there, [0; 4])
        .let_value(|request| io.send_all(&there, request.map(|byte| byte.to_ascii_uppercase())));
    if let Some((reply, _)) = ctx.block_on_local(when_all((question, answer)))? {
        println!("{}", String::from_utf8_lossy(&reply));
    }

    // Nobody sends any more: the deadline ends the wait.
    let late = io
        .recv(&here, [0; 4])
        .timeout(io, Duration::from_millis(10));
    let error = ctx.block_on_local(late).err();
    println!(
        "{}",
        error.map_or_else(String::new, |error| error.to_string())
    );

    // What the backend cannot do says so.
    let error = ctx
        .block_on_local(io.open("Cargo.toml", OpenOptions::new().read(true)))
        .err();
    println!(
        "{}",
        error.map_or_else(String::new, |error| error.to_string())
    );

    println!("{}", ctx.backend_report());
    Ok(())
}
