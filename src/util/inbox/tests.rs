//! inbox: order, refusal and the sleep handshake on one thread, then under load with a consumer
//! that really sleeps. The interleavings are in `src/loom/inbox.rs`.
//! Method: nodes carry producer and number; wake-ups are counted on both sides.
#![expect(unsafe_code, reason = "the inbox's contract is the test's to keep")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Inbox, Refusal, Refused};
use crate::util::node::{LocalQueue, Node, Signal};

/// A node that says who pushed it, as which.
#[repr(C)]
struct Sent {
    node: Node,
    producer: usize,
    number: usize,
}

/// The nodes of one producer; they stay where they are until the vector is dropped.
fn nodes(producer: usize, count: usize) -> Vec<Sent> {
    fn nothing(_: NonNull<Node>, _: Signal) {}
    (0..count)
        .map(|number| Sent {
            node: Node::new(nothing),
            producer,
            number,
        })
        .collect()
}

/// A pointer to each node of the slice, good for all of it.
fn pointers(nodes: &mut [Sent]) -> impl Iterator<Item = NonNull<Node>> {
    let (base, len) = (NonNull::from(&mut *nodes).cast::<Sent>(), nodes.len());
    // SAFETY: `index` is within the slice.
    (0..len).map(move |index| unsafe { base.add(index) }.cast())
}

/// The (producer, number) pairs in the order in which the queue gives them.
fn drain(queue: &LocalQueue) -> Vec<(usize, usize)> {
    let sent = |node: NonNull<Node>| {
        let sent = node.cast::<Sent>().as_ptr();
        // SAFETY: only nodes of `Sent` are pushed here, and each test keeps them until it is over.
        unsafe { ((*sent).producer, (*sent).number) }
    };
    std::iter::from_fn(|| queue.pop_front()).map(sent).collect()
}

fn push(inbox: &Inbox, node: NonNull<Node>) -> bool {
    // SAFETY: the node is not queued, and alive until the test that drains the inbox is over.
    unsafe { inbox.push(node) }
}

fn try_push(inbox: &Inbox, node: NonNull<Node>) -> Result<bool, Refused> {
    // SAFETY: as in `push`.
    unsafe { inbox.try_push(node) }
}

#[test]
fn take_all_gives_nodes_in_order_of_pushes_and_empties() {
    let mut sent = nodes(7, 4);
    let nodes: Vec<_> = pointers(&mut sent).collect();
    let inbox = Inbox::new();
    assert!(inbox.is_empty());
    assert!(inbox.take_all().is_empty());
    for _ in 0..2 {
        assert!(!push(&inbox, nodes[0]));
        assert_eq!(try_push(&inbox, nodes[1]), Ok(false));
        assert!(!push(&inbox, nodes[2]));
        assert!(!inbox.is_empty());
        assert_eq!(drain(&inbox.take_all()), [(7, 0), (7, 1), (7, 2)]);
        assert!(inbox.is_empty());
        assert!(!push(&inbox, nodes[3]));
        assert_eq!(drain(&inbox.take_all()), [(7, 3)]);
    }
}

#[test]
fn refuse_turns_away_try_push_but_not_push_until_accept() {
    let mut sent = nodes(0, 4);
    let nodes: Vec<_> = pointers(&mut sent).collect();
    let inbox = Inbox::new();
    assert_eq!(try_push(&inbox, nodes[0]), Ok(false));
    assert!(!inbox.is_refusing());
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: true,
            wake: false
        }
    );
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: false,
            wake: false
        }
    );
    assert!(inbox.is_refusing());
    assert_eq!(try_push(&inbox, nodes[1]), Err(Refused));
    assert!(!push(&inbox, nodes[2]));
    assert_eq!(drain(&inbox.take_all()), [(0, 0), (0, 2)]);
    assert!(
        inbox.is_refusing() && inbox.is_empty(),
        "taking keeps the flag"
    );
    assert_eq!(try_push(&inbox, nodes[1]), Err(Refused));
    inbox.accept();
    assert!(!inbox.is_refusing());
    assert_eq!(try_push(&inbox, nodes[1]), Ok(false));
    assert_eq!(drain(&inbox.take_all()), [(0, 1)]);
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: true,
            wake: false
        }
    );
}

#[test]
fn sleep_is_ended_once_by_the_first_push() {
    let mut sent = nodes(0, 4);
    let nodes: Vec<_> = pointers(&mut sent).collect();
    let inbox = Inbox::new();
    assert!(inbox.prepare_sleep(false));
    assert!(inbox.is_empty());
    assert!(push(&inbox, nodes[0]), "the first owes");
    assert!(!push(&inbox, nodes[1]), "the second does not");
    assert!(inbox.end_sleep(), "somebody owes us one");
    assert!(!inbox.prepare_sleep(false), "nodes wait");
    assert_eq!(drain(&inbox.take_all()), [(0, 0), (0, 1)]);
    assert!(inbox.prepare_sleep(false));
    assert!(!inbox.end_sleep(), "a timeout: nobody owes");
    assert!(!push(&inbox, nodes[2]), "the consumer is awake");
    assert_eq!(drain(&inbox.take_all()), [(0, 2)]);
    assert!(inbox.prepare_sleep(true));
    assert_eq!(try_push(&inbox, nodes[3]), Ok(true));
    assert!(inbox.end_sleep());
    assert_eq!(drain(&inbox.take_all()), [(0, 3)]);
}

