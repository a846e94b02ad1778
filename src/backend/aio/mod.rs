//! The Linux AIO backend: the readiness backend, with this as its source.
//!
//! # Flow
//!
//! ```text
//! read, write at an offset, O_DIRECT ─┐
//! fsync, fdatasync ───────────────────┼─> queue ─ io_submit ─> ring ─────────> result
//! POLL of the epoll set ──────────────┘    (one per turn)       │
//!                                                               v
//! descriptors that are waited for, wake-ups ────────────────> epoll set ─> readiness
//! ```
//!
//! Everything else is done as on every readiness backend: inline without blocking, or by a thread. A
//! file that is not `O_DIRECT` goes there too, because `io_submit` would carry out its reads and writes
//! before it returns.
//!
//! # Sleep
//!
//! While no transfer and no sync is under way, this is the epoll backend, and sleeps as that does.
//! Otherwise the epoll set is polled by the context, and the sleep is in `io_getevents`.
//!
//! A poll for each descriptor would do without the set. It was not faster, and the kernel keeps the file
//! of a poll open until its end, which comes some time after it was cancelled: a peer would see a
//! connection closed later than it was. Nor is there room for as many polls as there may be connections.
//!
//! # Direct transfers
//!
//! The first try has `RWF_NOWAIT`, so that it does no harm if the number is another file by now
//! (`direct`). Where that fails with `EAGAIN` or `EOPNOTSUPP`, the descriptor is looked at again: a
//! direct file has the same request without the flag; with anything else the request fails with
//! `EAGAIN`, which makes the operation ask for it again, and then it goes the way of all others.
//!
//! # Cancellation
//!
//! A request that was not submitted is taken back. A transfer or a sync that the kernel has cannot be
//! cancelled (`io_cancel` answers `EINVAL`), and ends by itself.
//!
//! # Bounds
//!
//! A context has places for so many requests (`queue`); the others wait in a queue of their own slots.
//!
//! # Threads
//!
//! The thread that made the source, and no other. The context belongs to the process and survives the
//! thread. A child process after `fork` does not have it: there, requests fail with `EINVAL`, and a loop
//! that waits for any aborts.
//!
//! # Safety
//! - INV-AIO-1: entries are in slots that were taken and not reported (INV-READY-1), or in the box of
//!   the source; both stay in place as long as the kernel has them.
//! - INV-AIO-3: the `data` of an iocb is the address of its slot, exposed, or [`POLL`].
//!
//! # Kernel
//!
//! Linux 4.18, for `IOCB_CMD_POLL`. `new` sends one through, so a kernel or a filter that forbids a part
//! of it is found out.

#![expect(
    unsafe_code,
    reason = "hands addresses to the kernel and takes them back"
)]

pub(crate) mod context;
pub(crate) mod direct;
pub(crate) mod iocb;
pub(crate) mod queue;
pub(crate) mod ring;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use self::context::Context;
use self::direct::{Direct, FileKind, kind_of};
use self::iocb::{Event, Iocb};
use self::queue::{Entry, Queue};
use super::Wait;
use super::epoll::EpollSet;
use super::event;
use super::options::Options;
use super::readiness::readiness_backend;
use super::readiness::slot::ReadySlot;
use super::readiness::source::{Key, Sink, Source, Taken};
use super::report::BackendKind;
use super::request::{CURRENT_POSITION, Request};

/// The `data` of the poll of the epoll set; no slot is there.
const POLL: u64 = 1;
const _: () = assert!(align_of::<ReadySlot<Entry>>() > 1);

/// `POLLIN` as an iocb wants it.
const POLLIN: u16 = 1;
const _: () = assert!(libc::POLLIN == 1);

/// How long one sleeps at most while the kernel has no room for what waits to be submitted.
const SHORTAGE: Duration = Duration::from_millis(1);

/// The source of [`Aio`]: direct transfers and syncs by itself, readiness from an epoll set.
pub(crate) struct AioContext {
    inner: Box<Inner>,
}

