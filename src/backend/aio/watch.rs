//! A descriptor that something waits for, as a poll of the kernel: once, and again if asked.
//!
//! # States
//!
//! | entry | `ending` | `next` | |
//! |-------|----------|--------|-|
//! | out | no | no | nothing is watched |
//! | queued | no | no | is handed over in the next `enter`; may be changed or taken out |
//! | at the kernel | no | no | the kernel waits |
//! | at the kernel | yes | no | is not wanted any more; its event is ignored |
//! | at the kernel | yes | yes | something else is wanted; its event begins that |
//!
//! Without a place for a poll it is watched by an epoll set (`overflow`): `elsewhere`, with the entry out.
//!
//! A poll that the kernel has holds its file open, so one that is not wanted any more is cancelled. The
//! event comes nevertheless, and until then the iocb is the kernel's.
//!
//! # Safety
//! INV-AIO-1, INV-READY-2: the entry stays in place; it is written while the kernel does not have it.

#![expect(unsafe_code, reason = "entries are reached by their addresses")]

use std::cell::Cell;
use std::fmt;
use std::os::fd::RawFd;
use std::ptr::NonNull;

use super::context::Context;
use super::iocb::Iocb;
use super::queue::{At, Entry, Queue};
use crate::backend::readiness::source::Key;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: Key,
    pub(crate) fd: RawFd,
    pub(crate) events: u16,
}

impl Wanted {
    const NOTHING: Self = Self {
        key: Key::NONE,
        fd: -1,
        events: 0,
    };
}

/// What an event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is to be reported: this is ready for these events.
    Ready(Key, u32),
    /// It is to be reported: this cannot be watched.
    Failed(Key, i32),
    /// Nothing waits for it.
    Nothing,
}

/// The source's part of a descriptor that is waited for.
pub(crate) struct Watch {
    poll: Entry,
    /// What the poll is for, or was.
    current: Cell<Wanted>,
    next: Cell<Option<Wanted>>,
    ending: Cell<bool>,
    /// It is watched by the epoll set, and not by a poll.
    elsewhere: Cell<bool>,
    /// Something was reported under the current key.
    reported: Cell<bool>,
    /// It was looked at whether the descriptor is one that can be waited for, under the current key.
    checked: Cell<bool>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            poll: Entry::new(Iocb::poll(-1, 0, 0)),
            current: Cell::new(Wanted::NOTHING),
            next: Cell::new(None),
            ending: Cell::new(false),
            elsewhere: Cell::new(false),
            reported: Cell::new(false),
            checked: Cell::new(false),
        }
    }
}

impl Watch {
    /// Whether it is watched under this key by the epoll set.
    pub(crate) fn is_elsewhere(&self, key: Key) -> bool {
        self.elsewhere.get() && self.current.get().key == key
    }

    /// Whether something was reported under this key, and it is not known what the descriptor is.
    pub(crate) fn is_suspect(&self, key: Key) -> bool {
        self.current.get().key == key && self.reported.get() && !self.checked.get()
    }

    /// The descriptor is one that can be waited for.
    pub(crate) fn set_checked(&self) {
        self.checked.set(true);
    }

    /// What it is for from now on.
    fn set_current(&self, wanted: Wanted) {
        if self.current.replace(wanted).key != wanted.key {
            self.elsewhere.set(false);
            self.reported.set(false);
            self.checked.set(false);
        }
    }

    /// It is watched by the epoll set for this, from now on.
    pub(crate) fn set_elsewhere(&self, wanted: Wanted) {
        self.set_current(wanted);
        self.elsewhere.set(true);
    }

    /// Whether no poll of it is queued or at the kernel.
    pub(crate) fn is_idle(&self) -> bool {
        self.poll.at() == At::Out
    }

    /// Waits for this, in place of what was waited for.
    ///
    /// # Safety
    ///
    /// - `self` stays in place as long as the queue (INV-READY-2). `prepare` makes an iocb of it whose
    ///   event comes to [`event`](Self::event).
    #[inline]
    pub(crate) unsafe fn want(
        &self,
        wanted: Wanted,
        context: &Context,
        queue: &Queue,
        prepare: impl FnOnce(Wanted) -> Iocb,
    ) {
        match self.poll.at() {
            At::Out => {
                self.set_current(wanted);
                // SAFETY: not at the kernel, in no list, and in place until its event (contract).
                unsafe {
                    *self.poll.iocb_mut() = prepare(wanted);
                    queue.push(NonNull::from(&self.poll));
                }
            }
            At::Queued => {
                self.set_current(wanted);
                // SAFETY: the kernel does not have it.
                unsafe { *self.poll.iocb_mut() = prepare(wanted) };
            }
            At::AtKernel => {
                let current = self.current.get();
                let same = (current.key, current.fd) == (wanted.key, wanted.fd);
                if same && !self.ending.get() && current.events & wanted.events == wanted.events {
                    return;
                }
                self.next.set(Some(wanted));
                self.end(context);
            }
        }
    }

    /// Nothing is waited for any more.
    pub(crate) fn forget(&self, context: &Context, queue: &Queue) {
        match self.poll.at() {
            At::Out => {}
            // SAFETY: it is queued.
            At::Queued => unsafe { queue.remove(NonNull::from(&self.poll)) },
            At::AtKernel => {
                self.next.set(None);
                self.end(context);
            }
        }
    }

    fn end(&self, context: &Context) {
        if !self.ending.replace(true) {
            // SAFETY: it is at the kernel.
            unsafe { context.cancel(Entry::iocb(NonNull::from(&self.poll))) };
        }
    }

    /// The poll is out again, with this result: bits of `poll(2)`, or an error number, negated, or zero if
    /// it was cancelled. What it means, and what is to be waited for now.
    pub(crate) fn event(&self, result: i32) -> (Meaning, Option<Wanted>) {
        debug_assert!(self.is_idle(), "its event was taken");
        let Wanted { key, events, .. } = self.current.get();
        let ending = self.ending.replace(false);
        let next = self.next.take();
        if ending && next.is_none_or(|next| next.key != key || result <= 0) {
            return (Meaning::Nothing, next);
        }
        self.reported.set(true);
        let meaning = match result.cast_unsigned() {
            _ if result < 0 => Meaning::Failed(key, -result),
            // Nobody cancelled it: let it be tried.
            0 => Meaning::Ready(key, u32::from(events)),
            ready => Meaning::Ready(key, ready),
        };
        (meaning, None)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("current", &self.current.get())
            .field("at", &self.poll.at())
            .finish_non_exhaustive()
    }
}
