//! Numbers that look random and are the same for every peer.

use azura_learner::azura_core::{Ids, Tensor, ndarray::ArrayD};

/// A linear congruential generator (Numerical Recipes), since any language has it in a line; 24 bits each.
fn bits() -> impl FnMut() -> u32 {
    let mut state = 1_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

/// Numbers in -1..1.
pub fn numbers(shape: &[usize]) -> Tensor {
    numbers_within(1.0, shape)
}

/// Numbers in `-bound..bound`.
pub fn numbers_within(bound: f32, shape: &[usize]) -> Tensor {
    let mut bits = bits();
    Tensor::from(ArrayD::from_shape_simple_fn(shape, || (bits() as f32 / 8_388_608.0 - 1.0) * bound))
}

/// Integers below `count`.
pub fn classes(shape: &[usize], count: u32) -> Ids {
    let mut bits = bits();
    ArrayD::from_shape_simple_fn(shape, || bits() % count).into_shared()
}
