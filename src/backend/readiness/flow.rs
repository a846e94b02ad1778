//! Moves requests between trying, waiting, threads, the source, and the list of what is done.
//!
//! Functions that take `core` require that of a request in flight, which is this backend's.
//!
//! # Safety
//! - INV-READY-3: each function says in which list its slot is, and leaves it in the one of its state.
//! - INV-READY-4: a job that came from the inbox, or was taken back, is the loop's again.

#![expect(unsafe_code, reason = "moves intrusive slots between lists")]

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::Readiness;
use super::attempt::{Attempt, attempt, queue_of};
use super::blocking::carry_out;
use super::calls::code_of;
use super::entries::{Entry, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, Way};
use super::message::{check_socket, polls_first, received};
use super::pool;
use super::slot::{ReadySlot, SlotCore, State};
use super::source::Source;
use crate::backend::request::Request;
use crate::backend::slot::CompletionSlot;
use crate::util::list::List;

/// How often in a row a descriptor may be ready in vain before the clock looks at it,
const VAIN_MAX: u8 = 8;
/// if that was within this time.
const VAIN_TIME: Duration = Duration::from_millis(20);

impl<S: Source> Readiness<S> {
    /// Begins what the source has not taken: behind what waits already, or with a try.
    ///
    /// # Safety
    ///
    /// - `slot` was just submitted with `request`.
    #[inline(never)]
    pub(super) unsafe fn start(
        &self,
        slot: NonNull<CompletionSlot<ReadySlot<S::Part>>>,
        request: Request,
    ) {
        // SAFETY: just submitted (contract), so it is ours, and in no list.
        unsafe {
            let core = ReadySlot::begin(slot, request, &raw const *self.home);
            let Some((fd, way)) = queue_of(&request) else {
                self.go_on(core, attempt(core));
                if let Request::Close { fd } = request {
                    self.closed(fd);
                }
                return;
            };
            let waiting = self
                .entries
                .find(fd)
                .and_then(|place| self.entries.at(place));
            if waiting.is_some_and(|entry| !entry.way(way).is_empty()) {
                self.wait(core, fd, way);
            } else if polls_first(&request) {
                self.wait_first(core, fd, way);
            } else if received(&request).is_some() {
                self.receive(core, fd, way);
            } else {
                self.go_on(core, attempt(core));
            }
        }
    }

    /// Waits before the first try. What is no socket says so now, and not when it is ready.
    ///
    /// # Safety
    ///
    /// - `core` is in no list, and nothing else waits for its descriptor in this way.
    unsafe fn wait_first(&self, core: NonNull<SlotCore>, fd: i32, way: Way) {
        // SAFETY: as the contract says; `wait` puts it into a list, unless it has ended.
        unsafe {
            if !self.entries.has_number(fd)
                && let Err(error) = check_socket(fd)
            {
                return self.finish(core, code_of(&error));
            }
            self.wait(core, fd, way);
            if (*core.as_ptr()).state.get() != State::Waiting || self.entries.is_socket(fd) {
                return;
            }
            match check_socket(fd) {
                Ok(()) => self.entries.set_socket(fd),
                Err(error) => {
                    self.leave(core);
                    self.finish(core, code_of(&error));
                }
            }
        }
    }

    /// Begins a receive. After one that took all there was, the next one usually finds nothing: then it
    /// waits without a try, if the number is still that of the same socket.
    ///
    /// # Safety
    ///
    /// - `core` is in no list, and nothing else waits for its descriptor in this way.
    unsafe fn receive(&self, core: NonNull<SlotCore>, fd: i32, way: Way) {
        // SAFETY: as the contract says; `wait` puts it into a list, from which `serve` takes it.
        unsafe {
            if self.entries.guess_empty(fd) {
                let same = self.wait(core, fd, way);
                let place = (*core.as_ptr()).place.get();
                if !same
                    && (*core.as_ptr()).state.get() == State::Waiting
                    && let Some(entry) = self.entries.at(place)
                    && self.try_in_order(entry, way)
                    && entry.fd.get() == fd
                    && entry.is_empty()
                {
                    self.release(place, entry);
                }
                return;
            }
            let tried = attempt(core);
            self.learn(core, tried);
            self.entries.tried(fd, !matches!(tried, Attempt::Wait(..)));
            self.go_on(core, tried);
        }
    }

    /// Notes whether a receive took all there was.
    ///
    /// # Safety
    ///
    /// - `core` is that of a request in flight.
    unsafe fn learn(&self, core: NonNull<SlotCore>, tried: Attempt) {
        // SAFETY: alive, and ours.
        let request = unsafe { &(*core.as_ptr()).request };
        if let (Some((fd, len)), Attempt::Done(count)) = (received(request), tried) {
            let all = u32::try_from(count).is_ok_and(|count| 0 < count && count < len);
            self.entries.took(fd, all);
        }
    }

    /// A number was closed. If anything still waits for it, which nothing safe does, it would wait for
    /// ever.
    fn closed(&self, fd: i32) {
        if let Some(place) = self.entries.find(fd) {
            self.fail(place, libc::EBADF);
        }
    }

