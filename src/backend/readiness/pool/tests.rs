//! Tests of the pool alone: jobs without a loop.

#![expect(unsafe_code, reason = "plays the loop")]

use std::time::{Duration, Instant};

use super::*;
use crate::backend::event::EventFd;
use crate::backend::readiness::slot::ReadySlot;
use crate::backend::request::Request;
use crate::backend::slot::{Completion, CompletionSlot, SlotHeader, SlotTable};

type Slot = CompletionSlot<ReadySlot<()>>;

/// # Safety
///
/// - None.
unsafe fn never(_: NonNull<SlotHeader>) {
    panic!("nobody completes these");
}

/// # Safety
///
/// - None.
unsafe fn never_again(_: NonNull<SlotHeader>) -> Request {
    panic!("nobody asks again");
}

/// # Safety
///
/// - None.
unsafe fn never_completed(_: NonNull<SlotHeader>, _: Completion) {
    panic!("nobody completes these");
}

static TABLE: SlotTable = SlotTable {
    complete: never_completed,
    request: never_again,
    started: never,
    cancel: never,
};

/// A loop with jobs that are requests the threads do not know: each ends with `EOPNOTSUPP`.
struct Loop {
    home: Box<Home>,
    event: EventFd,
    slots: Box<[Slot]>,
    cores: Vec<NonNull<SlotCore>>,
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.home.await_visitors();
    }
}

impl Loop {
    fn new(jobs: usize) -> Self {
        let event = EventFd::new().expect("an eventfd");
        let home = Box::new(Home::new(event.waker()));
        let mut slots: Box<[Slot]> = (0..jobs).map(|_| Slot::new(&TABLE)).collect();
        let begin = |slot: &mut Slot| {
            // SAFETY: it stays in its box, and is used by this loop and the pool only.
            unsafe { ReadySlot::begin(NonNull::from(slot), Request::Nop, &raw const *home) }
        };
        let cores = slots.iter_mut().map(begin).collect();
        Self {
            home,
            event,
            slots,
            cores,
        }
    }

    /// Takes what has come back; how many.
    fn take(&self) -> usize {
        let mut count = 0;
        let jobs = self.home.inbox.take_all();
        while let Some(node) = jobs.pop_front() {
            // SAFETY: a job of this loop, which is its again.
            let result = unsafe { (*SlotCore::of_node(node).as_ptr()).result.get() };
            assert_eq!(result, -libc::EOPNOTSUPP);
            count += 1;
        }
        count
    }
}

#[test]
fn pool_gives_every_job_back_and_wakes_once_for_each_sleep() {
    let home = Loop::new(500);
    for core in &home.cores {
        // SAFETY: in no list, and in place until it has come back, below.
        let taken = unsafe { submit(*core) };
        assert!(taken, "threads can be made");
    }
    let (mut back, mut sleeps) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(15);
    while back < home.slots.len() {
        assert!(Instant::now() < deadline, "{back} came back");
        if home.home.inbox.prepare_sleep(true) {
            // Woken by the one who brings a job, and by nobody else.
            sleeps += 1;
            home.event.await_wakes(sleeps);
            assert!(home.home.inbox.end_sleep());
        }
        back += home.take();
    }
    assert_eq!(home.event.take(), 0, "no wake-up too many");
    assert!(lock().threads <= threads_max());
}

#[test]
fn pool_job_is_taken_back_or_comes_back() {
    let home = Loop::new(200);
    let mut left = 0;
    for core in &home.cores {
        // SAFETY: as above; a job that was taken back is in no list.
        unsafe {
            assert!(submit(*core), "threads can be made");
            left += usize::from(!take_back(*core));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(15);
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} are missing");
        left -= home.take();
        thread::yield_now();
    }
    for core in &home.cores {
        // SAFETY: all are this loop's again, and in place.
        assert!(!unsafe { (*core.as_ptr()).queued.get() });
    }
}
