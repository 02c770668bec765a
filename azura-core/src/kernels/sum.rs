//! Sums.

use super::{Kernel, isa::multiversion};

/// Sums that are made at the same time.
const LANES: usize = 32;

/// The sum of some numbers.
#[inline]
pub(super) fn sum<T: Kernel>(numbers: &[T]) -> T {
    if numbers.len() < LANES { numbers.iter().fold(T::zero(), |sum, &x| sum + x) } else { long(numbers) }
}

multiversion! {
    fn long<T, const FMA: bool>(numbers: &[T]) -> T {
        let (blocks, rest) = numbers.as_chunks::<LANES>();
        let mut sums = [T::zero(); LANES];
        for block in blocks {
            for (sum, &x) in sums.iter_mut().zip(block) {
                *sum = *sum + x;
            }
        }
        let mut half = LANES / 2;
        while half > 0 {
            for l in 0..half {
                sums[l] = sums[l] + sums[l + half];
            }
            half /= 2;
        }
        rest.iter().fold(sums[0], |sum, &x| sum + x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::each_isa;

    #[test]
    fn whole_numbers_sum_exactly() {
        each_isa(|_| {
            for len in [0, 1, 31, 32, 33, 64, 100, 1000] {
                let numbers: Vec<f32> = (1..=len).map(|i| i as f32).collect();
                assert_eq!(sum(&numbers), (len * (len + 1) / 2) as f32);
            }
        });
    }
}
