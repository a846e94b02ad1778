//! What waits for descriptors: an entry for each descriptor that something waits for.
//!
//! An entry lives from the first operation that waits to the last one. Then its key is used up: what is
//! still reported of it is for nobody. So a descriptor that is closed, and whose number is used again,
//! while nothing waits for it, has left nothing behind but a guess of what costs less.
//!
//! # Bounds
//!
//! Entries are never given back to the allocator: as many stay as waited at the same time. The map from
//! numbers is as long as the highest number that was waited for.
//!
//! # Safety
//! - INV-READY-2: entries are in blocks that stay where they are as long as the table.

#![expect(unsafe_code, reason = "lists are made where they stay")]

use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::RawFd;
use std::time::Instant;

use super::source::Key;
use crate::util::list::List;

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Something to take.
    In,
    /// Room.
    Out,
    /// Urgent data.
    Urgent,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Urgent, Self::In, Self::Out];

    /// What the descriptor is asked about.
    pub(super) const fn events(self) -> u32 {
        match self {
            Self::In => POLLIN,
            Self::Out => POLLOUT,
            Self::Urgent => POLLPRI,
        }
    }
}

pub(super) const POLLIN: u32 = libc::POLLIN.unsigned_abs() as u32;
pub(super) const POLLPRI: u32 = libc::POLLPRI.unsigned_abs() as u32;
pub(super) const POLLOUT: u32 = libc::POLLOUT.unsigned_abs() as u32;
pub(super) const POLLERR: u32 = libc::POLLERR.unsigned_abs() as u32;
pub(super) const POLLHUP: u32 = libc::POLLHUP.unsigned_abs() as u32;

/// What waits for one descriptor.
pub(super) struct Entry<W> {
    generation: Cell<u32>,
    pub(super) fd: Cell<RawFd>,
    /// What the source watches for.
    pub(super) armed: Cell<u32>,
    /// What was reported, and not looked at.
    events: Cell<u32>,
    /// It is among those with something reported.
    reported: Cell<bool>,
    /// The next one there, or the next free one.
    next: Cell<u32>,
    /// How often in a row it was ready and nothing came of it.
    pub(super) vain: Cell<u8>,
    /// Since when.
    pub(super) vain_since: Cell<Option<Instant>>,
    /// It is looked at by the clock.
    pub(super) paused: Cell<bool>,
    ways: [List; 3],
    pub(super) polls: List,
    pub(super) watch: W,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Entry<()>>() <= 128, "docs/epoll.md says so");

impl<W: Default> Entry<W> {
    fn new() -> Self {
        Self {
            generation: Cell::new(0),
            fd: Cell::new(-1),
            armed: Cell::new(0),
            events: Cell::new(0),
            reported: Cell::new(false),
            next: Cell::new(NONE),
            vain: Cell::new(0),
            vain_since: Cell::new(None),
            paused: Cell::new(false),
            ways: [List::new(), List::new(), List::new()],
            polls: List::new(),
            watch: W::default(),
        }
    }
}

impl<W> Entry<W> {
    /// What waits in one way, first come, first served.
    pub(super) const fn way(&self, way: Way) -> &List {
        &self.ways[way as usize]
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.polls.is_empty() && self.ways.iter().all(List::is_empty)
    }
}

/// No place.
const NONE: u32 = u32::MAX;
/// Entries in the first block; each block is twice as long as the one before.
const FIRST_BLOCK: u32 = 64;
const BLOCKS: usize = 24;

/// How many receives in a row wait without a try once one has found nothing.
const GUESSES: u8 = 15;

/// What is known of a number.
#[derive(Clone, Copy)]
struct Number {
    place: u32,
    /// So many receives may wait without a try.
    guesses: u8,
    /// The last receive took all there was.
    drained: bool,
    /// It was found to be a socket.
    socket: bool,
}

impl Number {
    const UNKNOWN: Self = Self {
        place: NONE,
        guesses: 0,
        drained: false,
        socket: false,
    };
}

/// The entries, and which number has which.
pub(super) struct Entries<W> {
    blocks: [OnceCell<Box<[Entry<W>]>>; BLOCKS],
    /// Entries in the blocks.
    len: Cell<u32>,
    free: Cell<u32>,
    numbers: RefCell<Vec<Number>>,
    /// Entries in use.
    count: Cell<u32>,
    first_reported: Cell<u32>,
    last_reported: Cell<u32>,
}

impl<W: Default> Entries<W> {
    pub(super) fn new() -> Self {
        Self {
            blocks: [const { OnceCell::new() }; BLOCKS],
            len: Cell::new(0),
            free: Cell::new(NONE),
            numbers: RefCell::new(Vec::new()),
            count: Cell::new(0),
            first_reported: Cell::new(NONE),
            last_reported: Cell::new(NONE),
        }
    }

    /// How many descriptors are waited for.
    pub(super) fn count(&self) -> u32 {
        self.count.get()
    }

