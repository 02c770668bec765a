//! Operations along one axis do it along the last, where the numbers lie next to each other.

use super::standard;
use crate::{Data, Element};

/// The data with `axis` moved to the end, in row-major order.
pub(super) fn to_last<E: Element>(data: Data<E>, axis: usize) -> Data<E> {
    let mut order: Vec<_> = (0..data.ndim()).collect();
    let moved = order.remove(axis);
    order.push(moved);
    standard(&data.permuted_axes(order))
}

/// Takes back the move of [`to_last`]; the numbers stay where they are.
pub(super) fn from_last<E: Element>(data: Data<E>, axis: usize) -> Data<E> {
    let mut order: Vec<_> = (0..data.ndim()).collect();
    if let Some(last) = order.pop() {
        order.insert(axis, last);
    }
    data.permuted_axes(order)
}

/// Changes row-major numbers where they are, or a copy of them if they are shared.
pub(super) fn in_place<E: Element>(mut data: Data<E>, f: impl FnOnce(&mut [E])) -> Data<E> {
    if let Some(numbers) = data.as_slice_mut() {
        f(numbers);
    }
    data
}

/// Whether an array may have this shape: its axes other than empty ones must have a product.
pub(super) fn countable(shape: &[usize]) -> bool {
    let count = shape
        .iter()
        .filter(|&&length| length > 0)
        .try_fold(1_usize, |count, &length| count.checked_mul(length));
    count.is_some_and(|count| isize::try_from(count).is_ok())
}
