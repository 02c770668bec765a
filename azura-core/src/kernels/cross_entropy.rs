//! The cross entropy of rows and classes, with its derivative at the same time: the row is in the cache then.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    lanes::{sum, sums_of},
    pieces::{per_piece, run},
    softmax::{exponentials, group},
};
use std::mem::MaybeUninit;

/// What the loss of a row is made of: with `l = ln(sum e^x) - x` of each class,
/// `hard weights[target] l[target] + soft sum(weights l)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes<'a, T> {
    /// A class for each row.
    pub(crate) targets: &'a [u32],
    /// Rows of this class count for nothing.
    pub(crate) ignore: Option<u32>,
    /// A weight for each class; 1 if there are none.
    pub(crate) weights: Option<&'a [T]>,
    pub(crate) hard: T,
    pub(crate) soft: T,
    /// What the derivative is multiplied by.
    pub(crate) scale: T,
}

/// The loss of each row of `columns` logits and, if asked for, `scale` times the derivative of their sum.
///
/// # Panics
/// When a class that is not ignored has no column.
pub(crate) fn cross_entropy<T: Kernel>(
    x: &[T],
    columns: usize,
    classes: &Classes<'_, T>,
    derivative: bool,
) -> (Vec<T>, Option<Vec<T>>) {
    let mut losses = vec![T::zero(); classes.targets.len()];
    assert_eq!(x.len(), losses.len() * columns, "a row for each class");
    let piece = per_piece(columns);
    let jobs = |losses| {
        let rows = piece / columns.max(1);
        x.chunks(piece).zip(classes.targets.chunks(rows)).zip(<[T]>::chunks_mut(losses, rows))
    };
    if !derivative {
        run(jobs(&mut losses), |((x, targets), losses)| {
            let mut room = Vec::with_capacity(group(columns) * columns);
            rows(x, columns, &Classes { targets, ..*classes }, losses, room.spare_capacity_mut(), false);
        });
        return (losses, None);
    }
    // SAFETY: the pieces cover the whole, and `rows` writes all of its part.
    let dx = unsafe {
        filled(x.len(), |dx| {
            run(jobs(&mut losses).zip(dx.chunks_mut(piece)), |(((x, targets), losses), dx)| {
                rows(x, columns, &Classes { targets, ..*classes }, losses, dx, true);
            });
        })
    };
    (losses, Some(dx))
}

multiversion! {
    /// `dx` is as long as `x` if the derivative is wanted, else it has room for a group.
    fn rows<T, const FMA: bool>(
        x: &[T], columns: usize, classes: &Classes<'_, T>, losses: &mut [T], dx: &mut [MaybeUninit<T>], derivative: bool,
    ) {
        let (together, width) = (group(columns), group(columns) * columns);
        let &Classes { hard, soft, scale, weights, .. } = classes;
        let all_weights = weights.map_or_else(|| T::from(columns).unwrap_or_else(T::nan), sum);
        let targets = classes.targets.chunks(together).zip(losses.chunks_mut(together));
        for (i, (x, (targets, losses))) in x.chunks(width).zip(targets).enumerate() {
            let dx = if derivative { &mut dx[i * width..][..x.len()] } else { &mut *dx };
            let (dx, found) = exponentials::<T, FMA>(x, columns, dx);
            let rows = x.chunks_exact(columns).zip(dx.chunks_exact_mut(columns)).zip(targets).zip(losses);
            for ((((x, dx), &target), loss), (most, sum)) in rows.zip(found.greatest.into_iter().zip(found.sums)) {
                if Some(target) == classes.ignore {
                    dx.fill(T::zero());
                    continue;
                }
                let (target, ln) = (target as usize, sum.ln());
                let hard = hard * weights.map_or(T::one(), |weights| weights[target]);
                // In this order: the difference of two logits is nearly exact however large both are.
                *loss = hard * ((most - x[target]) + ln);
                if soft != T::zero() {
                    let [differences] = match weights {
                        Some(weights) => sums_of([x, weights], |[sum], [x, w]| [w.mul_add_::<FMA>(most - x, sum)]),
                        None => sums_of([x], |[sum], [x]| [sum + (most - x)]),
                    };
                    *loss = *loss + soft * (differences + all_weights * ln);
                }
                if !derivative {
                    continue;
                }
                let factor = (hard + soft * all_weights) * scale / sum;
                for dx in &mut *dx {
                    *dx = *dx * factor;
                }
                if soft != T::zero() {
                    let soft = soft * scale;
                    match weights {
                        Some(weights) => dx.iter_mut().zip(weights).for_each(|(dx, &w)| *dx = *dx - soft * w),
                        None => dx.iter_mut().for_each(|dx| *dx = *dx - soft),
                    }
                }
                dx[target] = dx[target] - hard * scale;
            }
        }
    }
}
