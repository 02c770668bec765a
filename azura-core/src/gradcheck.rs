//! Gradient checks: the derivative that `backward` finds against central differences.

use crate::{ParamBase, Result, TensorBase};
use ndarray::{ArcArray, Array, IxDyn};

/// The step of the five-point difference. Its error is of order `STEP^4`, rounding of order `1e-16 / STEP`: both
/// are near 1e-12 for well-scaled functions.
const STEP: f64 = 1e-3;

/// What a gradient check found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The greatest difference over all elements of all inputs, relative to the greater of 1 and the two values.
    pub max_error: f64,
    /// The element with that difference: input, flat index, the derivative found and the difference quotient.
    pub worst: Option<(usize, usize, f64, f64)>,
    /// How many elements were compared.
    pub checked: usize,
}

/// Compares the gradients of `f` with five-point central differences in `f64`,
/// `(f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h`.
///
/// If `f` does not return a scalar, the sum of its elements with fixed, uneven weights is differentiated, so that
/// every element of the output counts.
///
/// ```
/// use azura_core::gradcheck;
///
/// let x = ndarray::arr1(&[0.5, -1.0, 2.0]).into_dyn();
/// let report = gradcheck(|x| x[0].tanh()?.mul(&x[0]), &[x])?;
/// assert!(report.max_error < 1e-9, "{report:?}");
/// # Ok::<(), azura_core::Error>(())
/// ```
///
/// # Errors
/// Whatever `f` returns, or `backward`'s error if its result depends on no input.
pub fn gradcheck(
    f: impl Fn(&[TensorBase<f64>]) -> Result<TensorBase<f64>>,
    inputs: &[Array<f64, IxDyn>],
) -> Result<Report> {
    let mut params: Vec<_> = inputs.iter().map(|x| ParamBase::new(x.clone())).collect();
    let tracked: Vec<_> = params.iter().map(ParamBase::tracked).collect();
    let loss = weighted(&f(&tracked)?)?;
    let grads = loss.backward()?;
    drop((tracked, loss));

    let mut report = Report { max_error: 0.0, worst: None, checked: 0 };
    for input in 0..params.len() {
        for i in 0..params[input].as_slice().len() {
            let found = grads.get(&params[input]).and_then(|g| g.iter().nth(i).copied()).unwrap_or(0.0);
            let middle = params[input].as_slice()[i];
            let mut at = |offset: f64| {
                params[input].update(|x| x[i] = middle + offset * STEP);
                let constants: Vec<_> = params.iter().map(ParamBase::constant).collect();
                weighted(&f(&constants)?)?.item()
            };
            let quotient = (at(-2.0)? - 8.0 * at(-1.0)? + 8.0 * at(1.0)? - at(2.0)?) / (12.0 * STEP);
            params[input].update(|x| x[i] = middle);
            let error = (found - quotient).abs() / found.abs().max(quotient.abs()).max(1.0);
            // A NaN on either side must not pass for agreement.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            report.checked += 1;
            if error > report.max_error {
                report.max_error = error;
                report.worst = Some((input, i, found, quotient));
            }
        }
    }
    Ok(report)
}

/// The sum of all elements with weights between 0.5 and 1.5 that follow no simple pattern.
fn weighted(y: &TensorBase<f64>) -> Result<TensorBase<f64>> {
    if y.shape().is_empty() {
        return Ok(y.clone());
    }
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let weights: Vec<f64> = (0..y.len()).map(|i| 0.5 + (i as f64 * golden).fract()).collect();
    let weights = ArcArray::from_vec(weights).into_dyn();
    y.reshape(&[y.len()])?.mul(&TensorBase::constant(weights))?.sum_all()
}
