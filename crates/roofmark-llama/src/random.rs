//! Random tokens: splitmix64 (Steele, Lea and Flood 2014), so that a cell is the same on every machine.

/// A stream of random numbers from a seed.
pub struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `0..limit`; 0 where `limit` is 0. The bias of the remainder does not matter here.
    pub fn below(&mut self, limit: u32) -> i32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        i32::try_from(mixed % u64::from(limit.max(1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_is_always_the_same_and_in_range() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..4).map(|_| random.below(49152)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(7).iter().all(|&token| (0..49152).contains(&token)));
        assert_eq!(Random::new(1).below(0), 0);
    }
}
