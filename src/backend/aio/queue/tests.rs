//! The queue against contexts of the kernel, with polls, which need no file.
//!
//! # Safety
//! INV-AIO-1: entries stay in their frames until their events were taken, or their context is gone; what is
//! refused or taken out is not used by anybody else.

#![expect(unsafe_code, reason = "hands entries to the kernel")]

use std::os::fd::{AsFd, AsRawFd};

use super::*;
use crate::backend::event::{EventFd, signal};

const POLLIN: u16 = 1;
const POLLOUT: u16 = 4;

/// A context, its queue, and what the kernel refused.
struct Rig {
    context: Context,
    queue: Box<Queue>,
    refused: Vec<(NonNull<Entry>, i32)>,
}

impl Rig {
    fn new(places: u32, places_of_queue: u32) -> Self {
        let queue = Box::new(Queue::new(places_of_queue));
        // SAFETY: it stays in its box.
        unsafe { queue.init() };
        Self {
            context: Context::new(places).expect("a context"),
            queue,
            refused: Vec::new(),
        }
    }

    fn push(&self, entries: &[Entry]) {
        for entry in entries {
            // SAFETY: the tests keep them, and do not move them, until they have taken the events.
            unsafe { self.queue.push(NonNull::from(entry)) };
        }
    }

    fn flush(&mut self) -> u64 {
        let before = self.context.calls();
        let refused = &mut self.refused;
        self.queue
            .flush(&self.context, |entry, code| refused.push((entry, code)));
        self.context.calls() - before
    }

    /// Takes all events of entries; their data.
    fn take(&self) -> Vec<u64> {
        let mut seen = Vec::new();
        self.context.drain(usize::MAX, |event| seen.push(event));
        seen.iter().for_each(|_| self.queue.returned());
        // Polls of one descriptor become ready in no particular order.
        let mut data: Vec<_> = seen.iter().map(|event| event.data).collect();
        data.sort_unstable();
        data
    }
}

fn polls(event: &EventFd, events: u16, count: u64) -> Vec<Entry> {
    let fd = event.as_fd().as_raw_fd();
    (0..count)
        .map(|data| Entry::new(Iocb::poll(fd, events, data)))
        .collect()
}

#[test]
fn flush_hands_all_over_in_one_call() {
    let event = EventFd::new().expect("an eventfd");
    let entries = polls(&event, POLLOUT, 30);
    let mut rig = Rig::new(32, 32);
    assert_eq!(rig.flush(), 0, "nothing waits");
    rig.push(&entries);
    assert!(rig.queue.has_work());
    assert_eq!(rig.flush(), 1);
    assert_eq!((rig.queue.at_kernel.get(), rig.queue.len.get()), (30, 0));
    assert_eq!(rig.take(), (0..30).collect::<Vec<_>>());
    assert_eq!(rig.queue.at_kernel.get(), 0);
    assert!(rig.refused.is_empty());
}

#[test]
fn flush_hands_back_what_is_refused_and_goes_on() {
    let event = EventFd::new().expect("an eventfd");
    let mut entries = polls(&event, POLLOUT, 5);
    entries[1] = Entry::new(Iocb::poll(-1, POLLOUT, 1));
    entries[2] = Entry::new(Iocb::poll(event.as_fd().as_raw_fd(), 0x8000, 2));
    let mut rig = Rig::new(8, 8);
    rig.push(&entries);
    // The first; the second is refused; the third and the rest, as POLL takes unknown bits.
    rig.flush();
    assert_eq!(rig.refused, [(NonNull::from(&entries[1]), -libc::EBADF)]);
    assert!(!rig.queue.has_work());
    let taken = rig.take();
    assert!(
        taken.starts_with(&[0]) && taken.ends_with(&[3, 4]),
        "{taken:?}"
    );
    // Nothing but a bad one.
    let bad = [Entry::new(Iocb::poll(-1, POLLIN, 9))];
    rig.push(&bad);
    assert_eq!(rig.flush(), 1);
    assert_eq!(rig.refused.len(), 2);
}

