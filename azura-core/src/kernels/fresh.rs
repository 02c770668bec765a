//! Results in memory that nobody has cleared before: writing zeros first would cost as much as many an operation.

use super::{Kernel, buffers::keep_pages};
use std::mem::{ManuallyDrop, MaybeUninit};

/// Bytes from which on memory is asked of the system, at first.
const LARGE: usize = 1 << 17;

/// A vector of `len` numbers that `fill` writes.
///
/// # Safety
/// `fill` writes every one of them, or panics.
pub(super) unsafe fn filled<T: Kernel>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    if size_of::<T>() * len >= LARGE {
        keep_pages();
    }
    let mut numbers = fresh(len);
    fill(&mut numbers);
    // SAFETY: the caller vouches for the content.
    unsafe { written(numbers) }
}

/// So many numbers, without content.
pub(super) fn fresh<T>(len: usize) -> Vec<MaybeUninit<T>> {
    let mut numbers = Vec::<MaybeUninit<T>>::with_capacity(len);
    // SAFETY: what may be uninitialised needs no initialisation.
    unsafe { numbers.set_len(len) };
    // NaN, so that a test sees what nobody has written.
    #[cfg(test)]
    // SAFETY: the vector's own memory, where any bytes may lie.
    unsafe {
        numbers.as_mut_ptr().write_bytes(0xff, len);
    }
    numbers
}

/// The same numbers, now with their content.
///
/// # Safety
/// All have been written.
pub(super) unsafe fn written<T>(numbers: Vec<MaybeUninit<T>>) -> Vec<T> {
    let mut numbers = ManuallyDrop::new(numbers);
    // SAFETY: the parts of a vector of the same layout, which is forgotten; all of its numbers have been written.
    unsafe { Vec::from_raw_parts(numbers.as_mut_ptr().cast(), numbers.len(), numbers.capacity()) }
}

/// Numbers as a place to write to.
///
/// # Safety
/// Nothing is written to it that has no content.
pub(super) unsafe fn place<T: Kernel>(numbers: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: the same layout, and the caller vouches for what is written.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}
