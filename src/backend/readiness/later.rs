//! What the clock tries again, because no readiness tells when.
//!
//! | What | How often |
//! | --- | --- |
//! | connecting to a Unix listener without room, sending to a Unix receiver without room | after 1, 2, 4, 8, 10, 10, .. ms |
//! | a descriptor that was ready in vain many times in a row | every 10 ms |
//!
//! # Safety
//! - INV-READY-3: what is in the list is `Retrying`, and in place.

#![expect(unsafe_code, reason = "a list of intrusive slots")]

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::Readiness;
use super::attempt::attempt;
use super::calls::{code_of, poll_now};
use super::entries::Entry;
use super::slot::{SlotCore, State};
use super::source::{Key, Source};
use super::waiting::wanted;
use crate::backend::Wait;
use crate::util::list::List;

/// The first pause, which doubles.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// What is tried again, and when.
pub(super) struct Later {
    slots: List,
    /// Descriptors that are looked at.
    paused: RefCell<Vec<Key>>,
    /// When the first of all is due; `None` if there is nothing.
    due: Cell<Option<Instant>>,
}

impl Later {
    pub(super) const fn new() -> Self {
        Self {
            slots: List::new(),
            paused: RefCell::new(Vec::new()),
            due: Cell::new(None),
        }
    }

    /// # Safety
    ///
    /// - It stays where it is.
    pub(super) unsafe fn init(&self) {
        // SAFETY: the contract is the same.
        unsafe { self.slots.init() };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.get().is_none()
    }

    /// Something is due after this long.
    fn after(&self, pause: Duration) {
        let at = Instant::now() + pause;
        let due = self.due.get().map_or(at, |due| due.min(at));
        self.due.set(Some(due));
    }

    /// A sleep that is over when something is due.
    pub(super) fn clamp(&self, wait: Wait) -> Wait {
        let Some(due) = self.due.get() else {
            return wait;
        };
        let left = due.saturating_duration_since(Instant::now());
        match wait {
            Wait::No => Wait::No,
            _ if left.is_zero() => Wait::No,
            Wait::Forever => Wait::For(left),
            Wait::For(time) => Wait::For(time.min(left)),
        }
    }

    /// Whether something is due; then nothing is any more, until [`after`](Self::after) says so.
    fn take_due(&self) -> bool {
        let due = self.due.get().is_some_and(|due| due <= Instant::now());
        if due {
            self.due.set(None);
        }
        due
    }
}

impl<S: Source> Readiness<S> {
    /// It is tried again by the clock.
    ///
    /// # Safety
    ///
    /// - `core` is that of a request in flight, in no list.
    pub(super) unsafe fn try_again_later(&self, core: NonNull<SlotCore>) {
        // SAFETY: alive, and ours; in no list (contract), and in place until it leaves this one.
        unsafe {
            let slot = &*core.as_ptr();
            let tries = slot.tries.get();
            slot.tries.set(tries.saturating_add(1));
            slot.state.set(State::Retrying);
            self.later.slots.push_back(SlotCore::links(core));
            let pause = PAUSE_MIN * 2_u32.pow(u32::from(tries.min(4)));
            self.later.after(pause.min(PAUSE_MAX));
        }
    }

    /// What waits for this descriptor is tried by the clock.
    pub(super) fn pause(&self, place: u32, entry: &Entry<S::Watch>) {
        if !entry.paused.replace(true) {
            self.later.paused.borrow_mut().push(self.entries.key(place));
            self.later.after(PAUSE_MAX);
        }
    }

    /// Tries what is due. All is tried when the first is: pauses are short.
    pub(super) fn try_later(&self) {
        if !self.later.take_due() {
            return;
        }
        for _ in 0..self.later.slots.count() {
            let Some(links) = self.later.slots.pop_front() else {
                break;
            };
            // SAFETY: just taken out, and ours.
            unsafe {
                let core = SlotCore::of_links(links);
                let tried = attempt(core);
                self.go_on(core, tried);
            }
        }
        let paused = std::mem::take(&mut *self.later.paused.borrow_mut());
        for key in paused {
            if let Some(entry) = self.entries.of_key(key) {
                entry.paused.set(false);
                match poll_now(entry.fd.get(), wanted(entry)) {
                    Ok(0) => {
                        entry.vain.set(0);
                        self.arm(key.place(), entry);
                    }
                    Ok(events) => self.serve(key.place(), events),
                    Err(error) => self.fail(key.place(), -code_of(&error)),
                }
            }
        }
    }
}