    /// Goes on after a try.
    ///
    /// # Safety
    ///
    /// - `core` is in no list.
    pub(super) unsafe fn go_on(&self, core: NonNull<SlotCore>, tried: Attempt) {
        // SAFETY: as the contract says.
        unsafe {
            match tried {
                Attempt::Done(result) => self.finish(core, result),
                Attempt::Wait(fd, way) => {
                    self.wait(core, fd, way);
                }
                Attempt::Watch(fd) => self.wait_for_events(core, fd),
                Attempt::Pool => self.give_to_thread(core),
                Attempt::Later => self.try_again_later(core),
            }
        }
    }

    /// It is over.
    ///
    /// # Safety
    ///
    /// - `core` is in no list.
    pub(super) unsafe fn finish(&self, core: NonNull<SlotCore>, result: i32) {
        // SAFETY: in no list (contract), and in place until it is completed.
        unsafe {
            (*core.as_ptr()).result.set(result);
            (*core.as_ptr()).state.set(State::Done);
            self.done.push_back(SlotCore::links(core));
        }
    }

    // ---- waiting for readiness -------------------------------------------------------------

    /// Waits behind others. Returns whether the descriptor is known to be the file that was waited for
    /// last.
    ///
    /// # Safety
    ///
    /// - `core` is in no list.
    unsafe fn wait(&self, core: NonNull<SlotCore>, fd: i32, way: Way) -> bool {
        // SAFETY: as the contract says.
        unsafe { self.enlist(core, fd, |entry| entry.way(way)) }
    }

    /// Waits for the events of its own.
    ///
    /// # Safety
    ///
    /// - `core` is in no list, and has a request to poll.
    unsafe fn wait_for_events(&self, core: NonNull<SlotCore>, fd: i32) {
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

    /// Something was reported of a descriptor.
    pub(super) fn look_at(&self, place: u32, events: u32) {
        match self.entries.at(place).map(|entry| entry.failed.replace(0)) {
            Some(0) => self.serve(place, events),
            Some(code) => self.fail(place, code),
            None => {}
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
    fn try_in_order(&self, entry: &Entry<S::Watch>, way: Way) -> bool {
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
    unsafe fn leave(&self, core: NonNull<SlotCore>) {
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

    fn release(&self, place: u32, entry: &Entry<S::Watch>) {
        if entry.armed.replace(0) != 0 {
            let key = self.entries.key(place);
            self.source.unwatch(&entry.watch, key, entry.fd.get());
        }
        self.entries.release(place);
    }

    // ---- threads ---------------------------------------------------------------------------

    /// # Safety
    ///
    /// - `core` is in no list.
    unsafe fn give_to_thread(&self, core: NonNull<SlotCore>) {
        // SAFETY: in no list (contract); it is taken out of the inbox, or back, before this backend ends.
        //         If the pool did not take it, it is still ours.
        unsafe {
            (*core.as_ptr()).state.set(State::Pooled);
            if pool::submit(core) {
                self.jobs.set(self.jobs.get() + 1);
            } else {
                carry_out(core);
                self.finish(core, (*core.as_ptr()).result.get());
            }
        }
    }

    /// Takes the jobs that are done.
    #[inline]
    pub(super) fn take_jobs(&self) {
        if self.jobs.get() == 0 || self.home.inbox.is_empty() {
            return;
        }
        let jobs = self.home.inbox.take_all();
        while let Some(node) = jobs.pop_front() {
            self.jobs.set(self.jobs.get() - 1);
            // SAFETY: only jobs of this backend come here, which are ours again (INV-READY-4).
            unsafe {
                let core = SlotCore::of_node(node);
                self.finish(core, (*core.as_ptr()).result.get());
            }
        }
    }

    // ---- cancelling ------------------------------------------------------------------------

    /// Ends early, if that can be.
    ///
    /// # Safety
    ///
    /// - `core` is that of a request in flight.
    pub(super) unsafe fn stop(&self, core: NonNull<SlotCore>) {
        // SAFETY: alive; `state` is the loop's always, and says in which list it is.
        unsafe {
            match (*core.as_ptr()).state.get() {
                State::Waiting => {
                    self.leave(core);
                    self.finish_stopped(core);
                }
                State::Retrying => {
                    List::remove(SlotCore::links(core));
                    self.finish_stopped(core);
                }
                State::Pooled => {
                    if pool::take_back(core) {
                        self.jobs.set(self.jobs.get() - 1);
                        self.finish_stopped(core);
                    }
                }
                State::Taken => {
                    if self.source.cancel(core.cast()) {
                        self.taken.set(self.taken.get() - 1);
                        self.finish_stopped(core);
                    }
                }
                State::Trying | State::Done => {}
            }
        }
    }

    /// It ends early: with what it has transferred, if that is anything.
    ///
    /// # Safety
    ///
    /// - `core` is in no list.
    unsafe fn finish_stopped(&self, core: NonNull<SlotCore>) {
        // SAFETY: alive, and ours; in no list (contract).
        unsafe {
            let result = match (*core.as_ptr()).progress.get() {
                0 => -libc::ECANCELED,
                done => i32::try_from(done).unwrap_or(i32::MAX),
            };
            self.finish(core, result);
        }
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
        Request::Poll { events, .. } => super::calls::answers(events),
        _ => 0,
    }
}
