//! Contexts of the kernel: polls, which need no file, and direct reads.
//!
//! # Safety
//! INV-AIO-1: iocbs stay in their frames until their events were taken, or their context is gone.

#![expect(unsafe_code, reason = "hands iocbs to the kernel")]

use std::os::fd::{AsFd, AsRawFd};

use super::*;
use crate::backend::event::EventFd;

const POLLIN: u16 = 1;
const POLLOUT: u16 = 4;

fn submit(context: &Context, iocbs: &mut [Iocb]) -> io::Result<usize> {
    let addresses: Vec<_> = iocbs.iter_mut().map(ptr::from_mut).collect();
    // SAFETY: valid, and the tests keep them until they have taken the events.
    unsafe { context.submit(&addresses) }
}

fn taken(context: &Context, limit: usize) -> Vec<(u64, i32)> {
    let mut seen = Vec::new();
    let count = context.drain(limit, |event| seen.push((event.data, event.result())));
    assert_eq!(count, seen.len());
    seen
}

#[test]
fn poll_that_is_ready_is_there_at_once_by_either_way() {
    let event = EventFd::new().expect("an eventfd");
    let fd = event.as_fd().as_raw_fd();
    for with_ring in [true, false] {
        let mut context = Context::new(8).expect("a context");
        assert!(context.has_ring(), "this kernel has the ring that we know");
        if !with_ring {
            context.ring = None;
        }
        assert_eq!(taken(&context, 8), []);
        let mut iocbs = [1, 2, 3].map(|data| Iocb::poll(fd, POLLOUT, data));
        assert_eq!(submit(&context, &mut iocbs).expect("accepted"), 3);
        assert_eq!(context.has_events(), with_ring);
        assert_eq!(taken(&context, 2), [(1, 4), (2, 4)]);
        assert_eq!(taken(&context, 2), [(3, 4)]);
        assert!(!context.has_events());
    }
}

#[test]
fn sleep_ends_with_an_event_or_with_its_time() {
    let event = EventFd::new().expect("an eventfd");
    let context = Context::new(8).expect("a context");
    let none = context.sleep(Some(Duration::from_millis(1)), |_| {
        panic!("nothing is there")
    });
    assert_eq!(none.expect("no error"), 0);
    let mut iocbs = [Iocb::poll(event.as_fd().as_raw_fd(), POLLIN, 7)];
    assert_eq!(submit(&context, &mut iocbs).expect("accepted"), 1);
    let other = std::thread::spawn({
        let waker = event.waker();
        move || crate::backend::Wake::wake(&waker)
    });
    let mut seen = Vec::new();
    let count = context.sleep(None, |event| seen.push((event.data, event.result)));
    assert_eq!((count.expect("no error"), seen), (1, vec![(7, 1)]));
    other.join().expect("no panic");
    assert!(!context.has_events(), "it was taken in the call");
}

#[test]
fn submit_stops_at_the_first_that_is_refused() {
    let event = EventFd::new().expect("an eventfd");
    let fd = event.as_fd().as_raw_fd();
    let context = Context::new(8).expect("a context");
    let mut iocbs = [fd, -1, fd].map(|fd| Iocb::poll(fd, POLLOUT, 1));
    assert_eq!(submit(&context, &mut iocbs).expect("the first"), 1);
    let error = submit(&context, &mut iocbs[1..]).expect_err("a bad descriptor");
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    assert_eq!(taken(&context, 8).len(), 1);
}

#[test]
fn misaligned_direct_read_is_invalid() {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).expect("a file");
    std::fs::write(file.path(), [7; 8192]).expect("written");
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), libc::O_DIRECT);
    let file = options.open(file.path()).expect("O_DIRECT");
    let mut buf = vec![0_u8; 8192];
    let context = Context::new(8).expect("a context");
    for (len, offset) in [(100, 0), (512, 3)] {
        let request = crate::backend::request::Request::Read {
            fd: file.as_raw_fd(),
            buf: buf.as_mut_ptr(),
            len,
            offset,
        };
        let mut iocbs = [Iocb::of_request(&request, 1).expect("a read")];
        assert_eq!(submit(&context, &mut iocbs).expect("accepted"), 1);
        assert_eq!(
            taken(&context, 8),
            [(1, -libc::EINVAL)],
            "{len} at {offset}"
        );
    }
}

#[test]
fn places_are_at_least_a_few_and_at_most_the_machines() {
    assert_eq!(Context::new(0).expect("a context").places(), PLACES_MIN);
    let contexts: Vec<_> = (0..20).map(|_| Context::new(64)).collect();
    for context in contexts {
        assert_eq!(context.expect("a context").places(), 64);
    }
}

/// Takes all places of the machine for a moment: `.config/nextest.toml` lets it run alone.
#[test]
fn places_of_the_machine_run_out_with_a_message() {
    let mut contexts = Vec::new();
    let error = loop {
        match Context::new(u32::MAX) {
            Ok(context) => contexts.push(context),
            Err(error) => break error,
        }
        assert!(contexts.len() < 1000, "each takes half of what is left");
    };
    assert!(contexts[0].places() > PLACES_MIN);
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let text = error.to_string();
    assert!(text.contains("fs.aio-max-nr = "), "{text}");
    drop(contexts);
    Context::new(8).expect("there is room again");
}