/// What stays in place.
struct Inner {
    // The context goes first: what it still polls is there until then.
    context: Context,
    queue: Queue,
    direct: Direct,
    epoll: EpollSet,
    /// The poll of the epoll set.
    poll: Entry,
    /// The poll is queued, or at the kernel.
    armed: Cell<bool>,
    /// It has said that there is something.
    polled: Cell<bool>,
    /// That poll was refused, so the loop might not wake up: the kernel's code.
    broken: Cell<Option<i32>>,
    /// Signalled by the kernel for each event.
    signal: OwnedFd,
}

/// The descriptor of a transfer at a given position.
#[inline]
const fn positional(request: &Request) -> Option<RawFd> {
    match *request {
        Request::Read { fd, offset, .. }
        | Request::Write { fd, offset, .. }
        | Request::Readv { fd, offset, .. }
        | Request::Writev { fd, offset, .. }
            if offset != CURRENT_POSITION =>
        {
            Some(fd)
        }
        _ => None,
    }
}

impl Inner {
    /// Hands over what is queued; what is refused is reported. Whether there was such.
    fn flush(&self, sink: &mut impl Sink<Entry>) -> bool {
        let mut any = false;
        self.queue.flush(&self.context, |entry, code| {
            any = true;
            // SAFETY: refused, so it is not at the kernel.
            match unsafe { entry.as_ref().iocb_mut() }.data() {
                POLL => self.broken.set(Some(-code)),
                // SAFETY: the slot of an entry that is out.
                data => unsafe { self.ended(data, code, sink) },
            }
        });
        any
    }

    /// Takes the events that are there; whether one was of a transfer or a sync, which is reported.
    fn drain(&self, sink: &mut impl Sink<Entry>) -> bool {
        if self.queue.count() == 0 && !self.armed.get() {
            return false;
        }
        let mut any = false;
        self.context
            .drain(usize::MAX, |event| any |= self.event(event, sink));
        any
    }

    /// An event was taken; whether it was of a transfer or a sync, which is reported.
    #[inline]
    fn event(&self, event: Event, sink: &mut impl Sink<Entry>) -> bool {
        if event.data == POLL {
            self.armed.set(false);
            self.polled.set(true);
            return false;
        }
        self.queue.returned();
        // SAFETY: an event of the entry of a slot, which was at the kernel until now.
        unsafe { self.ended(event.data, event.result(), sink) };
        true
    }

    /// A transfer or a sync is over, with this result, or is queued again.
    ///
    /// # Safety
    ///
    /// - `data` is that of the entry of a slot whose request was taken and not reported; the entry is out.
    #[inline]
    unsafe fn ended(&self, data: u64, result: i32, sink: &mut impl Sink<Entry>) {
        let address = usize::try_from(data).unwrap_or(0);
        let slot = std::ptr::with_exposed_provenance_mut::<ReadySlot<Entry>>(address);
        // SAFETY: the address of a slot (contract, INV-AIO-3), so not zero; in place until it is
        //         reported (INV-READY-1), and not used after that.
        unsafe {
            let slot = NonNull::new_unchecked(slot);
            let result = if result < 0 {
                match self.refused(ReadySlot::part(slot), result) {
                    Some(result) => result,
                    None => return,
                }
            } else {
                result
            };
            sink.finished(slot, result);
        }
    }

    /// The kernel says no. A transfer that was not done because it would have blocked is queued again
    /// without that condition if it is direct. Otherwise: its result.
    ///
    /// # Safety
    ///
    /// - `entry` is that of a slot, and out.
    #[cold]
    unsafe fn refused(&self, entry: NonNull<Entry>, result: i32) -> Option<i32> {
        // SAFETY: out (contract); not used after this function.
        let iocb = unsafe { entry.as_ref().iocb_mut() };
        if !iocb.is_nowait() || !matches!(-result, libc::EAGAIN | libc::EOPNOTSUPP) {
            return Some(result);
        }
        if kind_of(iocb.fd()) == FileKind::DirectFile {
            iocb.set_nowait(false);
            // SAFETY: out, and in place until it is reported (INV-READY-1).
            unsafe { self.queue.push(entry) };
            return None;
        }
        // The number was that of a direct file when we asked.
        self.direct.forget(iocb.fd());
        Some(-libc::EAGAIN)
    }

