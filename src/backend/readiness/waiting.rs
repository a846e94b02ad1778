//! Requests that wait until their descriptor is ready: how they begin to, and what happens when it is.
//!
//! Functions that take `core` require that of a request in flight, which is this backend's.
//!
//! # Safety
//! - INV-READY-3: what is in the lists of an entry is `Waiting`, and in place.

#![expect(unsafe_code, reason = "moves intrusive slots between lists")]

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::Readiness;
use super::attempt::{Attempt, attempt};
use super::calls::{answers, code_of};
use super::entries::{Entry, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, Way};
use super::slot::{SlotCore, State};
use super::source::Source;
use crate::backend::request::Request;
use crate::util::list::List;

/// How often in a row a descriptor may be ready in vain before the clock looks at it,
const VAIN_MAX: u8 = 8;
/// if that was within this time.
const VAIN_TIME: Duration = Duration::from_millis(20);

impl<S: Source> Readiness<S> {
    /// Waits behind others. Returns whether the descriptor is known to be the file that was waited for
    /// last.
    ///
    /// # Safety
    ///
    /// - `core` is in no list.
    pub(super) unsafe fn wait(&self, core: NonNull<SlotCore>, fd: i32, way: Way) -> bool {
        // SAFETY: as the contract says.
        unsafe { self.enlist(core, fd, |entry| entry.way(way)) }
    }

    /// Waits for the events of its own.
    ///
    /// # Safety
    ///
    /// - `core` is in no list, and has a request to poll.
    pub(super) unsafe fn wait_for_events(&self, core: NonNull<SlotCore>, fd: i32) {
        // SAFETY: as the contract says.
        unsafe { self.enlist(core, fd, |entry| &entry.polls) };
    }

    /// # Safety
    ///
    /// - `core` is in no list.
    unsafe fn enlist(
        &self,
        core: NonNull<SlotCore>,
        fd: i32,
        list: impl FnOnce(&Entry<S::Watch>) -> &List,
    ) -> bool {
        let made = self.entries.find_or_make(fd);
        let Some((place, entry)) = made.and_then(|place| Some((place, self.entries.at(place)?)))
        else {
            let code = if fd < 0 { libc::EBADF } else { libc::ENOMEM };
            // SAFETY: in no list (contract).
            unsafe { self.finish(core, -code) };
            return false;
        };
        // SAFETY: in no list (contract), and in place until it leaves this one.
        unsafe {
            (*core.as_ptr()).state.set(State::Waiting);
            (*core.as_ptr()).place.set(place);
            list(entry).push_back(SlotCore::links(core));
        }
        self.arm(place, entry)
    }

    /// Watches for what is waited for, if that is not so already. Returns whether the descriptor is known
    /// to be the file that was watched last.
    pub(super) fn arm(&self, place: u32, entry: &Entry<S::Watch>) -> bool {
        if entry.paused.get() {
            return false;
        }
        let (wanted, armed) = (wanted(entry), entry.armed.get());
        if wanted & !armed == 0 {
            return false;
        }
        let key = self.entries.key(place);
        let events = wanted | armed;
        match self.source.watch(&entry.watch, key, entry.fd.get(), events) {
            Ok(same) => {
                entry.armed.set(events);
                if !same {
                    self.entries.forget(entry.fd.get());
                }
                same
            }
            Err(error) => {
                self.fail(place, -code_of(&error));
                false
            }
        }
    }

    /// A descriptor cannot be watched: whatever waits for it ends, or is done in another way.
    pub(super) fn fail(&self, place: u32, code: i32) {
        let Some(entry) = self.entries.at(place) else {
            return;
        };
        // Taken out first: what is done with them may wait for the same number again.
        let lists = Way::ALL
            .map(|way| entry.way(way))
            .into_iter()
            .chain([&entry.polls]);
        let failed = List::new();
        // SAFETY: it stays here until it is empty.
        unsafe { failed.init() };
        for list in lists {
            while let Some(links) = list.pop_front() {
                // SAFETY: just taken out, and in place.
                unsafe { failed.push_back(links) };
            }
        }
        self.release(place, entry);
        while let Some(links) = failed.pop_front() {
            // SAFETY: just taken out, and ours.
            unsafe {
                let core = SlotCore::of_links(links);
                self.cannot_wait(core, code);
            }
        }
    }

    /// # Safety
    ///
    /// - `core` is in no list.
    unsafe fn cannot_wait(&self, core: NonNull<SlotCore>, code: i32) {
        // SAFETY: alive, and ours; in no list (contract).
        unsafe {
            match (*core.as_ptr()).request {
                _ if code != libc::EPERM => self.finish(core, -code),
                // Of a file everybody says that it is always ready, whatever the next call says.
                Request::Read { .. }
                | Request::Readv { .. }
                | Request::Write { .. }
                | Request::Writev { .. }
                | Request::Splice { .. } => self.give_to_thread(core),
                // As on a ring: there is nothing that would tell.
                Request::Poll { .. } => self.finish(core, -libc::EINVAL),
                _ => match attempt(core) {
                    Attempt::Wait(..) => self.finish(core, -code),
                    tried => self.go_on(core, tried),
                },
            }
        }
    }

