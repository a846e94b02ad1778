//! node: order of the local queue, and what a node may do while it runs.
//! Method: scripted and random sequences against a `VecDeque`; nodes note their turns in a log.
#![expect(unsafe_code, reason = "the queue's contract is the test's to keep")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use super::{LocalQueue, Node, Signal};

/// A node with a name, which does nothing when run.
#[repr(C)]
struct Named {
    node: Node,
    name: usize,
}

/// `count` nodes at fixed addresses; freed by [`free`].
fn nodes(count: usize) -> Vec<NonNull<Named>> {
    fn nothing(_: NonNull<Node>, _: Signal) {}
    let boxed = |name| {
        Box::new(Named {
            node: Node::new(nothing),
            name,
        })
    };
    (0..count)
        .map(|name| NonNull::from(Box::leak(boxed(name))))
        .collect()
}

fn free(nodes: Vec<NonNull<Named>>) {
    for node in nodes {
        // SAFETY: made by `nodes` from a box, and in no queue any more; not used after this line.
        drop(unsafe { Box::from_raw(node.as_ptr()) });
    }
}

fn push(queue: &LocalQueue, node: NonNull<Named>) {
    // SAFETY: the node is alive until `free`, which each test calls after it drained its queues.
    unsafe { queue.push_back(node.cast()) };
}

fn pop(queue: &LocalQueue) -> Option<usize> {
    // SAFETY: every node in these queues is the first field of a `Named`, alive until `free`.
    queue
        .pop_front()
        .map(|node| unsafe { (*node.cast::<Named>().as_ptr()).name })
}

fn drain(queue: &LocalQueue) -> Vec<usize> {
    std::iter::from_fn(|| pop(queue)).collect()
}

#[test]
fn queue_gives_nodes_in_order_and_is_usable_after_it_ran_empty() {
    let all = nodes(3);
    let queue = LocalQueue::new();
    assert!(queue.is_empty());
    assert_eq!(pop(&queue), None);
    for round in 0..3 {
        all.iter().for_each(|&node| push(&queue, node));
        assert!(!queue.is_empty(), "round {round}");
        assert_eq!(drain(&queue), [0, 1, 2], "round {round}");
        assert!(queue.is_empty(), "round {round}");
    }
    free(all);
}

#[test]
fn take_leaves_an_empty_queue_that_fills_independently() {
    let all = nodes(4);
    let queue = LocalQueue::new();
    push(&queue, all[0]);
    push(&queue, all[1]);
    let taken = queue.take();
    assert!(queue.is_empty());
    push(&queue, all[2]);
    push(&taken, all[3]);
    assert_eq!(drain(&queue), [2]);
    assert_eq!(drain(&taken), [0, 1, 3]);
    free(all);
}

#[test]
fn append_of_empty_and_to_empty_keeps_order() {
    let all = nodes(4);
    let (queue, other) = (LocalQueue::new(), LocalQueue::new());
    queue.append(LocalQueue::new());
    assert!(queue.is_empty());
    push(&other, all[0]);
    push(&other, all[1]);
    queue.append(other.take());
    queue.append(other.take());
    push(&other, all[2]);
    queue.append(other);
    push(&queue, all[3]);
    assert_eq!(drain(&queue), [0, 1, 2, 3]);
    free(all);
}

/// An operation that queues itself again until it has had its turns, then frees itself.
#[repr(C)]
struct Again {
    node: Node,
    queue: NonNull<LocalQueue>,
    log: NonNull<RefCell<Vec<(usize, Signal)>>>,
    name: usize,
    turns: Cell<usize>,
}

/// # Safety
///
/// `node` is in a boxed `Again` whose queue and log are alive; the box is freed at its last turn.
unsafe fn again(node: NonNull<Node>, signal: Signal) {
    let this = node.cast::<Again>().as_ptr();
    // SAFETY: box, queue and log are alive (contract); the box is not touched after it is freed.
    unsafe {
        (*this)
            .log
            .as_ref()
            .borrow_mut()
            .push(((*this).name, signal));
        let left = (*this).turns.get() - 1;
        (*this).turns.set(left);
        if left > 0 {
            (*this).queue.as_ref().push_back(node);
        } else {
            drop(Box::from_raw(this));
        }
    }
}

#[test]
fn node_that_requeues_and_frees_itself_while_running_is_sound() {
    let (queue, log) = (LocalQueue::new(), RefCell::new(Vec::new()));
    for (name, turns) in [(0, 2), (1, 1), (2, 3)] {
        let op = Box::new(Again {
            node: Node::new(again),
            queue: NonNull::from(&queue),
            log: NonNull::from(&log),
            name,
            turns: Cell::new(turns),
        });
        // SAFETY: leaked, so alive until its own last turn.
        unsafe { queue.push_back(NonNull::from(Box::leak(op)).cast()) };
    }
    let mut turn = 0;
    while let Some(node) = queue.pop_front() {
        let signal = if turn < 4 { Signal::Run } else { Signal::Stop };
        // SAFETY: the node is alive and in no queue, and this is the only thread.
        unsafe { Node::run(node, signal) };
        turn += 1;
    }
    let run = |name| (name, Signal::Run);
    let stop = |name| (name, Signal::Stop);
    assert_eq!(
        *log.borrow(),
        [run(0), run(1), run(2), run(0), stop(2), stop(2)]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Two queues against two deques; each step is (what, which queue).
    #[test]
    fn prop_queues_are_deques(steps in prop::collection::vec((0_u8..6, any::<bool>()), 0..80)) {
        let all = nodes(steps.len());
        let queues = [LocalQueue::new(), LocalQueue::new()];
        let mut models = [VecDeque::new(), VecDeque::new()];
        for (name, &(what, side)) in steps.iter().enumerate() {
            let (here, there) = (usize::from(side), usize::from(!side));
            match what {
                0..3 => {
                    push(&queues[here], all[name]);
                    models[here].push_back(name);
                }
                3..5 => prop_assert_eq!(pop(&queues[here]), models[here].pop_front()),
                _ => {
                    queues[here].append(queues[there].take());
                    let mut moved = std::mem::take(&mut models[there]);
                    models[here].append(&mut moved);
                }
            }
            prop_assert_eq!(queues[here].is_empty(), models[here].is_empty());
            prop_assert_eq!(queues[there].is_empty(), models[there].is_empty());
        }
        for (queue, model) in queues.iter().zip(models) {
            prop_assert_eq!(drain(queue), Vec::from(model));
        }
        free(all);
    }
}