    /// Sees to it that an event comes when the epoll set has something.
    fn arm(&self) {
        if !self.armed.replace(true) {
            // SAFETY: out, and in place as long as the queue (INV-AIO-1).
            unsafe { self.queue.push_first(NonNull::from(&self.poll)) };
        }
    }

    /// Sleeps until there is an event of the context, which has some to come.
    fn sleep(&self, wait: Wait, sink: &mut impl Sink<Entry>) -> io::Result<()> {
        let timeout = match wait {
            Wait::For(time) => Some(time),
            _ => None,
        };
        // What the kernel had no room for is handed over again.
        let timeout = if self.queue.has_work() {
            Some(timeout.unwrap_or(SHORTAGE).min(SHORTAGE))
        } else {
            timeout
        };
        let mut take = |event| {
            self.event(event, sink);
        };
        match self.context.sleep(timeout, &mut take) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// Reports of the epoll set.
struct Through<'a, S>(&'a mut S);

impl<S: Sink<Entry>> Sink<()> for Through<'_, S> {
    fn ready(&mut self, key: Key, events: u32) {
        self.0.ready(key, events);
    }

    unsafe fn finished(&mut self, _: NonNull<ReadySlot<()>>, _: i32) {
        // An epoll set takes no requests.
    }

    fn woken(&mut self) {
        self.0.woken();
    }
}

/// Who has no request and waits for nothing.
struct Nobody;

impl Sink<Entry> for Nobody {
    fn ready(&mut self, _: Key, _: u32) {}

    unsafe fn finished(&mut self, _: NonNull<ReadySlot<Entry>>, _: i32) {}

    fn woken(&mut self) {}
}

// SAFETY: an accepted iocb has one event, which is taken once; one that is refused has none, and its
//         error is reported instead. Neither happens but in `enter`. The entry, and so the slot, is not
//         used after the sink was told.
unsafe impl Source for AioContext {
    type Part = Entry;
    type Watch = ();
    const KIND: BackendKind = BackendKind::Aio;

    fn new(options: &Options, wake: BorrowedFd<'_>) -> io::Result<Self> {
        let context = Context::new(options.completion_entries.unwrap_or(options.entries))?;
        let signal = event::eventfd()?;
        context.round_trip(signal.as_raw_fd())?;
        let epoll = EpollSet::new(options, wake)?;
        let mut poll = Iocb::poll(epoll.as_fd().as_raw_fd(), POLLIN, POLL);
        poll.set_event_fd(signal.as_raw_fd());
        let inner = Box::new(Inner {
            queue: Queue::new(context.places()),
            context,
            direct: Direct::new(),
            epoll,
            poll: Entry::new(poll),
            armed: Cell::new(false),
            polled: Cell::new(false),
            broken: Cell::new(None),
            signal,
        });
        // SAFETY: it stays in the box.
        unsafe { inner.queue.init() };
        Ok(Self { inner })
    }

    fn watch(&self, (): &(), key: Key, fd: RawFd, events: u32) -> io::Result<bool> {
        self.inner.epoll.watch(&(), key, fd, events)
    }

    fn unwatch(&self, (): &(), key: Key, fd: RawFd) {
        self.inner.epoll.unwatch(&(), key, fd);
    }

    #[inline(always)]
    unsafe fn try_submit(&self, slot: NonNull<ReadySlot<Entry>>, request: &Request) -> Taken {
        let inner = &*self.inner;
        let nowait = match positional(request) {
            Some(fd) if inner.direct.is_likely(fd) => true,
            None if matches!(request, Request::Fsync { .. }) => false,
            _ => return Taken::No,
        };
        let data = slot.as_ptr().expose_provenance() as u64;
        let Some(mut iocb) = Iocb::of_request(request, data) else {
            return Taken::No;
        };
        iocb.set_nowait(nowait);
        iocb.set_event_fd(inner.signal.as_raw_fd());
        // SAFETY: the part is ours, and in place until the result is reported (contract, INV-AIO-1).
        unsafe {
            let entry = ReadySlot::part(slot);
            entry.write(Entry::new(iocb));
            inner.queue.push(entry);
        }
        Taken::Yes
    }

