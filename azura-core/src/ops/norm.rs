//! Normalisation: numbers less their mean, divided by their spread.

use super::{axes::in_place, from_vec, slice, standard};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::{
        batch_norm::{self, Item, Norm},
        layer_norm,
    },
};

/// What batch normalisation finds out about a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BatchNorm<E: Element> {
    /// The normalised input.
    pub y: TensorBase<E>,
    /// The mean of each channel, `[C]`.
    pub mean: Data<E>,
    /// The variance of each channel, `[C]`: that of these n numbers, divided by n. The estimate of the variance of all
    /// numbers like these, which PyTorch keeps a running mean of, is `n / (n - 1)` times as much.
    pub var: Data<E>,
}

impl<E: Element> TensorBase<E> {
    /// Layer normalisation over the last axis (Ba, Kiros and Hinton 2016), `[.., D]`:
    ///
    /// ```text
    /// y = (x - mean) / sqrt(variance + eps) * weight + bias
    /// ```
    ///
    /// with mean and variance (divided by D) of each row, `weight` and `bias` `[D]`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[1, 2], vec![1e6, 1e6 + 4.0])?; // variance 4
    /// let (weight, bias) = (Tensor::from_vec(&[2], vec![1.0, 2.0])?, Tensor::zeros(&[2]));
    /// assert_eq!(x.layer_norm(&weight, &bias, 0.0)?.to_vec(), [-1.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// Rows of one value throughout become `bias`; with an `eps` of 0, NaN.
    ///
    /// # Errors
    /// If the shapes are not of this form, D is 0, or `eps` is negative.
    pub fn layer_norm(&self, weight: &Self, bias: &Self, eps: E) -> Result<Self> {
        const NAME: &str = "layer_norm";
        let Some(&columns) = self.shape().last().filter(|&&columns| columns > 0) else {
            return Err(Error::shape(NAME, self.shape(), "wants [.., D] with at least one number in a row"));
        };
        check(NAME, self, columns, &[weight, bias], eps)?;
        Self::record("layer_norm", &[self, weight, bias], |inputs| {
            let [x, weight, bias] = [0, 1, 2].map(|i| standard(inputs.data(i)));
            let (y, norms) = layer_norm::forward(slice(&x), slice(&weight), slice(&bias), eps);
            let y = from_vec(x.shape(), y);
            let needs = [0, 1, 2].map(|i| inputs.needs(i));
            let vjp = move |grad: Data<E>| {
                let wanted = [needs[0], needs[1] || needs[2]];
                let mut sums = Vec::new();
                let dx = in_place(standard(&grad), |grad| {
                    sums = layer_norm::backward(slice(&x), slice(&weight), &norms, grad, wanted);
                });
                let db = from_vec(&[columns], sums.split_off(columns));
                let dw = from_vec(&[columns], sums);
                Ok(vec![needs[0].then_some(dx), needs[1].then_some(dw), needs[2].then_some(db)])
            };
            Ok((y, Box::new(vjp)))
        })
    }

