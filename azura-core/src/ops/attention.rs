//! Attention.

use super::{
    broadcast::{self, countable, full, offsets},
    from_vec,
    matmul::{Stack, placed, places, steps},
};
use crate::{
    Data, Element, Error, Mask, Result, TensorBase,
    kernels::{
        Mat,
        attention::{self, Allowed, Dims, Inputs, Marks},
    },
};
use ndarray::IxDyn;

/// What an [`attention`](TensorBase::attention) may attend to, and how much it makes of differences.
///
/// By default to all, and `1 / sqrt(d)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attention<'a> {
    /// Whether query i attends to the keys 0 to i only, however many of both there are.
    pub causal: bool,
    /// `true` where a query may attend to a key. `[L, S]`, or `[.., L, S]` for each entry of the batch; axes of 1 and
    /// missing ones are repeated. With `causal` both must allow it.
    pub mask: Option<&'a Mask>,
    /// What products of queries and keys are multiplied with, `1 / sqrt(d)` if `None`.
    pub scale: Option<f64>,
}

impl<E: Element> TensorBase<E> {
    /// The scaled dot-product attention of queries `self` `[.., L, d]` to `keys` `[.., S, d]` and their `values`
    /// `[.., S, e]`, of shape `[.., L, e]`:
    ///
    /// ```text
    /// scores = scale * self . keys'          minus infinity where `how` forbids
    /// y = softmax(scores) . values           along the keys
    /// ```
    ///
    /// The leading axes (entries of a batch, heads) broadcast. Transposed inputs are not copied.
    ///
    /// A query that may attend to nothing, or for which there is no key, gives zeros and has no part in any gradient
    /// (a [`softmax`](Self::softmax) of nothing but minus infinity would be NaN). So it is with PyTorch's
    /// `scaled_dot_product_attention`, which takes a mask or `is_causal` and not both.
    ///
    /// From Vaswani et al., "Attention Is All You Need" (2017), section 3.2.1.
    ///
    /// ```
    /// use azura_core::{Attention, Tensor};
    ///
    /// // Both keys fit the query equally well, and so their values have the same weight.
    /// let q = Tensor::from_vec(&[1, 2], vec![1.0, 1.0])?;
    /// let k = Tensor::from_vec(&[2, 2], vec![3.0, 0.0, 0.0, 3.0])?;
    /// let v = Tensor::from_vec(&[2, 1], vec![10.0, 20.0])?;
    /// assert_eq!(q.attention(&k, &v, &Attention::default())?.to_vec(), [15.0]);
    ///
    /// // The first query must not look ahead.
    /// let causal = Attention { causal: true, ..Attention::default() };
    /// assert_eq!(q.attention(&k, &v, &causal)?.to_vec(), [10.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an input has fewer than two axes, d or S differ, the leading axes do not broadcast, or the mask does not
    /// broadcast to `[.., L, S]`.
    pub fn attention(&self, keys: &Self, values: &Self, how: &Attention<'_>) -> Result<Self> {
        let shapes = Shapes::new(self.shape(), keys.shape(), values.shape())?;
        if let Some(mask) = how.mask {
            shapes.check(mask)?;
        }
        Self::record("attention", &[self, keys, values], |inputs| {
            let needs = [0, 1, 2].map(|i| inputs.needs(i));
            let all = [0, 1, 2].map(|i| inputs.data(i));
            let of = all.map(|x| x.shape().to_vec());
            if shapes.is_nothing() {
                let zeros = move |_| {
                    let zeros = |(shape, needs): (Vec<usize>, bool)| needs.then(|| Data::zeros(shape));
                    Ok(of.into_iter().zip(needs).map(zeros).collect())
                };
                return Ok((Data::zeros(IxDyn(&shapes.result())), Box::new(zeros)));
            }
            let mask = how.mask.map(|mask| shapes.marks(mask));
            let marks = mask.as_ref().map(|(marks, starts, step)| Marks {
                all: marks.as_slice().unwrap_or_default(),
                starts,
                step: *step,
            });
            let allowed = Allowed { causal: how.causal, mask: marks };
            // A query of no numbers fits every key alike.
            let scale = E::of(how.scale.unwrap_or(1.0 / (shapes.dims.d.max(1) as f64).sqrt()));
            let [q, k, v] = all.map(|x| placed(x, None));
            let x = [Some(&q), Some(&k), Some(&v)];
            let (y, saved) =
                attention::forward(shapes.dims, &shapes.inputs(x, scale), &allowed, inputs.any());
            let y = from_vec(&shapes.result(), y);
            let kept = [needs[1].then_some(q), needs[0].then_some(k), (needs[0] || needs[1]).then_some(v)];
            let vjp = move |grad: Data<E>| {
                let Some(saved) = saved else { return Err(Error::Consumed { op: "attention" }) };
                let grad = placed(&grad, None);
                let own = [0, 1, 2].map(|i| {
                    let leading = &of[i][..of[i].len() - 2];
                    needs[i].then(|| places(leading, &shapes.batch))
                });
                let inputs = shapes.inputs(kept.each_ref().map(Option::as_ref), scale);
                let wanted = own.each_ref().map(Option::as_ref);
                let grads = attention::backward(shapes.dims, &inputs, saved, &shapes.matrices(&grad), wanted);
                let shaped = |(values, shape): (Option<Vec<E>>, &Vec<usize>)| {
                    values.map(|values| from_vec(shape, values))
                };
                Ok(grads.into_iter().zip(&of).map(shaped).collect())
            };
            Ok((y, Box::new(vjp)))
        })
    }
}

