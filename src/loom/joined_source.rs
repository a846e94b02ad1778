//! joined source: requests on both upstreams against each other and against the end of the links.
//! Method: as for the stop source. The child of the last model completes and frees everything when it
//! is stopped, so a frame that touches the source afterwards is a reported error.

#![expect(
    unsafe_code,
    reason = "the models use the crate-internal, unsafe registration"
)]

use std::ptr::NonNull;

use ::loom::sync::Arc;
use ::loom::thread;

use crate::senders::stop::{JoinedSource, RawCallback, StopSource, deregister, register};
use crate::sync::atomic::{AtomicUsize, Ordering};

fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

fn request(source: &Arc<StopSource>) -> thread::JoinHandle<bool> {
    let source = Arc::clone(source);
    thread::spawn(move || source.request_stop())
}

#[test]
fn joined_source_link_then_unlink_during_requests_on_both() {
    bounded(|| {
        let (one, two) = (Arc::new(StopSource::new()), Arc::new(StopSource::new()));
        let joined = Arc::new(JoinedSource::new());
        let pointer = NonNull::from(&*joined);
        let requesters = [request(&one), request(&two)];
        // SAFETY: all sources live until the end of the model, and `unlink` comes first.
        unsafe {
            JoinedSource::link(pointer, one.token().erase(), two.token().erase());
            JoinedSource::unlink(pointer);
        }
        let stopped = joined.token().stop_requested();
        for requester in requesters {
            assert!(requester.join().expect("requester"));
        }
        assert_eq!(
            joined.token().stop_requested(),
            stopped,
            "nothing comes after unlink"
        );
    });
}

/// An adaptor on the heap with one child, which completes and frees it when it is stopped.
#[repr(C)]
struct Adaptor {
    child: RawCallback,
    joined: JoinedSource,
    freed: Arc<AtomicUsize>,
}

impl Adaptor {
    fn start(one: &StopSource, two: &StopSource, freed: &Arc<AtomicUsize>) {
        let adaptor = Box::into_raw(Box::new(Self {
            child: RawCallback::new(Self::complete),
            joined: JoinedSource::new(),
            freed: Arc::clone(freed),
        }));
        // SAFETY: the adaptor lives until `complete`, which deregisters and unlinks first; the child
        //         is registered after the links, as the last use of the adaptor here.
        unsafe {
            let joined = NonNull::new(&raw mut (*adaptor).joined).expect("a field");
            JoinedSource::link(joined, one.token().erase(), two.token().erase());
            let token = (*adaptor).joined.token().erase();
            register(token, NonNull::new(adaptor).expect("a box").cast());
        }
    }

    /// What a stop request runs.
    ///
    /// # Safety
    ///
    /// - `child` is the running node of an `Adaptor` that `start` made.
    unsafe fn complete(child: NonNull<RawCallback>) {
        let adaptor = child.cast::<Self>().as_ptr();
        // SAFETY: the node is the first field of the box that `start` leaked; everything is
        //         deregistered before the box is freed.
        let adaptor = unsafe {
            deregister(child);
            JoinedSource::unlink(NonNull::new(&raw mut (*adaptor).joined).expect("a field"));
            Box::from_raw(adaptor)
        };
        adaptor.freed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn joined_source_freed_by_its_child_during_requests_on_both() {
    bounded(|| {
        let (one, two) = (Arc::new(StopSource::new()), Arc::new(StopSource::new()));
        let freed = Arc::new(AtomicUsize::new(0));
        Adaptor::start(&one, &two, &freed);
        let requesters = [request(&one), request(&two)];
        for requester in requesters {
            assert!(requester.join().expect("requester"));
        }
        assert_eq!(freed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn joined_source_started_during_a_request_is_freed_once() {
    ::loom::model(|| {
        let (one, two) = (Arc::new(StopSource::new()), Arc::new(StopSource::new()));
        let freed = Arc::new(AtomicUsize::new(0));
        let requester = request(&two);
        Adaptor::start(&one, &two, &freed);
        requester.join().expect("requester");
        assert_eq!(freed.load(Ordering::Relaxed), 1);
    });
}
