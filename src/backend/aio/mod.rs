//! The Linux AIO backend: the readiness backend, with this as its source.
//!
//! # Flow
//!
//! ```text
//! read, write at an offset, O_DIRECT ─┐                        ┌─> result
//! fsync, fdatasync ───────────────────┤                        │
//! a descriptor is waited for: POLL ───┼─> queue ─ io_submit ─> ring ─> readiness
//! the eventfd of wake-ups: POLL ──────┘    (one per turn)      └─> wake-up
//! ```
//!
//! Everything else is done as on every readiness backend: inline without blocking, or by a thread. A
//! file that is not `O_DIRECT` goes there too, because `io_submit` would carry out its reads and writes
//! before it returns. Of what is submitted, nothing blocks `io_submit` but what the file system does for
//! a direct write before it knows the blocks; see `docs/aio.md`.
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
//! A request that was not submitted is taken back. A direct transfer or a sync that the kernel has
//! cannot be cancelled (`io_cancel` answers `EINVAL`), and ends by itself. A poll can: its event comes
//! all the same, and its iocb is the kernel's until then (`watch`).
//!
//! # Bounds
//!
//! A context has places for `entries` requests; the others wait in a queue. Half of the places at most
//! are for polls, which may wait for ever; descriptors beyond that are watched by an epoll set, which is
//! polled itself (`overflow`).
//!
//! # Threads
//!
//! The thread that made the source, and no other. The context belongs to the process and survives the
//! thread; a child process after `fork` does not have it: there every request fails with `EINVAL`, and a
//! loop that sleeps aborts.
//!
//! # Safety
//! - INV-AIO-1: entries are in slots that were taken and not reported (INV-READY-1), in watches
//!   (INV-READY-2), or in the box of the source; all stay in place as long as the kernel has them.
//! - INV-AIO-3: the `data` of an iocb is the address of its slot or watch, exposed, with one of four
//!   tags in its lowest bits.
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
pub(crate) mod overflow;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod watch;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use self::context::Context;
use self::direct::{Direct, FileKind, kind_of};
use self::iocb::{Event, Iocb};
use self::overflow::Overflow;
use self::queue::{At, Entry, Queue};
use self::watch::{Meaning, Wanted, Watch};
use super::Wait;
use super::event;
use super::options::Options;
use super::readiness::readiness_backend;
use super::readiness::slot::ReadySlot;
use super::readiness::source::{Key, Sink, Source, Taken};
use super::report::BackendKind;
use super::request::{CURRENT_POSITION, Request};

/// What an iocb is of: the lowest bits of its `data`.
mod tag {
    /// A request that was taken.
    pub(super) const SLOT: usize = 0;
    /// A descriptor that is waited for.
    pub(super) const WATCH: usize = 1;
    /// The eventfd of wake-ups.
    pub(super) const WAKE: usize = 2;
    /// The epoll set of those for which there is no place.
    pub(super) const OVERFLOW: usize = 3;
    pub(super) const MASK: usize = 3;
}
const _: () =
    assert!(align_of::<ReadySlot<Entry>>() > tag::MASK && align_of::<Watch>() > tag::MASK);

/// `POLLIN` as an iocb wants it.
const POLLIN: u16 = 1;
const _: () = assert!(libc::POLLIN == 1);

/// How long one sleeps at most while the kernel has no room for what waits to be submitted, although
/// nothing is under way whose end would make room.
const SHORTAGE: Duration = Duration::from_millis(1);

/// The source of readiness, and of direct transfers, of [`Aio`](crate::backends::Aio).
pub(crate) struct AioContext {
    inner: Box<Inner>,
}

/// What stays in place.
struct Inner {
    context: Context,
    queue: Queue,
    direct: Direct,
    wake_poll: Entry,
    overflow_poll: Entry,
    overflow: OnceCell<Overflow>,
    /// Signalled by the kernel for each event.
    done: OwnedFd,
    /// Polls of watches that are at the kernel, or queued; and the most.
    polls: Cell<u32>,
    polls_max: u32,
    /// A poll without which the loop would not wake up was refused: the kernel's code.
    broken: Cell<Option<i32>>,
}

