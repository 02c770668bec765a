//! Broadcasting, and loops over elements.

use super::{from_vec, slice, standard, sums};
use crate::{Data, Element, Error, Result};
use ndarray::{ArcArray, Axis, IxDyn, Zip};
use std::iter;

/// The shape that `a` and `b` broadcast to: axes are aligned at the end, and an axis of length 1 is repeated.
pub(super) fn shape(op: &'static str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let shape: Vec<usize> = (0..rank)
        .map(|i| match (axis(a, i), axis(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(Error::shapes(op, a, b, "each axis must be equal or 1, aligned at the last")),
        })
        .collect::<Result<_>>()?;
    match countable(&shape) {
        Some(_) => Ok(shape),
        None => Err(Error::shapes(op, a, b, "too large to broadcast")),
    }
}

/// The number of elements of a shape that `ndarray` takes: one whose axes above 0 can be counted together.
pub(super) fn countable(shape: &[usize]) -> Option<usize> {
    let axes = shape.iter().filter(|&&length| length > 0);
    let count =
        axes.copied().try_fold(1_usize, usize::checked_mul).filter(|&n| isize::try_from(n).is_ok())?;
    Some(if shape.contains(&0) { 0 } else { count })
}

/// The derivative of broadcasting: sums over the axes that were repeated.
pub(super) fn undo<E: Element>(mut grad: Data<E>, shape: &[usize]) -> Data<E> {
    while grad.ndim() > shape.len() {
        grad = sums::over_axis(grad.view(), 0).into_shared();
    }
    for (i, &length) in shape.iter().enumerate() {
        if grad.shape()[i] != length {
            grad = sums::over_axis(grad.view(), i).insert_axis(Axis(i)).into_shared();
        }
    }
    grad
}

/// Rows shorter than this are not worth a loop of their own.
const SHORT: usize = 8;

/// How to go over operands in row-major order under a shape that they broadcast to: by rows within which each
/// operand's elements follow each other or are one that is repeated.
struct Rows<const N: usize> {
    length: usize,
    /// Whether the elements follow each other.
    along: [bool; N],
    /// Where each operand's rows begin.
    starts: [Vec<usize>; N],
}

impl<const N: usize> Rows<N> {
    /// For operands in row-major order, given their strides under `shape`; `None` if the rows would be short.
    fn new(shape: &[usize], strides: [&[isize]; N]) -> Option<Self> {
        // The innermost axes with these strides; an axis of length 1 has any.
        let innermost = |strides: &[isize], wanted: &dyn Fn(usize) -> isize| {
            let fits = |&i: &usize| shape[i] == 1 || strides[i] == wanted(i);
            (0..shape.len()).rev().take_while(fits).count()
        };
        let runs = strides.map(|strides| {
            let along = innermost(strides, &|i| shape[i + 1..].iter().product::<usize>() as isize);
            let repeated = innermost(strides, &|_| 0);
            (along >= repeated, along.max(repeated))
        });
        let axes = runs.iter().map(|run| run.1).min()?;
        let (outer, inner) = shape.split_at(shape.len() - axes);
        let length = inner.iter().product();
        (length >= SHORT).then(|| Self {
            length,
            along: runs.map(|run| run.0),
            starts: strides.map(|strides| offsets(outer, strides)),
        })
    }
}

/// The offset of each place under these lengths, in row-major order. Strides are not negative.
pub(super) fn offsets(lengths: &[usize], strides: &[isize]) -> Vec<usize> {
    lengths.iter().zip(strides).fold(vec![0], |starts, (&length, &stride)| {
        let steps = |start| (0..length).map(move |i| start + i * stride as usize);
        starts.into_iter().flat_map(steps).collect()
    })
}

/// `f` of each element under a shape that `x` broadcasts to; `None` if it does not.
pub(super) fn map_to<A, B>(
    x: &ArcArray<A, IxDyn>,
    shape: &[usize],
    f: impl Fn(A) -> B,
) -> Option<ArcArray<B, IxDyn>>
where
    A: Copy,
    B: Copy,
{
    let view = x.broadcast(shape)?;
    let rows = x.as_slice().and_then(|x| Some((x, Rows::new(shape, [view.strides()])?)));
    let Some((x, Rows { length, along: [along], starts: [starts] })) = rows else {
        return Some(view.mapv(f).into_shared());
    };
    let mut values = Vec::with_capacity(length * starts.len());
    for start in starts {
        if along {
            values.extend(x[start..][..length].iter().map(|&x| f(x)));
        } else {
            values.extend(iter::repeat_n(f(x[start]), length));
        }
    }
    ArcArray::from_shape_vec(IxDyn(shape), values).ok()
}

/// The elements in row-major order under a shape that they broadcast to; without a copy if they are so already.
pub(super) fn full<A: Copy>(x: &ArcArray<A, IxDyn>, shape: &[usize]) -> Option<ArcArray<A, IxDyn>> {
    if x.shape() == shape && x.is_standard_layout() { Some(x.clone()) } else { standard_map(x, shape) }
}

fn standard_map<A: Copy>(x: &ArcArray<A, IxDyn>, shape: &[usize]) -> Option<ArcArray<A, IxDyn>> {
    let y = map_to(x, shape, |x| x)?;
    // A map keeps the order in memory.
    if y.is_standard_layout() { Some(y) } else { Some(y.as_standard_layout().into_owned().into_shared()) }
}

/// `f` of each element.
pub(super) fn map<E: Element>(x: &Data<E>, f: impl Fn(E) -> E) -> Data<E> {
    match x.as_slice() {
        Some(values) => from_vec(x.shape(), values.iter().map(|&x| f(x)).collect()),
        None => x.mapv(f).into_shared(),
    }
}

/// A kernel over the elements as one slice.
pub(super) fn map_slice<E: Element>(data: &Data<E>, f: impl Fn(&[E], &mut [E])) -> Data<E> {
    let data = standard(data);
    let mut out = vec![E::zero(); data.len()];
    f(slice(&data), &mut out);
    from_vec(data.shape(), out)
}

/// `f` of each pair of elements, broadcast.
pub(super) fn zip<A: Copy, B: Copy, E: Element>(
    op: &'static str,
    a: &ArcArray<A, IxDyn>,
    b: &ArcArray<B, IxDyn>,
    f: impl Fn(A, B) -> E,
) -> Result<Data<E>> {
    let slices = a.as_slice().zip(b.as_slice());
    if a.shape() == b.shape()
        && let Some((x, y)) = slices
    {
        return Ok(from_vec(a.shape(), x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect()));
    }
    let shape = shape(op, a.shape(), b.shape())?;
    let (Some(left), Some(right)) = (a.broadcast(IxDyn(&shape)), b.broadcast(IxDyn(&shape))) else {
        return Err(Error::shapes(op, a.shape(), b.shape(), "too large to broadcast"));
    };
    let rows = slices.and_then(|s| Some((s, Rows::new(&shape, [left.strides(), right.strides()])?)));
    let Some(((x, y), Rows { length, along, starts: [left, right] })) = rows else {
        return Ok(Zip::from(left).and(right).map_collect(|&x, &y| f(x, y)).into_shared());
    };
    let mut values = Vec::with_capacity(length * left.len());
    for (i, j) in left.into_iter().zip(right) {
        match along {
            [true, true] => {
                values.extend(x[i..][..length].iter().zip(&y[j..][..length]).map(|(&x, &y)| f(x, y)));
            }
            [true, false] => values.extend(x[i..][..length].iter().map(|&x| f(x, y[j]))),
            [false, true] => values.extend(y[j..][..length].iter().map(|&y| f(x[i], y))),
            [false, false] => values.extend(iter::repeat_n(f(x[i], y[j]), length)),
        }
    }
    Ok(from_vec(&shape, values))
}

/// `f` of each three elements, broadcast.
pub(super) fn zip3<A: Copy, E: Element>(
    op: &'static str,
    a: &ArcArray<A, IxDyn>,
    b: &Data<E>,
    c: &Data<E>,
    f: impl Fn(A, E, E) -> E,
) -> Result<Data<E>> {
    let whole = shape(op, a.shape(), &shape(op, b.shape(), c.shape())?)?;
    let (Some(a), Some(b), Some(c)) = (full(a, &whole), full(b, &whole), full(c, &whole)) else {
        return Err(Error::shapes(op, b.shape(), c.shape(), "too large to broadcast"));
    };
    let (a, b, c) = (a.as_slice(), slice(&b), slice(&c));
    let all = a.unwrap_or_default().iter().zip(b).zip(c);
    Ok(from_vec(&whole, all.map(|((&a, &b), &c)| f(a, b, c)).collect()))
}

/// `f` of each element of a gradient, in its own memory if nobody else holds it.
pub(super) fn map_grad<E: Element>(grad: Data<E>, f: impl Fn(E) -> E) -> Data<E> {
    match grad.try_into_owned_nocopy() {
        Ok(mut grad) => {
            grad.mapv_inplace(f);
            grad.into_shared()
        }
        Err(grad) => map(&grad, f),
    }
}

/// `f` of each element of a gradient and of what was saved, broadcast to it; in the gradient's own memory if nobody
/// else holds it.
pub(super) fn zip_grad<A: Copy, E: Element>(
    op: &'static str,
    grad: Data<E>,
    saved: &ArcArray<A, IxDyn>,
    f: impl Fn(E, A) -> E,
) -> Result<Data<E>> {
    if grad.shape() != saved.shape() {
        return zip(op, &grad, saved, f);
    }
    match grad.try_into_owned_nocopy() {
        Ok(mut grad) => {
            match (grad.as_slice_mut(), saved.as_slice()) {
                (Some(grad), Some(saved)) => grad.iter_mut().zip(saved).for_each(|(g, &s)| *g = f(*g, s)),
                _ => grad.zip_mut_with(saved, |g, &s| *g = f(*g, s)),
            }
            Ok(grad.into_shared())
        }
        Err(grad) => zip(op, &grad, saved, f),
    }
}

/// A kernel that changes a gradient by what was saved: over both as one slice each.
pub(super) fn kernel_grad<E: Element>(
    grad: Data<E>,
    saved: &Data<E>,
    kernel: impl Fn(&[E], &mut [E]),
) -> Data<E> {
    // Handed over, not cloned: a clone would have to be copied.
    let mut grad = if grad.is_standard_layout() { grad } else { standard(&grad) };
    let saved = standard(saved);
    let mut view = grad.view_mut();
    kernel(slice(&saved), view.as_slice_mut().unwrap_or_default());
    grad
}
