//! The generator of every decision: splitmix64 (Steele, Lea, Flood, 2014). One word of state, and each
//! seed is as good as the next.

/// What follows from a seed, and from nothing else.
#[derive(Clone, Debug)]
pub(super) struct Rng {
    state: u64,
}

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next word.
    pub(super) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of a range, both ends included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None | Some(0) => low,
            Some(u64::MAX) => self.next(),
            Some(width) => low + self.below(width + 1),
        }
    }

    /// `true` with this probability. Nothing is drawn for what never happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        // 32 bits are exact in a float.
        let word = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(word) < probability * 4_294_967_296.0
    }

    /// An index of something with `len` elements, which are some.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Puts the elements into an order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.index(end));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn rng_is_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        let words: Vec<u64> = (0..5).map(|_| rng.next()).collect();
        // The published values for this seed.
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(words, known);
    }

    #[test]
    fn rng_keeps_to_ranges_and_probabilities() {
        let mut rng = Rng::new(7);
        let (mut hits, mut seen) = (0, [false; 5]);
        for _ in 0..10_000 {
            let number = rng.between(3, 7);
            assert!((3..=7).contains(&number));
            seen[usize::try_from(number - 3).expect("below 5")] = true;
            hits += u32::from(rng.chance(0.25));
            assert!(!rng.chance(0.0) && rng.chance(1.0));
        }
        assert_eq!(seen, [true; 5]);
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert_eq!(rng.between(9, 4), 9);
        let mut items: Vec<u32> = (0..100).collect();
        rng.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