/// Where a request's position is given.
#[inline]
fn positional(request: &Request) -> Option<RawFd> {
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
            let data = unsafe { entry.as_ref().iocb_mut() }.data();
            self.dispatch(data, code, sink);
        });
        any
    }

    /// Takes the events that are there, and reports them; whether there were any.
    fn drain(&self, sink: &mut impl Sink<Entry>) -> bool {
        self.context
            .drain(usize::MAX, |event| self.event(event, sink))
            > 0
    }

    /// An event was taken.
    #[inline]
    fn event(&self, event: Event, sink: &mut impl Sink<Entry>) {
        // SAFETY: an event of an entry that was at the kernel, just taken.
        unsafe { self.queue.returned(&event) };
        self.dispatch(event.data, event.result(), sink);
    }

    /// An entry is out again, with this result.
    #[inline]
    fn dispatch(&self, data: u64, result: i32, sink: &mut impl Sink<Entry>) {
        let data = usize::try_from(data).unwrap_or(0);
        let address = std::ptr::with_exposed_provenance_mut::<()>(data & !tag::MASK);
        match data & tag::MASK {
            // SAFETY: the address of a slot whose request was taken and not reported
            //         (INV-AIO-3, INV-READY-1), and is not zero.
            tag::SLOT => unsafe {
                self.transferred(NonNull::new_unchecked(address.cast()), result, sink);
            },
            // SAFETY: the address of a watch (INV-AIO-3), which is in place (INV-READY-2).
            tag::WATCH => self.watched(unsafe { &*address.cast::<Watch>() }, result, sink),
            _ if data & tag::WAKE != 0 && result < 0 => self.broken.set(Some(-result)),
            tag::WAKE => {
                sink.woken();
                // The next `enter` submits it, when what made it readable was taken out.
                // SAFETY: out, and in place as long as the queue (INV-AIO-1).
                unsafe { self.queue.push(NonNull::from(&self.wake_poll)) };
            }
            _ => self.overflowed(sink),
        }
    }

    /// # Safety
    ///
    /// - The request in `slot` was taken, its entry is out, and it was not reported.
    #[inline]
    unsafe fn transferred(
        &self,
        slot: NonNull<ReadySlot<Entry>>,
        result: i32,
        sink: &mut impl Sink<Entry>,
    ) {
        let result = if matches!(-result, libc::EAGAIN | libc::EOPNOTSUPP) {
            // SAFETY: in use, and out (contract).
            match unsafe { self.again(ReadySlot::part(slot), result) } {
                Some(result) => result,
                None => return,
            }
        } else {
            result
        };
        // SAFETY: taken, and not reported; not used afterwards.
        unsafe { sink.finished(slot, result) };
    }

    /// A transfer was not done because it would have blocked: it is queued again without that condition
    /// if it is direct. Otherwise its result.
    ///
    /// # Safety
    ///
    /// - `entry` is that of a slot, and out.
    #[cold]
    unsafe fn again(&self, entry: NonNull<Entry>, result: i32) -> Option<i32> {
        // SAFETY: out (contract); not used after this function.
        let iocb = unsafe { entry.as_ref().iocb_mut() };
        if !iocb.is_nowait() {
            return Some(result);
        }
        match kind_of(iocb.fd()) {
            FileKind::DirectFile => {
                iocb.set_nowait(false);
                // SAFETY: out, and in place until it is reported (INV-READY-1).
                unsafe { self.queue.push(entry) };
                None
            }
            // The number was that of a direct file when we asked.
            FileKind::File => {
                self.direct.forget(iocb.fd());
                Some(-libc::EAGAIN)
            }
            FileKind::Other => {
                self.direct.forget(iocb.fd());
                Some(-libc::ESPIPE)
            }
        }
    }

    /// The poll of a watch is out again.
    fn watched(&self, watch: &Watch, result: i32, sink: &mut impl Sink<Entry>) {
        self.polls.set(self.polls.get() - 1);
        let (meaning, next) = watch.event(result);
        if let Some(next) = next {
            self.poll(watch, next);
        }
        match meaning {
            Meaning::Ready(key, events) => sink.ready(key, events),
            Meaning::Failed(key, code) => sink.failed(key, code),
            Meaning::Nothing => {}
        }
    }

    /// Queues a poll for this, or changes the one that there is.
    fn poll(&self, watch: &Watch, wanted: Wanted) {
        if watch.is_idle() {
            self.polls.set(self.polls.get() + 1);
        }
        let data = Self::data(std::ptr::from_ref(watch), tag::WATCH);
        // SAFETY: it stays in place as long as the source (INV-READY-2); its data leads to it.
        unsafe {
            watch.want(wanted, &self.context, &self.queue, |wanted| {
                self.signalling(Iocb::poll(wanted.fd, wanted.events, data))
            });
        }
    }

    /// The epoll set, which is made when it is needed.
    #[cold]
    fn overflow(&self) -> io::Result<&Overflow> {
        if let Some(overflow) = self.overflow.get() {
            return Ok(overflow);
        }
        let overflow = Overflow::new()?;
        let iocb = Iocb::poll(overflow.fd()?, POLLIN, tag::OVERFLOW as u64);
        // SAFETY: out, as nothing was made of it before, and in place as long as the queue (INV-AIO-1).
        unsafe {
            *self.overflow_poll.iocb_mut() = self.signalling(iocb);
            self.queue.push(NonNull::from(&self.overflow_poll));
        }
        Ok(self.overflow.get_or_init(|| overflow))
    }

    /// The epoll set has something.
    #[cold]
    fn overflowed(&self, sink: &mut impl Sink<Entry>) {
        if let Some(overflow) = self.overflow.get() {
            // A failure is none of a single descriptor, and the next poll finds what is left.
            let _ = overflow.take(sink);
            // SAFETY: out, and in place as long as the queue (INV-AIO-1).
            unsafe { self.queue.push(NonNull::from(&self.overflow_poll)) };
        }
    }

    /// What is in the iocb of something at this address.
    #[inline]
    fn data<T>(at: *const T, tag: usize) -> u64 {
        (at.expose_provenance() | tag) as u64
    }

    /// The iocb, whose event signals `done`.
    #[inline]
    fn signalling(&self, mut iocb: Iocb) -> Iocb {
        iocb.set_event_fd(self.done.as_raw_fd());
        iocb
    }

    /// How long to sleep, given how long is allowed.
    fn sleep_at_most(&self, wait: Wait) -> Option<Duration> {
        // What the kernel had no room for is handed over again, and without the poll of wake-ups nobody
        // may be able to end the sleep.
        let short = self.queue.has_work() || self.wake_poll.at() != At::AtKernel;
        match wait {
            Wait::No => Some(Duration::ZERO),
            Wait::For(time) if short => Some(time.min(SHORTAGE)),
            Wait::Forever if short => Some(SHORTAGE),
            Wait::For(time) => Some(time),
            Wait::Forever => None,
        }
    }
}

