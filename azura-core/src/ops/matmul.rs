//! The matrix product.

use super::{
    broadcast::{self, offsets},
    from_vec, slice, standard,
};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::{Mat, batch::Places, gemm_batch, gemm_new},
};
use ndarray::{Axis, Dimension};

/// `[.., m, k]` as a matrix of `rows` by `k`: all leading axes become rows.
pub(super) fn rows<E: Element>(data: &Data<E>) -> Mat<'_, E> {
    let columns = data.shape().last().copied().unwrap_or(1);
    let rows = data.shape().iter().rev().skip(1).product();
    Mat::new(slice(data), rows, columns)
}

/// The product of two matrices into fresh, row-major elements.
pub(super) fn product<E: Element>(a: Mat<'_, E>, b: Mat<'_, E>) -> Vec<E> {
    gemm_new(a, b, None)
}

impl<E: Element> TensorBase<E> {
    /// The matrix product `self . other` of `[.., m, k]` and `[.., k, n]`, of shape `[.., m, n]`:
    /// `y[.., i, j] = sum_k self[.., i, k] * other[.., k, j]`.
    ///
    /// The leading axes broadcast. A factor of one axis is a row on the left or a column on the right, whose axis the
    /// result lacks: two of them give their inner product, a scalar. Transposed factors are not copied.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let a = Tensor::from_vec(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// let b = Tensor::from_vec(&[2, 1], vec![10.0, 1.0])?;
    /// assert_eq!(a.matmul(&b)?.to_vec(), [12.0, 34.0]);
    ///
    /// let many = Tensor::zeros(&[5, 1, 3, 2]).matmul(&Tensor::zeros(&[4, 2, 7]))?;
    /// assert_eq!(many.shape(), [5, 4, 3, 7]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a factor has no axis, the two `k` differ, or the leading axes do not broadcast.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let shapes = Shapes::new(self.shape(), other.shape())?;
        Self::record("matmul", &[self, other], |inputs| {
            let a = placed(inputs.data(0), shapes.row.then_some(0));
            let b = placed(inputs.data(1), shapes.column.then_some(1));
            let y = from_vec(&shapes.result(), shapes.forward(&a, &b));
            let (a_shape, b_shape) = (inputs.data(0).raw_dim(), inputs.data(1).raw_dim());
            // Each factor is saved for the derivative by the other.
            let (a, b) = (inputs.needs(1).then_some(a), inputs.needs(0).then_some(b));
            Ok((
                y,
                Box::new(move |grad| {
                    let grad = shapes.with_all_axes(grad);
                    let da = b.map(|b| from_vec(a_shape.slice(), shapes.by_left(&grad, &b)));
                    let db = a.map(|a| from_vec(b_shape.slice(), shapes.by_right(&a, &grad)));
                    Ok(vec![da, db])
                }),
            ))
        })
    }
}

/// The elements where they are, if they fill a slice and no stride is negative, else a copy; with an axis inserted
/// before the last ones for a factor that has one axis only.
pub(super) fn placed<E: Element>(x: &Data<E>, insert: Option<usize>) -> Data<E> {
    let whole = x.as_slice_memory_order().is_some() && x.strides().iter().all(|&stride| stride >= 0);
    let x = if whole { x.clone() } else { standard(x) };
    match insert {
        Some(axis) => x.insert_axis(Axis(axis)),
        None => x,
    }
}

/// What the shapes of two factors say: `[a.., m, k]` and `[b.., k, n]` have the product `[batch.., m, n]`.
struct Shapes {
    a: Vec<usize>,
    b: Vec<usize>,
    batch: Vec<usize>,
    m: usize,
    k: usize,
    n: usize,
    /// The left factor has one axis.
    row: bool,
    /// The right factor has one axis.
    column: bool,
}

impl Shapes {
    fn new(left: &[usize], right: &[usize]) -> Result<Self> {
        let (row, column) = (left.len() == 1, right.len() == 1);
        let (a, m, k) = match *left {
            [k] => (&[][..], 1, k),
            [ref a @ .., m, k] => (a, m, k),
            [] => return Err(wrong(left, right)),
        };
        let (b, l, n) = match *right {
            [k] => (&[][..], k, 1),
            [ref b @ .., k, n] => (b, k, n),
            [] => return Err(wrong(left, right)),
        };
        let batch = broadcast::shape("matmul", a, b).map_err(|_| wrong(left, right))?;
        let whole = [&batch[..], &[m, n]].concat();
        if k != l || broadcast::countable(&whole).is_none() {
            return Err(wrong(left, right));
        }
        Ok(Self { a: a.to_vec(), b: b.to_vec(), batch, m, k, n, row, column })
    }

    fn result(&self) -> Vec<usize> {
        let own = [(!self.row).then_some(self.m), (!self.column).then_some(self.n)];
        self.batch.iter().copied().chain(own.into_iter().flatten()).collect()
    }

    /// The gradient as `[batch.., m, n]`.
    fn with_all_axes<E: Element>(&self, mut grad: Data<E>) -> Data<E> {
        let rank = self.batch.len();
        if self.row {
            grad = grad.insert_axis(Axis(rank));
        }
        if self.column {
            grad = grad.insert_axis(Axis(rank + 1));
        }
        placed(&grad, None)
    }

