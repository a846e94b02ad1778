//! stop source: registration, deregistration and requests against each other.
//! Method: explore the interleavings of two or three threads; the callback writes a checked cell
//! that the owner reads after deregistration, so a missing wait or ordering is a reported race.
//! Models with three threads stop at two preemptions; the others are exhaustive.

#![expect(
    unsafe_code,
    reason = "the models use the crate-internal, unsafe registration"
)]

use std::ptr::NonNull;

use ::loom::sync::Arc;
use ::loom::thread;

use crate::senders::stop::{LinkedSource, RawCallback, StopSource, deregister, register};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{ProtectedCell, yield_thread};

/// An operation that counts the runs of its callback in a cell without atomics.
#[repr(C)]
struct Op {
    node: RawCallback,
    runs: ProtectedCell<usize>,
    entered: AtomicBool,
}

impl Op {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            node: RawCallback::new(Self::count),
            runs: ProtectedCell::new(0),
            entered: AtomicBool::new(false),
        })
    }

    /// What a stop request runs.
    ///
    /// # Safety
    ///
    /// - `node` is the running node of a live `Op`.
    unsafe fn count(node: NonNull<RawCallback>) {
        // SAFETY: the node is the first field of an `Op` that a model keeps alive, and only the
        //         running callback uses `runs` until the deregistration.
        unsafe {
            let op = node.cast::<Self>().as_ref();
            op.entered.store(true, Ordering::Release);
            op.runs.set(op.runs.get() + 1);
        }
    }

    fn node(&self) -> NonNull<RawCallback> {
        NonNull::from(self).cast()
    }

    fn register(&self, source: &StopSource) {
        // SAFETY: each model keeps op and source alive until `deregister` returned.
        unsafe { register(source.token().erase(), self.node()) };
    }

    /// Deregisters and takes the cell back: nobody else touches it from here on.
    fn deregister(&self) -> usize {
        // SAFETY: the op is alive, and one thread of the model calls this.
        unsafe {
            deregister(self.node());
            let runs = self.runs.get();
            self.runs.set(runs);
            runs
        }
    }
}

fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn register_during_request_runs_callback_once() {
    ::loom::model(|| {
        let (source, op) = (Arc::new(StopSource::new()), Op::new());
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || assert!(source.request_stop())
        });
        op.register(&source);
        requester.join().expect("requester");
        assert_eq!(op.deregister(), 1);
    });
}

#[test]
fn deregister_during_request_waits_or_prevents() {
    ::loom::model(|| {
        let (source, op) = (Arc::new(StopSource::new()), Op::new());
        op.register(&source);
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let runs = op.deregister();
        assert!(runs <= 1);
        assert!(requester.join().expect("requester"));
        assert_eq!(op.deregister(), runs, "nothing runs after deregistration");
    });
}

#[test]
fn register_then_deregister_during_request_runs_at_most_once() {
    ::loom::model(|| {
        let (source, op) = (Arc::new(StopSource::new()), Op::new());
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        op.register(&source);
        let runs = op.deregister();
        assert!(runs <= 1);
        assert!(requester.join().expect("requester"));
        assert_eq!(op.deregister(), runs);
    });
}

#[test]
fn two_requests_run_callback_once() {
    bounded(|| {
        let (source, op) = (Arc::new(StopSource::new()), Op::new());
        op.register(&source);
        let request = |source: &Arc<StopSource>| {
            let source = Arc::clone(source);
            thread::spawn(move || source.request_stop())
        };
        let (one, two) = (request(&source), request(&source));
        let firsts = [one, two].map(|thread| thread.join().expect("requester"));
        assert_eq!(firsts.iter().filter(|first| **first).count(), 1);
        assert_eq!(op.deregister(), 1);
    });
}

#[test]
fn two_nodes_deregister_on_two_threads_leaves_empty_list() {
    ::loom::model(|| {
        let source = Arc::new(StopSource::new());
        let (left, right) = (Op::new(), Op::new());
        left.register(&source);
        right.register(&source);
        let leaver = thread::spawn({
            let left = Arc::clone(&left);
            move || left.deregister()
        });
        assert_eq!(right.deregister(), 0);
        assert_eq!(leaver.join().expect("leaver"), 0);
        assert!(source.request_stop());
        assert_eq!((left.deregister(), right.deregister()), (0, 0));
    });
}

#[test]
fn two_nodes_deregister_one_after_the_other_during_request() {
    ::loom::model(|| {
        let source = Arc::new(StopSource::new());
        let (left, right) = (Op::new(), Op::new());
        left.register(&source);
        right.register(&source);
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        let runs = (left.deregister(), right.deregister());
        assert!(runs.0 <= 1 && runs.1 <= 1);
        assert!(requester.join().expect("requester"));
        assert_eq!((left.deregister(), right.deregister()), runs);
    });
}

#[test]
fn deregister_during_callback_run_by_register_waits() {
    ::loom::model(|| {
        let (source, op) = (StopSource::new(), Op::new());
        source.request_stop();
        let owner = thread::spawn({
            let op = Arc::clone(&op);
            move || {
                // The callback leads to the deregistration, as a completion on another thread does.
                while !op.entered.load(Ordering::Acquire) {
                    yield_thread();
                }
                assert_eq!(op.deregister(), 1);
            }
        });
        op.register(&source);
        owner.join().expect("owner");
    });
}

/// An operation on the heap whose callback deregisters and frees it.
#[repr(C)]
struct Fleeting {
    node: RawCallback,
    freed: Arc<AtomicUsize>,
}