    /// The entry at a place.
    pub(super) fn at(&self, place: u32) -> Option<&Entry<W>> {
        let block = (place / FIRST_BLOCK + 1).checked_ilog2()?;
        let begin = ((1 << block) - 1) * FIRST_BLOCK;
        let entries = self.blocks.get(block as usize)?.get()?;
        entries.get((place - begin) as usize)
    }

    /// The key of the entry at a place.
    pub(super) fn key(&self, place: u32) -> Key {
        Key::new(
            place,
            self.at(place).map_or(0, |entry| entry.generation.get()),
        )
    }

    /// The entry that has this key now.
    pub(super) fn of_key(&self, key: Key) -> Option<&Entry<W>> {
        let entry = self.at(key.place())?;
        (entry.fd.get() >= 0 && self.key(key.place()) == key).then_some(entry)
    }

    /// The place of the entry of a descriptor that something waits for.
    pub(super) fn find(&self, fd: RawFd) -> Option<u32> {
        let index = usize::try_from(fd).ok()?;
        let place = self.numbers.borrow().get(index)?.place;
        (place != NONE).then_some(place)
    }

    /// Whether the map has a place for this number, so that it costs nothing to wait for it.
    pub(super) fn has_number(&self, fd: RawFd) -> bool {
        usize::try_from(fd).is_ok_and(|index| index < self.numbers.borrow().len())
    }

    /// The place of the entry of a descriptor, which is open, or was a moment ago; a new one if nothing
    /// waits for it yet. `None` if there are as many as there can be.
    pub(super) fn find_or_make(&self, fd: RawFd) -> Option<u32> {
        if let Some(place) = self.find(fd) {
            return Some(place);
        }
        let index = usize::try_from(fd).ok()?;
        if self.free.get() == NONE {
            self.grow()?;
        }
        let place = self.free.get();
        let entry = self.at(place)?;
        self.free.set(entry.next.get());
        entry.next.set(NONE);
        entry.generation.set(entry.generation.get().wrapping_add(1));
        entry.fd.set(fd);
        entry.armed.set(0);
        entry.vain.set(0);
        entry.paused.set(false);
        let mut numbers = self.numbers.borrow_mut();
        if numbers.len() <= index {
            numbers.resize(index + 1, Number::UNKNOWN);
        }
        numbers[index].place = place;
        self.count.set(self.count.get() + 1);
        Some(place)
    }

    /// Nothing waits for the descriptor of this entry any more.
    pub(super) fn release(&self, place: u32) {
        let Some(entry) = self.at(place) else { return };
        if let Ok(index) = usize::try_from(entry.fd.get())
            && let Some(number) = self.numbers.borrow_mut().get_mut(index)
        {
            number.place = NONE;
        }
        entry.fd.set(-1);
        self.count.set(self.count.get() - 1);
        // One that is still among those reported is put there when it is taken out.
        if !entry.reported.get() {
            self.put_back(place, entry);
        }
    }

    fn put_back(&self, place: u32, entry: &Entry<W>) {
        entry.next.set(self.free.get());
        self.free.set(place);
    }

    /// Another block of free entries.
    fn grow(&self) -> Option<()> {
        let begin = self.len.get();
        let block = (begin / FIRST_BLOCK + 1).checked_ilog2()?;
        let len = FIRST_BLOCK.checked_shl(block)?;
        let entries = self.blocks.get(block as usize)?.get_or_init(|| {
            let entries: Box<[Entry<W>]> = (0..len).map(|_| Entry::new()).collect();
            for entry in &entries {
                for list in entry.ways.iter().chain([&entry.polls]) {
                    // SAFETY: the block keeps its place as long as the table (INV-READY-2).
                    unsafe { list.init() };
                }
            }
            entries
        });
        let end = begin.checked_add(len)?;
        self.len.set(end);
        // The first one comes out first.
        for (place, entry) in (begin..end).rev().zip(entries.iter().rev()) {
            self.put_back(place, entry);
        }
        Some(())
    }

    /// Something was reported of the entry at a place, which is in use.
    pub(super) fn report(&self, place: u32, events: u32) {
        let Some(entry) = self.at(place) else { return };
        entry.events.set(entry.events.get() | events);
        if entry.reported.replace(true) {
            return;
        }
        entry.next.set(NONE);
        match self.at(self.last_reported.get()) {
            Some(last) => last.next.set(place),
            None => self.first_reported.set(place),
        }
        self.last_reported.set(place);
    }

    /// The first of those of which something was reported, and what, if something still waits.
    pub(super) fn take_reported(&self) -> Option<(u32, u32)> {
        while let Some(entry) = self.at(self.first_reported.get()) {
            let place = self.first_reported.replace(entry.next.get());
            if self.first_reported.get() == NONE {
                self.last_reported.set(NONE);
            }
            entry.reported.set(false);
            entry.next.set(NONE);
            let events = entry.events.replace(0);
            if entry.fd.get() >= 0 {
                return Some((place, events));
            }
            self.put_back(place, entry);
        }
        None
    }

