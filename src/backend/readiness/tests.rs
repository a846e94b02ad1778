//! Tests of the generic backend over a source that does what the test says.

#![expect(unsafe_code, reason = "plays the context and the kernel")]

use std::cell::RefCell;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};

use super::source::Taken;
use super::*;
use crate::backend::report::BackendKind;
use crate::backend::slot::{Completion, SlotHeader, SlotTable};

/// A source that takes syncs, and reports what it is told to.
#[derive(Default)]
struct Told {
    taken: RefCell<Vec<NonNull<ReadySlot<u32>>>>,
    watched: RefCell<Vec<(Key, RawFd, u32)>>,
    unwatched: RefCell<Vec<Key>>,
    ready: RefCell<Vec<(Key, u32)>>,
    /// The error of the next `watch`.
    refusal: Cell<i32>,
    entered: RefCell<Vec<Wait>>,
    gives_back: Cell<bool>,
}

// SAFETY: each slot that is taken is reported once by the next `enter`, or given back.
unsafe impl Source for Told {
    type Part = u32;
    type Watch = ();
    const KIND: BackendKind = BackendKind::Sim;

    fn new(_: &Options, _: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::default())
    }

    fn watch(&self, (): &(), key: Key, fd: RawFd, events: u32) -> io::Result<bool> {
        match self.refusal.take() {
            0 => self.watched.borrow_mut().push((key, fd, events)),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
        Ok(false)
    }

    fn unwatch(&self, (): &(), key: Key, _: RawFd) {
        self.unwatched.borrow_mut().push(key);
    }

    unsafe fn try_submit(&self, slot: NonNull<ReadySlot<u32>>, request: &Request) -> Taken {
        match request {
            Request::Fsync { .. } => {
                // SAFETY: in use, and the part is ours.
                unsafe { ReadySlot::part(slot).write(7) };
                self.taken.borrow_mut().push(slot);
                Taken::Yes
            }
            _ => Taken::No,
        }
    }

    unsafe fn cancel(&self, slot: NonNull<ReadySlot<u32>>) -> bool {
        if self.gives_back.get() {
            self.taken.borrow_mut().retain(|taken| *taken != slot);
        }
        self.gives_back.get()
    }

    fn enter(&self, wait: Wait, sink: &mut impl Sink<u32>) -> io::Result<()> {
        self.entered.borrow_mut().push(wait);
        for (key, events) in self.ready.take() {
            sink.ready(key, events);
        }
        for slot in self.taken.take() {
            // SAFETY: taken, and reported once.
            unsafe {
                assert_eq!(ReadySlot::part(slot).read(), 7);
                sink.finished(slot, 42);
            }
        }
        Ok(())
    }

    fn pollable(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [None, None]
    }

    fn calls(&self) -> u64 {
        self.entered.borrow().len() as u64
    }

    fn details(&self) -> String {
        "told".to_owned()
    }
}

