//! Keeps round-trip times and answers for their percentiles.

/// Samples in nanoseconds, in memory reserved (and touched) beforehand.
#[derive(Debug)]
pub struct Latencies {
    samples: Vec<u64>,
    len: usize,
}

impl Latencies {
    /// Room for `capacity` samples; later ones are not kept.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            samples: vec![u64::MAX; capacity],
            len: 0,
        }
    }

    /// Keeps one sample.
    pub fn record(&mut self, nanos: u64) {
        if let Some(slot) = self.samples.get_mut(self.len) {
            *slot = nanos;
            self.len += 1;
        }
    }

    /// The sample that `percent` of all samples do not exceed; `None` without samples.
    pub fn percentile(&mut self, percent: usize) -> Option<u64> {
        let kept = &mut self.samples[..self.len];
        let last = kept.len().checked_sub(1)?;
        let rank = (kept.len() * percent)
            .div_ceil(100)
            .saturating_sub(1)
            .min(last);
        Some(*kept.select_nth_unstable(rank).1)
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;

    #[test]
    fn percentile_of_hundred_is_its_rank() {
        let mut all = Latencies::with_capacity(100);
        assert_eq!(all.percentile(50), None);
        for nanos in (1..=101).rev().skip(1) {
            all.record(nanos);
        }
        all.record(9_999);
        assert_eq!(
            (all.percentile(50), all.percentile(99)),
            (Some(50), Some(99))
        );
        assert_eq!(
            (all.percentile(0), all.percentile(100)),
            (Some(1), Some(100))
        );
    }
}
