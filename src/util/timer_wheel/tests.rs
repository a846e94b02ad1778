//! timer_wheel: order across levels and slots, boundaries, time that jumps, bounded moves, size.
//! Method: random and scripted sequences against a `BTreeSet` of (deadline, insertion); time goes on by
//! arbitrary steps, and what is due at each is compared.
#![expect(unsafe_code, reason = "the wheel's contract is the test's to keep")]

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::{LEVELS, SLOTS, TICK, TimerNode, TimerWheel, shift};

mod steps;

/// More moves than any test has timers.
const ALL: usize = usize::MAX;

/// A wheel, the nodes that may be in it, and what should be in it.
struct Bench {
    wheel: Box<TimerWheel>,
    nodes: NonNull<TimerNode>,
    count: usize,
    now: u64,
    /// (deadline, insertion, index of the node)
    model: BTreeSet<(u64, u64, usize)>,
    /// Deadline and insertion of each node that is in the wheel.
    armed: Vec<Option<(u64, u64)>>,
    inserted: u64,
}

impl Bench {
    fn new(count: usize) -> Self {
        let nodes: Box<[MaybeUninit<TimerNode>]> = Box::new_uninit_slice(count);
        let wheel = Box::new(TimerWheel::new());
        // SAFETY: it stays in its box.
        unsafe { wheel.init() };
        Self {
            wheel,
            nodes: NonNull::from(Box::leak(nodes)).cast(),
            count,
            now: 0,
            model: BTreeSet::new(),
            armed: vec![None; count],
            inserted: 0,
        }
    }

    fn node(&self, index: usize) -> NonNull<TimerNode> {
        assert!(index < self.count);
        // SAFETY: within the array that this owns until it is dropped.
        unsafe { self.nodes.add(index) }
    }

    /// Inserts the node, or moves it to the new deadline if it is in the wheel.
    fn insert(&mut self, index: usize, deadline: u64) {
        self.remove(index);
        // SAFETY: alive until the bench and its wheel are dropped together, and in no wheel.
        unsafe { self.wheel.insert(self.node(index), deadline) };
        self.model.insert((deadline, self.inserted, index));
        self.armed[index] = Some((deadline, self.inserted));
        self.inserted += 1;
    }

    fn remove(&mut self, index: usize) {
        if let Some((deadline, inserted)) = self.armed[index].take() {
            // SAFETY: alive and, as the model says, in this wheel.
            unsafe { self.wheel.remove(self.node(index)) };
            assert!(self.model.remove(&(deadline, inserted, index)));
        }
    }

    /// Notes that a node came out; which one it was.
    fn out(&mut self, node: NonNull<TimerNode>) -> usize {
        // SAFETY: both point into the one array.
        let index = unsafe { node.offset_from(self.nodes) };
        let index = usize::try_from(index).expect("the array begins before its nodes");
        let (deadline, inserted) = self.armed[index].take().expect("it was in the wheel");
        assert!(self.model.remove(&(deadline, inserted, index)));
        index
    }

    /// Takes out what is due first, checks it against the model, and returns which node it was.
    fn pop(&mut self) -> Option<usize> {
        let due = self.model.first().filter(|first| first.0 <= self.now);
        let expected = due.map(|(_, _, index)| *index);
        let popped = self.wheel.pop_due(self.now).map(|node| self.out(node));
        if self.wheel.is_behind() {
            // Maybe what is due has not been moved.
            assert!(popped.is_none() || popped == expected);
        } else {
            assert_eq!(popped, expected);
        }
        popped
    }

    /// Lets the time come to `now`, with at most `limit` moves, and takes out what is due.
    fn come_to(&mut self, now: u64, limit: usize) -> Vec<usize> {
        self.now = now;
        self.wheel.advance(now, limit);
        let due = std::iter::from_fn(|| self.pop()).collect();
        self.check();
        due
    }

    /// As many turns as it takes.
    fn come_to_in_turns(&mut self, now: u64, limit: usize) -> (Vec<usize>, usize) {
        let mut turns = 1;
        let mut due = self.come_to(now, limit);
        while self.wheel.is_behind() {
            turns += 1;
            due.extend(self.come_to(now, limit));
        }
        (due, turns)
    }

    /// Compares what can be asked with the model.
    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        assert_eq!(self.wheel.is_empty(), self.model.is_empty());
        let first = self.model.first().map(|first| first.0);
        let next = self.wheel.next_deadline();
        assert_eq!(next.is_some(), first.is_some());
        assert!(next <= first, "never later than the first timer");
        if !self.wheel.is_behind() && self.model.len() == 1 {
            assert_eq!(next, first, "exact for a single timer");
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let nodes = NonNull::slice_from_raw_parts(self.nodes, self.count);
        let nodes: *mut [MaybeUninit<TimerNode>] = nodes.as_ptr() as *mut _;
        // SAFETY: leaked from a box of that length in `new`; the wheel goes at the same time.
        drop(unsafe { Box::from_raw(nodes) });
    }
}

