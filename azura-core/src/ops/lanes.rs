//! Reductions see any axes as one: the middle one of `[outer, length, inner]`.

use super::{from_vec, shape::reshaped, slice, sums};
use crate::{Data, Element};
use ndarray::Axis;

/// How the axes of a shape are put together for a reduction. A lane is what becomes one number.
pub(super) struct Lanes {
    shape: Vec<usize>,
    /// The axes that are reduced, in rising order.
    axes: Vec<usize>,
    /// The axes in another order, if those that are reduced do not follow each other.
    order: Option<Vec<usize>>,
    outer: usize,
    pub(super) length: usize,
    pub(super) inner: usize,
}

impl Lanes {
    /// Along `axes`, given in rising order.
    pub(super) fn new(shape: &[usize], axes: Vec<usize>) -> Self {
        let count = |axes: &mut dyn Iterator<Item = usize>| axes.map(|axis| shape[axis]).product();
        let length = count(&mut axes.iter().copied());
        let (first, rank) = (axes.first().copied().unwrap_or(shape.len()), shape.len());
        let follow = axes.iter().zip(first..).all(|(&axis, i)| axis == i);
        let kept = || (0..rank).filter(|axis| !axes.contains(axis));
        let (order, outer, inner) = if follow {
            (None, count(&mut (0..first)), count(&mut (first + axes.len()..rank)))
        } else {
            (Some(kept().chain(axes.iter().copied()).collect()), count(&mut kept()), 1)
        };
        Self { shape: shape.to_vec(), axes, order, outer, length, inner }
    }

    /// `[outer, length, inner]` in row-major order, without the last if it is 1; `length` is axis 1.
    pub(super) fn fold<E: Element>(&self, x: &Data<E>) -> Data<E> {
        match &self.order {
            Some(order) => self.folded(&x.clone().permuted_axes(order.as_slice()), self.length),
            None => self.folded(x, self.length),
        }
    }

    /// One number for each lane as `[outer, 1, inner]`, without the last if it is 1.
    pub(super) fn fold_reduced<E: Element>(&self, y: &Data<E>) -> Data<E> {
        self.folded(y, 1)
    }

    fn folded<E: Element>(&self, x: &Data<E>, length: usize) -> Data<E> {
        let shape = [self.outer, length, self.inner];
        reshaped(x, if self.inner == 1 { &shape[..2] } else { &shape })
    }

    /// What [`fold`](Self::fold) has folded, under its own axes again.
    pub(super) fn unfold<E: Element>(&self, x: &Data<E>) -> Data<E> {
        let Some(order) = &self.order else { return reshaped(x, &self.shape) };
        let shape: Vec<_> = order.iter().map(|&axis| self.shape[axis]).collect();
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        reshaped(x, &shape).permuted_axes(back)
    }

    /// One number for each lane, under the axes that are left; with `keepdims` a reduced one has length 1.
    pub(super) fn reduced<E: Element>(&self, y: &Data<E>, keepdims: bool) -> Data<E> {
        reshaped(y, &self.reduced_shape(keepdims))
    }

    fn reduced_shape(&self, keepdims: bool) -> Vec<usize> {
        let axes = self.shape.iter().enumerate();
        let lengths =
            axes.filter_map(
                |(axis, &length)| {
                    if self.axes.contains(&axis) { keepdims.then_some(1) } else { Some(length) }
                },
            );
        lengths.collect()
    }

    /// The numbers of each lane joined two by two, as [`fold_reduced`](Self::fold_reduced). `join` must not care for
    /// the order. There must be at least one number in each.
    pub(super) fn join<E: Element>(&self, x: &Data<E>, join: impl Fn(E, E) -> E + Copy) -> Data<E> {
        let mut joined = Vec::with_capacity(self.outer * self.inner);
        for block in slice(x).chunks_exact((self.length * self.inner).max(1)) {
            if self.inner == 1 {
                joined.push(all(block, join));
                continue;
            }
            let (first, rest) = block.split_at(self.inner);
            let start = joined.len();
            joined.extend_from_slice(first);
            for row in rest.chunks_exact(self.inner) {
                for (joined, &x) in joined[start..].iter_mut().zip(row) {
                    *joined = join(*joined, x);
                }
            }
        }
        self.fold_reduced(&from_vec(&[self.outer, self.inner], joined))
    }
}

/// The sum of each lane of folded data, as [`Lanes::fold_reduced`].
pub(super) fn sum<E: Element>(folded: &Data<E>) -> Data<E> {
    sums::over_axis(folded.view(), 1).insert_axis(Axis(1)).into_shared()
}

/// All numbers joined, eight at a time for vector registers.
fn all<E: Element>(numbers: &[E], join: impl Fn(E, E) -> E + Copy) -> E {
    let (rows, rest) = numbers.as_chunks::<8>();
    let row = rows.iter().copied().reduce(|mut joined, row| {
        for (joined, x) in joined.iter_mut().zip(row) {
            *joined = join(*joined, x);
        }
        joined
    });
    let numbers = row.iter().flatten().chain(rest).copied();
    numbers.reduce(join).unwrap_or_else(E::nan)
}
