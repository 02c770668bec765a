//! The numbers that both sides start from, and the comparison of what they make of them.

use azura_learner::{
    Module, Parameters as _,
    azura_core::{Ids, Tensor},
    parameters,
};
use serde_json::Value;

/// Multiples of 1/1024 in -1..1, as `numbers` in the script.
pub(crate) fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let mut state = seed;
    let values = (0..shape.iter().product()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 21) as f32 / 1024.0 - 1.0
    });
    Tensor::from_vec(shape, values.collect()).unwrap()
}

/// Whole numbers, as `ids` in the script.
pub(crate) fn ids(shape: &[usize], seed: u32, below: u32) -> Ids {
    numbers(shape, seed).data().mapv(|x| ((x + 1.0) * 512.0) as u32 % below).into_shared()
}

/// Gives every parameter, but no buffer, half of what the generator gives, as `fill` in the script.
pub(crate) fn fill<X: ?Sized>(model: &mut impl Module<X>) {
    let mut seed = 100;
    parameters(model).visit_mut(&mut |_, param| {
        if param.is_trained() {
            param.set(&numbers(param.shape(), seed).scale(0.5).unwrap().to_vec()).unwrap();
            seed += 1;
        }
    });
}

pub(crate) fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Compares with what `digest` or `flat` in the script made of PyTorch's values. Errors are relative to what is compared,
/// or to the root mean square of all if that is greater.
pub(crate) fn close(what: &str, found: &[f32], expected: &Value, tolerance: f64) {
    let found: Vec<f64> = found.iter().map(|&x| x.into()).collect();
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let compare = |part: &str, found: f64, expected: f64, scale: f64| {
        // Where a gradient is 0, PyTorch has its rounding of f64.
        let scale = scale.max(expected.abs()).max(1e-9);
        let error = (found - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}, {part}: {found} where PyTorch has {expected}, off by {error:.1e}"
        );
    };
    let (some, whole) = match expected.get("some") {
        Some(some) => (list(some), expected["norm"].as_f64().unwrap()),
        None => (list(expected), norm(&list(expected))),
    };
    let step = if expected.is_array() { 1 } else { found.len().div_ceil(8) };
    assert_eq!(found.len().div_ceil(step), some.len(), "{what}: the number of values");
    let root_mean_square = whole / (found.len() as f64).sqrt();
    for (i, &expected) in some.iter().enumerate() {
        compare(&format!("entry {}", i * step), found[i * step], expected, root_mean_square);
    }
    if expected.is_object() {
        let weights: Vec<f64> = numbers(&[found.len()], 3).to_vec().into_iter().map(f64::from).collect();
        let weighted = found.iter().zip(&weights).map(|(x, w)| x * w).sum();
        compare("norm", norm(&found), whole, 0.0);
        compare("weighted sum", weighted, expected["weighted"].as_f64().unwrap(), whole * norm(&weights));
    }
}