    /// Whether the right factor is one matrix, so that the leading axes of the left one are but more rows.
    fn one_on_the_right(&self) -> bool {
        self.b.iter().all(|&length| length == 1)
    }

    fn forward<E: Element>(&self, a: &Data<E>, b: &Data<E>) -> Vec<E> {
        if self.one_on_the_right() {
            return product(matrix(&rowwise(a)), matrix(b));
        }
        let (a, b) = (Stack::new(a, &self.batch), Stack::new(b, &self.batch));
        self.products(&self.batch, self.m, self.n, |i| (a.matrix(i), b.matrix(i)))
    }

    /// The gradient times the right factor's transpose, summed over what the left one was repeated along.
    fn by_left<E: Element>(&self, grad: &Data<E>, b: &Data<E>) -> Vec<E> {
        if self.one_on_the_right() {
            return product(matrix(&rowwise(grad)), matrix(b).t());
        }
        let (g, b) = (Stack::new(grad, &self.batch), Stack::new(b, &self.batch));
        self.products(&self.a, self.m, self.k, |i| (g.matrix(i), b.matrix(i).t()))
    }

    /// The left factor's transpose times the gradient, summed over what the right one was repeated along.
    fn by_right<E: Element>(&self, a: &Data<E>, grad: &Data<E>) -> Vec<E> {
        if self.one_on_the_right() {
            return product(matrix(&rowwise(a)).t(), matrix(&rowwise(grad)));
        }
        let (a, g) = (Stack::new(a, &self.batch), Stack::new(grad, &self.batch));
        self.products(&self.b, self.k, self.n, |i| (a.matrix(i).t(), g.matrix(i)))
    }

    /// A matrix for each place of `own` axes, which broadcast to the batch: the sum of the products at all places of
    /// the batch that it was repeated to.
    fn products<'a, E: Element>(
        &self,
        own: &[usize],
        rows: usize,
        columns: usize,
        factors: impl Fn(usize) -> (Mat<'a, E>, Mat<'a, E>) + Sync,
    ) -> Vec<E> {
        let places = places(own, &self.batch);
        let mut c = vec![E::zero(); places.count() * rows * columns];
        gemm_batch(rows, columns, &mut c, |i| places.of(i).map(&factors));
        c
    }
}

fn wrong(left: &[usize], right: &[usize]) -> Error {
    Error::shapes(
        "matmul",
        left,
        right,
        "wants [.., m, k] and [.., k, n], or one axis [k]; leading axes broadcast",
    )
}

/// Where in the batch the matrices are used whose leading axes are `own`, which broadcast to it.
pub(super) fn places(own: &[usize], batch: &[usize]) -> Places {
    let missing = batch.len() - own.len();
    let strides = steps(batch);
    let repeats: Vec<usize> =
        (0..batch.len()).map(|i| if i < missing || own[i - missing] == 1 { batch[i] } else { 1 }).collect();
    Places { starts: offsets(own, &strides[missing..]), repeats: offsets(&repeats, &strides) }
}

/// The strides of this shape in row-major order.
pub(super) fn steps(shape: &[usize]) -> Vec<isize> {
    (0..shape.len()).map(|i| shape[i + 1..].iter().product::<usize>() as isize).collect()
}

/// A single matrix as it is, more in row-major order.
fn rowwise<E: Element>(x: &Data<E>) -> Data<E> {
    let single = x.shape().iter().rev().skip(2).all(|&length| length == 1);
    if single { x.clone() } else { standard(x) }
}

/// What [`rowwise`] gives, as one matrix.
fn matrix<E: Element>(x: &Data<E>) -> Mat<'_, E> {
    if x.is_standard_layout() { rows(x) } else { Stack::new(x, &[]).matrix(0) }
}

/// Matrices that lie somewhere in a slice.
pub(super) struct Stack<'a, E> {
    elements: &'a [E],
    /// Where each begins.
    starts: Vec<usize>,
    rows: (usize, usize),
    columns: (usize, usize),
}

impl<'a, E: Element> Stack<'a, E> {
    /// Those of [`placed`] data, whose leading axes broadcast to `batch`.
    pub(super) fn new(x: &'a Data<E>, batch: &[usize]) -> Self {
        let rank = x.ndim();
        let own = rank.saturating_sub(2);
        let strides: Vec<isize> = (0..batch.len())
            .map(|i| match (i + own).checked_sub(batch.len()) {
                Some(axis) if x.shape()[axis] > 1 => x.strides()[axis],
                _ => 0,
            })
            .collect();
        let along = |axis: usize| (x.shape()[axis], x.strides()[axis] as usize);
        Self {
            elements: x.as_slice_memory_order().unwrap_or_default(),
            starts: offsets(batch, &strides),
            rows: along(rank - 2),
            columns: along(rank - 1),
        }
    }

    pub(super) fn matrix(&self, i: usize) -> Mat<'a, E> {
        let elements = self.elements.get(self.starts[i]..).unwrap_or_default();
        Mat::strided(elements, self.rows.0, self.columns.0, self.rows.1, self.columns.1)
    }
}
