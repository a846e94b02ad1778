//! Lets other threads schedule items on the loop: a stack of intrusive items, and a wake-up.
//!
//! # States
//!
//! ```text
//! head: EMPTY -> item -> item…   push (any thread)
//!       items -> EMPTY           take (loop)
//!       EMPTY -> ASLEEP          the loop, before it waits in the kernel
//!       ASLEEP -> item           push; that thread alone writes the eventfd
//! ```
//!
//! The loop spins for a bounded time before it sleeps: waking a thread costs far more.
//!
//! # Threads
//!
//! `push` from any thread, the rest from the loop. One release exchange publishes the item and one
//! acquire exchange takes it; the sleeping mark is a value of the same word, so there is no window
//! between looking and sleeping.
//!
//! # Safety
//!
//! INV: an item is pushed again, or freed, only after it has been run.
#![expect(unsafe_code, reason = "an intrusive stack is raw pointers")]

use std::cell::UnsafeCell;
use std::fs::File;
use std::hint;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use io_uring::{opcode, types};

use sendio_bench::ring::{self, Ring};

/// Looks at the inbox before the loop sleeps.
const SPINS: u32 = 5_000;

/// What is scheduled: running it counts up `ran`, which only the loop writes.
pub(crate) struct Item {
    next: UnsafeCell<*mut Self>,
    ran: *const AtomicU64,
}

impl Item {
    /// An item that counts up `ran`, which has to outlive it.
    pub(crate) fn new(ran: &AtomicU64) -> Self {
        Self {
            next: UnsafeCell::new(ptr::null_mut()),
            ran,
        }
    }
}

/// The loop's side that other threads see.
pub(crate) struct Inbox {
    head: AtomicPtr<Item>,
    wake: File,
}

const EMPTY: *mut Item = ptr::null_mut();
/// No item has this address: an item is aligned to eight bytes.
const ASLEEP: *mut Item = ptr::without_provenance_mut(1);

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor must be open and owned by nobody else: it was made just above.
        let wake = unsafe { File::from_raw_fd(fd) };
        Ok(Self {
            head: AtomicPtr::new(EMPTY),
            wake,
        })
    }

    /// Schedules an item.
    ///
    /// # Safety
    ///
    /// - `item` is valid and not scheduled, and stays valid until it has been run.
    #[inline]
    pub(crate) unsafe fn push(&self, item: *mut Item) -> io::Result<()> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = if head == ASLEEP { EMPTY } else { head };
            // SAFETY: an item that is not scheduled is this thread's alone (caller).
            unsafe { *(*item).next.get() = next };
            match self
                .head
                .compare_exchange_weak(head, item, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(changed) => head = changed,
            }
        }
        if head == ASLEEP {
            (&self.wake).write_all(&1_u64.to_ne_bytes())
        } else {
            Ok(())
        }
    }

    /// Takes all items, oldest first.
    #[inline]
    fn take(&self) -> *mut Item {
        if self.head.load(Ordering::Relaxed) == EMPTY {
            return EMPTY;
        }
        let mut newest = self.head.swap(EMPTY, Ordering::Acquire);
        let mut list = EMPTY;
        while newest != EMPTY {
            // SAFETY: a scheduled item is valid until it has run, and the loop's alone once it
            // was taken off the shared stack; the mark of sleep is never seen here (see `sleep`).
            unsafe {
                let next = (*newest).next.get().replace(list);
                list = newest;
                newest = next;
            }
        }
        list
    }

    /// Marks the loop as sleeping; false if there is an item to run instead.
    fn fall_asleep(&self) -> bool {
        self.head
            .compare_exchange(EMPTY, ASLEEP, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// The loop that runs what is scheduled.
pub(crate) struct Loop<'a> {
    inbox: &'a Inbox,
    ring: Ring<'a>,
    woken: Box<u64>,
    spins: u32,
}

impl<'a> Loop<'a> {
    /// A loop over `inbox` that spins before it sleeps, if `spin`.
    pub(crate) fn new(inbox: &'a Inbox, ring: Ring<'a>, spin: bool) -> Self {
        Self {
            inbox,
            ring,
            woken: Box::new(0),
            spins: if spin { SPINS } else { 0 },
        }
    }

    /// Runs items until `count` have been run.
    pub(crate) fn run(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let mut item = self.wait()?;
            while item != EMPTY {
                // SAFETY: the item is the loop's until it is counted as run, which is the last
                // touch; its counter outlives it, and has no other writer, so that a load and a
                // store make up an increment.
                unsafe {
                    let next = *(*item).next.get();
                    let ran = &*(*item).ran;
                    ran.store(ran.load(Ordering::Relaxed) + 1, Ordering::Release);
                    item = next;
                }
                left = left.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// The next items: looks, spins, and then sleeps.
    #[inline]
    fn wait(&mut self) -> io::Result<*mut Item> {
        loop {
            for _ in 0..=self.spins {
                let items = self.inbox.take();
                if items != EMPTY {
                    return Ok(items);
                }
                hint::spin_loop();
            }
            if self.inbox.fall_asleep() {
                self.sleep()?;
            }
        }
    }

    /// Waits in the kernel for the eventfd; it is written once, by whom the mark of sleep met.
    #[cold]
    fn sleep(&mut self) -> io::Result<()> {
        let fd = types::Fd(self.inbox.wake.as_raw_fd());
        let read = opcode::Read::new(fd, (&raw mut *self.woken).cast(), 8).build();
        // SAFETY: the buffer must stay valid and alone until the completion: it is boxed in
        // `self`, which waits for the completion below and does nothing else with it.
        unsafe { self.ring.push(&read) };
        loop {
            self.ring.turn(1)?;
            match self.ring.reap() {
                Some((_, 8)) => return Ok(()),
                Some((_, result)) => return Err(ring::failed(result.min(0))),
                None => {}
            }
        }
    }
}
