//! Everything random in a world comes from its seed.

use std::{ops::RangeInclusive, sync::Mutex, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A seeded generator.
pub(super) struct Chance(Mutex<ChaCha8Rng>);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// 64 random bits.
    pub(super) fn bits(&self) -> u64 {
        self.0.lock().unwrap().next_u64()
    }

    /// From 0 to `n - 1`.
    pub(super) fn below(&self, n: u64) -> u64 {
        self.bits() % n
    }

    pub(super) fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn between(&self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    pub(super) fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    pub(super) fn one_of<T: Copy>(&self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }
}
