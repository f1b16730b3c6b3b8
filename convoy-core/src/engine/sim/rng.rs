//! Numbers that follow from a seed.

/// A sequence of numbers (splitmix64), the same for the same seed on every machine.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// The sequence of these numbers; what was drawn elsewhere does not matter.
    pub(super) fn keyed(key: &[u64]) -> Self {
        let mixed = key.iter().fold(0, |sum: u64, part| Self(sum ^ part).next());
        Self(mixed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True in one of `n` cases.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// True in so many of 100 cases.
    pub(super) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).expect("small")]
    }
}