/// A seeded sequence of numbers (xorshift), the same at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from(self.next() % limit).expect("below a usize")
    }
}

#[test]
fn empty_wheel_has_nothing_whenever() {
    let mut bench = Bench::new(1);
    bench.check();
    for now in [0, 1, TICK, 1 << 40, u64::MAX, u64::MAX] {
        assert_eq!(bench.come_to(now, 1), []);
    }
    bench.insert(0, u64::MAX);
    assert_eq!(bench.come_to(u64::MAX, 1), [0]);
}

#[test]
fn timer_in_every_slot_of_every_level_is_due_at_its_nanosecond() {
    for level in 0..LEVELS {
        for digit in 1..SLOTS {
            let start = (digit as u64) << shift(level);
            let last = start | ((1 << shift(level)) - 1);
            for deadline in [start, start + 1, start + TICK, start + TICK + 1, last] {
                let mut bench = Bench::new(1);
                bench.insert(0, deadline);
                assert_eq!(bench.wheel.next_deadline(), Some(deadline));
                assert_eq!(bench.come_to(deadline - 1, ALL), []);
                assert_eq!(bench.come_to(deadline, ALL), [0]);
            }
        }
    }
}

#[test]
fn deadlines_around_the_boundaries_of_slots_come_in_order() {
    // For every level: the last nanosecond before a slot, its first one, and the one after; armed in
    // three orders, looked at one nanosecond after the other.
    for level in 0..LEVELS {
        let start = 3_u64 << shift(level);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut bench = Bench::new(3);
            for index in order {
                bench.insert(index, start - 1 + index as u64);
            }
            bench.check();
            assert_eq!(bench.come_to(start - 2, ALL), []);
            assert_eq!(bench.come_to(start - 1, ALL), [0]);
            assert_eq!(bench.come_to(start, ALL), [1]);
            assert_eq!(bench.come_to(start + 1, ALL), [2]);
        }
    }
}

#[test]
fn one_jump_over_all_levels_hands_out_all_in_order() {
    let mut bench = Bench::new(LEVELS * SLOTS);
    let mut expected = Vec::new();
    for level in (0..LEVELS).rev() {
        for digit in (1..SLOTS).rev() {
            let index = level * SLOTS + digit;
            bench.insert(index, ((digit as u64) << shift(level)) + 5);
            expected.push(index);
        }
    }
    expected.reverse();
    assert_eq!(bench.come_to(u64::MAX, ALL), expected);
}

#[test]
fn equal_deadlines_armed_at_different_levels_come_in_order_of_insertion() {
    // The same deadline, armed from farther and farther near: it goes through other slots each time.
    const DEADLINE: u64 = 0x0123_4567_89ab_cdef;
    let mut bench = Bench::new(2 * LEVELS + 2);
    let mut index = 0;
    for level in (0..=LEVELS).rev() {
        let below = (1_u64 << (shift(level).min(63))) - 1;
        bench.come_to(bench.now.max(DEADLINE & !below), ALL);
        bench.insert(index, DEADLINE);
        bench.insert(index + 1, DEADLINE);
        index += 2;
    }
    assert_eq!(index, bench.count);
    assert_eq!(bench.come_to(DEADLINE - 1, ALL), []);
    assert_eq!(bench.come_to(DEADLINE, ALL), (0..index).collect::<Vec<_>>());
}

#[test]
fn rearmed_timer_is_due_at_its_new_deadline_only() {
    let mut bench = Bench::new(2);
    bench.insert(1, 1 << 50);
    for round in 0..200_u64 {
        bench.insert(0, (round << 22) + (1 << 30));
        assert_eq!(bench.come_to(round << 22, ALL), []);
        bench.check();
    }
    let deadline = (199 << 22) + (1 << 30);
    assert_eq!(bench.come_to(deadline - 1, ALL), []);
    assert_eq!(bench.come_to(deadline, ALL), [0]);
    assert_eq!(bench.come_to(1 << 50, ALL), [1]);
}

#[test]
fn removal_in_every_place_leaves_the_rest() {
    // Before, while and after the slot is emptied: in a list (first, middle, last), in the open slot,
    // in a lower slot, in the heap.
    const COUNT: usize = 6;
    let start = 5_u64 << shift(2);
    for removed in 0..COUNT {
        for moved in 0..=COUNT {
            let mut bench = Bench::new(COUNT);
            for index in 0..COUNT {
                // Every other one is due within the first tick of the slot.
                bench.insert(
                    index,
                    start + ((index as u64 % 2) << (shift(1) + 1)) + index as u64,
                );
            }
            if moved > 0 {
                assert_eq!(bench.come_to(start - 1, ALL), []);
                bench.wheel.advance(start, moved);
            }
            bench.remove(removed);
            bench.check();
            let (due, _) = bench.come_to_in_turns(start << 1, ALL);
            assert_eq!(due.len(), COUNT - 1);
        }
    }
}

