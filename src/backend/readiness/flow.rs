//! Moves requests between trying, waiting, threads, the source, and the list of what is done. `waiting` has
//! what concerns descriptors.
//!
//! Functions that take `core` require that of a request in flight, which is this backend's.
//!
//! # Safety
//! - INV-READY-3: each function says in which list its slot is, and leaves it in the one of its state.
//! - INV-READY-4: a job that came from the inbox, or was taken back, is the loop's again.

#![expect(unsafe_code, reason = "moves intrusive slots between lists")]

use std::ptr::NonNull;

use super::Readiness;
use super::attempt::{Attempt, attempt, queue_of};
use super::blocking::carry_out;
use super::calls::code_of;
use super::entries::Way;
use super::message::{check_socket, polls_first, received};
use super::pool;
use super::slot::{ReadySlot, SlotCore, State};
use super::source::Source;
use crate::backend::request::Request;
use crate::backend::slot::CompletionSlot;
use crate::util::list::List;

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
    pub(super) unsafe fn learn(&self, core: NonNull<SlotCore>, tried: Attempt) {
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

    // ---- threads ---------------------------------------------------------------------------

    /// # Safety
    ///
    /// - `core` is in no list.
    pub(super) unsafe fn give_to_thread(&self, core: NonNull<SlotCore>) {
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