impl Fleeting {
    fn start(source: &StopSource, freed: &Arc<AtomicUsize>) {
        let op = Self {
            node: RawCallback::new(Self::free),
            freed: Arc::clone(freed),
        };
        let op = Box::into_raw(Box::new(op));
        let node = NonNull::new(op).expect("a box").cast();
        // SAFETY: the op lives until its callback frees it, after deregistration; each model
        //         requests a stop and keeps the source alive until then.
        unsafe { register(source.token().erase(), node) };
    }

    /// What a stop request runs.
    ///
    /// # Safety
    ///
    /// - `node` is the running node of a `Fleeting` that `start` made.
    unsafe fn free(node: NonNull<RawCallback>) {
        // SAFETY: the node is the first field of the box that `start` leaked, and it is
        //         deregistered before the box is freed.
        let op = unsafe {
            deregister(node);
            Box::from_raw(node.cast::<Self>().as_ptr())
        };
        op.freed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn callback_frees_its_operation_during_two_requests() {
    ::loom::model(|| {
        let source = Arc::new(StopSource::new());
        let freed = Arc::new(AtomicUsize::new(0));
        Fleeting::start(&source, &freed);
        let requester = thread::spawn({
            let source = Arc::clone(&source);
            move || source.request_stop()
        });
        Fleeting::start(&source, &freed);
        source.request_stop();
        requester.join().expect("requester");
        assert_eq!(freed.load(Ordering::Relaxed), 2);
    });
}

fn linked() -> (Arc<LinkedSource>, NonNull<LinkedSource>) {
    let linked = Arc::new(LinkedSource::new());
    let pointer = NonNull::from(&*linked);
    (linked, pointer)
}

#[test]
fn linked_source_link_then_unlink_during_upstream_request() {
    ::loom::model(|| {
        let upstream = Arc::new(StopSource::new());
        let (linked, pointer) = linked();
        let requester = thread::spawn({
            let upstream = Arc::clone(&upstream);
            move || upstream.request_stop()
        });
        // SAFETY: both sources live until the end of the model, and `unlink` comes first.
        unsafe {
            LinkedSource::link(pointer, upstream.token().erase());
            LinkedSource::unlink(pointer);
        }
        let stopped = linked.token().stop_requested();
        assert!(requester.join().expect("requester"));
        assert_eq!(
            linked.token().stop_requested(),
            stopped,
            "nothing comes after unlink"
        );
    });
}

#[test]
fn linked_source_own_request_during_upstream_request_runs_child_once() {
    bounded(|| {
        let upstream = Arc::new(StopSource::new());
        let (linked, pointer) = linked();
        let child = Op::new();
        // SAFETY: both sources live until the end of the model, after `unlink`; the child is
        //         deregistered below.
        unsafe {
            LinkedSource::link(pointer, upstream.token().erase());
            register(linked.token().erase(), child.node());
        }
        let requester = thread::spawn({
            let upstream = Arc::clone(&upstream);
            move || upstream.request_stop()
        });
        linked.request_stop();
        let runs = child.deregister();
        // SAFETY: as above.
        unsafe { LinkedSource::unlink(pointer) };
        // When the own request lost, the upstream one may be about to run the child.
        assert!(runs <= 1);
        assert!(linked.token().stop_requested());
        assert!(requester.join().expect("requester"));
        assert_eq!(child.deregister(), runs);
    });
}

/// An adaptor on the heap with one child, which completes and frees it when it is stopped.
#[repr(C)]
struct Adaptor {
    child: RawCallback,
    linked: LinkedSource,
    freed: Arc<AtomicUsize>,
}

impl Adaptor {
    fn start(upstream: &StopSource, freed: &Arc<AtomicUsize>) {
        let adaptor = Box::into_raw(Box::new(Self {
            child: RawCallback::new(Self::complete),
            linked: LinkedSource::new(),
            freed: Arc::clone(freed),
        }));
        // SAFETY: the adaptor lives until `complete`, which deregisters and unlinks first; the
        //         child is registered before the link, the last use of the adaptor here.
        unsafe {
            let token = (*adaptor).linked.token().erase();
            register(token, NonNull::new(adaptor).expect("a box").cast());
            let linked = NonNull::new(&raw mut (*adaptor).linked).expect("a field");
            LinkedSource::link(linked, upstream.token().erase());
        }
    }

    /// What a stop request runs.
    ///
    /// # Safety
    ///
    /// - `child` is the running child of an `Adaptor` that `start` made.
    unsafe fn complete(child: NonNull<RawCallback>) {
        let adaptor = child.cast::<Self>().as_ptr();
        // SAFETY: the child is the first field of the box that `start` leaked; no callback but
        //         this one was registered on its source.
        let adaptor = unsafe {
            deregister(child);
            LinkedSource::unlink(NonNull::new(&raw mut (*adaptor).linked).expect("a field"));
            Box::from_raw(adaptor)
        };
        adaptor.freed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn linked_source_freed_by_its_child_during_upstream_request() {
    ::loom::model(|| {
        let upstream = Arc::new(StopSource::new());
        let freed = Arc::new(AtomicUsize::new(0));
        let requester = thread::spawn({
            let upstream = Arc::clone(&upstream);
            move || upstream.request_stop()
        });
        Adaptor::start(&upstream, &freed);
        requester.join().expect("requester");
        assert_eq!(freed.load(Ordering::Relaxed), 1);
    });
}