#[test]
fn remove_from_the_middle_keeps_the_order() {
    let event = EventFd::new().expect("an eventfd");
    let entries = polls(&event, POLLOUT, 10);
    let mut rig = Rig::new(8, 8);
    rig.push(&entries);
    for index in [2, 8, 0, 6] {
        // SAFETY: it was pushed, and its event was not taken.
        assert!(unsafe { rig.queue.remove(NonNull::from(&entries[index])) });
    }
    assert_eq!(rig.queue.count(), 6);
    rig.flush();
    let mut order = Vec::new();
    rig.context.drain(99, |event| order.push(event.data));
    assert_eq!(order, [1, 3, 4, 5, 7, 9], "as they were pushed");
}

#[test]
fn flush_into_a_full_context_keeps_the_rest_in_order() {
    let event = EventFd::new().expect("an eventfd");
    let entries = polls(&event, POLLIN, 20);
    let mut rig = Rig::new(9, 9);
    rig.push(&entries);
    assert_eq!(rig.flush(), 1);
    // One place is kept.
    assert_eq!((rig.queue.at_kernel.get(), rig.queue.count()), (8, 20));
    assert!(!rig.queue.has_work());
    assert_eq!(rig.flush(), 0, "there is no room, and no call");
    // SAFETY: both were pushed, and their events were not taken.
    unsafe {
        assert!(rig.queue.remove(NonNull::from(&entries[19])));
        assert!(
            !rig.queue.remove(NonNull::from(&entries[0])),
            "the kernel has it"
        );
    }
    signal(event.as_fd());
    assert_eq!(rig.take(), (0..8).collect::<Vec<_>>());
    rig.flush();
    assert_eq!(rig.take(), (8..16).collect::<Vec<_>>());
    rig.flush();
    assert_eq!(rig.take(), [16, 17, 18]);
    assert!(rig.queue.count() == 0 && rig.refused.is_empty());
}

#[test]
fn first_goes_before_all_and_waits_for_no_room() {
    let event = EventFd::new().expect("an eventfd");
    let entries = polls(&event, POLLIN, 20);
    let first = Entry::new(Iocb::poll(event.as_fd().as_raw_fd(), POLLOUT, 99));
    let mut rig = Rig::new(9, 9);
    for round in 0..2 {
        if round == 0 {
            rig.push(&entries);
        }
        // SAFETY: it stays in this frame until its event was taken.
        unsafe { rig.queue.push_first(NonNull::from(&first)) };
        assert!(rig.queue.has_work());
        assert_eq!(rig.flush(), 1, "in one call, and with the context full");
        assert_eq!(rig.queue.at_kernel.get(), 8);
        let mut seen = Vec::new();
        rig.context.drain(9, |event| seen.push(event.data));
        assert_eq!(seen, [99], "it is the only one that is ready");
    }
    signal(event.as_fd());
    while rig.queue.count() > 0 {
        rig.take();
        rig.flush();
    }
}

#[test]
fn flush_into_a_kernel_that_takes_fewer_loses_nothing() {
    let event = EventFd::new().expect("an eventfd");
    let entries = polls(&event, POLLIN, 3000);
    // The queue believes in more places than the context has.
    let mut rig = Rig::new(8, 4000);
    rig.push(&entries);
    rig.flush();
    let first = rig.queue.at_kernel.get();
    assert!((8..3000).contains(&first), "{first}");
    assert!(rig.queue.has_work() && rig.refused.is_empty());
    signal(event.as_fd());
    let mut taken = Vec::new();
    while taken.len() < 3000 {
        let more = rig.take();
        rig.flush();
        assert!(
            !more.is_empty() || rig.context.has_events(),
            "they are all ready"
        );
        taken.extend(more);
    }
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..3000), "each once");
}
