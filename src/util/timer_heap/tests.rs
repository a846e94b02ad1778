//! timer_heap: order, ties, removal anywhere, and size.
//! Method: random and scripted sequences against a `BTreeSet` of (deadline, insertion); the shape
//! of the tree is walked after each step.
#![expect(unsafe_code, reason = "the heap's contract is the test's to keep")]

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest};

use super::{Batch, IN_HEAP, Link, SEQ_STEP, TimerHeap, TimerNode};

/// A heap, the nodes that may be in it, and what should be in it.
struct Bench {
    heap: TimerHeap,
    nodes: NonNull<TimerNode>,
    count: usize,
    /// (deadline, insertion, index of the node)
    model: BTreeSet<(u64, u64, usize)>,
    /// The insertion of each node that is linked.
    linked: Vec<Option<u64>>,
    inserted: u64,
}

impl Bench {
    fn new(count: usize) -> Self {
        let nodes: Box<[MaybeUninit<TimerNode>]> = Box::new_uninit_slice(count);
        Self {
            heap: TimerHeap::new(),
            nodes: NonNull::from(Box::leak(nodes)).cast(),
            count,
            model: BTreeSet::new(),
            linked: vec![None; count],
            inserted: 0,
        }
    }

    fn node(&self, index: usize) -> NonNull<TimerNode> {
        assert!(index < self.count);
        // SAFETY: within the array that this owns until it is dropped.
        unsafe { self.nodes.add(index) }
    }

    fn index(&self, node: NonNull<TimerNode>) -> usize {
        // SAFETY: both point into the one array.
        let index = unsafe { node.offset_from(self.nodes) };
        usize::try_from(index).expect("the array begins before its nodes")
    }

    /// Initialises the node, and notes it as being in the heap; at its deadline if it is there.
    fn note(&mut self, index: usize, deadline: u64) -> NonNull<TimerNode> {
        self.remove(index);
        let node = self.node(index);
        // SAFETY: within the array, and in no heap.
        unsafe { TimerNode::init(node, deadline, self.inserted * SEQ_STEP) };
        self.model.insert((deadline, self.inserted, index));
        self.linked[index] = Some(self.inserted);
        self.inserted += 1;
        node
    }

    /// Inserts the node, or moves it to the new deadline if it is in the heap.
    fn insert(&mut self, index: usize, deadline: u64) {
        let node = self.note(index, deadline);
        // SAFETY: alive until the bench and its heap are dropped together, just initialised.
        unsafe {
            self.heap.insert(node);
            assert!(TimerNode::is_in_heap(node));
        }
    }

    /// Inserts nodes together.
    fn insert_batch(&mut self, timers: impl IntoIterator<Item = (usize, u64)>) {
        let mut batch = Batch::new();
        for (index, deadline) in timers {
            assert!(self.linked[index].is_none(), "once in a batch");
            let node = self.note(index, deadline);
            // SAFETY: as in `insert`.
            unsafe { batch.add(node) };
        }
        self.heap.insert_all(batch);
    }

    fn remove(&mut self, index: usize) {
        if let Some(inserted) = self.linked[index].take() {
            let node = self.node(index);
            // SAFETY: alive and, as the model says, in this heap.
            let deadline = unsafe {
                self.heap.remove(node);
                assert!(!TimerNode::is_in_heap(node));
                TimerNode::deadline(node)
            };
            assert!(self.model.remove(&(deadline, inserted, index)));
        }
    }

    /// Takes out what is due first, checks it against the model, and returns which node it was.
    fn pop(&mut self, now: u64) -> Option<usize> {
        let popped = self.heap.pop_due(now).map(|node| self.index(node));
        let due = self.model.first().filter(|first| first.0 <= now).copied();
        assert_eq!(popped, due.map(|(_, _, index)| index));
        if let Some(first) = due {
            self.model.pop_first();
            self.linked[first.2] = None;
        }
        popped
    }