    unsafe fn cancel(&self, slot: NonNull<ReadySlot<Entry>>) -> bool {
        // SAFETY: taken and not reported (contract), so its entry was pushed, and is there.
        unsafe { self.inner.queue.remove(ReadySlot::part(slot)) }
    }

    fn enter(&self, wait: Wait, sink: &mut impl Sink<Entry>) -> io::Result<()> {
        let inner = &*self.inner;
        let mut reported = inner.drain(sink);
        if inner.queue.count() > 0 {
            inner.arm();
            reported |= inner.flush(sink);
            if let Some(code) = inner.broken.get() {
                return Err(io::Error::from_raw_os_error(code));
            }
            // What was handed over may be over.
            reported |= inner.drain(sink);
            if !reported && !inner.polled.get() && wait != Wait::No {
                inner.sleep(wait, sink)?;
            }
            if !inner.polled.replace(false) {
                return Ok(());
            }
            reported = true;
        }
        inner.polled.set(false);
        let wait = if reported { Wait::No } else { wait };
        inner.epoll.enter(wait, &mut Through(sink))
    }

    #[inline]
    fn has_unsubmitted(&self) -> bool {
        self.inner.queue.has_work()
    }

    #[inline]
    fn is_ready(&self) -> bool {
        // Without transfers there may still be the poll's event, which says nothing that epoll does not.
        self.inner.queue.count() > 0 && self.inner.context.has_events()
    }

    fn pollable(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [
            Some(self.inner.epoll.as_fd()),
            Some(self.inner.signal.as_fd()),
        ]
    }

    fn quiet(&self) {
        let inner = &*self.inner;
        let _ = event::take(inner.signal.as_fd());
        if inner.queue.count() == 0 {
            // The poll's event, if any; what it is about makes the epoll set readable.
            inner.drain(&mut Nobody);
        } else if inner.context.has_events_now() {
            // What came after the last look at the ring may have been signalled before this.
            event::signal(inner.signal.as_fd());
        }
    }

    fn calls(&self) -> u64 {
        self.inner.context.calls() + self.inner.epoll.calls()
    }

    fn details(&self) -> String {
        let context = &self.inner.context;
        let how = if context.has_ring() {
            "completions read from memory"
        } else {
            "completions read by system calls"
        };
        format!("a context with {} places, {how}", context.places())
    }
}

impl fmt::Debug for AioContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AioContext")
            .field("context", &self.inner.context)
            .finish_non_exhaustive()
    }
}

readiness_backend! {
    /// The Linux AIO backend: for kernels without io_uring, and programs that use files with `O_DIRECT`.
    ///
    /// Reads and writes at an offset of files that are open with `O_DIRECT`, and `fsync`, are the kernel's
    /// to carry out; they are handed over in one system call per turn. Everything else is as on
    /// [`Epoll`](crate::backends::Epoll): sockets, pipes and terminals are tried without blocking, and
    /// again when epoll says so; what else blocks is done by a small set of threads of the process,
    /// buffered reads and writes of files too. `docs/aio.md` says what that costs, and what is different
    /// from io_uring.
    ///
    /// A context takes `completion_entries` places, or `entries`, of the `fs.aio-max-nr` of the machine,
    /// or fewer if there are no more; without any, [`new`](crate::backends::Backend::new) says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    ///
    /// use sendio::backends::Aio;
    /// use sendio::prelude::*;
    ///
    /// let ctx = sendio::IoContextBuilder::<Aio>::new().build()?;
    /// let io = ctx.scheduler();
    /// let (left, right) = UnixStream::pair()?;
    /// let both = when_all((io.recv_exact(&left, [0; 5]), io.send_all(&right, "hello")));
    /// let (bytes, _) = ctx.block_on(both)?.unwrap();
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    Aio, AioContext, Entry
}
