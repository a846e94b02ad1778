//! timer_wheel, random sequences: whatever happens, in whatever order, the wheel is an ordered set.
//! Method: steps of every kind, with deadlines and times of every size, against the model of the bench.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::{ALL, Bench, LEVELS, shift};

/// One step of a random sequence.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// At a time, whatever it is.
    InsertAt(usize, u64),
    /// So long after now.
    InsertAfter(usize, u64),
    Remove(usize),
    /// Time goes on by so much, with so many moves at most.
    Come(u64, usize),
    /// Time goes on to what the wheel says.
    Sleep,
    PopAny,
}

/// Numbers of every size.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0_u64),
        6 => (any::<u64>(), 0_u32..64).prop_map(|(bits, shift)| bits >> shift),
        3 => (0_usize..LEVELS, 0_u64..16, -1_i64..2).prop_map(|(level, digit, add)| {
            (digit << shift(level)).wrapping_add_signed(add)
        }),
        1 => Just(u64::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_usize..32, span()).prop_map(|(index, at)| Step::InsertAt(index, at)),
        4 => (0_usize..32, span()).prop_map(|(index, after)| Step::InsertAfter(index, after)),
        2 => (0_usize..32).prop_map(Step::Remove),
        2 => (span(), 1_usize..6).prop_map(|(by, limit)| Step::Come(by >> 8, limit)),
        1 => (span(), Just(ALL)).prop_map(|(by, limit)| Step::Come(by, limit)),
        2 => Just(Step::Sleep),
        1 => Just(Step::PopAny),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn prop_wheel_is_an_ordered_set(steps in prop::collection::vec(step(), 0..120)) {
        let mut bench = Bench::new(32);
        for step in steps {
            match step {
                Step::InsertAt(index, at) => bench.insert(index, at),
                Step::InsertAfter(index, after) => {
                    bench.insert(index, bench.now.saturating_add(after));
                }
                Step::Remove(index) => bench.remove(index),
                Step::Come(by, limit) => {
                    bench.come_to(bench.now.saturating_add(by), limit);
                }
                Step::Sleep => {
                    if let Some(next) = bench.wheel.next_deadline() {
                        bench.come_to(bench.now.max(next), ALL);
                    }
                }
                Step::PopAny => {
                    if let Some(node) = bench.wheel.pop_any() {
                        bench.out(node);
                    }
                }
            }
            bench.check();
        }
        bench.come_to_in_turns(u64::MAX, 3);
        assert!(bench.wheel.is_empty());
    }
}
