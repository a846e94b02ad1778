//! A hierarchical timing wheel of intrusive lists: arming and cancelling take constant time.
//!
//! Eight levels of 256 slots cover every deadline; one tick is a millisecond. The level of a
//! deadline is that of the highest bit in which it differs from now, its slot the eight bits there; when the time reaches a
//! slot, its timers move down a level or come due. The nodes are in one
//! vector and linked by index, so that there is nothing unsafe and nothing is allocated.

#![expect(
    clippy::cast_possible_truncation,
    reason = "list, level and slot numbers are below 2048, and slot numbers are taken modulo 256"
)]

const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = (u64::BITS / SLOT_BITS) as usize;
const LISTS: usize = LEVELS * SLOTS;
const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = LISTS / WORD_BITS;

/// A node's place in the lists; the first [`LISTS`] nodes are the list heads themselves.
#[derive(Clone, Copy)]
struct Node {
    previous: u32,
    next: u32,
    deadline: u64,
}

/// The timers, armed and idle.
pub(crate) struct Wheel {
    now: u64,
    occupied: [u64; WORDS],
    nodes: Vec<Node>,
}

impl Wheel {
    /// Room for `timers` timers, numbered from 0, none armed.
    pub(crate) fn new(timers: u32) -> Self {
        let to_itself = |index| Node {
            previous: index,
            next: index,
            deadline: 0,
        };
        let nodes = (0..LISTS as u32 + timers).map(to_itself).collect();
        Self {
            now: 0,
            occupied: [0; WORDS],
            nodes,
        }
    }

    /// Arms an idle timer for `now + ticks`.
    #[inline(always)]
    pub(crate) fn arm(&mut self, timer: u32, ticks: u64) {
        let deadline = self.now + ticks.max(1);
        let list = self.list_of(deadline);
        self.occupied[list / WORD_BITS] |= 1 << (list % WORD_BITS);
        let node = timer + LISTS as u32;
        let last = self.nodes[list].previous;
        self.nodes[node as usize] = Node {
            previous: last,
            next: list as u32,
            deadline,
        };
        self.nodes[last as usize].next = node;
        self.nodes[list].previous = node;
    }

    /// Disarms an armed timer.
    #[inline(always)]
    pub(crate) fn cancel(&mut self, timer: u32) {
        let Node { previous, next, .. } = self.nodes[(timer + LISTS as u32) as usize];
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        if previous == next {
            // Only a list's head can be both neighbours: the list is empty now.
            let list = previous as usize;
            self.occupied[list / WORD_BITS] &= !(1 << (list % WORD_BITS));
        }
    }

    /// Moves the time on to `now`; answers how many timers came due. They are idle again.
    pub(crate) fn advance(&mut self, now: u64) -> u32 {
        let mut due = 0;
        while let Some((list, start)) = self.next_list().filter(|(_, start)| *start <= now) {
            self.now = start;
            self.occupied[list / WORD_BITS] &= !(1 << (list % WORD_BITS));
            let mut node = self.nodes[list].next;
            self.nodes[list] = Node {
                previous: list as u32,
                next: list as u32,
                deadline: 0,
            };
            while node >= LISTS as u32 {
                let Node { next, deadline, .. } = self.nodes[node as usize];
                if deadline > start {
                    self.arm(node - LISTS as u32, deadline - start);
                } else {
                    due += 1;
                }
                node = next;
            }
        }
        self.now = now;
        due
    }

    /// The list that has to be taken apart next, and when.
    #[inline]
    fn next_list(&self) -> Option<(usize, u64)> {
        let word = self.occupied.iter().position(|lists| *lists != 0)?;
        let list = word * WORD_BITS + self.occupied[word].trailing_zeros() as usize;
        let shift = SLOT_BITS * (list / SLOTS) as u32;
        // The bits of now above the level's own; none for the highest level.
        let above = u64::MAX.checked_shl(shift + SLOT_BITS).unwrap_or(0) & self.now;
        Some((list, above | ((list % SLOTS) as u64) << shift))
    }

    #[inline(always)]
    fn list_of(&self, deadline: u64) -> usize {
        let highest = 63 - ((deadline ^ self.now) | 1).leading_zeros();
        let level = highest / SLOT_BITS;
        let slot = (deadline >> (level * SLOT_BITS)) as usize % SLOTS;
        level as usize * SLOTS + slot
    }
}

#[cfg(test)]
mod tests {
    use super::Wheel;

    #[test]
    fn advance_reports_each_timer_in_its_tick() {
        let mut wheel = Wheel::new(5);
        for (timer, ticks) in (0..).zip([1, 63, 64, 5_000, 300_000]) {
            wheel.arm(timer, ticks);
        }
        wheel.cancel(1);
        let due: Vec<u32> = [0, 1, 62, 63, 64, 4_999, 5_000, 299_999, 300_000, 400_000]
            .into_iter()
            .map(|now| wheel.advance(now))
            .collect();
        assert_eq!(due, [0, 1, 0, 0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(wheel.occupied, [0; super::WORDS]);
    }

    #[test]
    fn cancel_of_all_leaves_wheel_empty() {
        let mut wheel = Wheel::new(1_000);
        for timer in 0..1_000 {
            wheel.arm(timer, 1 + u64::from(timer) * 37);
        }
        wheel.advance(0);
        for timer in (0..1_000).rev() {
            wheel.cancel(timer);
        }
        assert_eq!(wheel.occupied, [0; super::WORDS]);
        assert_eq!(wheel.advance(1_000_000), 0);
    }
}