    fn pop_all(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.pop(u64::MAX)).collect()
    }

    /// Compares what can be asked with the model, in constant time.
    fn check(&self) {
        let first = self.model.first();
        assert_eq!(self.heap.next_deadline(), first.map(|first| first.0));
        assert_eq!(
            self.heap.peek().map(|node| self.index(node)),
            first.map(|first| first.2)
        );
    }

    /// Walks the tree: each child comes after its parent, each link has its way back, and the nodes
    /// are those of the model.
    fn check_shape(&self) {
        self.check();
        let mut seen = BTreeSet::new();
        let mut open: Vec<(Link, Link)> = Vec::new();
        if let Some(root) = self.heap.peek() {
            // SAFETY: the root is alive.
            unsafe {
                assert!((*root.as_ptr()).prev.get().is_null());
                assert!((*root.as_ptr()).next.get().is_null());
            }
            open.push((root.as_ptr(), std::ptr::null_mut()));
        }
        while let Some((node, parent)) = open.pop() {
            let index = self.index(NonNull::new(node).expect("links that are followed"));
            let inserted = self.linked[index].expect("a node in the tree is linked");
            // SAFETY: linked nodes are alive, and only this thread uses them.
            unsafe {
                assert_eq!((*node).seq.get(), (inserted * SEQ_STEP) | IN_HEAP);
                assert!(
                    seen.insert(((*node).deadline.get(), inserted, index)),
                    "reached once"
                );
                assert!(parent.is_null() || (*parent).precedes(&*node));
                let (mut child, mut before) = ((*node).child.get(), node);
                while !child.is_null() {
                    assert_eq!((*child).prev.get(), before);
                    open.push((child, node));
                    before = child;
                    child = (*child).next.get();
                }
            }
        }
        assert_eq!(seen, self.model);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let nodes = NonNull::slice_from_raw_parts(self.nodes, self.count);
        // SAFETY: leaked from a box of that length in `new`; the heap goes at the same time.
        drop(unsafe { Box::from_raw(nodes.as_ptr()) });
    }
}

/// A seeded sequence of numbers (xorshift), the same at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from(self.0 % limit).expect("below a usize")
    }
}

#[test]
fn empty_heap_has_nothing() {
    let mut bench = Bench::new(1);
    bench.check_shape();
    assert_eq!(bench.pop(u64::MAX), None);
    bench.insert(0, 0);
    assert_eq!(bench.pop(0), Some(0), "due at its deadline");
    bench.check_shape();
}

#[test]
fn pop_due_before_deadline_returns_none() {
    let mut bench = Bench::new(2);
    bench.insert(0, 100);
    bench.insert(1, u64::MAX);
    assert_eq!(bench.pop(99), None);
    assert_eq!(bench.pop(100), Some(0));
    assert_eq!(bench.pop(u64::MAX - 1), None);
    assert_eq!(bench.pop(u64::MAX), Some(1));
}

#[test]
fn equal_deadlines_come_in_order_of_insertion() {
    let mut bench = Bench::new(1_000);
    for index in (0..1_000).rev() {
        bench.insert(index, 5);
    }
    bench.insert(999, 5); // moved: now the last
    bench.check_shape();
    let expected: Vec<_> = (0..999).rev().chain([999]).collect();
    assert_eq!(bench.pop_all(), expected);
}

#[test]
fn ascending_and_descending_deadlines_come_in_order() {
    const COUNT: usize = 2_000;
    let mut bench = Bench::new(COUNT);
    for index in 0..COUNT {
        bench.insert(index, 3 * u64::try_from(index).expect("small"));
    }
    bench.check_shape();
    assert_eq!(bench.pop_all(), (0..COUNT).collect::<Vec<_>>());
    for index in 0..COUNT {
        bench.insert(index, 10_000 - u64::try_from(index).expect("small"));
    }
    bench.check_shape();
    assert_eq!(bench.pop_all(), (0..COUNT).rev().collect::<Vec<_>>());
}

#[test]
fn remove_of_root_middle_and_leaf_keeps_the_rest() {
    // Every node of trees of every shape that seven insertions and one pop give, removed in turn.
    const COUNT: usize = 8;
    for order in 0..40 {
        for removed in 0..COUNT {
            let mut random = Random(order * 77 + 1);
            let mut bench = Bench::new(COUNT);
            for index in 0..COUNT {
                bench.insert(index, u64::try_from(random.below(6)).expect("small"));
            }
            bench.pop(u64::MAX).expect("eight nodes");
            bench.check_shape();
            bench.remove(removed);
            bench.check_shape();
            bench.pop_all();
            bench.check_shape();
        }
    }
}

