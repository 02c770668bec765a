//! Attention.

use super::{
    broadcast::{self, countable, full, offsets},
    from_vec,
    matmul::{Stack, placed, steps},
};
use crate::{
    Data, Element, Error, Mask, Result, TensorBase,
    kernels::attention::{self, Dims, Entry, Marks},
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
            let seen = how.mask.map(|mask| shapes.seen(mask));
            // A query of no numbers fits every key alike.
            let scale = E::of(how.scale.unwrap_or(1.0 / (shapes.lengths[2].max(1) as f64).sqrt()));
            let dims = shapes.dims(scale, how.causal);
            let all = all.map(|x| placed(x, None));
            let (y, saved) = attention::forward(&dims, shapes.entries(&all, seen.as_ref()), inputs.any());
            let y = from_vec(&shapes.result(), y);
            let vjp = move |grad: Data<E>| {
                let grad = placed(&grad, None);
                let dy = Stack::new(&grad, &shapes.batch);
                let entry = shapes.entries(&all, seen.as_ref());
                let grads = attention::backward(&dims, entry, saved, |i| dy.matrix(i), needs);
                let [l, s, d, e] = shapes.lengths;
                let whole = [[l, d], [s, d], [s, e]].map(|own| [&shapes.batch[..], &own].concat());
                let all = grads.into_iter().zip(whole).zip(&of);
                Ok(all
                    .map(|((grad, whole), own)| grad.map(|grad| broadcast::undo(from_vec(&whole, grad), own)))
                    .collect())
            };
            Ok((y, Box::new(vjp)))
        })
    }
}

/// What the shapes say.
struct Shapes {
    batch: Vec<usize>,
    /// Queries, keys, numbers of a key and of a value.
    lengths: [usize; 4],
}

/// A mask, by keys and queries.
struct Seen {
    marks: Vec<bool>,
    /// Where those of each entry begin.
    starts: Vec<usize>,
    /// Marks of a key.
    row: usize,
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
        Ok(Self { batch, lengths: [*l, *s, *d, *e] })
    }

    fn with(&self, last: usize) -> Vec<usize> {
        [&self.batch[..], &[self.lengths[0], last]].concat()
    }

    fn result(&self) -> Vec<usize> {
        self.with(self.lengths[3])
    }

    /// Whether the result is empty, or a sum over no keys.
    fn is_nothing(&self) -> bool {
        let [l, s, _, e] = self.lengths;
        self.batch.contains(&0) || [l, s, e].contains(&0)
    }

    fn check(&self, mask: &Mask) -> Result<()> {
        let scores = self.with(self.lengths[1]);
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

    /// A [checked](Self::check) mask, with no more entries than it has, and no more queries.
    fn seen(&self, mask: &Mask) -> Seen {
        let mut shape = vec![1; (self.batch.len() + 2).saturating_sub(mask.ndim())];
        shape.extend_from_slice(mask.shape());
        let rank = shape.len();
        shape[rank - 1] = self.lengths[1];
        let strides: Vec<isize> = shape
            .iter()
            .zip(steps(&shape))
            .map(|(&length, step)| if length == 1 { 0 } else { step })
            .collect();
        let mut marks = full(mask, &shape).unwrap_or_default();
        marks.swap_axes(rank - 2, rank - 1);
        Seen {
            marks: marks.iter().copied().collect(),
            starts: offsets(&self.batch, &strides[..rank - 2]),
            row: shape[rank - 2],
        }
    }

    fn dims<E>(&self, scale: E, causal: bool) -> Dims<E> {
        let [queries, keys, width, values] = self.lengths;
        Dims { batch: self.batch.iter().product(), queries, keys, width, values, scale, causal }
    }

    fn entries<'a, E: Element>(
        &self,
        x: &'a [Data<E>; 3],
        seen: Option<&'a Seen>,
    ) -> impl Fn(usize) -> Entry<'a, E> + Sync + use<'a, E> {
        let [q, k, v] = x.each_ref().map(|x| Stack::new(x, &self.batch));
        move |i| Entry {
            q: q.matrix(i),
            k: k.matrix(i),
            v: v.matrix(i),
            mask: seen.map(|seen| Marks { all: &seen.marks[seen.starts[i]..], row: seen.row }),
        }
    }
}