#[test]
fn sleep_is_ended_by_refuse_and_not_begun_before_it_is_seen() {
    let mut sent = nodes(0, 1);
    let node = pointers(&mut sent).next().expect("one node");
    let inbox = Inbox::new();
    assert!(inbox.prepare_sleep(false));
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: true,
            wake: true
        }
    );
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: false,
            wake: false
        }
    );
    assert!(inbox.end_sleep());
    assert!(!inbox.prepare_sleep(false), "not seen yet");
    assert!(inbox.prepare_sleep(true));
    assert_eq!(
        try_push(&inbox, node),
        Err(Refused),
        "refused work does not wake"
    );
    assert!(!inbox.end_sleep());
    assert!(inbox.prepare_sleep(true));
    assert_eq!(
        inbox.refuse(),
        Refusal {
            first: false,
            wake: true
        },
        "a repetition does"
    );
    assert!(inbox.end_sleep());
    assert!(inbox.prepare_sleep(true));
    assert!(push(&inbox, node), "accepted work does");
    assert!(inbox.end_sleep());
    assert_eq!(drain(&inbox.take_all()), [(0, 0)]);
    inbox.accept();
    assert!(inbox.prepare_sleep(false));
    assert!(!inbox.end_sleep());
}

/// What the stress test's producers share with its consumer.
struct Shared {
    inbox: Inbox,
    delivered: AtomicUsize,
    consumer: thread::Thread,
}

impl Shared {
    fn wake(&self) {
        self.delivered.fetch_add(1, Ordering::Release);
        self.consumer.unpark();
    }
}

/// Receives until `finished` says so, parks while there is nothing; the wake-ups that were owed.
fn receive(shared: &Shared, mut finished: impl FnMut(Vec<(usize, usize)>, bool) -> bool) -> usize {
    let mut owed = 0;
    loop {
        let refusing = shared.inbox.is_refusing();
        if finished(drain(&shared.inbox.take_all()), refusing) {
            return owed;
        }
        if shared.inbox.prepare_sleep(refusing) {
            thread::park();
            owed += usize::from(shared.inbox.end_sleep());
        }
    }
}

#[test]
fn inbox_under_load_loses_no_node_and_no_wake_up() {
    const PRODUCERS: usize = 4;
    const COUNT: usize = 100_000;
    let shared = Shared {
        inbox: Inbox::new(),
        delivered: AtomicUsize::new(0),
        consumer: thread::current(),
    };
    let mut sent: Vec<_> = (0..PRODUCERS)
        .map(|producer| nodes(producer, COUNT))
        .collect();
    let mut next = [0; PRODUCERS];
    let owed = thread::scope(|scope| {
        for nodes in &mut sent {
            let shared = &shared;
            scope.spawn(move || {
                for (number, node) in pointers(nodes).enumerate() {
                    if push(&shared.inbox, node) {
                        shared.wake();
                    }
                    if number % 64 == 0 {
                        thread::yield_now(); // lets the consumer fall asleep now and then
                    }
                }
            });
        }
        receive(&shared, |received, _| {
            for (producer, number) in received {
                assert_eq!(
                    number, next[producer],
                    "in order, once, producer {producer}"
                );
                next[producer] += 1;
            }
            next == [COUNT; PRODUCERS]
        })
    });
    assert_eq!(shared.delivered.load(Ordering::Acquire), owed);
    assert!(shared.inbox.is_empty());
}

#[test]
fn refuse_under_load_accepts_or_refuses_each_node_exactly_once() {
    const PRODUCERS: usize = 3;
    const COUNT: usize = 2_000;
    for round in 0..20 {
        let shared = Shared {
            inbox: Inbox::new(),
            delivered: AtomicUsize::new(0),
            consumer: thread::current(),
        };
        let mut sent: Vec<_> = (0..PRODUCERS)
            .map(|producer| nodes(producer, COUNT))
            .collect();
        let mut received = [0; PRODUCERS];
        let (owed, accepted) = thread::scope(|scope| {
            let producers: Vec<_> = sent
                .iter_mut()
                .map(|nodes| {
                    let shared = &shared;
                    scope.spawn(move || {
                        let mut accepted = 0;
                        for (number, node) in pointers(nodes).enumerate() {
                            if let Ok(wake) = try_push(&shared.inbox, node) {
                                assert_eq!(accepted, number, "nothing follows a refusal");
                                accepted += 1;
                                if wake {
                                    shared.wake();
                                }
                            }
                        }
                        accepted
                    })
                })
                .collect();
            scope.spawn(|| {
                (0..round * 10).for_each(|_| thread::yield_now());
                let refusal = shared.inbox.refuse();
                assert!(refusal.first);
                if refusal.wake {
                    shared.wake();
                }
            });
            let owed = receive(&shared, |nodes, refusing| {
                for (producer, number) in nodes {
                    assert_eq!(number, received[producer]);
                    received[producer] += 1;
                }
                refusing
            });
            let accepted = producers
                .into_iter()
                .map(|p| p.join().expect("a producer ends"));
            (owed, accepted.collect::<Vec<usize>>())
        });
        assert!(
            shared.inbox.is_empty(),
            "nothing is accepted after the drain that saw refusal"
        );
        assert_eq!(accepted, received, "round {round}");
        assert_eq!(
            shared.delivered.load(Ordering::Acquire),
            owed,
            "round {round}"
        );
    }
}
