//! Losses.

use super::{from_vec, slice, standard, sums};
use crate::{
    Data, Element, Error, Inputs, Result, TensorBase, Vjp,
    kernels::bce::{bce, bce_backward},
};
use ndarray::Dimension;

impl<E: Element> TensorBase<E> {
    /// The mean squared error `mean((self - target)^2)` over all elements, a scalar. The mean of nothing is NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[2], vec![1.0, 4.0])?;
    /// let target = Tensor::from_vec(&[2], vec![2.0, 2.0])?;
    /// assert_eq!(y.mse(&target)?.item()?, 2.5); // (1 + 4) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes differ: nothing is broadcast, since that is hardly ever what was meant.
    pub fn mse(&self, target: &Self) -> Result<Self> {
        same_shapes("mse", self, target)?;
        Self::record("mse", &[self, target], |inputs| of_difference(inputs, |d| d * d, |d| d + d))
    }

    /// The binary cross entropy of logits x and targets t, mostly 0 or 1, a scalar: the mean of
    /// `-t ln(sigmoid(x)) - (1 - t) ln(1 - sigmoid(x))`, computed as `max(x, 0) - x t + ln(1 + e^-|x|)`. The mean of
    /// nothing is NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![0.0, 1e4])?;
    /// let target = Tensor::from_vec(&[2], vec![1.0, 0.0])?;
    /// let loss = x.bce_with_logits(&target)?.item()?;
    /// assert_eq!(loss, (2.0_f32.ln() + 1e4) / 2.0);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes differ: nothing is broadcast.
    pub fn bce_with_logits(&self, target: &Self) -> Result<Self> {
        same_shapes("bce_with_logits", self, target)?;
        Self::record("bce_with_logits", &[self, target], |inputs| {
            let (x, target) = (standard(inputs.data(0)), standard(inputs.data(1)));
            let loss = mean(&bce(slice(&x), slice(&target)), |loss| loss);
            let needs = [inputs.needs(0), inputs.needs(1)];
            let vjp = move |grad: Data<E>| {
                let factor = first(&grad) / E::of(x.len() as f64);
                let dx =
                    needs[0].then(|| from_vec(x.shape(), bce_backward(slice(&x), slice(&target), factor)));
                let dt = needs[1].then(|| x.mapv(|x| -x * factor).into_shared());
                Ok(vec![dx, dt])
            };
            Ok((loss, Box::new(vjp)))
        })
    }

    /// The Huber loss of predictions y and targets t, a scalar: the mean of `d^2 / 2` where `d = y - t` is at most `delta`
    /// apart, else of `delta (|d| - delta / 2)` (Huber 1964). The mean of nothing is NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[2], vec![1.0, 10.0])?;
    /// let target = Tensor::zeros(&[2]);
    /// assert_eq!(y.huber(&target, 2.0)?.item()?, 9.25); // (1 / 2 + 2 (10 - 1)) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes differ, or `delta` is not greater than 0.
    pub fn huber(&self, target: &Self, delta: E) -> Result<Self> {
        same_shapes("huber", self, target)?;
        if delta.is_nan() || delta <= E::zero() {
            return Err(Error::argument("huber", format!("delta {delta} must be greater than 0")));
        }
        let half = E::of(0.5);
        let loss = move |d: E| {
            if d.abs() <= delta { half * d * d } else { delta * (d.abs() - half * delta) }
        };
        // Not by `max` and `min`, which would lose a NaN.
        let slope = move |d: E| if d.abs() > delta { delta * d.signum() } else { d };
        Self::record("huber", &[self, target], |inputs| of_difference(inputs, loss, slope))
    }

    /// The quantile loss of predictions y and targets t, a scalar: the mean of `q (t - y)` where the target is above, and
    /// of `(1 - q) (y - t)` where it is below (Koenker and Bassett 1978). It is least where y is the q-quantile of t. Its
    /// derivative where both are equal is taken as 0. The mean of nothing is NaN.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[2], vec![1.0, 1.0])?;
    /// let target = Tensor::from_vec(&[2], vec![5.0, -3.0])?;
    /// assert_eq!(y.quantile(&target, 0.75)?.item()?, 2.0); // (3 + 1) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes differ, or q does not lie in `0 < q < 1`.
    pub fn quantile(&self, target: &Self, q: E) -> Result<Self> {
        same_shapes("quantile", self, target)?;
        if !(q > E::zero() && q < E::one()) {
            return Err(Error::argument("quantile", format!("q = {q} must lie in 0 < q < 1")));
        }
        let slope = move |d: E| match () {
            () if d > E::zero() => E::one() - q,
            () if d < E::zero() => -q,
            // 0, or NaN.
            () => d,
        };
        Self::record("quantile", &[self, target], |inputs| {
            of_difference(inputs, move |d| slope(d) * d, slope)
        })
    }
}

fn same_shapes<E: Element>(op: &'static str, y: &TensorBase<E>, target: &TensorBase<E>) -> Result<()> {
    if y.shape() == target.shape() {
        return Ok(());
    }
    Err(Error::shapes(op, y.shape(), target.shape(), "prediction and target must be equal"))
}

fn first<E: Element>(grad: &Data<E>) -> E {
    grad.first().copied().unwrap_or_else(E::zero)
}

/// The mean of `f` of each number, as data without axes.
fn mean<E: Element>(numbers: &[E], f: impl Fn(E) -> E + Copy) -> Data<E> {
    let mean = sums::total(numbers, f) / E::of(numbers.len() as f64);
    ndarray::arr0(mean).into_dyn().into_shared()
}

/// The mean of a function of the difference between prediction and target, whose derivative is `slope`.
#[expect(clippy::unnecessary_wraps, reason = "what `record` wants")]
fn of_difference<E: Element>(
    inputs: &Inputs<'_, E>,
    loss: impl Fn(E) -> E + Copy,
    slope: impl Fn(E) -> E + Send + 'static,
) -> Result<(Data<E>, Vjp<E>)> {
    let (y, target) = (standard(inputs.data(0)), standard(inputs.data(1)));
    let differences: Vec<E> = slice(&y).iter().zip(slice(&target)).map(|(&y, &t)| y - t).collect();
    let loss = mean(&differences, loss);
    let (shape, needs) = (y.raw_dim(), [inputs.needs(0), inputs.needs(1)]);
    let vjp = move |grad: Data<E>| {
        let factor = first(&grad) / E::of(differences.len() as f64);
        let by =
            |factor: E| from_vec(shape.slice(), differences.iter().map(|&d| slope(d) * factor).collect());
        Ok(vec![needs[0].then(|| by(factor)), needs[1].then(|| by(-factor))])
    };
    Ok((loss, Box::new(vjp)))
}
