//! Seeded generators: the same seed gives the same numbers on every machine.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng},
};
use std::f64::consts::TAU;

/// The generator used everywhere: portable, and small enough to be saved with a checkpoint.
pub type Rng = ChaCha8Rng;

/// A generator for `seed`.
pub fn seeded(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// A generator of its own for each `(seed, stream)`: the order of epoch 7 does not depend on epochs 1 to 6.
pub(crate) fn stream(seed: u64, stream: u64) -> Rng {
    let mut rng = seeded(seed);
    rng.set_stream(stream);
    rng
}

/// Uniformly distributed in `low <= x < high`, of 24 random bits.
pub(crate) fn uniform(rng: &mut Rng, low: f32, high: f32) -> f32 {
    let unit = (rng.next_u32() >> 8) as f32 / 16_777_216.0;
    low + (high - low) * unit
}

/// Normally distributed with mean 0 and variance 1 (Box and Muller 1958).
pub(crate) fn normal(rng: &mut Rng) -> f32 {
    // Above 0 and at most 1, so that there is a logarithm.
    let [u, v] = [(); 2].map(|()| (f64::from(rng.next_u32()) + 1.0) / 4_294_967_296.0);
    ((-2.0 * u.ln()).sqrt() * (TAU * v).cos()) as f32
}

/// A random order (Fisher-Yates).
pub(crate) fn shuffle(rng: &mut Rng, items: &mut [usize]) {
    for last in (1..items.len()).rev() {
        // 64 random bits against at most 2^32 items: the bias of the remainder is below 2^-32.
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_every_item_and_depends_on_the_stream() {
        let order = |number| {
            let mut items: Vec<usize> = (0..100).collect();
            shuffle(&mut stream(42, number), &mut items);
            items
        };
        let mut sorted = order(1);
        assert_ne!(sorted, order(2));
        assert_eq!(sorted, order(1));
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
    }

    #[test]
    fn uniform_numbers_fill_their_range() {
        let mut rng = seeded(3);
        let numbers: Vec<f32> = (0..10_000).map(|_| uniform(&mut rng, -2.0, 6.0)).collect();
        let mean = numbers.iter().sum::<f32>() / 10_000.0;
        assert!(numbers.iter().all(|x| (-2.0..6.0).contains(x)));
        // Mean (-2 + 6) / 2 = 2; standard error of the mean 8 / sqrt(12) / 100 = 0.023.
        assert!((mean - 2.0).abs() < 0.1, "{mean}");
    }
}