    /// Batch normalisation (Ioffe and Szegedy 2015) as in training: `[N, C]` or `[N, C, d..]`, where each channel is
    /// normalised with its own mean and variance over all other axes:
    ///
    /// ```text
    /// y = (x - mean) / sqrt(variance + eps) * weight + bias
    /// ```
    ///
    /// `weight` and `bias` are `[C]`. In evaluation the statistics are given: [`batch_norm_with`](Self::batch_norm_with).
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2, 2], vec![1.0, 10.0, 3.0, 10.0])?;
    /// let (weight, bias) = (Tensor::from_vec(&[2], vec![1.0, 1.0])?, Tensor::zeros(&[2]));
    /// let found = x.batch_norm(&weight, &bias, 1e-5)?;
    /// assert_eq!(found.mean.as_slice(), Some(&[2.0, 10.0][..]));
    /// assert_eq!(found.var.as_slice(), Some(&[1.0, 0.0][..]));
    /// assert!((found.y.to_vec()[0] + 1.0).abs() < 1e-5);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, a channel has fewer than two numbers, or `eps` is negative.
    pub fn batch_norm(&self, weight: &Self, bias: &Self, eps: E) -> Result<BatchNorm<E>> {
        let item = item("batch_norm", self)?;
        let count = self.shape()[0].saturating_mul(item.size);
        if count < 2 {
            return Err(Error::shape(
                "batch_norm",
                self.shape(),
                "wants at least two numbers of each channel",
            ));
        }
        check("batch_norm", self, item.channels, &[weight, bias], eps)?;
        let x = standard(self.data());
        let (norm, mean, var) = batch_norm::moments(slice(&x), item, eps);
        let y = Self::record("batch_norm", &[self, weight, bias], |inputs| {
            let [weight, bias] = [1, 2].map(|i| standard(inputs.data(i)));
            let factor = product(&norm.scale, slice(&weight));
            let y = from_vec(
                x.shape(),
                batch_norm::apply(slice(&x), item, &outer(&norm, slice(&weight), slice(&bias))),
            );
            let needs = [0, 1, 2].map(|i| inputs.needs(i));
            let vjp = move |grad: Data<E>| {
                let grad = standard(&grad);
                let [dw, db] = batch_norm::gradients(slice(&x), slice(&grad), item, &norm);
                let dx = needs[0].then(|| {
                    // factor (grad - mean of grad - x normalised * mean of grad x normalised), x normalised
                    // written out.
                    let count = E::of(count as f64);
                    let means =
                        |sums: &[E]| sums.iter().zip(&factor).map(|(&sum, &f)| -f * sum / count).collect();
                    let (by_x, by_one): (Vec<E>, Vec<E>) = (means(&dw), means(&db));
                    let rest = product(&by_x, &norm.rest).iter().zip(&by_one).map(|(&a, &b)| a + b).collect();
                    let scale = product(&by_x, &norm.scale);
                    let rest = Norm { shift: norm.shift, scale, rest };
                    in_place(grad, |grad| batch_norm::turn(slice(&x), item, &factor, &rest, grad))
                });
                let channels = |i: usize, sums| needs[i].then(|| from_vec(&[item.channels], sums));
                Ok(vec![dx, channels(1, dw), channels(2, db)])
            };
            Ok((y, Box::new(vjp)))
        })?;
        let [mean, var] = [mean, var].map(|values| from_vec(&[item.channels], values));
        Ok(BatchNorm { y, mean, var })
    }

    /// Batch normalisation as in evaluation: as [`batch_norm`](Self::batch_norm), with a given mean and variance of
    /// each channel, `[C]`. They are plain numbers and have no gradient. A negative variance gives NaN.
    ///
    /// ```
    /// use azura_core::{Tensor, ndarray::arr1};
    ///
    /// let x = Tensor::from_vec(&[1, 1], vec![7.0])?;
    /// let (weight, bias) = (Tensor::from_vec(&[1], vec![2.0])?, Tensor::from_vec(&[1], vec![10.0])?);
    /// let [mean, var] = [1.0, 9.0].map(|x| arr1(&[x]).into_dyn().into_shared());
    /// assert_eq!(x.batch_norm_with(&weight, &bias, &mean, &var, 0.0)?.to_vec(), [14.0]); // (7 - 1) / 3 * 2 + 10
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, or `eps` is negative.
    pub fn batch_norm_with(
        &self,
        weight: &Self,
        bias: &Self,
        mean: &Data<E>,
        var: &Data<E>,
        eps: E,
    ) -> Result<Self> {
        const NAME: &str = "batch_norm_with";
        let item = item(NAME, self)?;
        check(NAME, self, item.channels, &[weight, bias], eps)?;
        for given in [mean, var] {
            if given.shape() != [item.channels] {
                return Err(Error::shapes(
                    NAME,
                    self.shape(),
                    given.shape(),
                    "wants [N, C, ..], mean [C], var [C]",
                ));
            }
        }
        let norm = Norm {
            shift: mean.iter().copied().collect(),
            scale: var.iter().map(|&var| (var + eps).sqrt().recip()).collect(),
            rest: vec![E::zero(); item.channels],
        };
        Self::record("batch_norm_with", &[self, weight, bias], |inputs| {
            let [x, weight, bias] = [0, 1, 2].map(|i| standard(inputs.data(i)));
            let y = from_vec(
                x.shape(),
                batch_norm::apply(slice(&x), item, &outer(&norm, slice(&weight), slice(&bias))),
            );
            let needs = [0, 1, 2].map(|i| inputs.needs(i));
            let vjp = move |grad: Data<E>| {
                let grad = standard(&grad);
                let (mut dw, mut db) = (None, None);
                if needs[1] || needs[2] {
                    let [products, totals] = batch_norm::gradients(slice(&x), slice(&grad), item, &norm);
                    dw = needs[1].then(|| from_vec(&[item.channels], products));
                    db = needs[2].then(|| from_vec(&[item.channels], totals));
                }
                let dx = needs[0].then(|| {
                    let none = vec![E::zero(); item.channels];
                    let factor =
                        Norm { shift: none.clone(), scale: product(&norm.scale, slice(&weight)), rest: none };
                    from_vec(grad.shape(), batch_norm::apply(slice(&grad), item, &factor))
                });
                Ok(vec![dx, dw, db])
            };
            Ok((y, Box::new(vjp)))
        })
    }
}

fn item<E: Element>(op: &'static str, x: &TensorBase<E>) -> Result<Item> {
    match x.shape() {
        &[_, channels, ref d @ ..] => Ok(Item { channels, size: d.iter().product() }),
        _ => Err(Error::shape(op, x.shape(), "wants [N, C] or [N, C, d..]")),
    }
}

/// Weights and biases are as many as the things they belong to, and `eps` keeps a root from nothing.
fn check<E: Element>(
    op: &'static str,
    x: &TensorBase<E>,
    count: usize,
    params: &[&TensorBase<E>],
    eps: E,
) -> Result<()> {
    if let Some(wrong) = params.iter().find(|param| param.shape() != [count]) {
        let why = format!("wants weight [{count}] and bias [{count}]");
        return Err(Error::shapes(op, x.shape(), wrong.shape(), why));
    }
    if eps >= E::zero() {
        Ok(())
    } else {
        Err(Error::argument(op, format!("eps {eps} must not be negative")))
    }
}

/// Normalises, then takes `weight` of it and adds `bias`.
fn outer<E: Element>(norm: &Norm<E>, weight: &[E], bias: &[E]) -> Norm<E> {
    let rest = product(&norm.rest, weight).iter().zip(bias).map(|(&rest, &bias)| rest + bias).collect();
    Norm { shift: norm.shift.clone(), scale: product(&norm.scale, weight), rest }
}

fn product<E: Element>(a: &[E], b: &[E]) -> Vec<E> {
    a.iter().zip(b).map(|(&a, &b)| a * b).collect()
}
