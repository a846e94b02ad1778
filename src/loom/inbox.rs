//! Models of `src/util/inbox.rs`: pushes, refusal and the sleep handshake in all interleavings.
//!
//! Method: nodes carry a cell that its pusher writes and the consumer reads, so that a missing
//! ordering is a reported race; the wake primitive counts with relaxed atomics, so that it adds as
//! little order of its own as it can; a consumer that is never woken is a reported deadlock.
//!
//! Three threads are explored with at most three preemptions, two without a bound.
#![expect(unsafe_code, reason = "the inbox's contract is the model's to keep")]

use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use crate::util::inbox::{Inbox, Refusal, Refused};
use crate::util::node::{LocalQueue, Node, Signal};

/// A node with a value, written by the pusher before the push.
#[repr(C)]
struct Sent {
    node: Node,
    value: UnsafeCell<usize>,
}

fn send(value: usize) -> NonNull<Node> {
    fn nothing(_: NonNull<Node>, _: Signal) {}
    let sent = Box::new(Sent {
        node: Node::new(nothing),
        value: UnsafeCell::new(0),
    });
    // SAFETY: nobody else has the cell yet.
    sent.value.with_mut(|cell| unsafe { *cell = value });
    NonNull::from(Box::leak(sent)).cast()
}

/// Takes the value out of a node that is in no queue, and frees the node.
fn open(node: NonNull<Node>) -> usize {
    // SAFETY: made by `send`, in no queue, and ours alone; not used after this line.
    let sent = unsafe { Box::from_raw(node.cast::<Sent>().as_ptr()) };
    // SAFETY: as above.
    sent.value.with(|cell| unsafe { *cell })
}

fn drain(queue: &LocalQueue) -> Vec<usize> {
    std::iter::from_fn(|| queue.pop_front()).map(open).collect()
}

/// The inbox and the wake primitive of a context.
struct Context {
    inbox: Inbox,
    notify: Notify,
    delivered: AtomicUsize,
}

impl Context {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::new(),
            notify: Notify::new(),
            delivered: AtomicUsize::new(0),
        })
    }

    fn wake(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.notify.notify();
    }

    fn push(&self, value: usize) {
        // SAFETY: a fresh node, which lives until the consumer opens it.
        if unsafe { self.inbox.push(send(value)) } {
            self.wake();
        }
    }

    /// True if the value was accepted.
    fn try_push(&self, value: usize) -> bool {
        let node = send(value);
        // SAFETY: a fresh node, which lives until the consumer, or we below, open it.
        match unsafe { self.inbox.try_push(node) } {
            Ok(wake) => {
                if wake {
                    self.wake();
                }
                true
            }
            Err(Refused) => {
                assert_eq!(open(node), value);
                false
            }
        }
    }

    fn refuse(&self) {
        let Refusal { first, wake } = self.inbox.refuse();
        assert!(first);
        if wake {
            self.wake();
        }
    }

    /// Sleeps unless there is something to do; whether a wake-up is owed afterwards.
    fn sleep(&self, refusing_seen: bool) -> usize {
        if !self.inbox.prepare_sleep(refusing_seen) {
            return 0;
        }
        self.notify.wait();
        usize::from(self.inbox.end_sleep())
    }
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.check(model);
}