// SAFETY: an accepted iocb has one event, which is taken once; one that is refused has none, and its
//         error is reported instead. Neither happens but in `enter`. The entry, and so the slot, is not
//         used after the sink was told.
unsafe impl Source for AioContext {
    type Part = Entry;
    type Watch = Watch;
    const KIND: BackendKind = BackendKind::Aio;

    fn new(options: &Options, wake: BorrowedFd<'_>) -> io::Result<Self> {
        let context = Context::new(options.completion_entries.unwrap_or(options.entries))?;
        context.round_trip(wake.as_raw_fd())?;
        let queue = Queue::new(context.places());
        let done = event::eventfd()?;
        let mut wake_poll = Iocb::poll(wake.as_raw_fd(), POLLIN, tag::WAKE as u64);
        wake_poll.set_event_fd(done.as_raw_fd());
        let inner = Box::new(Inner {
            polls_max: std::env::var("AIO_POLLS").map_or(context.places() / 2, |t| t.parse().unwrap()),
            context,
            queue,
            direct: Direct::new(),
            wake_poll: Entry::new(wake_poll),
            overflow_poll: Entry::new(Iocb::poll(-1, 0, 0)),
            overflow: OnceCell::new(),
            done,
            polls: Cell::new(0),
            broken: Cell::new(None),
        });
        // SAFETY: both stay in the box.
        unsafe {
            inner.queue.init();
            inner.queue.push(NonNull::from(&inner.wake_poll));
        }
        Ok(Self { inner })
    }

