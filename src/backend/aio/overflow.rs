//! The descriptors that are waited for beyond the places that polls may have: an epoll set, which takes
//! one place.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use super::queue::Entry;
use crate::backend::Wait;
use crate::backend::epoll::EpollSet;
use crate::backend::event;
use crate::backend::options::Options;
use crate::backend::readiness::slot::ReadySlot;
use crate::backend::readiness::source::{Key, Sink, Source};

/// The set, as a source that has no wake-ups.
#[derive(Debug)]
pub(crate) struct Overflow {
    set: EpollSet,
    /// What it watches in place of an eventfd that somebody signals.
    _silent: OwnedFd,
}

impl Overflow {
    /// An empty set.
    pub(crate) fn new() -> io::Result<Self> {
        let silent = event::eventfd()?;
        Ok(Self {
            set: EpollSet::new(&Options::default(), silent.as_fd())?,
            _silent: silent,
        })
    }

    /// The descriptor that is readable when [`take`](Overflow::take) has something.
    pub(crate) fn fd(&self) -> io::Result<RawFd> {
        Ok(self.set.pollable()?.as_raw_fd())
    }

    /// As [`Source::watch`].
    pub(crate) fn watch(&self, key: Key, fd: RawFd, events: u32) -> io::Result<bool> {
        self.set.watch(&(), key, fd, events)
    }

    /// Reports what is ready, or a part.
    pub(crate) fn take(&self, sink: &mut impl Sink<Entry>) -> io::Result<()> {
        self.set.enter(Wait::No, &mut Through(sink))
    }
}

/// Reports of a set of which nothing is taken.
struct Through<'a, S>(&'a mut S);

impl<S: Sink<Entry>> Sink<()> for Through<'_, S> {
    fn ready(&mut self, key: Key, events: u32) {
        self.0.ready(key, events);
    }

    fn failed(&mut self, key: Key, code: i32) {
        self.0.failed(key, code);
    }

    unsafe fn finished(&mut self, _: NonNull<ReadySlot<()>>, _: i32) {}

    fn woken(&mut self) {}
}
