//! The values that the computing workloads push through, the same for every contender.

/// Steps of `chain`: `then` is applied this often.
pub const CHAIN_STEPS: usize = 8;

/// What one `then` does. A compiler that sees through a contender folds the steps of a chain into
/// one, as it does in the plain expression: what is left is what the contender's machinery costs.
#[inline(always)]
pub fn step(x: u64) -> u64 {
    x.wrapping_add(1)
}

/// What one `let_value` makes its inner sender from.
#[inline(always)]
pub fn bind(x: u64) -> u64 {
    x.wrapping_mul(3)
}

/// What the last `then` of `when-all` does.
#[inline(always)]
pub fn join(a: u64, b: u64, c: u64, d: u64) -> u64 {
    a.wrapping_add(b) ^ c.wrapping_add(d)
}

/// The result of `chain` for `x`, to check a contender against.
#[inline(always)]
pub fn chain(x: u64) -> u64 {
    let mut value = x;
    for _ in 0..CHAIN_STEPS {
        value = step(value);
    }
    bind(bind(value))
}

/// The result of `when-all` for `x`, to check a contender against.
#[inline(always)]
pub fn when_all(x: u64) -> u64 {
    join(step(x), step(x ^ 1), step(x ^ 2), step(x ^ 3))
}

/// How long timer number `i` of `timers` is armed for, in milliseconds: none of a run comes due.
#[inline(always)]
pub fn timeout_ms(i: u64) -> u64 {
    30_000 + (i.wrapping_mul(7_919) & 0x3fff)
}

/// The part of `ops` that falls to number `index` of `parts` (tasks, producers).
pub fn share(ops: u64, parts: u32, index: u32) -> u64 {
    let (parts, index) = (u64::from(parts), u64::from(index));
    ops / parts + u64::from(index < ops % parts)
}

/// A xorshift generator: cheap and the same sequence for every contender.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next value of all 64 bits.
    #[inline(always)]
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next value below `bound`.
    #[inline(always)]
    pub fn below(&mut self, bound: u32) -> u32 {
        let high_half = self.next_u64() >> 32;
        let scaled = (high_half * u64::from(bound)) >> 32;
        u32::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, share};

    #[test]
    fn random_below_stays_below_and_reaches_all() {
        let mut random = Random::new(42);
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            seen[random.below(10) as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
    }

    #[test]
    fn shares_add_up() {
        for (ops, parts) in [(10, 3), (2, 5), (7, 1)] {
            let total: u64 = (0..parts).map(|i| share(ops, parts, i)).sum();
            assert_eq!(total, ops);
        }
    }
}