    fn watch(&self, watch: &Watch, key: Key, fd: RawFd, events: u32) -> io::Result<bool> {
        let inner = &*self.inner;
        let wanted = Wanted {
            key,
            fd,
            events: u16::try_from(events).unwrap_or(u16::MAX),
        };
        // What was reported ready, and is waited for again, may be a file, which always is.
        if watch.is_suspect(key) {
            if kind_of(fd) != FileKind::Other {
                return Err(io::Error::from_raw_os_error(libc::EPERM));
            }
            watch.set_checked();
        }
        if watch.is_elsewhere(key) || (watch.is_idle() && inner.polls.get() >= inner.polls_max) {
            let known = inner.overflow()?.watch(key, fd, events)?;
            watch.set_elsewhere(wanted);
            return Ok(known);
        }
        inner.poll(watch, wanted);
        Ok(false)
    }

    fn unwatch(&self, watch: &Watch, _: Key, _: RawFd) {
        let inner = &*self.inner;
        let polled = !watch.is_idle();
        watch.forget(&inner.context, &inner.queue);
        if polled && watch.is_idle() {
            inner.polls.set(inner.polls.get() - 1);
        }
    }

    #[inline]
    unsafe fn try_submit(&self, slot: NonNull<ReadySlot<Entry>>, request: &Request) -> Taken {
        let inner = &*self.inner;
        let nowait = match positional(request) {
            Some(fd) if inner.direct.is_likely(fd) => true,
            None if matches!(request, Request::Fsync { .. }) => false,
            _ => return Taken::No,
        };
        let data = Inner::data(slot.as_ptr(), tag::SLOT);
        let Some(mut iocb) = Iocb::of_request(request, data) else {
            return Taken::No;
        };
        iocb.set_nowait(nowait);
        // SAFETY: the part is ours, and in place until the result is reported (contract, INV-AIO-1).
        unsafe {
            let entry = ReadySlot::part(slot);
            entry.write(Entry::new(inner.signalling(iocb)));
            inner.queue.push(entry);
        }
        Taken::Yes
    }

    unsafe fn cancel(&self, slot: NonNull<ReadySlot<Entry>>) -> bool {
        // SAFETY: taken and not reported (contract), so it is there.
        unsafe {
            let entry = ReadySlot::part(slot);
            let queued = entry.as_ref().at() == At::Queued;
            if queued {
                self.inner.queue.remove(entry);
            }
            queued
        }
    }

    fn enter(&self, wait: Wait, sink: &mut impl Sink<Entry>) -> io::Result<()> {
        let inner = &*self.inner;
        let refused = inner.flush(sink);
        if let Some(code) = inner.broken.get() {
            return Err(io::Error::from_raw_os_error(code));
        }
        if inner.drain(sink) || refused || wait == Wait::No {
            return Ok(());
        }
        let timeout = inner.sleep_at_most(wait);
        match inner
            .context
            .sleep(timeout, |event| inner.event(event, sink))
        {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    fn has_unsubmitted(&self) -> bool {
        self.inner.queue.has_work()
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.inner.context.has_events()
    }

    fn pollable(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.inner.done.as_fd())
    }

    fn quiet(&self) {
        let _ = event::take(self.inner.done.as_fd());
        // What came after the last look at the ring may have been signalled before this.
        if self.inner.context.has_events_now() {
            event::signal(self.inner.done.as_fd());
        }
    }

    fn calls(&self) -> u64 {
        self.inner.context.calls()
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
    /// to carry out; they are handed over in one system call per turn. Sockets, pipes and terminals are
    /// tried without blocking, and again when a poll of the kernel says so; what else blocks is done by a
    /// small set of threads of the process, buffered reads and writes of files too. `docs/aio.md` says
    /// what that costs, and what is different from io_uring.
    ///
    /// # Errors
    /// A context takes `completion_entries` places, or `entries`, of the `fs.aio-max-nr` of the machine, or
    /// fewer if there are no more; without any, [`new`](crate::backends::Backend::new) says so.
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