#[test]
fn slots_emptied_by_removal_wake_nobody() {
    let mut bench = Bench::new(SLOTS * LEVELS);
    for level in 0..LEVELS {
        for digit in 1..SLOTS {
            bench.insert(level * SLOTS + digit, (digit as u64) << shift(level));
        }
    }
    for index in 0..SLOTS * LEVELS - 1 {
        bench.remove(index);
    }
    assert_eq!(bench.wheel.next_deadline(), Some(0xf << 60));
    bench.remove(SLOTS * LEVELS - 1);
    assert_eq!(bench.wheel.next_deadline(), None);
    assert_eq!(bench.come_to(u64::MAX, ALL), []);
}

#[test]
fn loop_that_sleeps_until_next_deadline_wakes_in_vain_once_for_each_slot() {
    const COUNT: usize = 1_000;
    let mut bench = Bench::new(COUNT);
    let mut random = Random(77);
    for index in 0..COUNT {
        bench.insert(index, 30_000_000_000 + random.next() % 5_000_000_000);
    }
    let (mut wakes, mut fired) = (0, 0);
    while let Some(next) = bench.wheel.next_deadline() {
        assert!(next > bench.now, "time goes on");
        wakes += 1;
        fired += bench.come_to(next, ALL).len();
    }
    assert_eq!(fired, COUNT);
    // Five seconds are 5 slots of 4 s, 2^28 and 2^24 ns have 20 and 300, and a timer its tick.
    assert!(wakes < 2 * COUNT + 400, "{wakes}");
}

#[test]
fn moves_are_bounded_and_a_slot_that_is_being_emptied_holds_back_what_comes_after() {
    const COUNT: usize = 10_000;
    const LIMIT: usize = 100;
    let start = 7_u64 << shift(4);
    let mut bench = Bench::new(COUNT + 2);
    for index in 0..COUNT {
        bench.insert(index, start + 3);
    }
    bench.insert(COUNT, start - 1);
    assert_eq!(bench.come_to(start + 3, LIMIT), [COUNT], "what is before");
    assert!(bench.wheel.is_behind());
    assert_eq!(bench.wheel.next_deadline(), Some(0));
    // Comes when the slot is half empty, and is due before what is in it.
    bench.insert(COUNT + 1, start + 2);
    let (due, turns) = bench.come_to_in_turns(start + 3, LIMIT);
    assert_eq!(
        due,
        [COUNT + 1].into_iter().chain(0..COUNT).collect::<Vec<_>>()
    );
    assert!(
        (COUNT / LIMIT - 1..=COUNT / LIMIT + 1).contains(&turns),
        "{turns}"
    );
}

#[test]
fn removal_of_all_that_is_left_in_an_open_slot_leaves_nothing_to_do() {
    let mut bench = Bench::new(10);
    for index in 0..10 {
        bench.insert(index, 1 << shift(3));
    }
    bench.wheel.advance(1 << shift(3), 4);
    assert!(bench.wheel.is_behind());
    (0..10).for_each(|index| bench.remove(index));
    assert!(!bench.wheel.is_behind(), "or the loop would never sleep");
    bench.check();
    bench.insert(0, 1 << shift(4));
    assert_eq!(bench.come_to(1 << shift(4), ALL), [0]);
}

#[test]
fn pop_any_finds_each_timer_wherever_it_is_and_leaves_the_time() {
    let mut bench = Bench::new(100);
    for index in 0..40 {
        bench.insert(index, 9 << shift(2));
    }
    bench.wheel.advance(9 << shift(2), 20);
    for index in 40..100 {
        bench.insert(index, (index as u64).rotate_right(13));
    }
    for left in (0..100).rev() {
        let node = bench.wheel.pop_any().expect("not empty");
        bench.out(node);
        assert_eq!(bench.wheel.len(), left);
    }
    assert!(bench.wheel.pop_any().is_none());
    bench.now = 9 << shift(2);
    bench.insert(0, bench.now + 1);
    bench.insert(1, bench.now + (1 << 40));
    assert_eq!(bench.come_to(bench.now, ALL), []);
    assert_eq!(bench.come_to(bench.now + (1 << 40), ALL), [0, 1]);
}

#[test]
fn million_live_timers_come_in_order_after_random_removals() {
    const COUNT: usize = 1_000_000;
    let mut random = Random(0x5eed);
    let mut bench = Bench::new(COUNT);
    for index in 0..COUNT {
        bench.insert(index, random.next() >> 29); // up to 34 s
    }
    for _ in 0..COUNT / 4 {
        bench.remove(random.below(COUNT));
        let index = random.below(COUNT);
        bench.insert(index, random.next() >> 29);
    }
    let live = bench.wheel.len();
    assert!(live > COUNT / 2);
    let mut fired = 0;
    for now in (0..=35_u64).map(|second| second * 1_000_000_000) {
        fired += bench.come_to_in_turns(now, 256).0.len();
    }
    assert_eq!(fired, live);
}
