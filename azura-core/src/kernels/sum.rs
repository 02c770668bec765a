//! Sums.

use super::{Kernel, isa::multiversion, lanes};

/// The sum of some numbers.
#[inline]
pub(super) fn sum<T: Kernel>(numbers: &[T]) -> T {
    // So few are not worth the choice of an instruction set.
    if numbers.len() < 2 * lanes::LANES {
        numbers.iter().fold(T::zero(), |sum, &x| sum + x)
    } else {
        long(numbers)
    }
}

multiversion! {
    fn long<T, const FMA: bool>(numbers: &[T]) -> T {
        lanes::sum(numbers)
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