/// Runs two producers and a consumer that sleeps whenever it finds nothing, until all came.
fn two_producers(preemptions: usize, batches: [&'static [usize]; 2]) {
    explore(Some(preemptions), move || {
        let context = Context::new();
        let producers = batches.map(|batch| {
            let context = Arc::clone(&context);
            thread::spawn(move || batch.iter().for_each(|&value| context.push(value)))
        });
        let (mut received, mut owed) = (Vec::new(), 0);
        while received.len() < batches[0].len() + batches[1].len() {
            let batch = drain(&context.inbox.take_all());
            if batch.is_empty() {
                owed += context.sleep(false);
            }
            received.extend(batch);
        }
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        for batch in batches {
            let own: Vec<_> = received
                .iter()
                .copied()
                .filter(|v| batch.contains(v))
                .collect();
            assert_eq!(own, batch, "once each, in order");
        }
        assert!(context.inbox.is_empty());
        assert_eq!(context.delivered.load(Ordering::Relaxed), owed);
    });
}

#[test]
fn push_during_sleep_wakes_exactly_once() {
    two_producers(3, [&[1], &[2]]);
}

#[test]
fn pushes_of_two_producers_arrive_once_in_order() {
    two_producers(2, [&[1, 2], &[3, 4]]);
}

#[test]
fn take_all_while_awake_sees_what_the_pusher_wrote() {
    explore(None, || {
        let context = Context::new();
        let producer = {
            let context = Arc::clone(&context);
            thread::spawn(move || {
                context.push(1);
                context.push(2);
            })
        };
        let mut received = drain(&context.inbox.take_all());
        received.extend(drain(&context.inbox.take_all()));
        producer.join().expect("the producer ends");
        received.extend(drain(&context.inbox.take_all()));
        assert_eq!(received, [1, 2]);
        assert_eq!(
            context.delivered.load(Ordering::Relaxed),
            0,
            "the consumer never slept"
        );
    });
}

#[test]
fn chain_of_two_pushers_is_seen_through_the_newest() {
    explore(Some(4), || {
        let context = Context::new();
        let producers = [1, 2].map(|value| {
            let context = Arc::clone(&context);
            thread::spawn(move || context.push(value))
        });
        // No join before the reads: the acquire of `take_all` alone makes both values visible.
        let mut received = drain(&context.inbox.take_all());
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        received.extend(drain(&context.inbox.take_all()));
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
    });
}

#[test]
fn try_push_during_refuse_is_drained_or_refused() {
    explore(Some(3), || {
        let context = Context::new();
        let producers = [1, 2].map(|value| {
            let context = Arc::clone(&context);
            thread::spawn(move || context.try_push(value).then_some(value))
        });
        context.refuse();
        let mut received = drain(&context.inbox.take_all());
        let accepted = producers.map(|producer| producer.join().expect("a producer ends"));
        received.sort_unstable();
        assert_eq!(received, accepted.into_iter().flatten().collect::<Vec<_>>());
        assert!(
            context.inbox.is_empty(),
            "nothing is accepted after the drain"
        );
        assert_eq!(context.delivered.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn refuse_during_sleep_wakes_and_is_not_missed() {
    explore(Some(3), || {
        let context = Context::new();
        let producer = {
            let context = Arc::clone(&context);
            thread::spawn(move || context.try_push(1))
        };
        let stopper = {
            let context = Arc::clone(&context);
            thread::spawn(move || context.refuse())
        };
        let (mut received, mut owed) = (Vec::new(), 0);
        loop {
            let refusing = context.inbox.is_refusing();
            received.extend(drain(&context.inbox.take_all()));
            if refusing {
                break;
            }
            owed += context.sleep(false);
        }
        let accepted = producer.join().expect("the producer ends");
        stopper.join().expect("the stopper ends");
        assert_eq!(received.len(), usize::from(accepted));
        assert!(
            context.inbox.is_empty(),
            "the drain that followed the refusal was the last"
        );
        assert_eq!(context.delivered.load(Ordering::Relaxed), owed);
    });
}

#[test]
fn push_after_refusal_was_seen_still_wakes() {
    explore(None, || {
        let context = Context::new();
        context.refuse();
        let producer = {
            let context = Arc::clone(&context);
            thread::spawn(move || context.push(1))
        };
        let (mut received, mut owed) = (Vec::new(), 0);
        while received.is_empty() {
            owed += context.sleep(true);
            received = drain(&context.inbox.take_all());
        }
        producer.join().expect("the producer ends");
        assert_eq!(received, [1]);
        assert!(context.inbox.is_refusing());
        assert_eq!(context.delivered.load(Ordering::Relaxed), owed);
    });
}

#[test]
fn accept_during_try_push_publishes_the_reopened_context() {
    explore(None, || {
        let context = Context::new();
        context.refuse();
        let state = Arc::new(UnsafeCell::new(0));
        let producer = {
            let (context, state) = (Arc::clone(&context), Arc::clone(&state));
            thread::spawn(move || {
                let accepted = context.try_push(1);
                if accepted {
                    // SAFETY: written before `accept`, and not after it.
                    assert_eq!(state.with(|cell| unsafe { *cell }), 7);
                }
                accepted
            })
        };
        // SAFETY: producers read this only once they are accepted.
        state.with_mut(|cell| unsafe { *cell = 7 });
        context.inbox.accept();
        let accepted = producer.join().expect("the producer ends");
        assert_eq!(
            drain(&context.inbox.take_all()).len(),
            usize::from(accepted)
        );
    });
}

#[test]
fn try_push_after_refuse_sees_what_the_refuser_wrote() {
    explore(None, || {
        let context = Context::new();
        let reason = Arc::new(UnsafeCell::new(0));
        let producer = {
            let (context, reason) = (Arc::clone(&context), Arc::clone(&reason));
            thread::spawn(move || {
                let accepted = context.try_push(1);
                if !accepted {
                    // SAFETY: written before `refuse`, and not after it.
                    assert_eq!(reason.with(|cell| unsafe { *cell }), 7);
                }
                accepted
            })
        };
        // SAFETY: producers read this only once they are refused.
        reason.with_mut(|cell| unsafe { *cell = 7 });
        context.refuse();
        let received = drain(&context.inbox.take_all()).len();
        let accepted = producer.join().expect("the producer ends");
        assert_eq!(received, usize::from(accepted));
    });
}

/// A wake primitive that the consumer arms before it sleeps and closes when nothing is owed any
/// more: a race if a waker could touch it too early or too late.
#[test]
fn wake_primitive_is_armed_before_and_closed_after_each_owed_wake_up() {
    explore(Some(3), || {
        let inbox = Arc::new(Inbox::new());
        let primitive = Arc::new(UnsafeCell::new(0));
        let delivered = Arc::new(AtomicUsize::new(0));
        let wake = {
            let (primitive, delivered) = (Arc::clone(&primitive), Arc::clone(&delivered));
            move || {
                // SAFETY: the consumer wrote it before it announced its sleep, and writes it again
                // only when this wake-up is counted.
                assert_eq!(primitive.with(|cell| unsafe { *cell }), 1);
                delivered.fetch_add(1, Ordering::Release);
            }
        };
        let producers = [1, 2].map(|value| {
            let (inbox, wake) = (Arc::clone(&inbox), wake.clone());
            thread::spawn(move || {
                // SAFETY: a fresh node, which lives until the consumer opens it.
                if unsafe { inbox.push(send(value)) } {
                    wake();
                }
            })
        });
        // SAFETY: nobody touches it before a sleep is announced.
        primitive.with_mut(|cell| unsafe { *cell = 1 });
        let (mut received, mut owed) = (0, 0);
        for _ in 0..2 {
            // A sleep that times out at once.
            if inbox.prepare_sleep(false) {
                owed += usize::from(inbox.end_sleep());
            }
            received += drain(&inbox.take_all()).len();
        }
        while delivered.load(Ordering::Acquire) < owed {
            thread::yield_now();
        }
        // SAFETY: all wake-ups that are owed were delivered, and the consumer does not sleep again.
        primitive.with_mut(|cell| unsafe { *cell = 2 });
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        assert_eq!(delivered.load(Ordering::Relaxed), owed);
        received += drain(&inbox.take_all()).len();
        assert_eq!(received, 2);
    });
}