    /// A descriptor is ready for `events`: what waits for it tries.
    pub(super) fn serve(&self, place: u32, events: u32) {
        let Some(entry) = self.entries.at(place) else {
            return;
        };
        let key = self.entries.key(place);
        let mut moved = self.answer_polls(entry, events);
        for way in Way::ALL {
            if events & (way.events() | POLLERR | POLLHUP) != 0 {
                moved |= self.try_in_order(entry, way);
            }
        }
        if self.entries.of_key(key).is_none() {
            // What was tried waits for the same number in another way, and could not.
        } else if entry.is_empty() {
            self.release(place, entry);
        } else if in_vain(entry, moved) {
            self.pause(place, entry);
        } else {
            self.arm(place, entry);
        }
    }

    /// Completes the polls that these events answer; whether there was one.
    fn answer_polls(&self, entry: &Entry<S::Watch>, events: u32) -> bool {
        let mut answered = false;
        let mut next = entry.polls.first();
        while let Some(links) = next {
            // SAFETY: in this list, so alive and ours; taken out before it is finished.
            unsafe {
                next = entry.polls.after(links);
                let core = SlotCore::of_links(links);
                let told = events & wanted_by(core);
                if told != 0 {
                    answered = true;
                    List::remove(links);
                    self.finish(core, told.cast_signed());
                }
            }
        }
        answered
    }

    /// Tries what waits in one way until one would block; whether one would not.
    pub(super) fn try_in_order(&self, entry: &Entry<S::Watch>, way: Way) -> bool {
        let mut moved = false;
        while let Some(links) = entry.way(way).first() {
            // SAFETY: in this list, so alive and ours; taken out before it goes on.
            unsafe {
                let core = SlotCore::of_links(links);
                let tried = attempt(core);
                if tried == Attempt::Wait(entry.fd.get(), way) {
                    break;
                }
                self.learn(core, tried);
                List::remove(links);
                self.go_on(core, tried);
            }
            moved = true;
        }
        moved
    }

    /// Takes out what waits.
    ///
    /// # Safety
    ///
    /// - `core` is `Waiting`.
    pub(super) unsafe fn leave(&self, core: NonNull<SlotCore>) {
        // SAFETY: in a list of the entry at its place, as its state says.
        unsafe {
            List::remove(SlotCore::links(core));
            let place = (*core.as_ptr()).place.get();
            if let Some(entry) = self.entries.at(place)
                && entry.is_empty()
            {
                self.release(place, entry);
            }
        }
    }

    pub(super) fn release(&self, place: u32, entry: &Entry<S::Watch>) {
        if entry.armed.replace(0) != 0 {
            let key = self.entries.key(place);
            self.source.unwatch(&entry.watch, key, entry.fd.get());
        }
        self.entries.release(place);
    }
}

/// Notes whether anything came of it that a descriptor was ready; whether nothing did so often that it
/// would keep the loop busy.
fn in_vain<W>(entry: &Entry<W>, moved: bool) -> bool {
    let count = if moved { 0 } else { entry.vain.get() + 1 };
    entry.vain.set(count.min(VAIN_MAX));
    if count == 1 {
        entry.vain_since.set(Some(Instant::now()));
    }
    if count <= VAIN_MAX {
        return false;
    }
    // While the clock looks, the time counts from one look to the next.
    let since = entry.vain_since.replace(Some(Instant::now()));
    let busy = since.is_some_and(|since| since.elapsed() <= VAIN_TIME);
    if !busy {
        entry.vain.set(0);
    }
    busy
}

/// What all that waits for a descriptor asks about.
pub(super) fn wanted<W>(entry: &Entry<W>) -> u32 {
    let ways = [
        (Way::In, POLLIN),
        (Way::Out, POLLOUT),
        (Way::Urgent, POLLPRI),
    ];
    let mut events = 0;
    for (way, event) in ways {
        if !entry.way(way).is_empty() {
            events |= event;
        }
    }
    let mut next = entry.polls.first();
    while let Some(links) = next {
        // SAFETY: in this list, so alive and ours.
        unsafe {
            events |= wanted_by(SlotCore::of_links(links));
            next = entry.polls.after(links);
        }
    }
    // Told in any case; asked for, so that one who waits for nothing else is watched too.
    if events == 0 {
        POLLERR | POLLHUP
    } else {
        events
    }
}

/// What a poll may be answered with.
///
/// # Safety
///
/// - `core` is that of a request in flight.
unsafe fn wanted_by(core: NonNull<SlotCore>) -> u32 {
    // SAFETY: alive (contract).
    match unsafe { (*core.as_ptr()).request } {
        Request::Poll { events, .. } => answers(events),
        _ => 0,
    }
}