/// What the shapes say.
struct Shapes {
    batch: Vec<usize>,
    dims: Dims,
}

impl Shapes {
    fn new(q: &[usize], k: &[usize], v: &[usize]) -> Result<Self> {
        let wants = "wants queries [.., L, d], keys [.., S, d] and values [.., S, e]; leading axes broadcast";
        let wrong = |left: &[usize], right: &[usize]| Error::shapes("attention", left, right, wants);
        let ([own_q @ .., l, d], [own_k @ .., s, d_k]) = (q, k) else { return Err(wrong(q, k)) };
        let [own_v @ .., s_v, e] = v else { return Err(wrong(k, v)) };
        let batch = broadcast::shape("attention", own_q, own_k).map_err(|_| wrong(q, k))?;
        if d != d_k {
            return Err(wrong(q, k));
        }
        let batch = broadcast::shape("attention", &batch, own_v).map_err(|_| wrong(k, v))?;
        let with = |last: usize| countable(&[&batch[..], &[*l, last]].concat());
        if s != s_v || with(*e).is_none() {
            return Err(wrong(k, v));
        }
        if with(*s).is_none() {
            return Err(wrong(q, k));
        }
        let entries = countable(&batch).unwrap_or_default();
        Ok(Self { dims: Dims { entries, l: *l, s: *s, d: *d, e: *e }, batch })
    }

    fn with(&self, last: usize) -> Vec<usize> {
        [&self.batch[..], &[self.dims.l, last]].concat()
    }

    fn result(&self) -> Vec<usize> {
        self.with(self.dims.e)
    }

    /// Whether the result is empty, or a sum over no keys.
    fn is_nothing(&self) -> bool {
        let Dims { entries, l, s, e, .. } = self.dims;
        [entries, l, s, e].contains(&0)
    }

    fn check(&self, mask: &Mask) -> Result<()> {
        let scores = self.with(self.dims.s);
        match broadcast::shape("attention", mask.shape(), &scores) {
            Ok(shape) if shape == scores => Ok(()),
            _ => Err(Error::shapes(
                "attention",
                mask.shape(),
                &scores,
                "wants a mask that broadcasts to the scores [.., L, S]",
            )),
        }
    }

    /// A [checked](Self::check) mask with a mark for each key, where each entry's marks begin, and how far it is from
    /// one query's to the next one's.
    fn marks(&self, mask: &Mask) -> (Mask, Vec<usize>, usize) {
        let mut shape = vec![1; (self.batch.len() + 2).saturating_sub(mask.ndim())];
        shape.extend_from_slice(mask.shape());
        if let Some(last) = shape.last_mut() {
            *last = self.dims.s;
        }
        let strides: Vec<isize> = shape
            .iter()
            .zip(steps(&shape))
            .map(|(&length, step)| if length == 1 { 0 } else { step })
            .collect();
        let (own, queries) = strides.split_at(self.batch.len());
        let marks = full(mask, &shape).unwrap_or_default();
        (marks, offsets(&self.batch, own), queries[0] as usize)
    }

    fn matrices<'a, E: Element>(&self, x: &'a Data<E>) -> Vec<Mat<'a, E>> {
        let stack = Stack::new(x, &self.batch);
        (0..self.dims.entries).map(|i| stack.matrix(i)).collect()
    }

    fn inputs<'a, E: Element>(&self, x: [Option<&'a Data<E>>; 3], scale: E) -> Inputs<'a, E> {
        let [q, k, v] = x.map(|x| x.map(|x| self.matrices(x)).unwrap_or_default());
        Inputs { q, k, v, scale }
    }
}