thread_local! {
    static RESULTS: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
///
/// - None.
unsafe fn complete(_: NonNull<SlotHeader>, completion: Completion) {
    RESULTS.with_borrow_mut(|results| results.push(completion.result));
}

/// # Safety
///
/// - None.
unsafe fn never(_: NonNull<SlotHeader>) {
    panic!("there is always room");
}

/// # Safety
///
/// - None.
unsafe fn never_again(_: NonNull<SlotHeader>) -> Request {
    panic!("there is always room");
}

static TABLE: SlotTable = SlotTable {
    complete,
    request: never_again,
    started: never,
    cancel: never,
};

/// Slots that stay where they are until the end.
struct Play {
    backend: Box<Readiness<Told>>,
    slots: Vec<NonNull<CompletionSlot<ReadySlot<u32>>>>,
}

impl Play {
    fn new() -> Self {
        Self {
            backend: Readiness::new(&Options::default()).expect("a backend"),
            slots: Vec::new(),
        }
    }

    fn submit(&mut self, request: Request) -> NonNull<CompletionSlot<ReadySlot<u32>>> {
        let slot = NonNull::from(Box::leak(Box::new(CompletionSlot::new(&TABLE))));
        self.slots.push(slot);
        // SAFETY: new, and freed at the end; what the requests below name lives as long as their test.
        assert!(unsafe { self.backend.submit(slot, request) });
        slot
    }

    fn cancel(&self, slot: NonNull<CompletionSlot<ReadySlot<u32>>>) {
        // SAFETY: it was submitted, and has not completed.
        assert!(unsafe { self.backend.cancel(slot) });
    }

    /// What completes after another entry.
    fn enter(&self) -> Vec<i32> {
        self.backend.enter(Wait::No).expect("entered");
        self.reap()
    }

    fn reap(&self) -> Vec<i32> {
        self.backend.reap(usize::MAX);
        RESULTS.take()
    }

    fn told(&self) -> &Told {
        &self.backend.source
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        for slot in &self.slots {
            // SAFETY: leaked by `submit`, and completed by now.
            drop(unsafe { Box::from_raw(slot.as_ptr()) });
        }
    }
}

fn sync(fd: RawFd) -> Request {
    Request::Fsync {
        fd,
        data_only: false,
    }
}

#[test]
fn readiness_source_takes_and_gives_back() {
    let mut play = Play::new();
    play.submit(sync(5));
    assert!(play.backend.wants_enter() && play.reap().is_empty());
    assert_eq!(play.enter(), [42]);
    assert!(!play.backend.wants_enter());
    // A cancel that comes too late changes nothing; one that comes in time ends it at once.
    let late = play.submit(sync(5));
    play.cancel(late);
    assert!(play.reap().is_empty());
    assert_eq!(play.enter(), [42]);
    play.told().gives_back.set(true);
    let early = play.submit(sync(5));
    play.cancel(early);
    assert_eq!(play.reap(), [-libc::ECANCELED]);
    assert_eq!(play.enter(), []);
}

#[test]
fn readiness_report_is_for_its_key_only() {
    let mut play = Play::new();
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let mut byte = [0_u8; 1];
    let read = Request::Read {
        fd: reader.as_raw_fd(),
        buf: byte.as_mut_ptr(),
        len: 1,
        offset: crate::backend::request::CURRENT_POSITION,
    };
    let slot = play.submit(read);
    let (old, fd, events) = play.told().watched.borrow_mut().remove(0);
    assert_eq!((fd, events), (reader.as_raw_fd(), libc::POLLIN as u32));
    play.cancel(slot);
    assert_eq!(play.reap(), [-libc::ECANCELED]);
    assert_eq!(play.told().unwatched.take(), [old]);
    play.submit(read);
    let (new, ..) = play.told().watched.borrow_mut().remove(0);
    assert_ne!(old, new);
    writer.write_all(b"x").expect("write");
    play.told().ready.borrow_mut().push((old, 1));
    assert_eq!(play.enter(), [], "it is for nobody");
    // Ready in vain is watched again; ready for good completes.
    play.told().ready.borrow_mut().push((new, 1));
    assert_eq!(play.enter(), [1]);
    assert_eq!(byte, *b"x");
    assert_eq!(play.backend.entries.count(), 0);
    play.submit(read);
    let (key, ..) = play.told().watched.borrow_mut().remove(0);
    play.told().ready.borrow_mut().push((key, 1));
    assert_eq!(play.enter(), []);
    assert_eq!(play.told().watched.borrow_mut().remove(0).0, key);
    writer.write_all(b"y").expect("write");
    play.told().ready.borrow_mut().push((key, 1));
    assert_eq!(play.enter(), [1]);
}

#[test]
fn readiness_descriptor_that_cannot_be_watched_ends_what_waits() {
    let mut play = Play::new();
    let (reader, _writer) = io::pipe().expect("a pipe");
    let fd = reader.as_raw_fd();
    let poll = Request::Poll {
        fd,
        events: libc::POLLIN as u32,
    };
    let more = Request::Poll {
        fd,
        events: libc::POLLPRI as u32,
    };
    for (code, result) in [(libc::ENOMEM, -libc::ENOMEM), (libc::EPERM, -libc::EINVAL)] {
        play.submit(poll);
        assert_eq!(play.told().watched.take().len(), 1);
        play.told().refusal.set(code);
        // The second one waits for something else too, which has to be told.
        play.submit(more);
        assert_eq!(play.enter(), [result; 2]);
        assert_eq!(play.backend.entries.count(), 0);
    }
}

#[test]
fn readiness_enters_only_with_a_reason() {
    let mut play = Play::new();
    assert_eq!(play.enter(), []);
    assert!(
        play.told().entered.borrow().is_empty(),
        "nothing is waited for"
    );
    play.submit(Request::Nop);
    assert!(play.backend.is_ready());
    play.backend.enter(Wait::Forever).expect("entered");
    assert_eq!(play.reap(), [0], "it did not sleep");
    assert!(play.told().entered.borrow().is_empty());
    let report = play.backend.report().to_string();
    assert!(report.contains("told"), "{report}");
    assert_eq!(play.backend.counters().submitted, 1);
}