    // ---- what costs less -------------------------------------------------------------------

    fn change(&self, fd: RawFd, change: impl FnOnce(&mut Number)) {
        if let Ok(index) = usize::try_from(fd)
            && let Some(number) = self.numbers.borrow_mut().get_mut(index)
        {
            change(number);
        }
    }

    /// The number may be that of another file.
    pub(super) fn forget(&self, fd: RawFd) {
        self.change(fd, |number| {
            *number = Number {
                place: number.place,
                ..Number::UNKNOWN
            };
        });
    }

    /// It is a socket.
    pub(super) fn set_socket(&self, fd: RawFd) {
        self.change(fd, |number| number.socket = true);
    }

    /// Whether it is known to be a socket.
    pub(super) fn is_socket(&self, fd: RawFd) -> bool {
        let mut socket = false;
        self.change(fd, |number| socket = number.socket);
        socket
    }

    /// A receive was tried at once, and found nothing, or something.
    pub(super) fn tried(&self, fd: RawFd, found: bool) {
        self.change(fd, |number| {
            number.guesses = if found { 0 } else { GUESSES }
        });
    }

    /// A receive took all there was, or there may be more.
    pub(super) fn took(&self, fd: RawFd, all: bool) {
        self.change(fd, |number| number.drained = all);
    }

    /// Whether a receive will probably find nothing.
    pub(super) fn guess_empty(&self, fd: RawFd) -> bool {
        let mut guess = false;
        self.change(fd, |number| {
            if number.drained && number.guesses > 0 {
                number.guesses -= 1;
                guess = true;
            }
        });
        guess
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_number_until_they_are_released() {
        let entries = Entries::<()>::new();
        let places: Vec<u32> = (0..1000)
            .map(|fd| entries.find_or_make(fd).expect("a place"))
            .collect();
        assert_eq!(entries.count(), 1000);
        for (fd, place) in (0..).zip(&places) {
            assert_eq!(entries.find(fd), Some(*place));
            assert_eq!(entries.find_or_make(fd), Some(*place));
            assert_eq!(entries.at(*place).expect("there").fd.get(), fd);
            assert!(entries.at(*place).expect("there").is_empty());
        }
        let mut distinct = places.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 1000);
        let key = entries.key(places[7]);
        assert!(entries.of_key(key).is_some());
        entries.release(places[7]);
        assert_eq!(entries.find(7), None);
        assert!(entries.of_key(key).is_none(), "it is used up");
        let again = entries.find_or_make(5000).expect("a place");
        assert_eq!(again, places[7], "a place is used again");
        assert!(entries.of_key(key).is_none(), "under another key");
        assert!(entries.of_key(entries.key(again)).is_some());
        assert_eq!(entries.find_or_make(-1), None);
        assert!(entries.at(u32::MAX).is_none());
    }

    #[test]
    fn entries_reports_come_out_in_order_and_not_for_the_released() {
        let entries = Entries::<()>::new();
        let [a, b, c] = [3, 4, 5].map(|fd| entries.find_or_make(fd).expect("a place"));
        entries.report(b, 1);
        entries.report(a, 4);
        entries.report(b, 8);
        entries.report(c, 1);
        entries.release(a);
        let d = entries.find_or_make(3).expect("a place");
        assert_ne!(d, a, "it is still among those reported");
        assert_eq!(entries.take_reported(), Some((b, 9)));
        entries.report(b, 2);
        assert_eq!(entries.take_reported(), Some((c, 1)));
        assert_eq!(entries.take_reported(), Some((b, 2)));
        assert_eq!(entries.take_reported(), None);
        assert_eq!(entries.find_or_make(9), Some(a), "free at last");
    }

    #[test]
    fn entries_guess_only_after_a_try_in_vain_and_not_for_ever() {
        let entries = Entries::<()>::new();
        entries.find_or_make(3).expect("a place");
        entries.took(3, true);
        assert!(!entries.guess_empty(3), "nothing was tried in vain");
        entries.tried(3, false);
        let guesses = (0..100).take_while(|_| entries.guess_empty(3)).count();
        assert_eq!(guesses, usize::from(GUESSES));
        entries.tried(3, false);
        entries.took(3, false);
        assert!(!entries.guess_empty(3), "there may be more");
        entries.took(3, true);
        entries.tried(3, true);
        assert!(!entries.guess_empty(3), "something was there");
        entries.tried(3, false);
        entries.set_socket(3);
        assert!(entries.is_socket(3) && !entries.is_socket(4));
        entries.forget(3);
        assert!(!entries.guess_empty(3) && !entries.is_socket(3));
        assert!(entries.find(3).is_some(), "it is still waited for");
        assert!(!entries.guess_empty(-1) && !entries.guess_empty(1000));
    }
}