#[test]
fn chain_of_a_hundred_thousand_levels_does_not_recurse() {
    const COUNT: usize = 100_000;
    let mut bench = Bench::new(COUNT);
    for index in 0..COUNT {
        // Each insertion becomes the parent of all before.
        bench.insert(index, u64::try_from(COUNT - index).expect("small"));
    }
    bench.check_shape();
    bench.remove(COUNT / 2);
    bench.check_shape();
    assert_eq!(bench.pop_all().len(), COUNT - 1);
}

#[test]
fn hundred_thousand_nodes_come_in_order_after_random_removals() {
    const COUNT: usize = 100_000;
    let mut random = Random(0x5eed);
    let mut bench = Bench::new(COUNT);
    for index in 0..COUNT {
        bench.insert(
            index,
            u64::try_from(random.below(COUNT / 4)).expect("small"),
        );
    }
    bench.check();
    for _ in 0..COUNT / 8 {
        bench.remove(random.below(COUNT));
        assert!(bench.pop(u64::MAX).is_some());
        let (index, deadline) = (random.below(COUNT), random.below(COUNT));
        bench.insert(index, u64::try_from(deadline).expect("small"));
        bench.check();
    }
    let left = bench.model.len();
    assert!(left > COUNT / 2);
    assert_eq!(bench.pop_all().len(), left);
    bench.check_shape();
}

#[test]
fn batches_come_in_order_and_give_the_root_one_child_each() {
    const BATCHES: usize = 100;
    const SIZE: usize = 256;
    let mut bench = Bench::new(BATCHES * SIZE);
    bench.insert_batch([]);
    bench.check_shape();
    for batch in 0..BATCHES {
        let indices = batch * SIZE..(batch + 1) * SIZE;
        bench.insert_batch(indices.map(|index| (index, 7)));
    }
    bench.check_shape();
    let (mut children, root) = (0, bench.heap.peek().expect("not empty"));
    // SAFETY: nodes in the heap are alive.
    unsafe {
        let mut child = (*root.as_ptr()).child.get();
        while !child.is_null() {
            children += 1;
            child = (*child).next.get();
        }
    }
    assert!(children < BATCHES + SIZE, "{children}");
    assert_eq!(bench.pop_all(), (0..BATCHES * SIZE).collect::<Vec<_>>());
}

/// One step of a random sequence.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(usize, u64),
    InsertBatch(usize, u64),
    Remove(usize),
    Pop(u64),
    PopFirst,
}

fn step() -> impl Strategy<Value = Step> {
    let deadline = prop_oneof![4 => 0_u64..12, 1 => 0_u64..1_000, 1 => Just(u64::MAX)];
    prop_oneof![
        1 => (0_usize..48, deadline.clone())
            .prop_map(|(index, deadline)| Step::InsertBatch(index, deadline)),
        4 => (0_usize..48, deadline).prop_map(|(index, deadline)| Step::Insert(index, deadline)),
        2 => (0_usize..48).prop_map(Step::Remove),
        1 => (0_u64..14).prop_map(Step::Pop),
        1 => Just(Step::PopFirst),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn prop_heap_is_an_ordered_set(steps in prop::collection::vec(step(), 0..200)) {
        let mut bench = Bench::new(48);
        for step in steps {
            match step {
                Step::Insert(index, deadline) => bench.insert(index, deadline),
                Step::InsertBatch(first, deadline) => {
                    let free: Vec<_> =
                        (first..48).filter(|index| bench.linked[*index].is_none()).collect();
                    bench.insert_batch(
                        free.into_iter().zip([0, 2, 1, 0, 5]).map(|(i, add)| (i, deadline.saturating_add(add))),
                    );
                }
                Step::Remove(index) => bench.remove(index),
                Step::Pop(now) => drop(bench.pop(now)),
                Step::PopFirst => drop(bench.pop(u64::MAX)),
            }
            bench.check_shape();
        }
        bench.pop_all();
        bench.check_shape();
    }
}
